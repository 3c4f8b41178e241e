"""The two streams of a command, as the Docker Engine multiplexes them.

Source: Docker Engine API 1.41, "Attach to a container", "Stream format": frames of one byte stream number
(1 stdout, 2 stderr), three zero bytes, four bytes length (big endian), and the data.
"""

from __future__ import annotations

HEADER = 8
STDOUT, STDERR = 1, 2


class Demultiplexer:
    """Takes the frames in pieces of any size; `stdout` and `stderr` hold what came so far."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.stdout = bytearray()
        self.stderr = bytearray()
        self._header = bytearray()
        self._left = 0

    def feed(self, data: bytes) -> None:
        """Take the next piece. Raises ValueError where it is no frame."""
        view = memoryview(data)
        while view:
            if not self._left:
                missing = HEADER - len(self._header)
                self._header += view[:missing]
                view = view[missing:]
                if len(self._header) < HEADER:
                    return
                self._left = int.from_bytes(self._header[4:], "big")
                if self._header[0] not in (STDOUT, STDERR) or any(self._header[1:4]):
                    raise ValueError(f"not a frame of a multiplexed stream: {bytes(self._header)!r}")
                self._target = self.stdout if self._header[0] == STDOUT else self.stderr
                self._header.clear()
                continue
            self._target += view[: self._left]
            taken = min(self._left, len(view))
            self._left -= taken
            view = view[taken:]
