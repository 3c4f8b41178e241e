"""List the files of two images of one shape, and take out contents that differ.

Request: {"shape": "sif" or "vm", "images": {"stored": {"path", "offset"}, "rebuilt": {"path", "offset"}}, "pairs": how
many pairs of contents to take out, "largest": bytes of the largest content that is}. The offset is where the squashfs
of an Apptainer image begins; of a disk it is not read.
Answer: {"taken": [[path in the stored image, path in the rebuilt one]]}, paths as `builder.inside.listing` spells them.
In the current folder lie `stored.listing` and `rebuilt.listing`; the contents `0.stored`, `0.rebuilt`, `1.stored`...;
and of disks `stored.head` (all before the first partition), `stored.superblock` (of the root's file system) and
`stored.partition-14` (every partition but the root), and so for the rebuilt one.
"""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from builder.inside.canonical import CHUNK
from builder.inside.ext import Ext
from builder.inside.listing import FILE, File, write_listing
from builder.inside.partitions import SECTOR, Partition, Table, read_table
from builder.inside.program import RefusedError, call, serve
from builder.inside.squashfs import Squashfs

SIDES = ("stored", "rebuilt")
HEAD = 1 << 20
"""Where partitions begin, at the latest: where every tool puts the first."""
LARGEST_PARTITION = 256 << 20
QCOW2 = b"QFI\xfb"
EXTERNAL_DATA = 4


class _Files(Protocol):
    """What files are read from."""

    def files(self) -> list[File]:
        """List them, sorted by path."""

    def take_out(self, wanted: Sequence[tuple[bytes, Path]]) -> None:
        """Write contents to files."""


# -- disks ------------------------------------------------------------------------------------------------------------


def _raw(disk: Path, raw: Path) -> None:
    """Unpack a disk; refuse one that is made of other files."""
    with disk.open("rb") as stream:
        header = stream.read(104)
    if len(header) < 72 or not header.startswith(QCOW2):  # noqa: PLR2004 - a header of version 2
        raise ValueError("it is no qcow2 disk")
    version = int.from_bytes(header[4:8], "big")
    backing = int.from_bytes(header[8:16], "big")
    features = int.from_bytes(header[72:80], "big") if version > 2 else 0  # noqa: PLR2004
    if backing or features & EXTERNAL_DATA:
        raise ValueError("the disk is made of more files than one")
    call("qemu-img", "convert", "-f", "qcow2", "-O", "raw", str(disk), str(raw))


def _root(table: Table) -> int:
    """Give the number of the partition with the root: the last on the disk."""
    return max(table.partitions, key=lambda number: table.partitions[number].start)


def _open_disk(disk: Path, side: str, stack: ExitStack) -> _Files:
    raw = Path(f"{side}.raw")
    stack.callback(raw.unlink, missing_ok=True)
    _raw(disk, raw)
    stream = stack.enter_context(raw.open("rb"))
    table = read_table(stream.read(HEAD))
    if not table.partitions:
        raise ValueError("the disk has no partition")
    first = min(partition.start for partition in table.partitions.values())
    root = _root(table)
    parts = {"head": Partition("", "", 0, max(first, table.end), 0, "")}
    parts |= {f"partition-{number}": part for number, part in table.partitions.items() if number != root}
    for name, part in parts.items():
        _copy(stream, part, Path(f"{side}.{name}"))
    files = Ext(stream, table.partitions[root].start)
    Path(f"{side}.superblock").write_bytes(files.superblock)
    return files


def _copy(stream: BinaryIO, partition: Partition, target: Path) -> None:
    if not 0 <= partition.size <= LARGEST_PARTITION or partition.size % SECTOR:
        raise ValueError("a partition is larger than is looked into")
    stream.seek(partition.start)
    left = partition.size
    with target.open("wb") as sink:
        while left:
            piece = stream.read(min(CHUNK, left))
            if not piece:
                raise ValueError("a partition goes on after the end of the disk")
            sink.write(piece)
            left -= len(piece)


# -- both -------------------------------------------------------------------------------------------------------------


def _differing(stored: list[File], rebuilt: list[File], largest: int) -> Iterator[tuple[bytes, bytes]]:
    """Name the contents that differ, each once however many names it has."""
    others = {file.path: file for file in rebuilt}
    seen = set()
    for one in stored:
        two = others.get(one.path)
        if two is None or one.kind != FILE or two.kind != FILE or one.sha256 == two.sha256:
            continue
        pair = (one.leader or one.path, two.leader or two.path)
        if pair not in seen and max(one.size, two.size) <= largest:
            seen.add(pair)
            yield pair


def list_images(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request as the module says; refuses an image that can not be read."""
    images: dict[str, _Files] = {}
    listings: dict[str, list[File]] = {}
    with ExitStack() as stack:
        for side in SIDES:
            asked = request["images"][side]
            path = Path(asked["path"])
            try:
                images[side] = (
                    _open_disk(path, side, stack) if request["shape"] == "vm" else Squashfs(path, asked["offset"])
                )
                listings[side] = images[side].files()
            except (ValueError, struct.error, IndexError) as error:
                raise RefusedError((f"the {side} image can not be read: {error}", "")) from error
            except subprocess.CalledProcessError as error:
                raise RefusedError((f"the {side} image can not be read: {error.cmd[0]} failed", "")) from error
            write_listing(listings[side], Path(f"{side}.listing"))
        pairs = list(_differing(listings["stored"], listings["rebuilt"], request["largest"]))[: request["pairs"]]
        for place, side in enumerate(SIDES):
            images[side].take_out([(pair[place], Path(f"{number}.{side}")) for number, pair in enumerate(pairs)])
    return {"taken": [[path.decode("latin-1") for path in pair] for pair in pairs]}


if __name__ == "__main__":
    serve(list_images)
