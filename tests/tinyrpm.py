r"""Tiny RPMs, signed repositories of them, and a vault that misbehaves on request: real inputs in seconds.

    key = Key.make(tmp_path / "key", "Vault")
    repository = build_repository(tmp_path / "repo", [TinyRpm("hello", files={"/usr/share/hello": "hi\n"})], key=key)
    with Vault(repository) as vault:
        vault.misbehave("/repodata/repomd.xml", ServerError(times=2))
        ...  # fetch vault.url + "/repodata/repomd.xml"
        assert [r.path for r in vault.requests] == [...]

It needs the host packages rpm, createrepo-c and gnupg. Building takes about 0.15 s an RPM, a key about 0.5 s.
"""

from __future__ import annotations

import http
import itertools
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

from example.upstream.convert import rpmbuild
from example.upstream.repository import write_metadata
from example.upstream.server import Reply, TreeServer, error_reply
from example.upstream.signing import SigningKey

DATE = 1577836800
"""SOURCE_DATE_EPOCH of the RPMs and the time in the metadata: 2020-01-01."""
KEY_NAME = "RPM-GPG-KEY"


@dataclass(frozen=True)
class Key:
    """A signing key: `public` is the file of its armoured public half, `fingerprint` 40 hexadecimal digits."""

    signing: SigningKey

    @classmethod
    def make(cls, folder: Path, name: str, expires: str = "never") -> Key:
        """Make a key in `folder` for `NAME <name@example.invalid>`.

        `expires` is in GnuPG's notation: `never`, `2y`, `seconds=5`. A key signs only while it is valid: sign first,
        then `wait_until_expired`.
        """
        address = "".join(letter for letter in name.lower() if letter.isalnum())
        return cls(SigningKey.make(folder, f"{name} <{address}@example.invalid>", expires=expires))

    @property
    def public(self) -> Path:
        """The armoured public key."""
        return self.signing.public

    @property
    def fingerprint(self) -> str:
        """Its fingerprint, upper case."""
        return self.signing.fingerprint

    def wait_until_expired(self, seconds: float = 30) -> None:
        """Wait until a key that was made with `expires` a few seconds ahead is no longer valid.

        Raises TimeoutError where it still is after `seconds`.
        """
        deadline = time.monotonic() + seconds
        while not self.signing.has_expired():
            if time.monotonic() > deadline:
                raise TimeoutError(f"key {self.fingerprint} is still valid")
            time.sleep(0.1)


@dataclass(frozen=True)
class TinyRpm:
    """An RPM to build. Relations are in RPM's notation (`libc >= 2`); `files` maps absolute paths to their text.

    A path under a `bin` folder becomes executable. `epoch` 0 means none; `scripts` are sections of the spec, such as
    `%post` and what follows it.
    """

    name: str
    version: str = "1.0"
    release: str = "1"
    epoch: int = 0
    architecture: str = "noarch"
    requires: Sequence[str] = ()
    provides: Sequence[str] = ()
    conflicts: Sequence[str] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    scripts: str = ""

    @property
    def file_name(self) -> str:
        """`name-version-release.architecture.rpm`."""
        return f"{self.name}-{self.version}-{self.release}.{self.architecture}.rpm"

    def spec(self) -> str:
        """Give the spec file."""
        lines = [
            f"Name: {self.name}",
            f"Version: {self.version}",
            f"Release: {self.release}",
            *([f"Epoch: {self.epoch}"] if self.epoch else []),
            f"Summary: {self.name}, a tiny package",
            "License: MIT",
            # of another than noarch, rpmbuild is told with --target; it would refuse BuildArch: i686 on an x86_64
            *(["BuildArch: noarch"] if self.architecture == "noarch" else []),
            "AutoReqProv: no",
            *(f"Requires: {relation}" for relation in self.requires),
            *(f"Provides: {relation}" for relation in self.provides),
            *(f"Conflicts: {relation}" for relation in self.conflicts),
            "%description",
            f"{self.name} for tests.",
            *([self.scripts] if self.scripts else []),
            "%files",
            *(f"%attr({_mode(path):o},root,root) {path}" for path in sorted(self.files)),
        ]
        return "\n".join(lines) + "\n"


