"""Rows of one length in a temporary file, given back in order: what is held in memory does not grow with their number.

Rows gather in 256 buffers by their first byte. A full buffer goes to the end of the file, and its place is noted: a row
of a hundred bytes costs a byte of memory or so. They are sorted, a 256th at a time, when they are asked for.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Iterator

from builder.core.errors import WorkFailure

BUFFER = 4096
"""Bytes that are gathered before they are written, at least one row."""


class Spool:
    """Rows, each of `length` bytes. The file has no name: it is gone with the spool, however the process ends."""

    def __init__(self, length: int) -> None:
        """Begin without rows, and without a file: that is made when the first buffer is full."""
        self._length = length
        self._full = max(BUFFER // length, 1) * length
        self._buffers: dict[int, bytearray] = {}
        self._places: dict[int, list[int]] = {}
        self._file = -1
        self._end = 0

    def add(self, row: bytes) -> None:
        """Take a row. Raises WorkFailure where the temporary file can not be written."""
        buffer = self._buffers.setdefault(row[0], bytearray())
        buffer += row
        if len(buffer) >= self._full:
            try:
                self._write(row[0], buffer)
            except OSError as error:
                raise WorkFailure(
                    f"the temporary folder {tempfile.gettempdir()} can not be written: {error.strerror}",
                    hint="make room there, or name another one with TMPDIR",
                ) from error
            buffer.clear()

    def __iter__(self) -> Iterator[bytes]:
        """Give all rows in the order of their bytes."""
        for first in sorted(self._buffers):
            yield from sorted(self._rows(first))

    def _rows(self, first: int) -> Iterator[bytes]:
        """Give the rows that begin with a byte, in no order."""
        written = (os.pread(self._file, self._full, place) for place in self._places.get(first, ()))
        for data in (*written, bytes(self._buffers[first])):
            for at in range(0, len(data), self._length):
                yield data[at : at + self._length]

    def _write(self, first: int, data: bytearray) -> None:
        if self._file < 0:
            self._file, path = tempfile.mkstemp(prefix="boss-builder-")
            os.unlink(path)  # noqa: PTH108 - a name as mkstemp gives it
            weakref.finalize(self, os.close, self._file)
        self._places.setdefault(first, []).append(self._end)
        with memoryview(data) as view:
            done = 0
            while done < len(view):
                done += os.pwrite(self._file, view[done:], self._end + done)
        self._end += len(data)
