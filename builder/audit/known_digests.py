"""The digests of every blob that an audit has read: sha256 (its name), md5 and blake3, in `audit/digests.jsonl`.

md5 is what the tape system compares; blake3 is a fast check of one's own. One JSON object a line, sorted by the name.
Of a store of many blobs only a small slice is held at a time: those whose names begin with the same two digits.
"""

from __future__ import annotations

import heapq
import io
import itertools
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from builder.audit.decoding import decoded
from builder.core import documents

NAME = "digests.jsonl"


class Known(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, order=True):
    """What is known of a blob. `digest` as in the index, the others bare hexadecimal digits; size in bytes."""

    digest: str
    size: int
    md5: str
    blake3: str

    @property
    def name(self) -> str:
        """The blob's file name."""
        return self.digest[7:]


class KnownDigests:
    """A record, read where it lies; another process may put a new one into its place meanwhile."""

    def __init__(self, path: Path | None) -> None:
        """Open a record, and find where each slice of it begins; without a path nothing is known.

        Raises ValueError where it is none.
        """
        self._stream = io.BytesIO() if path is None else path.open("rb")
        self._starts: dict[str, int] = {}
        self._held: tuple[str, dict[str, Known]] = ("", {})
        try:
            self._index()
        except ValueError:
            self._stream.close()
            raise

    def _index(self) -> None:
        offset, last = 0, ""
        for line in self._stream:
            known = _decode(line)
            if known.digest <= last:
                raise ValueError(f"it is not sorted: {known.digest} stands after {last}")
            self._starts.setdefault(known.name[:2], offset)
            offset, last = offset + len(line), known.digest

    def __enter__(self) -> KnownDigests:
        return self

    def __exit__(self, *_: object) -> None:
        """Close the record."""
        self._stream.close()

    def find(self, name: str) -> Known | None:
        """Find what is known of a blob; quick where names are asked for in their order."""
        if self._held[0] != name[:2]:
            self._held = (name[:2], {known.name: known for known in self._slice(name[:2])})
        return self._held[1].get(name)

    def some(self, names: Collection[str]) -> dict[str, Known]:
        """Find what is known of several blobs, in one pass."""
        return {known.name: known for known in self if known.name in names}

    def _slice(self, digits: str) -> Iterator[Known]:
        if digits in self._starts:
            self._stream.seek(self._starts[digits])
            yield from itertools.takewhile(lambda known: known.name[:2] == digits, map(_decode, self._stream))

    def __iter__(self) -> Iterator[Known]:
        self._stream.seek(0)
        return map(_decode, self._stream)


def _decode(line: bytes) -> Known:
    return decoded(line, Known)


def merged(known: Iterable[Known], new: Iterable[Known]) -> Iterator[Known]:
    """Merge two sorted rows; what is known stays where both have a blob."""
    last = ""
    for one in heapq.merge(known, new, key=lambda row: row.digest):  # of equal ones, that of `known` comes first
        if one.digest != last:
            yield one
        last = one.digest


def write(rows: Iterable[Known], stream: BinaryIO) -> None:
    """Write a record."""
    stream.writelines(documents.compact(row) + b"\n" for row in rows)
