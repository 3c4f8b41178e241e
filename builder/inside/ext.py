"""Read the files of an ext2, ext3 or ext4 file system: no mount, no rights, no tool that prints names as it likes.

Read are the inodes themselves, so that all of their times are seen. Block maps and extents are known, what newer
features change of the layout is not: such a file system is refused. Source: kernel documentation, filesystems/ext4,
"Data Structures and Algorithms".
"""

from __future__ import annotations

import hashlib
import shutil
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from builder.inside import listing
from builder.inside.canonical import CHUNK
from builder.inside.listing import NANO, File, with_leaders

SUPERBLOCK_AT = 1024
SUPERBLOCK = 1024
MAGIC = 0xEF53
FILETYPE, RECOVER, EXTENTS, WIDE, FLEX_GROUPS = 0x2, 0x4, 0x40, 0x80, 0x200
CHECKSUM_SEED, LARGE_FOLDERS = 0x2000, 0x4000
KNOWN = FILETYPE | RECOVER | EXTENTS | WIDE | FLEX_GROUPS | CHECKSUM_SEED | LARGE_FOLDERS
ROOT_INODE = 2
USES_EXTENTS = 0x80000
EXTENT_MAGIC = 0xF30A
DEEPEST = 5
UNWRITTEN = 32768
"""An extent that is longer than this is allocated and not written: it reads as zeros."""
OLD_INODE = 128
ATTRIBUTES_MAGIC = 0xEA020000
PREFIXES = {
    1: b"user.", 2: b"system.posix_acl_access", 3: b"system.posix_acl_default", 4: b"trusted.", 6: b"security.",
    7: b"system.",
}  # fmt: skip
KINDS = {
    0x1: listing.PIPE, 0x2: listing.CHARACTER, 0x4: listing.FOLDER, 0x6: listing.BLOCK, 0x8: listing.FILE,
    0xA: listing.SYMBOLIC_LINK, 0xC: listing.SOCKET,
}  # fmt: skip
FAST_LINK = 60
"""Bytes of a link's target that fit into the inode itself."""
LINK_LIMIT = 4096
FOLDER_LIMIT = 256 << 20
FILE_LIMIT = 1 << 40
"""Bytes of the largest file that is read: holes cost no space, and a damaged size may say anything."""


@dataclass(frozen=True)
class _Inode:
    number: int
    data: bytes

    def word(self, offset: int) -> int:
        """Give the 32 bits at an offset."""
        return int.from_bytes(self.data[offset : offset + 4], "little")

    def half(self, offset: int) -> int:
        """Give the 16 bits at an offset."""
        return int.from_bytes(self.data[offset : offset + 2], "little")

    @property
    def kind(self) -> str:
        """What it is. Raises ValueError for what no file system has."""
        kind = KINDS.get(self.half(0) >> 12)
        if kind is None:
            raise ValueError(f"the inode {self.number} is of no known type")
        return kind

    @property
    def size(self) -> int:
        """Bytes."""
        return self.word(4) | self.word(108) << 32

    @property
    def acl_block(self) -> int:
        """The block with extended attributes, or 0."""
        return self.word(104) | self.half(118) << 32

    @property
    def extra(self) -> int:
        """How many bytes an inode of today has more than one of ext2."""
        return self.half(OLD_INODE) if len(self.data) > OLD_INODE else 0

    @property
    def times(self) -> tuple[tuple[str, int], ...]:
        """Its times, in nanoseconds since 1970."""
        times = [("mtime", 16, 136), ("atime", 8, 140), ("ctime", 12, 132)]
        found = [(name, self._time(seconds, more)) for name, seconds, more in times]
        return (*found, ("crtime", self._time(144, 148))) if self._has(144) else tuple(found)

    def _has(self, offset: int) -> bool:
        return offset + 4 <= OLD_INODE + self.extra

    def _time(self, seconds: int, more: int) -> int:
        (value,) = struct.unpack_from("<i", self.data, seconds)
        extra = self.word(more) if self._has(more) else 0
        return (int(value) + ((extra & 3) << 32)) * NANO + (extra >> 2)


