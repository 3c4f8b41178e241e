"""Digests as OCI writes them: `sha256:` and 64 hexadecimal digits."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")
CHUNK = 1 << 20


class Digest(str):
    """A checked `sha256:<64 hex digits>`; compares and serialises as the string that it is.

    Source: OCI image specification, descriptor.md, "Digests".
    """

    __slots__ = ()

    def __new__(cls, value: str) -> Digest:
        """Raise ValueError where `value` is not a sha256 digest."""
        if not DIGEST_PATTERN.fullmatch(value):
            raise ValueError(f"not a sha256 digest: {value!r}")
        return super().__new__(cls, value)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """Digest of some bytes."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @classmethod
    def from_hex(cls, hexadecimal: str) -> Digest:
        """Digest from 64 bare hexadecimal digits, in either case."""
        return cls("sha256:" + hexadecimal.lower())

    @property
    def hex(self) -> str:
        """The 64 hexadecimal digits: the blob's file name."""
        return self[7:]

    @property
    def short(self) -> str:
        """Enough of the digest for a person to recognise it by."""
        return self[:19]


def digest_stream(stream: BinaryIO) -> tuple[Digest, int]:
    """Digest and size in bytes of what is left in a stream, read in pieces."""
    sha = hashlib.sha256()
    size = 0
    while chunk := stream.read(CHUNK):
        sha.update(chunk)
        size += len(chunk)
    return Digest.from_hex(sha.hexdigest()), size


def digest_file(path: Path) -> tuple[Digest, int]:
    """Digest and size in bytes of a file, read in pieces."""
    with path.open("rb") as stream:
        return digest_stream(stream)