def _mode(path: str) -> int:
    return 0o755 if "bin" in Path(path).parts else 0o644


def build_rpm(folder: Path, rpm: TinyRpm) -> Path:
    """Build one RPM, unsigned, into `folder`; give its path. The same description gives the same bytes."""
    with tempfile.TemporaryDirectory(prefix="tinyrpm-") as scratch:
        home = Path(scratch)
        buildroot = home / "root"
        buildroot.mkdir()
        for path, text in rpm.files.items():
            place = buildroot / path.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
            place.chmod(_mode(path))
            os.utime(place, (DATE, DATE))
        spec = home / "tiny.spec"
        spec.write_text(rpm.spec())
        made = rpmbuild(spec, buildroot, rpm.architecture, home, home / "out")
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(made, folder / made.name))


def build_repository(
    folder: Path, rpms: Sequence[TinyRpm], *, key: Key | None = None, metadata_key: Key | None = None
) -> Path:
    """Build `rpms` into the repository `folder`; give `folder`.

    With `key` packages and metadata are signed and its public half lies in `folder/RPM-GPG-KEY`. `metadata_key`
    signs the metadata instead (and is the key that lies there).
    """
    made = [build_rpm(folder / "Packages", rpm) for rpm in rpms]
    (folder / "Packages").mkdir(parents=True, exist_ok=True)
    if key is not None and made:
        key.signing.sign_packages(made)
    refresh_metadata(folder, key=metadata_key or key)
    return folder


def refresh_metadata(folder: Path, *, key: Key | None = None) -> None:
    """Write the metadata of a repository anew, after its packages were changed by hand."""
    for rpm in (folder / "Packages").iterdir():
        os.utime(rpm, (DATE, DATE))
    shutil.rmtree(folder / "repodata", ignore_errors=True)
    write_metadata(folder, DATE, key.signing if key is not None else None, KEY_NAME)


def tamper(rpm: Path) -> None:
    """Tamper with an RPM in place: flip one bit near its end, where its payload is; size and time stay."""
    data = bytearray(rpm.read_bytes())
    data[-8] ^= 0x01
    times = rpm.stat()
    rpm.chmod(stat.S_IMODE(times.st_mode) | stat.S_IWUSR)
    rpm.write_bytes(data)
    os.utime(rpm, ns=(times.st_atime_ns, times.st_mtime_ns))


@dataclass(frozen=True)
class Request:
    """What was asked of the vault: method, path (without the query), and the Range header or ""."""

    method: str
    path: str
    range: str


@dataclass(frozen=True)
class Exchange:
    """A request that is to be answered badly.

    `honest` gives the honest answer to given headers; `headers` are the request's; `count` is how often the path
    was asked since the fault holds (0: never).
    """

    honest: Callable[[Mapping[str, str]], Reply]
    headers: Mapping[str, str]
    count: int

    def honest_reply(self) -> Reply:
        """Give the answer that a good server would send."""
        return self.honest(self.headers)


class Fault(Protocol):
    """A way to misbehave."""

    def spoil(self, exchange: Exchange, /) -> Reply:
        """Decide what is sent."""


@dataclass(frozen=True)
class NotFound:
    """404, as if the file were not there."""

    def spoil(self, _: Exchange, /) -> Reply:
        return error_reply(http.HTTPStatus.NOT_FOUND)


@dataclass(frozen=True)
class ServerError:
    """500 for the first `times` requests, then the file."""

    times: int

    def spoil(self, exchange: Exchange, /) -> Reply:
        if exchange.count < self.times:
            return error_reply(http.HTTPStatus.INTERNAL_SERVER_ERROR)
        return exchange.honest_reply()


@dataclass(frozen=True)
class StopsAfter:
    """Send only the first `size` bytes of what is due, then close, for the first `times` requests (0: always)."""

    size: int
    times: int = 0

    def spoil(self, exchange: Exchange, /) -> Reply:
        reply = exchange.honest_reply()
        if self.times and exchange.count >= self.times:
            return reply
        return replace(reply, chunks=_first_bytes(reply.chunks, self.size), closes=True)


