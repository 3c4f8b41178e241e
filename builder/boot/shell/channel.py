"""How bytes reach the shell of a machine and come back: descriptors, without a word of what the bytes mean."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from builder.boot.shell.protocol import Answer
from builder.core.errors import WorkFailure

CHUNK = 1 << 16


class Stream(ABC):
    """One output of a command, as it arrives: descriptor to read, and where its end is."""

    descriptor: int
    ended: bool = False

    @abstractmethod
    def take(self) -> bytes:
        """Read what is there without waiting, and give what belongs to the command; sets `ended`."""

    @abstractmethod
    def abandon(self) -> str:
        """Give the stream up before its end; returns shell text that the machine must run for it, if any."""


class Streams(ABC):
    """The three streams of one command."""

    stdout: Stream
    stderr: Stream
    request: tuple[str, ...]
    """The function of the agent that runs a command with these streams, and its first arguments."""

    @property
    @abstractmethod
    def input_descriptor(self) -> int | None:
        """What must be writable before `send`; None while the command can take no input."""

    @abstractmethod
    def send(self, data: memoryview) -> int:
        """Give the command input; returns how many bytes were taken. Raises OSError where nothing reads it."""

    @abstractmethod
    def end_input(self) -> None:
        """Let the command read an end."""

    def heard(self, answer: Answer) -> None:  # noqa: B027 - most have nothing to note
        """Take note of an answer of the agent about this command."""

    @property
    def input_over(self) -> bool:
        """Whether nothing in the machine waits for input any more."""
        return True

    def abandon_input(self) -> str:
        """Give the input up; returns shell text that the machine must run for it, if any."""
        return ""

    def errand(self) -> str:
        """Give shell text that the machine must run now for the streams, if any."""
        return ""

    @abstractmethod
    def close(self) -> None:
        """Release what the streams hold on the host."""


class TerminalStreams(Streams):
    """The two directions of a terminal; `stderr` has ended from the beginning."""

    @abstractmethod
    def resize(self, rows: int, columns: int) -> None:
        """Tell the machine that the window has another size."""


class Channel(ABC):
    """The streams of a shell in a machine.

    The descriptors do not block. The channel does not own what lies behind it: `stop` ends that.
    """

    terminal: bool
    """Whether the shell is on a terminal line, which echoes."""
    reading: int
    """Descriptor of what the agent's standard output is."""
    writing: int
    """Descriptor of what the agent's standard input is."""
    urgent: int
    """Descriptor of the requests that are read while a command runs."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """Give the variables that the agent needs besides its token: see agent.sh."""

    def started(self, token: str, answer: Answer) -> None:  # noqa: B027 - most have nothing to note
        """Take note of the agent's token, and what it says of itself when it is ready."""

    @abstractmethod
    def streams(self, number: int, *, with_input: bool) -> Streams:
        """Make the streams of the command with this number."""

    def terminal_streams(self, number: int, rows: int, columns: int) -> TerminalStreams:
        """Make the streams of a command on a terminal. Raises WorkFailure where the machine has none."""
        del number, rows, columns
        raise WorkFailure("this machine has no terminal")

    @abstractmethod
    def trouble(self) -> str:
        """Say what has become of the machine (a panic, an end); empty while nothing is known to be wrong."""

    def hint(self) -> str:
        """Say what a person may want to know beside the trouble: the last lines of the console."""
        return ""

    @abstractmethod
    def stop(self) -> None:
        """Stop the machine and release the descriptors; a second call does nothing."""


class _Fifo(Stream):
    def __init__(self, path: Path) -> None:
        os.mkfifo(path, 0o622)
        path.chmod(0o622)  # whoever the command becomes may open it again, as /dev/stdout
        self.descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def take(self) -> bytes:
        try:
            data = os.read(self.descriptor, CHUNK)
        except BlockingIOError:
            return b""
        self.ended = not data
        return data

    def abandon(self) -> str:
        self.ended = True
        return ""


class _FifoStreams(Streams):
    def __init__(self, folder: Path, number: int) -> None:
        self.request = ("fifo", str(number))
        self._paths = [folder / f"{number}.{name}" for name in ("in", "out", "err")]
        self.stdout: Stream = _Fifo(self._paths[1])
        self.stderr: Stream = _Fifo(self._paths[2])
        os.mkfifo(self._paths[0], 0o644)
        self._paths[0].chmod(0o644)
        # for reading too: the other side opens it in its own time, and finds a writer
        self._input: int | None = os.open(self._paths[0], os.O_RDWR | os.O_NONBLOCK)

    @property
    def input_descriptor(self) -> int | None:
        return self._input

    def send(self, data: memoryview) -> int:
        if self._input is None:
            raise BrokenPipeError
        return os.write(self._input, data[:CHUNK])

    def end_input(self) -> None:
        if self._input is not None:
            os.close(self._input)
            self._input = None

    def close(self) -> None:
        self.end_input()
        for stream in (self.stdout, self.stderr):
            os.close(stream.descriptor)
        for path in self._paths:
            path.unlink(missing_ok=True)


class FifoChannel(Channel):
    """Named pipes in a folder that host and machine share: for containers."""

    terminal = False

    def __init__(
        self,
        reading: int,
        writing: int,
        folder: Path,
        guest_folder: str,
        *,
        trouble: Callable[[], str],
        stop: Callable[[], None],
    ) -> None:
        """Take the two ends of the shell's own streams, a folder of the host, and its name in the machine.

        `folder` is removed at the end. `trouble` and `stop` are as in the class.
        """
        self._folder, self._guest_folder = folder, guest_folder
        self._trouble, self._stop = trouble, stop
        self.reading, self.writing = reading, writing
        folder.mkdir(parents=True, exist_ok=True)
        os.mkfifo(folder / "urgent", 0o600)
        self.urgent = os.open(folder / "urgent", os.O_RDWR | os.O_NONBLOCK)
        for descriptor in (reading, writing):
            os.set_blocking(descriptor, False)
        self._open = True

    def settings(self) -> dict[str, str]:
        """Give the folder."""
        return {"streams": "fifo", "folder": self._guest_folder}

    def streams(self, number: int, *, with_input: bool) -> Streams:
        """Make three pipes."""
        del with_input  # a pipe ends at once where there is nothing to write
        return _FifoStreams(self._folder, number)

    def trouble(self) -> str:
        """Ask whoever made the channel."""
        return self._trouble()

    def stop(self) -> None:
        """Stop what is behind and remove the folder."""
        if not self._open:
            return
        self._open = False
        self._stop()
        for descriptor in {self.reading, self.writing, self.urgent}:
            with contextlib.suppress(OSError):
                os.close(descriptor)
        shutil.rmtree(self._folder, ignore_errors=True)


def channel_folder() -> Path:
    """Make a folder for named pipes that any user of a machine may pass through."""
    folder = Path(tempfile.mkdtemp(prefix="boss-builder-channel-"))
    folder.chmod(0o711)
    return folder
