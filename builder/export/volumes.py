"""How the blobs of a release are spread over volumes of a size, for tape; and sizes as a person writes them.

A volume's size is what `tar` makes of it, so that it fits as a folder and as one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.core.progress import amount_text

UNITS = {
    "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
}  # fmt: skip
SIZE = re.compile(rf"([0-9]{{1,7}}(?:\.[0-9]{{1,3}})?) ?({'|'.join(UNITS)})")
BLOCK, RECORD = 512, 10240
LONG_NAME = 100
LONG_NAME_BLOCKS = 3
MOST_VOLUMES = 999
DIGITS = 64 + 32


def size_in_bytes(text: str) -> int:
    """Give a size in bytes: `700MB` is 700000000, `4.7GiB` 5046586572. Raises ValueError where it is written badly."""
    found = SIZE.fullmatch(text.strip())
    size = int(Decimal(found[1]) * UNITS[found[2]]) if found else 0
    if not size:
        raise ValueError(f"{text!r} is not a size; write it as 700MB, 4.7GB or 650MiB")
    return size


def tar_size(files: Mapping[str, int], folders: Iterable[str]) -> int:
    """Bytes of the tar that holds these files (paths and sizes) and folders, ends and records included.

    Source: GNU tar manual, "Basic Tar Format": blocks of 512 bytes, records of 20 blocks, two empty blocks at the end.
    """
    size = sum(_in_tar(name, content) for name, content in files.items())
    size += sum(_in_tar(f"{name}/", 0) for name in folders)
    return -(-(size + 2 * BLOCK) // RECORD) * RECORD


def _in_tar(name: str, size: int) -> int:
    long = LONG_NAME_BLOCKS if len(name.encode()) > LONG_NAME else 0
    return (1 + long - (-size // BLOCK)) * BLOCK


@dataclass(frozen=True)
class Piece:
    """A blob, or a part of one, in a volume; sizes in bytes. `part` counts from 1, and is 0 for a whole blob."""

    digest: Digest
    size: int
    part: int = 0


Volume = tuple[Piece, ...]


class _Growing:
    def __init__(self, room: int) -> None:
        self.left = room
        self.pieces: list[Piece] = []

    def add(self, piece: Piece, cost: int) -> None:
        self.left -= cost
        self.pieces.append(piece)


def cost(size: int, name_length: int) -> int:
    """Bytes that a blob of a size takes of a volume: in the tar, and by its lines in both manifests."""
    return _in_tar("", size) + DIGITS + 2 * (name_length + 3)


def pack(blobs: Sequence[tuple[Digest, int]], *, first_room: int, room: int, name_length: int) -> tuple[Volume, ...]:
    """Spread blobs (digest and size) over volumes, each into the first that has room, in the order given.

    `room` is what a volume has for blobs, `first_room` what the first one has. A blob that no volume has room for is
    split; its parts fill new volumes, and its end goes where there is room. Raises InputFailure where there would be
    too many volumes.
    """
    least = cost(BLOCK, name_length)
    if min(room, first_room) < least:
        raise ValueError(f"no room for anything: {room} and {first_room} bytes")
    volumes = [_Growing(first_room)]
    for digest, size in blobs:
        rest, part = size, 0
        while cost(rest, name_length) > room:
            piece = (room - least + BLOCK) // BLOCK * BLOCK
            part, rest = part + 1, rest - piece
            volumes.append(_Growing(room))
            volumes[-1].add(Piece(digest, piece, part), cost(piece, name_length))
            if len(volumes) > MOST_VOLUMES:
                break
        need = cost(rest, name_length)
        volume = next((v for v in volumes if v.left >= need), None)
        if volume is None:
            volume = _Growing(room)
            volumes.append(volume)
        volume.add(Piece(digest, rest, part + 1 if part else 0), need)
        if len(volumes) > MOST_VOLUMES:
            raise InputFailure(
                f"the release does not fit on {MOST_VOLUMES} volumes with {amount_text(room)} of room each",
                hint="name a larger --volume-size",
            )
    return tuple(tuple(v.pieces) for v in volumes)
