"""A command in a booted image with the caller's own streams: what `run` gives a person or a pipe, in every shape."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import BinaryIO, NoReturn

from builder.core.errors import HostFailure
from builder.core.process import log, quoted

LOGIN_SHELL = 'shell=$(command -v bash) || shell=/bin/sh; exec "$shell" -l'
IN_LOGIN_SHELL = 'exec "$@"'


def login_words(command: Sequence[str]) -> list[str]:
    """Give the program to start: the command after a login shell has read its profile, or that shell itself."""
    if command:
        return ["/bin/sh", "-l", "-c", IN_LOGIN_SHELL, "sh", *command]
    return ["/bin/sh", "-c", LOGIN_SHELL]


class Session(ABC):
    """A command that is ready to run."""

    @abstractmethod
    def run_piped(self, stdin: BinaryIO | None) -> int:
        """Run it with this process's stdout and stderr, and what `stdin` gives, as it comes; returns its exit code.

        Without `stdin` the command reads an end at once. What it runs in is gone when this returns, whatever happens,
        SIGTERM included.
        """

    @abstractmethod
    def run_on_terminal(self) -> int:
        """Run it on the terminal that this process has; returns its exit code, or never."""


class ProcessSession(Session):
    """A command of this host that starts the image and passes the streams by itself."""

    def __init__(self, words: Sequence[str]) -> None:
        """Take the command."""
        self._words = list(words)

    def run_piped(self, stdin: BinaryIO | None) -> int:
        """See `Session.run_piped`."""
        log.info("$ %s", quoted(self._words))
        with terminating():
            try:
                process = subprocess.Popen(self._words, stdin=subprocess.DEVNULL if stdin is None else stdin)
            except OSError as error:
                raise HostFailure(f"{self._words[0]} can not be started: {error.strerror}") from error
            try:
                code = process.wait()
            finally:
                end_process(process)
        return code if code >= 0 else 128 - code

    def run_on_terminal(self) -> NoReturn:
        """Become the command: it knows terminals (size, signals, raw mode) best."""
        log.info("$ %s", quoted(self._words))
        os.execvp(self._words[0], self._words)  # noqa: S606 - a list of arguments, no shell


def end_process(process: subprocess.Popen[bytes], patience: float = 5.0) -> None:
    """End a process that may have to put things away: asked first, killed after `patience` seconds."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def terminating() -> Iterator[None]:
    """Let SIGTERM end the block as an exception, so that what it holds is released."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