@dataclass(frozen=True)
class OtherBytes:
    """Send `data` whole in place of the file."""

    data: bytes

    def spoil(self, _: Exchange, /) -> Reply:
        sent = {"Content-Type": "application/octet-stream", "Content-Length": str(len(self.data))}
        return Reply(http.HTTPStatus.OK, sent, iter((self.data,)))


@dataclass(frozen=True)
class WrongLength:
    """Promise `length` bytes and send the file as it is, then close."""

    length: int

    def spoil(self, exchange: Exchange, /) -> Reply:
        reply = exchange.honest_reply()
        return replace(reply, headers={**reply.headers, "Content-Length": str(self.length)}, closes=True)


@dataclass(frozen=True)
class Slow:
    """Wait `seconds` before every `size` bytes; the waiting ends when the vault closes."""

    seconds: float
    size: int = 4096

    def spoil(self, exchange: Exchange, /) -> Reply:
        reply = exchange.honest_reply()
        return replace(reply, chunks=_slowly(reply.chunks, self.seconds, self.size))


@dataclass(frozen=True)
class IgnoresRange:
    """Answer as a server that knows no ranges: always the whole file."""

    def spoil(self, exchange: Exchange, /) -> Reply:
        reply = exchange.honest({name: value for name, value in exchange.headers.items() if name != "Range"})
        return replace(reply, headers={k: v for k, v in reply.headers.items() if k != "Accept-Ranges"})


def _first_bytes(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        if size <= 0:
            return
        yield chunk[:size]
        size -= len(chunk)


def _slowly(chunks: Iterator[bytes], seconds: float, size: int) -> Iterator[bytes]:
    for chunk in chunks:
        for start in range(0, len(chunk), size):
            time.sleep(seconds)
            yield chunk[start : start + size]


class Vault:
    """Serves a folder on a free port of the loopback interface while its block runs, and takes notes.

    `requests` is all that was asked, in order. Faults hold for one path each until they are lifted.
    """

    def __init__(self, folder: Path) -> None:
        self.requests: list[Request] = []
        self._faults: dict[str, tuple[Fault, Iterator[int]]] = {}
        self._lock = threading.Lock()
        self._server = _VaultServer(folder, self)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at the end."""
        return self._server.url

    def misbehave(self, path: str, fault: Fault) -> None:
        """Spoil what is answered for `path` (as in a request: `/repodata/repomd.xml`)."""
        with self._lock:
            self._faults[path] = (fault, itertools.count())

    def behave(self, path: str) -> None:
        """Answer honestly for `path` again."""
        with self._lock:
            self._faults.pop(path, None)

    def forget(self) -> None:
        """Begin the list of requests anew."""
        with self._lock:
            self.requests.clear()

    def asked(self, path: str) -> int:
        """Count the requests for `path`."""
        with self._lock:
            return sum(request.path == path for request in self.requests)

    def note(self, request: Request) -> tuple[Fault, int] | None:
        """Take down a request; give the fault of its path, and how often the path was asked since it holds."""
        with self._lock:
            self.requests.append(request)
            if request.path not in self._faults:
                return None
            fault, counter = self._faults[request.path]
            return fault, next(counter)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _VaultServer(TreeServer):
    """The honest server, with the vault's notes and faults in between."""

    def __init__(self, folder: Path, vault: Vault) -> None:
        super().__init__(folder)
        self._vault = vault

    def reply(self, method: str, target: str, headers: Mapping[str, str]) -> Reply:
        path = urlsplit(target).path
        spoilt = self._vault.note(Request(method, path, headers.get("Range") or ""))

        def honest(given: Mapping[str, str]) -> Reply:
            return super(_VaultServer, self).reply(method, target, given)

        if spoilt is None:
            return honest(headers)
        fault, count = spoilt
        return fault.spoil(Exchange(honest, headers, count))
