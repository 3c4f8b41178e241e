"""A machine behind nothing but a Bourne shell that is reached over byte streams.

The agent (agent.sh) is sent to the shell when the machine boots: an image holds nothing of it, so an image of today
can be commanded by whatever this protocol becomes.
"""

from __future__ import annotations

import io
import logging
import os
import posixpath
import tarfile
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, Self

from builder.boot.machine import Machine, Result
from builder.boot.shell.channel import Channel
from builder.boot.shell.command import Command, Execution, Sink
from builder.boot.shell.link import Link
from builder.boot.shell.protocol import command_words, line
from builder.boot.shell.terminal import raw, resizing, size
from builder.core.archives import extract
from builder.core.errors import WorkFailure
from builder.core.process import quoted

log = logging.getLogger(__name__)

SHELL = "/bin/sh"
TRANSFER_LIMIT = 3600.0
"""Seconds for a copy: it ends at the latest when the machine does."""


class ShellMachine(Machine):
    """A machine whose shell is at the other end of a channel."""

    def __init__(self, channel: Channel, *, environment: Mapping[str, str] | None = None, shell: str = SHELL) -> None:
        """Take a channel; `start` sends the agent. `environment` is the image's own; `shell` runs the agent."""
        self._link, self._shell = Link(channel), shell
        self._channel = channel
        self._environment = dict(environment or {})
        self._number = 0
        self._lock = threading.Lock()

    def start(self, time_limit: float) -> Self:
        """Send the agent to the shell as soon as that listens. Raises WorkFailure where it does not within the limit.

        The machine is stopped then.
        """
        try:
            self._link.start(self._shell, time_limit)
        except BaseException:
            self.close()
            raise
        return self

    # -- commands -----------------------------------------------------------------------------------------------

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
        out, err = bytearray(), bytearray()
        source = io.BytesIO(stdin) if stdin else None
        code = self._execute(command, user, time_limit, environment, source, (out.extend, err.extend))
        return Result(code, bytes(out), bytes(err))

    def stream(
        self,
        command: Sequence[str],
        stdin: BinaryIO | None,
        stdout: BinaryIO,
        stderr: BinaryIO,
        *,
        time_limit: float | None = None,
        user: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command with streams that pass as they come; returns its exit code.

        `stdin` is read when the command can take more: any file, pipe, terminal or socket. Raises what `run` raises.
        """

        def sink(target: BinaryIO) -> Sink:
            def write(data: bytes) -> None:
                target.write(data)
                target.flush()

            return write

        return self._execute(command, user, time_limit, environment, stdin, (sink(stdout), sink(stderr)))

    def terminal(
        self,
        command: Sequence[str],
        stdin: BinaryIO,
        stdout: BinaryIO,
        *,
        user: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> int:
        """Run a command on a terminal of the machine, joined to the caller's, which `stdin` must be.

        In the main thread only. Returns the exit code. Raises WorkFailure where the machine has no terminal.
        """
        rows, columns = size(stdin.fileno())

        def show(data: bytes) -> None:
            stdout.write(data)
            stdout.flush()

        added = {"TERM": os.environ.get("TERM", "dumb"), **(environment or {})}
        with self._lock:
            self._link.check()
            self._number += 1
            streams = self._channel.terminal_streams(self._number, rows, columns)
            request = line([*streams.request, *command_words(command, user, {**self._environment, **added})])
            execution = Execution(self._link, Command(self._number, command, user, None), stdin, streams, (show, show))
            with raw(stdin.fileno()), resizing(stdin.fileno(), streams.resize):
                return execution.run(request)

    def _execute(  # noqa: PLR0917 - what a command is
        self,
        words: Sequence[str],
        user: str,
        time_limit: float | None,
        environment: Mapping[str, str] | None,
        stdin: BinaryIO | None,
        sinks: tuple[Sink, Sink],
    ) -> int:
        log.info("in the machine: %s", quoted(words))
        with self._lock:
            self._link.check()
            self._number += 1
            command = Command(self._number, words, user, time_limit)
            streams = self._channel.streams(self._number, with_input=stdin is not None)
            try:
                added = {**self._environment, **(environment or {})}
                request = line([*streams.request, *command_words(words, user, added)])
                return Execution(self._link, command, stdin, streams, sinks).run(request)
            finally:
                streams.close()

    # -- files --------------------------------------------------------------------------------------------------

    def put(self, host_path: Path, guest_path: str) -> None:
        """Copy in; see `Machine.put`."""
        folder, name = posixpath.split(posixpath.normpath(guest_path))
        made = self.run(["mkdir", "-p", "--", folder], time_limit=60)
        if made.exit_code:
            raise WorkFailure(f"{folder} can not be made: {_text(made.stderr)}")
        with tempfile.TemporaryFile() as archive:
            # the GNU format is the one that tar 1.15 and busybox read whatever the names
            with tarfile.open(fileobj=archive, mode="w", format=tarfile.GNU_FORMAT) as tar:
                try:
                    tar.add(host_path, name, filter=_as_root)
                except OSError as error:
                    raise WorkFailure(f"{host_path} can not be read: {error.strerror}") from error
            archive.seek(0)
            problem = io.BytesIO()
            code = self.stream(
                ["tar", "-x", "-p", "-f", "-", "-C", folder], archive, io.BytesIO(), problem, time_limit=TRANSFER_LIMIT
            )
        if code:
            raise WorkFailure(f"{guest_path} can not be written: {_text(problem.getvalue())}")

    def get(self, guest_path: str, host_path: Path) -> None:
        """Copy out; see `Machine.get`."""
        if host_path.exists() or host_path.is_symlink():
            raise WorkFailure(f"{host_path} is there already")
        folder, name = posixpath.split(posixpath.normpath(guest_path))
        test = '[ -e "$1" ] || [ -L "$1" ]'
        if self.run(["/bin/sh", "-c", test, "sh", guest_path], time_limit=60).exit_code:
            raise WorkFailure(f"{guest_path} is not in the machine")
        with tempfile.TemporaryFile() as archive, tempfile.TemporaryDirectory(dir=host_path.parent) as scratch:
            problem = io.BytesIO()
            code = self.stream(
                ["tar", "-c", "-f", "-", "-C", folder, "--", name or "."],
                None,
                archive,
                problem,
                time_limit=TRANSFER_LIMIT,
            )
            if code:
                raise WorkFailure(f"{guest_path} can not be read: {_text(problem.getvalue())}")
            archive.seek(0)
            try:
                with tarfile.open(fileobj=archive) as tar:
                    extract(tar, Path(scratch))
                (top,) = Path(scratch).iterdir()
                top.rename(host_path)
            except (tarfile.TarError, ValueError, OSError) as error:
                raise WorkFailure(f"{guest_path} can not be copied out: {error}") from error

    def close(self) -> None:
        """Stop the machine."""
        self._link.close()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace").strip()


def _as_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
