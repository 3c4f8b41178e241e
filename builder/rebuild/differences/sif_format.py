"""A SIF, and the superblock of a squashfs, as values; pure.

Sources: github.com/sylabs/sif, pkg/sif (header, rawDescriptor), version 3 of the format; kernel documentation,
filesystems/squashfs, and squashfs_fs.h.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from builder.inside.listing import NANO
from builder.rebuild.differences.text import printable, shown_time
from builder.rebuild.differences.told import Told

HEADER = 128
MAGIC = b"SIF_MAGIC"
DESCRIPTOR = 585
MOST_OBJECTS = 4096
PARTITION = 0x4004
SIGNATURE = 0x4005
TYPES = {
    0x4001: "definition", 0x4002: "environment", 0x4003: "labels", PARTITION: "partition", SIGNATURE: "signature",
    0x4006: "generic JSON", 0x4007: "generic", 0x4008: "encrypted message", 0x4009: "SBOM",
}  # fmt: skip
SQUASHFS = 1
SUPERBLOCK = 96
COMPRESSIONS = {1: "gzip", 2: "lzma", 3: "lzo", 4: "xz", 5: "lz4", 6: "zstd"}


@dataclass(frozen=True)
class SifObject:
    """One part of a SIF."""

    type: int
    offset: int
    size: int
    told: Told
    """Its other fields."""
    extra: bytes

    @property
    def name(self) -> str:
        """What it is."""
        return TYPES.get(self.type, f"type {self.type:#x}")

    @property
    def is_squashfs(self) -> bool:
        """Whether it is a partition with a squashfs on it."""
        return self.type == PARTITION and int.from_bytes(self.extra[:4], "little") == SQUASHFS


@dataclass(frozen=True)
class Sif:
    """The header of a SIF, and what it holds, in the order of its descriptors."""

    told: Told
    objects: tuple[SifObject, ...]


def table_of(header: bytes) -> tuple[int, int]:
    """Where a SIF keeps its descriptors, and how many bytes they take. Raises ValueError where it is no SIF."""
    if len(header) < HEADER or header[32:41] != MAGIC:
        raise ValueError("it is no SIF")
    (total,) = struct.unpack_from("<q", header, 88)
    (place,) = struct.unpack_from("<q", header, 96)
    if not 0 <= total <= MOST_OBJECTS or place < HEADER:
        raise ValueError("the header of the SIF makes no sense")
    return place, total * DESCRIPTOR


def read_sif(header: bytes, table: bytes) -> Sif:
    """Read a SIF from its header and its descriptors."""
    created, modified, free, total, place, size, data, length = struct.unpack_from("<8q", header, 64)
    told: Told = {
        "launch script": (_text(header[:32]), "container"),
        "format version": (_text(header[42:45]), "container"),
        "architecture": (_text(header[45:48]), "container"),
        "id": (header[48:64].hex(), "container"),
        "created": (shown_time(created * NANO), "time"),
        "modified": (shown_time(modified * NANO), "time"),
        "descriptors": (f"{total}, {free} of them free, at {place}, {size} bytes", "container"),
        "data": (f"at {data}, {length} bytes", "container"),
    }
    objects = (_object(table[at : at + DESCRIPTOR]) for at in range(0, len(table) - DESCRIPTOR + 1, DESCRIPTOR))
    return Sif(told, tuple(part for part in objects if part is not None))


def _object(raw: bytes) -> SifObject | None:
    kind, used, number, group, link, offset, size, stored, created, modified, uid, gid = struct.unpack_from(
        "<i?IIIqqqqqqq", raw
    )
    if not used:
        return None
    told: Told = {
        "id": (f"{number}, group {group & 0xFFFFFFF}, link {link:#x}", "container"),
        "place": (f"at {offset}, {size} bytes, {stored} with what fills up", "container"),
        "created": (shown_time(created * NANO), "time"),
        "modified": (shown_time(modified * NANO), "time"),
        "owner": (f"{uid}:{gid}", "container"),
        "name": (_text(raw[73:201]), "container"),
        "extra": (raw[201:585].rstrip(b"\0").hex(), "container"),
    }
    return SifObject(kind, offset, size, told, raw[201:585])


def read_squashfs(superblock: bytes) -> Told:
    """Tell the fields of a superblock that say how the files are kept; nothing where there is none."""
    if len(superblock) < SUPERBLOCK or not superblock.startswith(b"hsqs"):
        return {}
    inodes, made, block, fragments, compression, _, flags, ids, major, minor = struct.unpack_from(
        "<4I6H", superblock, 4
    )
    _, used = struct.unpack_from("<2Q", superblock, 32)
    return {
        "made": (shown_time(made * NANO), "time"),
        "compression": (COMPRESSIONS.get(compression, str(compression)), "container"),
        "block size": (str(block), "container"),
        "flags": (f"{flags:#06x}", "container"),
        "version": (f"{major}.{minor}", "container"),
        "counts": (f"{inodes} inodes, {fragments} fragments, {ids} owners", "container"),
        "bytes used": (str(used), "container"),
    }


def _text(data: bytes) -> str:
    return printable(data.partition(b"\0")[0].decode("utf-8", "surrogateescape"))
