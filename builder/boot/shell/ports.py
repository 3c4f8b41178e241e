"""The streams of a shell over serial ports, and a disk for bulk.

Four ports: the shell's own (requests and answers); one to the machine for urgent requests; one each for stdout and
stderr, which are virtio-serial ports where the machine has them (some 25 MB/s, with flow control) and UARTs elsewhere
(some 0.25 MB/s). Input goes the other way in pieces that the machine asks for, so that nothing is lost by a port
without flow control: a short piece by a UART, a long one by the transfer disk, a sparse file on the host.

No place on the transfer disk is written twice, so that nothing in the machine's memory can be out of date.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from builder.boot.shell.channel import CHUNK, Channel, Stream, Streams, TerminalStreams
from builder.boot.shell.protocol import PIECE, Answer, Marker

TRANSFER_SIZE = (1 << 42) + 777 * 4096
"""Bytes of the transfer disk: by this number the machine tells it from others."""
TRANSFER_START = 64 << 20
"""The first bytes are left alone: a machine looks there for partitions and file systems by itself."""
BLOCK = 4096
GAP = 8 << 20
"""Between two pieces: reading ahead must not meet what is not written yet."""
LONGEST_INLINE = 3 * PIECE
TYPED = 256
"""Bytes that are typed at once."""
TYPING_PAUSE = 0.02
"""Seconds between two of them."""


@dataclass(frozen=True)
class Ports:
    """The host's ends, as descriptors."""

    shell: int
    urgent: int
    """To the machine: urgent requests (UART of stderr)."""
    input: int
    """To the machine: input (UART of stdout)."""
    serial: tuple[int, int]
    """From the machine: stdout and stderr, if it has no virtio."""
    virtio: tuple[int, int] | None

    def all(self) -> frozenset[int]:
        """Every descriptor once."""
        return frozenset({self.shell, self.urgent, self.input, *self.serial, *(self.virtio or ())})


