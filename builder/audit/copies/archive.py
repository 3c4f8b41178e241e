"""A tar, or tar.gz, of a bag: unpacked into a folder, with bounds on all that it may claim to be."""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from builder.audit.copies.bag import declared_size
from builder.audit.copies.untrusted import ALLOWANCE, RATIO, Untrue, checked_name, lines_of, open_regular
from builder.core.digest import CHUNK

HEADER_LIMIT = 2 << 20
"""Bytes that are read at once: a member's header that is longer is an attack."""
ENTRIES = 10_000_000
BAG_INFO = "bag-info.txt"


class _Forward:
    """A stream that is only read forward, in bounded pieces, and no further than allowed."""

    def __init__(self, stream: IO[bytes], allowed: int, name: str) -> None:
        self.allowed = allowed
        self._stream = stream
        self._name = name
        self._at = 0

    def read(self, size: int) -> bytes:
        """Read bytes. Raises Untrue beyond the bounds."""
        if not 0 <= size <= HEADER_LIMIT:
            raise Untrue(f"{self._name} has a header of {size} bytes")
        try:
            data = self._stream.read(size)
        except gzip.BadGzipFile:
            raise
        except OSError as error:
            raise Untrue(f"{self._name} can not be read: {error.strerror}") from error
        self._at += len(data)
        if self._at > self.allowed:
            raise Untrue(
                f"{self._name} unpacks to more than {self.allowed} bytes, which it should not",
                hint="is it a real bag, unpack it with tar and import the folder",
            )
        return data

    def tell(self) -> int:
        """Where it is."""
        return self._at

    def seek(self, offset: int) -> int:
        """Go forward. Raises Untrue for the way back."""
        if offset < self._at:
            raise Untrue(f"{self._name} is not in order")
        while self._at < offset and self.read(min(CHUNK, offset - self._at)):
            pass
        return self._at


def unpack(archive: Path, folder: Path) -> Path:
    """Unpack files and folders into an empty folder; gives the folder of the bag: this one, or the only one in it.

    Raises Untrue for names that lead elsewhere or come twice, links, devices, sparse files, more than is declared
    (Payload-Oxum, where bag-info.txt comes first) or than an archive of its size can be, and for a damaged archive.
    """
    with open_regular(archive) as stream:
        size = os.fstat(stream.fileno()).st_size
        magic = stream.read(2)
        stream.seek(0)
        forward = _Forward(
            cast("IO[bytes]", gzip.GzipFile(fileobj=stream, mode="rb")) if magic == b"\x1f\x8b" else stream,
            size * RATIO + ALLOWANCE if magic == b"\x1f\x8b" else size,
            str(archive),
        )
        try:
            _unpack(forward, folder, str(archive))
        except (FileExistsError, NotADirectoryError) as error:
            raise Untrue(f"{archive} names {error.filename} twice, as different things") from error
        except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, ValueError, RecursionError) as error:
            raise Untrue(f"{archive} is no tar, or is damaged: {error}") from error
    found = [*folder.iterdir()]
    return found[0] if len(found) == 1 and found[0].is_dir() else folder


def _unpack(forward: _Forward, folder: Path, name: str) -> None:
    number = 0
    with tarfile.open(fileobj=cast("BinaryIO", forward), mode="r:", errorlevel=2) as tar:
        while (member := tar.next()) is not None:
            cast("Any", tar).members.clear()  # it remembers all of them otherwise
            number += 1
            if number > ENTRIES:
                raise Untrue(f"{name} has more than {ENTRIES} entries")
            path = member.name.removeprefix("./").rstrip("/")
            if path in {"", "."} and member.isdir():
                continue
            target = folder / checked_name(path)
            if member.isdir():
                target.mkdir(parents=True, exist_ok=True)
            elif member.isreg() and not member.issparse():
                _write(tar, member, target, name)
                if target.name == BAG_INFO and len(Path(path).parts) <= 2:  # noqa: PLR2004 - the bag, or the folder it is in
                    _bound(forward, target)
            else:
                raise Untrue(f"{path} of {name} is a link, a device, a pipe or a sparse file")
    while forward.read(CHUNK):  # to the end, so that gzip's own checksum is looked at
        pass


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path, name: str) -> None:
    source = tar.extractfile(member)
    if source is None:
        raise Untrue(f"{member.name} of {name} has no content")
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with source, target.open("xb") as sink:
            shutil.copyfileobj(source, sink, CHUNK)
    except FileExistsError:
        raise Untrue(f"{member.name} comes twice in {name}") from None


def _bound(forward: _Forward, bag_info: Path) -> None:
    """Allow no more than the bag declares: payload, its other files, and 1.5 kB for each header."""
    with open_regular(bag_info) as stream:
        declared = declared_size(lines_of(stream, BAG_INFO))
    if declared is not None:
        size, files = declared
        forward.allowed = min(forward.allowed, forward.tell() + size + files * 2048 + ALLOWANCE)
