"""Where blobs come from: what a folder, a bag, an OCFL object and a registry have in common."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from builder.audit.copies.untrusted import Untrue, checked_digest, decode_index
from builder.core.digest import Digest
from builder.store import oci
from builder.store.verify import MANIFEST_LIMIT

Note = Callable[[str, str, str], None]
"""Told of what was done: type of event and outcome in the words of PREMIS, and between them what it was done to."""


def no_note(event: str, subject: str, outcome: str) -> None:
    """Nobody listens."""


class Source(Protocol):
    """Somebody's copy. Nothing that it says is believed."""

    @property
    def name(self) -> str:
        """What people call it."""

    def index_bytes(self) -> bytes:
        """Give `index.json`. Raises Untrue where it has none, or one beyond all bounds."""

    def size(self, digest: str) -> int | None:
        """Say how many bytes a blob has; None where the source has none of it."""

    def pieces(self, digest: str, limit: int) -> AbstractContextManager[Iterator[bytes]]:
        """Open a blob. Raises Untrue where it has none, WorkFailure where it can not be had.

        What comes may be longer than the limit, but not without end.
        """


def index_of(source: Source) -> oci.Index:
    """Read what a source says that it holds. Raises Untrue."""
    return decode_index(source.index_bytes(), f"index.json of {source.name}")


def checked_pieces(source: Source, digest: str, size: int) -> Generator[bytes, None, None]:
    """Give a blob in pieces, and check length and digest on the way.

    Raises Untrue as soon as there is more than `size`, and at the end where it is not what its name says: whoever
    writes the pieces keeps them only when all have come.
    """
    checked_digest(digest)
    sha = hashlib.sha256()
    total = 0
    with source.pieces(digest, size) as pieces:
        for piece in pieces:
            total += len(piece)
            if total > size:
                raise Untrue(f"{source.name} gives more than {size} bytes for {digest}")
            sha.update(piece)
            yield piece
    if total != size:
        raise Untrue(f"{source.name} gives {total} bytes for {digest}, which has {size}")
    if f"sha256:{sha.hexdigest()}" != digest:
        raise Untrue(f"{digest} is damaged in {source.name}: its digest is sha256:{sha.hexdigest()}")


def read_document(source: Source, digest: str, limit: int = MANIFEST_LIMIT) -> bytes:
    """Read a small blob, checked. Raises Untrue where it is missing, damaged or longer than the limit (bytes)."""
    checked_digest(digest)
    data = bytearray()
    with source.pieces(digest, limit) as pieces:
        for piece in pieces:
            data += piece
            if len(data) > limit:
                raise Untrue(f"{source.name} gives more than {limit} bytes for {digest}")
    document = bytes(data)
    if Digest.of(document) != digest:
        raise Untrue(f"{digest} is damaged in {source.name}: its digest is {Digest.of(document)}")
    return document
