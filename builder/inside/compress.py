"""Write canonical contents as a compressed layer, with the digests that its manifest needs."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Iterable
from typing import Any

from builder.inside.canonical import Content, HashingWriter, write_tar

COMPRESS = ("pigz", "-4", "--processes", "2", "--no-name")
"""gzip, because every engine and every tool reads it. One process and several give different bytes: never one."""
BATCH = 1 << 20


class _Behind:
    """Hand bytes to a slower sink on a thread of its own, in large pieces."""

    def __init__(self, sink: HashingWriter) -> None:
        self._sink = sink
        self._pieces: queue.Queue[bytes | None] = queue.Queue(maxsize=8)
        self._buffer = bytearray()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._drain)
        self._thread.start()

    def _drain(self) -> None:
        while (piece := self._pieces.get()) is not None:
            if self._error is None:
                try:
                    self._sink.write(piece)
                except OSError as error:
                    self._error = error

    def write(self, data: bytes, /) -> int:
        """Take data; it is written soon."""
        self._buffer += data
        if len(self._buffer) >= BATCH:
            self._pieces.put(bytes(self._buffer))
            self._buffer.clear()
        return len(data)

    def close(self) -> None:
        """Wait until everything is written; raises what the writing raised."""
        self._pieces.put(bytes(self._buffer))
        self._pieces.put(None)
        self._thread.join()
        if self._error is not None:
            raise self._error


def write_layer(contents: Iterable[Content], target: str) -> dict[str, Any]:
    """Write a layer to the file `target`; gives {"diff_id"}, the digest of the tar without compression."""
    with open(target, "xb") as sink:  # noqa: PTH123 - a plain name
        pigz = subprocess.Popen([*COMPRESS, "--stdout"], stdin=subprocess.PIPE, stdout=sink)
        if pigz.stdin is None:
            raise ValueError("pigz has no standard input")
        plain = HashingWriter(pigz.stdin)
        behind = _Behind(plain)
        try:
            write_tar(contents, behind)
        finally:
            behind.close()
            pigz.stdin.close()
            code = pigz.wait()
    if code != 0:
        raise OSError(f"pigz failed with exit code {code}")
    return {"diff_id": plain.digest}
