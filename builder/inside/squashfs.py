"""Read the files of a squashfs without unpacking it: unsquashfs gives all of it as one stream, a "pseudo file".

The stream is a line for each path, with its attributes, then the contents one after another. Nothing of the image
gets onto a file system. Source: mksquashfs(1) of squashfs-tools 4.6, "Pseudo file definition format"; kernel
documentation, filesystems/squashfs, for the superblock.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

from builder.inside import listing
from builder.inside.canonical import CHUNK
from builder.inside.listing import NANO, File, with_leaders

MAGIC = b"hsqs"
SUPERBLOCK = 96
KINDS = {
    b"R": listing.FILE,
    b"D": listing.FOLDER,
    b"S": listing.SYMBOLIC_LINK,
    b"C": listing.CHARACTER,
    b"B": listing.BLOCK,
    b"I": listing.PIPE,
}
PIPE_KINDS = {b"f": listing.PIPE, b"s": listing.SOCKET}
ATTRIBUTE, LINK = b"x", b"L"
BEGIN_OF_DATA = [b"#\n", b"# START OF DATA - DO NOT MODIFY\n", b"#\n"]
OCTAL = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True)
class _Place:
    """Where a file's content lies in the stream, from the begin of the contents."""

    offset: int
    size: int


class Squashfs:
    """A squashfs that begins at an offset of a file."""

    def __init__(self, image: Path, offset: int) -> None:
        """Check that there is one; raises ValueError otherwise."""
        self._words = ["unsquashfs", "-offset", str(offset), "-pf", "-", str(image)]
        with image.open("rb") as stream:
            stream.seek(offset)
            superblock = stream.read(SUPERBLOCK)
        if len(superblock) < SUPERBLOCK or not superblock.startswith(MAGIC):
            raise ValueError(f"there is no squashfs at byte {offset}")
        (self._inodes,) = struct.unpack_from("<I", superblock, 4)
        self._places: dict[bytes, _Place] = {}

    def files(self) -> list[File]:
        """List the files, sorted by path. Raises ValueError where what unsquashfs says can not be read."""
        with self._stream() as stream:
            found = _parsed(_lines(stream))
            self._places = {path: place for path, (_, place) in found.files.items() if place is not None}
            digests = dict(self._contents(stream))
        if len(found.files) != self._inodes:  # a name or a link that looks like a line of the list
            raise ValueError(f"the squashfs has {self._inodes} files, and unsquashfs lists {len(found.files)}")
        groups: list[tuple[File, object]] = []
        for path, (file, _) in found.files.items():
            attributes = tuple(sorted(found.attributes.get(path, {}).items()))
            groups.append((replace(file, attributes=attributes, sha256=digests.get(path, "")), path))
        whole = {file.path: file for file, _ in groups}
        for path, target in found.links.items():
            if target not in whole:
                raise ValueError("unsquashfs lists a hard link to a file that it does not list")
            groups.append((replace(whole[target], path=path), target))
            if target in self._places:
                self._places[path] = self._places[target]
        return with_leaders(groups)

    def take_out(self, wanted: Sequence[tuple[bytes, Path]]) -> None:
        """Write contents to files; only after `files`, and of files that it listed."""
        targets: dict[_Place, list[Path]] = {}
        for path, target in wanted:
            targets.setdefault(self._places[path], []).append(target)
        with self._stream() as stream:
            for _ in _lines(stream):
                pass
            position = 0
            for place in sorted(targets, key=lambda place: place.offset):
                _skip(stream, place.offset - position)
                with targets[place][0].open("wb") as sink:
                    for piece in _pieces(stream, place.size):
                        sink.write(piece)
                for other in targets[place][1:]:
                    shutil.copyfile(targets[place][0], other)
                position = place.offset + place.size

    @contextmanager
    def _stream(self) -> Iterator[IO[bytes]]:
        print("$", " ".join(self._words), file=sys.stderr, flush=True)
        with subprocess.Popen(self._words, stdout=subprocess.PIPE) as process:
            if process.stdout is None:
                raise ValueError("unsquashfs has no standard output")
            yield process.stdout
            while process.stdout.read(CHUNK):
                pass
        if process.returncode != 0:
            raise subprocess.CalledProcessError(process.returncode, self._words)

    def _contents(self, stream: IO[bytes]) -> Iterator[tuple[bytes, str]]:
        """Digest every content, in the order of the stream."""
        position = 0
        for path, place in sorted(self._places.items(), key=lambda item: item[1].offset):
            _skip(stream, place.offset - position)
            sha = hashlib.sha256()
            for piece in _pieces(stream, place.size):
                sha.update(piece)
            position = place.offset + place.size
            yield path, sha.hexdigest()