class Ext:
    """A file system that begins at an offset of a stream."""

    def __init__(self, stream: BinaryIO, start: int) -> None:
        """Read the superblock; raises ValueError where there is none, or one with features that are not known."""
        self._stream = stream
        self._start = start
        self.superblock = self._read(SUPERBLOCK_AT, SUPERBLOCK)
        word = struct.Struct("<I").unpack_from
        if int.from_bytes(self.superblock[56:58], "little") != MAGIC:
            raise ValueError(f"there is no ext file system at byte {start}")
        features = word(self.superblock, 96)[0]
        if features & ~KNOWN:
            raise ValueError(f"the file system has features that are not known here: {features & ~KNOWN:#x}")
        if features & RECOVER:
            raise ValueError("the file system was not unmounted: its journal has to be replayed first")
        log = word(self.superblock, 24)[0]
        if log > 6:  # noqa: PLR2004 - 64 KiB
            raise ValueError("the blocks of the file system are of no known size")
        self._block = 1024 << log
        self._inodes = word(self.superblock, 0)[0]
        self._per_group = word(self.superblock, 40)[0]
        is_old = word(self.superblock, 76)[0] == 0
        self._inode_size = OLD_INODE if is_old else int.from_bytes(self.superblock[88:90], "little")
        self._group_size = int.from_bytes(self.superblock[254:256], "little") if features & WIDE else 32
        self._groups_at = (word(self.superblock, 20)[0] + 1) * self._block
        if not self._per_group or self._inode_size < OLD_INODE or self._group_size < 32:  # noqa: PLR2004
            raise ValueError("the superblock of the file system makes no sense")
        self._places: dict[bytes, int] = {}

    def _read(self, offset: int, size: int) -> bytes:
        self._stream.seek(self._start + offset)
        data = self._stream.read(size)
        if len(data) != size:
            raise ValueError("the file system goes on after the end of the disk")
        return data

    # -- inodes -------------------------------------------------------------------------------------------------------

    def _inode(self, number: int) -> _Inode:
        if not 0 < number <= self._inodes:
            raise ValueError(f"there is no inode {number}")
        group, place = divmod(number - 1, self._per_group)
        described = self._read(self._groups_at + group * self._group_size, self._group_size)
        table = int.from_bytes(described[8:12], "little")
        if self._group_size >= 64:  # noqa: PLR2004 - the high half is there
            table |= int.from_bytes(described[40:44], "little") << 32
        return _Inode(number, self._read(table * self._block + place * self._inode_size, self._inode_size))

    def _runs(self, inode: _Inode) -> Iterator[tuple[int, int, int]]:
        """Give the blocks of an inode: number in the file, number on the disk, how many."""
        if inode.word(32) & USES_EXTENTS:
            yield from self._extents(inode.data[40:100], DEEPEST)
            return
        direct = struct.unpack_from("<12I", inode.data, 40)
        yield from ((number, block, 1) for number, block in enumerate(direct) if block)
        first, each = len(direct), 1
        for depth in (1, 2, 3):
            each *= self._block // 4
            yield from self._mapped(inode.word(40 + 4 * (11 + depth)), depth, first, each)
            first += each

    def _mapped(self, block: int, depth: int, first: int, covered: int) -> Iterator[tuple[int, int, int]]:
        if not block:
            return
        if not depth:
            yield first, block, 1
            return
        count = self._block // 4
        each = covered // count
        for number, below in enumerate(struct.unpack(f"<{count}I", self._read(block * self._block, self._block))):
            yield from self._mapped(below, depth - 1, first + number * each, each)

    def _extents(self, node: bytes, deepest: int) -> Iterator[tuple[int, int, int]]:
        magic, count, _, depth = struct.unpack_from("<4H", node)
        if magic != EXTENT_MAGIC or depth > deepest or 12 * (count + 1) > len(node):
            raise ValueError("the extents of a file make no sense")
        for number in range(count):
            at = 12 * (number + 1)
            if depth:
                _, low, high = struct.unpack_from("<IIH", node, at)
                yield from self._extents(self._read((low | high << 32) * self._block, self._block), depth - 1)
            else:
                first, length, high, low = struct.unpack_from("<IHHI", node, at)
                if length <= UNWRITTEN:
                    yield first, low | high << 32, length

    def _content(self, inode: _Inode) -> Iterator[bytes]:
        """Give the content, its holes as zeros."""
        position, size = 0, inode.size
        if size > FILE_LIMIT:
            raise ValueError(f"the inode {inode.number} is larger than is looked into")
        for first, block, count in self._runs(inode):
            start = first * self._block
            if start < position:
                raise ValueError(f"the blocks of the inode {inode.number} are out of order")
            if start >= size:
                break
            yield from _zeros(start - position)
            left = min(count * self._block, size - start)
            at = block * self._block
            position = start + left
            while left:
                piece = self._read(at, min(CHUNK, left))
                yield piece
                at += len(piece)
                left -= len(piece)
        yield from _zeros(size - position)

    def _whole(self, inode: _Inode, limit: int) -> bytes:
        if inode.size > limit:
            raise ValueError(f"the inode {inode.number} is larger than such a file can be")
        return b"".join(self._content(inode))

    def _target(self, inode: _Inode) -> bytes:
        own = self._block // 512 if inode.acl_block else 0
        if inode.size < FAST_LINK and not inode.word(32) & USES_EXTENTS and inode.word(28) == own:
            return inode.data[40 : 40 + inode.size]
        return self._whole(inode, LINK_LIMIT)

    # -- extended attributes ------------------------------------------------------------------------------------------

    def _attributes(self, inode: _Inode) -> tuple[tuple[bytes, bytes], ...]:
        found: list[tuple[bytes, bytes]] = []
        inline = OLD_INODE + inode.extra
        if len(inode.data) > inline + 4 and inode.extra and inode.word(inline) == ATTRIBUTES_MAGIC:
            found += _entries(inode.data[inline + 4 :], 0)
        if inode.acl_block:
            block = self._read(inode.acl_block * self._block, self._block)
            if int.from_bytes(block[:4], "little") != ATTRIBUTES_MAGIC:
                raise ValueError(f"the extended attributes of the inode {inode.number} make no sense")
            found += _entries(block, 32)
        return tuple(sorted(found))

    # -- files --------------------------------------------------------------------------------------------------------

    def files(self) -> list[File]:
        """List the files, sorted by path. Raises ValueError where the file system is damaged."""
        return with_leaders((self._file(path, inode), inode.number) for path, inode in self._walk())

    def _walk(self) -> Iterator[tuple[bytes, _Inode]]:
        self._places = {b"": ROOT_INODE}
        folders = [b""]
        seen = {ROOT_INODE}
        yield b"", self._inode(ROOT_INODE)
        while folders:
            folder = folders.pop()
            for name, number in self._names(self._inode(self._places[folder])):
                path = folder + b"/" + name if folder else name
                inode = self._inode(number)
                self._places[path] = number
                if inode.kind == listing.FOLDER:
                    if number in seen:
                        raise ValueError("a folder lies in two places, or in itself")
                    seen.add(number)
                    folders.append(path)
                yield path, inode

    def _names(self, folder: _Inode) -> Iterator[tuple[bytes, int]]:
        data = self._whole(folder, FOLDER_LIMIT)
        for begin in range(0, len(data), self._block):
            at, end = begin, min(begin + self._block, len(data))
            while at + 8 <= end:
                number, length, size = struct.unpack_from("<IHB", data, at)
                name = data[at + 8 : at + 8 + size]
                if number and name not in {b".", b".."}:
                    if b"/" in name or b"\0" in name or not name:
                        raise ValueError("a folder holds a name that no file can have")
                    yield name, number
                if length in {0, 0xFFFF}:  # all of a block of 64 KiB
                    break
                if length < 8:  # noqa: PLR2004 - the head of an entry
                    raise ValueError(f"the folder of inode {folder.number} makes no sense")
                at += length

    def _file(self, path: bytes, inode: _Inode) -> File:
        kind = inode.kind
        sha256 = ""
        if kind == listing.FILE:
            sha = hashlib.sha256()
            for piece in self._content(inode):
                sha.update(piece)
            sha256 = sha.hexdigest()
        return File(
            path=path,
            kind=kind,
            mode=0o777 if kind == listing.SYMBOLIC_LINK else inode.half(0) & 0o7777,
            uid=inode.half(2) | inode.half(120) << 16,
            gid=inode.half(24) | inode.half(122) << 16,
            times=inode.times,
            size=inode.size if kind == listing.FILE else 0,
            link=self._target(inode) if kind == listing.SYMBOLIC_LINK else b"",
            device=_device(inode) if kind in (listing.CHARACTER, listing.BLOCK) else (0, 0),
            attributes=self._attributes(inode),
            sha256=sha256,
        )

    def take_out(self, wanted: Sequence[tuple[bytes, Path]]) -> None:
        """Write contents to files; only after `files`, and of files that it listed."""
        done: dict[int, Path] = {}
        for path, target in wanted:
            number = self._places[path]
            if number in done:
                shutil.copyfile(done[number], target)
                continue
            with target.open("wb") as sink:
                for piece in self._content(self._inode(number)):
                    sink.write(piece)
            done[number] = target


def _zeros(count: int) -> Iterator[bytes]:
    while count > 0:
        yield bytes(min(CHUNK, count))
        count -= CHUNK


def _device(inode: _Inode) -> tuple[int, int]:
    old, new = inode.word(40), inode.word(44)
    if old:
        return old >> 8 & 0xFF, old & 0xFF
    return (new & 0xFFF00) >> 8, new & 0xFF | new >> 12 & 0xFFF00


def _entries(area: bytes, at: int) -> Iterator[tuple[bytes, bytes]]:
    """Give the attributes of an area; values lie where the entries say, counted from the area's begin."""
    while at + 16 <= len(area) and area[at : at + 4] != bytes(4):
        length, prefix, where, elsewhere, size = struct.unpack_from("<BBHII", area, at)
        name = area[at + 16 : at + 16 + length]
        if elsewhere or prefix not in PREFIXES or where + size > len(area):
            raise ValueError("an extended attribute is kept in a way that is not known here")
        yield PREFIXES[prefix] + name, area[where : where + size]
        at += 16 + (length + 3) // 4 * 4
