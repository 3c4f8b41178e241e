"""An OCI image booted by the Docker Engine: a container without a network whose first process only waits."""

from __future__ import annotations

import contextlib
import io
import logging
import posixpath
import queue
import socket
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, cast

import docker.errors
import requests
from docker.models.containers import Container

from builder.boot.docker.streams import Demultiplexer
from builder.boot.machine import Machine, Result
from builder.boot.shell.killing import kill_script
from builder.core.archives import extract
from builder.core.digest import CHUNK
from builder.core.errors import WorkFailure
from builder.core.process import quoted
from builder.engine.engine import Engine
from builder.store import oci
from builder.store.store import Store

log = logging.getLogger(__name__)

HOSTNAME = "boss"
WAIT = 'trap "exit 0" TERM; while :; do sleep 86400 & wait $!; done'
"""The first process: it waits and takes in orphans. Any Bourne shell of the last 30 years reads it."""
ANNOUNCE = 'echo $$; exec "$@"'
"""Stands before every command: the first line of its output is its process id, which the time limit needs."""
KILL_LIMIT = 10.0
KILLED = 137
"""128 + SIGKILL: the command was killed, or the machine under it."""
QUIET = 0.5
"""Seconds without output after which the engine is asked whether the command still runs."""
DRAIN = 2
"""How often in a row a command that has ended may be quiet before its output counts as complete: a background process
that it left behind may hold the stream open for ever."""


def load(engine: Engine, store: Store, image: oci.Descriptor) -> str:
    """Make sure that the engine holds an image of the store; returns its id there."""
    return engine.load(store, store.manifest(image), f"boss-builder-image:{image.checked_digest.hex[:12]}")


