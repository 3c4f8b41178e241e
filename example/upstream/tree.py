"""Making the whole tree that is served, with everything cached by the digest of what it is made from.

The cache folder holds: `apt/` (lists and archives), `closure.json` (which archives, by sha256), `keys/`, `rpms/`
(conversions by digest), `signed/` (the same, signed, by key), `trees/` (whole results) and `current`, a link to the
tree that is served.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from example.upstream import native, packages, release
from example.upstream.apt import download_closure
from example.upstream.convert import convert
from example.upstream.programs import UpstreamError, require_programs, run
from example.upstream.repository import write_metadata
from example.upstream.signing import SigningKey
from example.upstream.tarball import source_files, write_tarball

EXAMPLE = Path(__file__).parent.parent
CONVERTER = ("convert.py", "deb.py", "packages.py", "spec.py")
PROCESSES = max(1, os.cpu_count() or 1)

OS_PATH = "tinyel/1/x86_64/os"
RELEASE_PATH = "miniboss/x86_64"
SOURCES_PATH = "sources"
OS_KEY = "RPM-GPG-KEY-tinyel"
RELEASE_KEY = "RPM-GPG-KEY-miniboss"
TARBALL = "particletable-1.0.0"

Say = Callable[[str], None]


@dataclass(frozen=True)
class Deb:
    """One Debian package: file name (in apt/archives), sha256 in hexadecimal digits, size in bytes."""

    file: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Conversion:
    """One RPM to be made: the digest of all that goes into it, a name for messages, and how to make it."""

    digest: str
    title: str
    size: int
    make: Callable[[Path], Path]


@dataclass(frozen=True)
class Keys:
    """Who signs: the makers of the operating system, and those of the release."""

    system: SigningKey
    release: SigningKey


def make(cache: Path, say: Say, *, update: bool = False) -> Path:
    """Make what is not made yet; give the tree, ready to be served.

    `say` is told what goes on, a line each. With `update` apt is asked anew which packages there are; without, the
    closure chosen first stays. Raises UpstreamError where the host lacks a program, or a step fails.
    """
    cache = cache.absolute()
    cache.mkdir(parents=True, exist_ok=True)
    with _locked(cache / "lock"):
        closure = None if update else _read_closure(cache)
        if closure is None:
            require_programs()
            say("download: asking apt for the packages and what they need")
            closure = _download(cache)
            say(f"download: {len(closure)} packages, {sum(deb.size for deb in closure) / 1e6:.0f} MB")
        keys = Keys(
            system=SigningKey.make(
                cache / "keys" / "tinyel", "Tiny Enterprise Linux (example) <tinyel@example.invalid>"
            ),
            release=SigningKey.make(cache / "keys" / "miniboss", "miniboss (example) <miniboss@example.invalid>"),
        )
        sources = [_folder_digest(EXAMPLE / part) for part in ("upstream", "miniboss", "particle-table")]
        digests = [keys.system.fingerprint, keys.release.fingerprint, *(deb.sha256 for deb in closure)]
        digest = _digest([*sources, *digests])
        tree = cache / "trees" / digest
        if not tree.is_dir():
            require_programs()
            _make_tree(cache, tree, closure, keys, say)
        _point(cache / "current", tree)
        for other in (cache / "trees").iterdir():
            if other != tree:
                shutil.rmtree(other)
        return tree


def public_key(cache: Path) -> Path:
    """Give the path of the public key of the operating system's packages. Raises UpstreamError before `make`."""
    key = cache.absolute() / "current" / OS_PATH / OS_KEY
    if not key.is_file():
        raise UpstreamError(f"{cache} holds no example upstream", hint=f"run `make --cache {cache}` first")
    return key


def _make_tree(cache: Path, tree: Path, closure: tuple[Deb, ...], keys: Keys, say: Say) -> None:
    """Make `tree` whole, or not at all."""
    os_rpms = _made(cache, [*_native_conversions(), *_deb_conversions(cache, closure)], say)
    release_rpms = _made(cache, _release_conversions(), say)
    os_signed = _signed(cache, keys.system, os_rpms, say)
    release_signed = _signed(cache, keys.release, release_rpms, say)
    say("metadata: writing and signing repomd.xml")
    tree.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix="tree-") as scratch:
        fresh = Path(scratch) / "tree"
        _write_repository(fresh / OS_PATH, os_signed, keys.system, OS_KEY)
        _write_repository(fresh / RELEASE_PATH, release_signed, keys.release, RELEASE_KEY)
        (fresh / SOURCES_PATH).mkdir()
        write_tarball(EXAMPLE / "particle-table", fresh / SOURCES_PATH / f"{TARBALL}.tar", TARBALL, packages.DATE)
        fresh.chmod(0o755)
        fresh.rename(tree)
    total = sum(file.stat().st_size for file in os_signed)
    say(f"made: {len(os_signed)} packages of the operating system, {total / 1e6:.0f} MB")


def _write_repository(folder: Path, rpms: Iterable[Path], key: SigningKey, key_name: str) -> None:
    (folder / "Packages").mkdir(parents=True)
    for rpm in rpms:
        (folder / "Packages" / rpm.name).hardlink_to(rpm)
    write_metadata(folder, packages.DATE, key, key_name)