class _PortStream(Stream):
    """What comes from a port up to a marker: the port itself goes on."""

    def __init__(self, descriptor: int, marker: bytes) -> None:
        self.descriptor = descriptor
        self.pump: int | None = None
        self._marker = Marker(marker)

    def take(self) -> bytes:
        try:
            data = os.read(self.descriptor, CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:  # the machine has gone; its link will say so
            self.ended = True
            return b""
        data = self._marker.feed(data)
        self.ended = self._marker.found
        return data

    def abandon(self) -> str:
        return f"kill -9 {self.pump}" if self.pump is not None else ""


class _PortStreams(Streams):
    def __init__(self, channel: PortChannel, number: int, *, with_input: bool) -> None:
        self._channel, self._number = channel, number
        self._wanted = self._closed = False
        self._fed = not with_input
        self._piece: int | None = None
        token = f"{channel.token}.{number}"
        out, err = channel.outputs
        self._streams = {
            "out": _PortStream(out, f"{token}.out".encode()),
            "err": _PortStream(err, f"{token}.err".encode()),
        }
        self.stdout: Stream = self._streams["out"]
        self.stderr: Stream = self._streams["err"]
        self.request = ("port", "feed" if with_input else "none", str(number))

    @property
    def input_descriptor(self) -> int | None:
        return self._channel.ports.input if self._wanted else None

    def heard(self, answer: Answer) -> None:
        match answer.verb, answer.words:
            case "want", _:
                self._wanted = True
                if self._closed:
                    self.end_input()
            case "pump", (_, name, pid):
                self._streams[name].pump = int(pid)
            case "piece", (_, pid):
                self._piece = int(pid)
            case "fed", _:
                self._fed, self._wanted = True, False
            case "ended", _:
                self.end_input()
            case _:
                pass

    def send(self, data: memoryview) -> int:
        """Give the piece that was asked for: blocks of the disk, or what is too short for them."""
        self._wanted = False
        if len(data) > LONGEST_INLINE:
            count = len(data) // BLOCK * BLOCK
            self._say(f"{count} {self._channel.place(data[:count])}", b"")
            return count
        piece = bytes(data[:PIECE])
        self._say(f"{len(piece)} -", piece)
        return len(piece)

    def _say(self, text: str, data: bytes) -> None:
        line = f"{self._channel.token}.{self._number} {text}\n".encode() + data
        # a socket takes a piece whole: its buffer is a hundred times as long, and one piece is under way at most
        os.write(self._channel.ports.input, line)

    def end_input(self) -> None:
        self._closed = True
        if self._wanted:
            self._wanted = False
            self._say("0 -", b"")

    @property
    def input_over(self) -> bool:
        return self._fed

    def abandon_input(self) -> str:
        return f"kill -9 {self._piece}" if self._piece is not None else ""

    def close(self) -> None:
        """Nothing: the ports stay."""


class _Silent(Stream):
    """A stream that never was."""

    descriptor = -1
    ended = True

    def take(self) -> bytes:
        return b""

    def abandon(self) -> str:
        return ""


class _PortTerminal(TerminalStreams):
    """A terminal line with its own flow: what a person types is little."""

    def __init__(self, channel: PortChannel, number: int, rows: int, columns: int) -> None:
        self._ports, self._device = channel.ports, channel.input_device
        self.stdout: Stream = _PortStream(channel.ports.serial[0], f"{channel.token}.{number}.out".encode())
        self.stderr: Stream = _Silent()
        self.request = ("on_terminal", str(rows), str(columns), str(number))
        self._started = self._ended = False
        self._errand = ""
        self._next = 0.0

    @property
    def input_descriptor(self) -> int | None:
        return self._ports.input if self._started and not self._ended else None

    def heard(self, answer: Answer) -> None:
        self._started = self._started or answer.verb == "started"
        self._ended = self._ended or answer.verb == "ended"

    def send(self, data: memoryview) -> int:
        """Type a little: what is pasted must not exceed the line's buffer."""
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = time.monotonic() + TYPING_PAUSE
        return os.write(self._ports.input, data[:TYPED])

    def end_input(self) -> None:
        """Nothing: a terminal has no end but what is typed."""

    def resize(self, rows: int, columns: int) -> None:
        self._errand = f"stty rows {rows} cols {columns} <{self._device}"

    def errand(self) -> str:
        errand, self._errand = self._errand, ""
        return errand

    def close(self) -> None:
        """Nothing: the ports stay."""


class PortChannel(Channel):
    """The ports of a machine, and its transfer disk."""

    terminal = True

    def __init__(
        self,
        ports: Ports,
        devices: tuple[str, str],
        disk: Path,
        *,
        trouble: Callable[[], str],
        hint: Callable[[], str],
        stop: Callable[[], None],
    ) -> None:
        """Take the host's ends, the machine's names of the UARTs of stdout and stderr, and the disk's file.

        `trouble`, `hint` and `stop` are as in the class. The descriptors are closed at the end.
        """
        self.ports, self._devices, self._disk = ports, devices, disk
        self.input_device = devices[0]
        self._trouble, self._hint, self._stop = trouble, hint, stop
        self.reading = self.writing = ports.shell
        self.urgent = ports.urgent
        self.outputs = ports.serial
        self.token = ""
        self._next = TRANSFER_START
        self._open = True
        for descriptor in ports.all():
            os.set_blocking(descriptor, False)

    def settings(self) -> dict[str, str]:
        """Give the machine's names of its ports, and what the disk is known by."""
        return {
            "streams": "port",
            "input_port": self._devices[0],
            "urgent_port": self._devices[1],
            "disk_sectors": str(TRANSFER_SIZE // 512),
            "virtio": "yes" if self.ports.virtio else "no",
        }

    def started(self, token: str, answer: Answer) -> None:
        """Learn which ports the agent has found."""
        self.token = token
        if self.ports.virtio and "virtio" in answer.words:
            self.outputs = self.ports.virtio

    def place(self, data: memoryview) -> int:
        """Write data to the disk where nothing was before; gives its first block."""
        if self._next + len(data) > TRANSFER_SIZE:
            self._next = TRANSFER_START
        where = self._next
        with self._disk.open("r+b", buffering=0) as disk:
            view = data
            while view:
                view = view[os.pwrite(disk.fileno(), view, where + len(data) - len(view)) :]
            if where > TRANSFER_START:
                self._forget(disk.fileno(), where)
        self._next = where + -(-len(data) // GAP) * GAP + GAP
        return where // BLOCK

    def _forget(self, descriptor: int, end: int) -> None:
        """Give back the space of what was asked for and read before `end`."""
        # every piece before this one has been read: the machine asks for the next one then
        with contextlib.suppress(OSError):
            punch_hole(descriptor, TRANSFER_START, end - TRANSFER_START)

    def streams(self, number: int, *, with_input: bool) -> Streams:
        """Make the streams of a command."""
        return _PortStreams(self, number, with_input=with_input)

    def terminal_streams(self, number: int, rows: int, columns: int) -> TerminalStreams:
        """Use the UART of stdout as the terminal."""
        return _PortTerminal(self, number, rows, columns)

    def trouble(self) -> str:
        """Ask whoever made the channel."""
        return self._trouble()

    def hint(self) -> str:
        """Ask whoever made the channel."""
        return self._hint()

    def stop(self) -> None:
        """Stop what is behind."""
        if self._open:
            self._open = False
            self._stop()
            for descriptor in self.ports.all():
                with contextlib.suppress(OSError):
                    os.close(descriptor)


KEEP_SIZE, PUNCH_HOLE = 1, 2
"""Modes of fallocate(2): FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE."""


def punch_hole(descriptor: int, start: int, length: int) -> None:
    """Give the space of a part of a file back. Raises OSError where the file system can not."""
    import ctypes

    library = ctypes.CDLL(None, use_errno=True)
    library.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
    if library.fallocate(descriptor, KEEP_SIZE | PUNCH_HOLE, start, length) != 0:
        raise OSError(ctypes.get_errno(), "fallocate")