class DockerMachine(Machine):
    """A container of an image of the store."""

    def __init__(self, container: Container, resources: contextlib.ExitStack) -> None:
        """Take a running container and what ends it; see `boot`."""
        self._container = container
        self._api = container.client.api  # type: ignore[union-attr]
        self._resources = resources

    @classmethod
    def boot(cls, engine: Engine, store: Store, image: oci.Descriptor) -> Self:
        """Start the image whose manifest is described. Raises WorkFailure where the engine does not start it."""
        image_id = load(engine, store, image)
        resources = contextlib.ExitStack()
        try:
            container = resources.enter_context(
                engine.container(image_id, ["-c", WAIT], entrypoint=["/bin/sh"], user="0", hostname=HOSTNAME)
            )
            container.start()
        except docker.errors.APIError as error:
            resources.close()
            raise WorkFailure(
                f"the image {image.digest} does not boot: {error.explanation}", hint="it needs /bin/sh and sleep"
            ) from error
        except BaseException:
            resources.close()
            raise
        return cls(container, resources)

    def run(
        self,
        command: Sequence[str],
        *,
        time_limit: float,
        stdin: bytes = b"",
        user: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command; see `Machine.run`."""
        words = list(command)
        log.info("in the machine: %s", quoted(words))
        try:
            return self._run(words, time_limit, stdin, user, dict(environment or {}))
        except docker.errors.APIError as error:
            raise self._stopped(words) or WorkFailure(
                f"the Docker Engine did not run {words[0]}: {error.explanation}"
            ) from error
        except (requests.RequestException, OSError, ValueError) as error:
            raise WorkFailure(f"the Docker Engine failed while {words[0]} ran: {error}") from error

    def _run(self, words: list[str], time_limit: float, stdin: bytes, user: str, environment: dict[str, str]) -> Result:
        deadline = time.monotonic() + time_limit
        exec_id = self._api.exec_create(
            self._container.id,
            ["/bin/sh", "-c", ANNOUNCE, "sh", *words],
            stdin=bool(stdin),
            user=user or "0",
            environment=environment,
        )["Id"]
        with _Streams(self._api, exec_id, stdin) as streams:
            state, quiet = _QUIET, 0
            while quiet < DRAIN and (left := deadline - time.monotonic()) > 0:
                state = streams.take(min(left, QUIET))
                if state is _ENDED:
                    break
                quiet = quiet + 1 if state is _QUIET and not self._inspect(exec_id)["Running"] else 0
            # a busy host may take longer than the limit to start a command, which can be killed only by its number
            patience = time.monotonic() + KILL_LIMIT
            while state is not _ENDED and quiet < DRAIN and b"\n" not in streams.output.stdout:
                if time.monotonic() > patience:
                    break
                state = streams.take(QUIET)
            stdout, stderr = bytes(streams.output.stdout), bytes(streams.output.stderr)
        announced, _, stdout = stdout.partition(b"\n")
        code = self._exit_code(exec_id, deadline)
        if code is None:
            limit = f"{words[0]} did not end within {time_limit:g} s"
            if self._kill(announced):
                raise self._stopped(words) or WorkFailure(f"{limit} and was killed", hint=f"command: {quoted(words)}")
            raise WorkFailure(
                f"{limit}; it could not be killed, so the machine was stopped", hint=f"command: {quoted(words)}"
            )
        if not announced.isdigit():
            raise WorkFailure(
                f"{words[0]} was not started: {(announced + stdout + stderr).decode('utf-8', 'replace').strip()}",
                hint=f"user: {user or '0'}; command: {quoted(words)}",
            )
        if code == KILLED and not self._answers():
            raise self._stopped(words, patience=5) or WorkFailure(f"the machine stopped while {words[0]} ran")
        return Result(code, stdout, stderr)

    def _inspect(self, exec_id: str) -> dict[str, Any]:
        return cast("dict[str, Any]", self._api.exec_inspect(exec_id))

    def _exit_code(self, exec_id: str, deadline: float) -> int | None:
        """Exit code of a command whose output has ended; None where it still runs at the deadline.

        A command may close its output and go on; and the engine notes the end a moment after the output.
        """
        pause = 0.002
        while (state := self._inspect(exec_id))["Running"] or state["ExitCode"] is None:
            if time.monotonic() + pause > deadline:
                return None
            time.sleep(pause)
            pause = min(2 * pause, 0.2)
        return int(state["ExitCode"])

    def _kill(self, announced: bytes) -> bool:
        """Kill a command and what it started; where that fails, the machine. Gives whether the machine lives on."""
        if announced.isdigit():
            try:
                killer = self._api.exec_create(
                    self._container.id,
                    ["/bin/sh", "-c", kill_script(int(announced))],
                    user="0",
                )["Id"]
                self._api.exec_start(killer, detach=True)
                if self._exit_code(killer, time.monotonic() + KILL_LIMIT) == 0:
                    return True
            except docker.errors.APIError as error:
                log.info("the kill failed: %s", error.explanation)
        with contextlib.suppress(docker.errors.APIError):
            self._container.kill()
        return False

    def _answers(self) -> bool:
        """Whether the machine starts a command: the engine notes its death later than that of its commands."""
        try:
            probe = self._api.exec_create(self._container.id, ["/bin/sh", "-c", ":"], user="0")["Id"]
            self._api.exec_start(probe, detach=True)
            return self._exit_code(probe, time.monotonic() + KILL_LIMIT) == 0
        except docker.errors.APIError:
            return False

    def _stopped(self, words: list[str], patience: float = 0) -> WorkFailure | None:
        """Say that the machine itself has stopped, where the engine notes it within `patience` seconds."""
        deadline = time.monotonic() + patience
        try:
            self._container.reload()
            while self._container.status == "running" and time.monotonic() < deadline:
                time.sleep(0.05)
                self._container.reload()
        except docker.errors.NotFound:
            status = "is gone"
        else:
            if self._container.status == "running":
                return None
            state = self._container.attrs["State"]
            killed = ", killed for want of memory" if state.get("OOMKilled") else ""
            status = f"has {self._container.status} with code {state.get('ExitCode')}{killed}"
        return WorkFailure(
            f"the machine stopped while {words[0]} ran: its container {status}",
            hint="something outside stopped it, or the host ran out of memory: docker events, dmesg",
        )

    def put(self, host_path: Path, guest_path: str) -> None:
        """Copy in; see `Machine.put`."""
        folder, name = posixpath.split(posixpath.normpath(guest_path))
        made = self.run(["mkdir", "-p", folder], time_limit=60)
        if made.exit_code:
            raise WorkFailure(f"{folder} can not be made: {made.stderr.decode('utf-8', 'replace').strip()}")
        with tempfile.TemporaryFile() as archive:
            with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
                try:
                    tar.add(host_path, name, filter=_as_root)
                except OSError as error:
                    raise WorkFailure(f"{host_path} can not be read: {error.strerror}") from error
            archive.seek(0)
            try:
                self._container.put_archive(folder, archive)
            except docker.errors.APIError as error:
                raise WorkFailure(f"{guest_path} can not be written: {error.explanation}") from error

    def get(self, guest_path: str, host_path: Path) -> None:
        """Copy out; see `Machine.get`."""
        if host_path.exists() or host_path.is_symlink():
            raise WorkFailure(f"{host_path} is there already")
        try:
            chunks, _ = self._container.get_archive(guest_path, chunk_size=CHUNK)
        except docker.errors.NotFound as error:
            raise self._stopped(["get"]) or WorkFailure(f"{guest_path} is not in the machine") from error
        except docker.errors.APIError as error:
            raise WorkFailure(f"{guest_path} can not be read: {error.explanation}") from error
        with tempfile.TemporaryFile() as archive, tempfile.TemporaryDirectory(dir=host_path.parent) as scratch:
            for chunk in chunks:
                archive.write(chunk)
            archive.seek(0)
            try:
                with tarfile.open(fileobj=archive) as tar:
                    extract(tar, Path(scratch))
                (top,) = Path(scratch).iterdir()
                top.rename(host_path)
            except (tarfile.TarError, ValueError, OSError) as error:
                raise WorkFailure(f"{guest_path} can not be copied out: {error}") from error

    def at_close(self, action: Callable[[], object]) -> None:
        """Have something done when the machine is closed, once its container is gone."""
        below = contextlib.ExitStack()
        below.callback(action)
        below.push(self._resources.pop_all())
        self._resources = below

    def close(self) -> None:
        """Remove the container."""
        self._resources.close()


class _Signal:
    """One of the things that can happen to a stream besides data."""


_DATA, _ENDED, _QUIET = _Signal(), _Signal(), _Signal()


class _Streams:
    """The connection to a command that the engine runs: what it writes, and what it reads.

    docker-py reads the socket past the buffered reader that took the HTTP header, and loses what the reader took
    with it; so this one reads through the reader. The engine closes the connection when the streams end.
    """

    def __init__(self, api: Any, exec_id: str, stdin: bytes) -> None:
        answer = api._post_json(  # noqa: SLF001 - docker-py has no public way to a stream that also takes input
            api._url("/exec/{0}/start", exec_id),  # noqa: SLF001
            headers={"Connection": "Upgrade", "Upgrade": "tcp"},
            data={"Tty": False, "Detach": False},
            stream=True,
        )
        if answer.status_code >= requests.codes.bad_request:
            answer.close()
            api._raise_for_status(answer)  # noqa: SLF001
        self.output = Demultiplexer()
        self._answer = answer
        self._reader: io.BufferedReader = answer.raw._fp.fp  # noqa: SLF001
        self._socket: socket.socket = cast("Any", self._reader.raw)._sock  # noqa: SLF001
        self._socket.settimeout(None)
        self._chunks: queue.Queue[bytes | None] = queue.Queue(maxsize=64)
        self._closed = False
        threading.Thread(target=self._read, daemon=True).start()
        if stdin:
            threading.Thread(target=self._write, args=(stdin,), daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(queue.Empty):
            while True:
                self._chunks.get_nowait()
        self._answer.close()

    def take(self, patience: float) -> _Signal:
        """Take the next piece of output, if one comes within `patience` seconds."""
        try:
            chunk = self._chunks.get(timeout=patience)
        except queue.Empty:
            return _QUIET
        if chunk is None:
            return _ENDED
        self.output.feed(chunk)
        return _DATA

    def _read(self) -> None:
        try:
            while not self._closed and (chunk := self._reader.read1(1 << 16)):
                self._chunks.put(chunk)
        except (OSError, ValueError):
            pass
        if not self._closed:
            self._chunks.put(None)

    def _write(self, stdin: bytes) -> None:
        try:
            self._socket.sendall(stdin)
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            return  # the command ended without reading everything: its own affair


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