def _download(cache: Path) -> tuple[Deb, ...]:
    files = download_closure(cache / "apt", packages.WANTED, packages.ASSUMED)
    with ThreadPoolExecutor(PROCESSES) as pool:
        digests = list(pool.map(_file_digest, files))
    closure = tuple(Deb(file.name, sha256, file.stat().st_size) for file, sha256 in zip(files, digests, strict=True))
    document = {
        "request": _request(),
        "packages": [{"file": deb.file, "sha256": deb.sha256, "size": deb.size} for deb in closure],
    }
    _write_whole(cache / "closure.json", json.dumps(document, indent=1))
    return closure


def _read_closure(cache: Path) -> tuple[Deb, ...] | None:
    """Give the closure that was chosen, or None where none was, or another was asked for."""
    try:
        document = json.loads((cache / "closure.json").read_text())
    except FileNotFoundError:
        return None
    if document["request"] != _request():
        return None
    return tuple(Deb(**package) for package in document["packages"])


def _request() -> str:
    return _digest([*packages.WANTED, "", *sorted(packages.ASSUMED)])


def _deb_conversions(cache: Path, closure: Iterable[Deb]) -> Iterator[Conversion]:
    converter = _digest([*(_file_digest(Path(__file__).parent / name) for name in CONVERTER), _rpm_version()])
    for deb in closure:
        file = cache / "apt" / "archives" / deb.file

        def make_one(output: Path, file: Path = file) -> Path:
            return convert(file, output, output.parent)

        yield Conversion(_digest([converter, deb.sha256]), deb.file, deb.size, make_one)


def _native_conversions() -> Iterator[Conversion]:
    code = _digest([_folder_digest(Path(__file__).parent), _rpm_version()])
    for name, build in (("filesystem", native.build_filesystem), ("setup", native.build_setup)):

        def make_one(output: Path, build: Callable[[Path, Path], Path] = build) -> Path:
            return build(output, output.parent)

        yield Conversion(_digest([name, code]), name, 0, make_one)


def _release_conversions() -> Iterator[Conversion]:
    code = _digest([_folder_digest(EXAMPLE / "miniboss"), _folder_digest(Path(__file__).parent), _rpm_version()])
    for version in release.VERSIONS:

        def make_one(output: Path, version: str = version) -> Path:
            return release.build_miniboss(version, output, output.parent)

        yield Conversion(_digest([version, code]), f"miniboss {version}", 0, make_one)


def _made(cache: Path, conversions: Iterable[Conversion], say: Say) -> list[tuple[str, Path]]:
    """Make the RPMs that the cache lacks; give all of them as (digest, file)."""
    wanted = list(conversions)
    store = cache / "rpms"
    store.mkdir(exist_ok=True)
    # the largest first, so that no core waits at the end for one big package
    missing = sorted((c for c in wanted if not (store / c.digest).is_dir()), key=lambda c: -c.size)
    if missing:
        say(f"rpmbuild: {len(missing)} to make of {len(wanted)}")

    def make_one(conversion: Conversion) -> None:
        with tempfile.TemporaryDirectory(dir=cache, prefix="convert-") as scratch:
            try:
                conversion.make(Path(scratch) / "out")
            except (UpstreamError, ValueError) as error:
                raise UpstreamError(f"{conversion.title} could not be made an RPM", hint=str(error)) from error
            (Path(scratch) / "out").rename(store / conversion.digest)

    with ThreadPoolExecutor(PROCESSES) as pool:
        for _ in pool.map(make_one, missing):
            pass
    return [(c.digest, next((store / c.digest).iterdir())) for c in wanted]


def _signed(cache: Path, key: SigningKey, rpms: list[tuple[str, Path]], say: Say) -> list[Path]:
    """Sign the RPMs that were not signed with this key before; give all of them, signed."""
    store = cache / "signed" / key.fingerprint
    store.mkdir(parents=True, exist_ok=True)
    missing = [(digest, rpm) for digest, rpm in rpms if not (store / digest).is_dir()]
    if missing:
        say(f"rpmsign: {len(missing)} to sign of {len(rpms)}")
        with tempfile.TemporaryDirectory(dir=cache, prefix="sign-") as scratch:
            copies = []
            for digest, rpm in missing:
                folder = Path(scratch) / digest
                folder.mkdir()
                copies.append(folder / rpm.name)
                shutil.copyfile(rpm, copies[-1])
            key.sign_packages(copies, processes=PROCESSES)
            for copy in copies:
                os.utime(copy, (packages.DATE, packages.DATE))  # createrepo_c writes it into the metadata
                copy.parent.rename(store / copy.parent.name)
    return [store / digest / rpm.name for digest, rpm in rpms]


def _rpm_version() -> str:
    return run(["rpm", "--version"], time_limit=60)


def _digest(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _file_digest(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _folder_digest(folder: Path) -> str:
    """Digest names and contents of all files below `folder`, without caches."""
    files = [path for path in source_files(folder) if path.is_file()]
    return _digest(f"{file.relative_to(folder)} {_file_digest(file)}" for file in files)


def _write_whole(target: Path, text: str) -> None:
    temporary = target.with_suffix(".tmp")
    temporary.write_text(text)
    temporary.replace(target)


def _point(link: Path, target: Path) -> None:
    """Make `link` point to `target`, at once for whoever reads through it."""
    if link.is_symlink() and link.resolve() == target.resolve():
        return
    fresh = link.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(os.path.relpath(target, link.parent))
    fresh.replace(link)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """Let one process at a time work in the cache; the others wait."""
    with file.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield
