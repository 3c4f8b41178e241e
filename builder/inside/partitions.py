"""Read a GUID partition table. Source: UEFI specification 2.10, 5.3."""

from __future__ import annotations

import struct
import uuid
from dataclasses import dataclass

SECTOR = 512
SIGNATURE = b"EFI PART"
LARGEST_TABLE = 1 << 16


@dataclass(frozen=True)
class Partition:
    """One partition; `start` and `size` in bytes."""

    type: str
    id: str
    start: int
    size: int
    attributes: int
    name: str


@dataclass(frozen=True)
class Table:
    """A partition table."""

    id: str
    partitions: dict[int, Partition]
    """By number, from 1."""
    end: int
    """Where the table ends, in bytes from the begin of the disk."""


def read_table(head: bytes) -> Table:
    """Read the table from the beginning of a disk. Raises ValueError where there is none, or not all of it."""
    header = head[SECTOR : 2 * SECTOR]
    if len(header) < SECTOR or not header.startswith(SIGNATURE):
        raise ValueError("the disk has no GUID partition table")
    first, count, size = struct.unpack_from("<QII", header, 72)
    begin, length = first * SECTOR, count * size
    if size < 128 or length > LARGEST_TABLE or begin + length > len(head):  # noqa: PLR2004 - the smallest entry
        raise ValueError("the GUID partition table makes no sense")
    partitions = {}
    for number in range(count):
        entry = head[begin + number * size : begin + (number + 1) * size]
        if entry[:16] == bytes(16):
            continue
        start, last, attributes = struct.unpack_from("<3Q", entry, 32)
        partitions[number + 1] = Partition(
            type=_guid(entry[:16]),
            id=_guid(entry[16:32]),
            start=start * SECTOR,
            size=(last - start + 1) * SECTOR,
            attributes=attributes,
            name=entry[56:128].decode("utf-16-le", "replace").partition("\0")[0],
        )
    return Table(_guid(header[56:72]), partitions, begin + length)


def _guid(data: bytes) -> str:
    return str(uuid.UUID(bytes_le=data))