def _skip(stream: IO[bytes], count: int) -> None:
    if count < 0:
        raise ValueError("the contents that unsquashfs gives overlap")
    for _ in _pieces(stream, count):
        pass


def _pieces(stream: IO[bytes], count: int) -> Iterator[bytes]:
    while count:
        piece = stream.read(min(CHUNK, count))
        if not piece:
            raise ValueError("the contents that unsquashfs gives end early")
        count -= len(piece)
        yield piece


# -- the list ---------------------------------------------------------------------------------------------------------


@dataclass
class _Found:
    files: dict[bytes, tuple[File, _Place | None]]
    links: dict[bytes, bytes]
    attributes: dict[bytes, dict[bytes, bytes]]


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Give the lines before the contents."""
    recent: list[bytes] = []
    while recent[-3:] != BEGIN_OF_DATA:
        line = stream.readline()
        if not line:
            raise ValueError("unsquashfs gives no contents")
        recent = [*recent[-2:], line]
        if not line.startswith(b"#"):
            yield line


def _parsed(lines: Iterator[bytes]) -> _Found:
    found = _Found({}, {}, {})
    last = b""
    for first in lines:
        line = first
        name, rest = _name(line)
        while rest is None:  # the name goes on after a newline
            line += next(lines, b"\n\n")
            name, rest = _name(line)
        words = rest.rstrip(b"\n").split(b" ")
        if words[0] == LINK:
            target, end = _name(rest[2:])
            while end is None:
                rest += next(lines, b"\n\n")
                target, end = _name(rest[2:])
            found.links[name] = target
        elif words[0] == ATTRIBUTE and b"=" in rest:
            key, _, value = rest[2:-1].partition(b"=")
            found.attributes.setdefault(name, {})[key] = _value(value)
        elif words[0] in KINDS and len(words) >= 5 and all(word.isdigit() for word in words[1:5]):  # noqa: PLR2004
            found.files[name] = _file(name, rest[:-1], words)
            last = name
        elif last in found.files and found.files[last][0].kind == listing.SYMBOLIC_LINK:
            file, place = found.files[last]  # where it points has a newline
            found.files[last] = replace(file, link=file.link + b"\n" + line[:-1]), place
        else:
            raise ValueError("unsquashfs lists a file in a way that is not known here")
    return found


def _name(line: bytes) -> tuple[bytes, bytes | None]:
    """Split a line into a path, its escapes resolved, and the rest; no rest where the path has no end."""
    name = bytearray()
    at = 0
    while at < len(line):
        letter = line[at : at + 1]
        if letter == b"\\":
            at += 1
            name += line[at : at + 1]
            if at == len(line) - 1:
                return bytes(name), None
        elif letter in b" \n":
            path = bytes(name)
            return (b"" if path == b"/" else path), line[at + 1 :]
        else:
            name += letter
        at += 1
    return bytes(name), None


def _value(text: bytes) -> bytes:
    if not text.startswith(b"0t"):
        return text
    return OCTAL.sub(lambda match: bytes([int(match[1], 8) & 0xFF]), text[2:])


def _file(name: bytes, rest: bytes, words: list[bytes]) -> tuple[File, _Place | None]:
    kind = KINDS[words[0]]
    time, mode, uid, gid = int(words[1]), int(words[2], 8), int(words[3]), int(words[4])
    file = File(name, kind, mode, uid, gid, (("mtime", time * NANO),))
    match kind:
        case listing.FILE:
            place = _Place(size=int(words[5]), offset=int(words[6]))
            return replace(file, size=place.size), place
        case listing.SYMBOLIC_LINK:
            return replace(file, link=rest.split(b" ", 5)[5], mode=0o777), None
        case listing.CHARACTER | listing.BLOCK:
            return replace(file, device=_device(int(words[5]) << 8 | int(words[6]))), None
        case listing.PIPE:
            return replace(file, kind=PIPE_KINDS.get(words[5], listing.PIPE)), None
    return file, None


def _device(number: int) -> tuple[int, int]:
    """Split a number into major and minor; unsquashfs splits it as if there were but 256 minors."""
    return (number & 0xFFF00) >> 8, number & 0xFF | number >> 12 & 0xFFF00
