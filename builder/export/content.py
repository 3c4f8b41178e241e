"""Blobs of the store as streams that are compared with their digest while they are read, so that none is read twice."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from builder.core.digest import CHUNK, Digest
from builder.core.errors import WorkFailure
from builder.store.store import Store

if TYPE_CHECKING:
    from typing_extensions import Buffer

Advance = Callable[[int], None]
"""Is told how many bytes were read."""


class _Checked(io.RawIOBase):
    """A file that raises WorkFailure at its end where its bytes are not those of its digest."""

    def __init__(self, path: Path, digest: str, advance: Advance) -> None:
        self._stream = path.open("rb", buffering=0)
        self._digest = digest
        self._sha256 = hashlib.sha256()
        self._advance = advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)
        count = self._stream.readinto(view) or 0
        if count == 0 and Digest.from_hex(self._sha256.hexdigest()) != self._digest:
            raise _damaged(self._digest)
        self._sha256.update(view[:count])
        self._advance(count)
        return count

    def close(self) -> None:
        self._stream.close()
        super().close()


def open_checked(store: Store, digest: str, size: int, advance: Advance) -> IO[bytes]:
    """Open a blob. Raises WorkFailure where it is missing or not of that size; its reader where it is damaged."""
    if not store.has(digest):
        with store.open(digest):  # says what to do
            pass
    if not store.has(digest, size):
        raise _damaged(digest)
    return io.BufferedReader(_Checked(store.blob_path(digest), digest, advance), CHUNK)


def _damaged(digest: str) -> WorkFailure:
    return WorkFailure(
        f"the blob {digest} is damaged in the store",
        hint="boss-builder verify tells what else is; restore it from a copy of the store, or freeze and build again",
    )
