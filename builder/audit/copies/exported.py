"""A plain export as a copy: references and manifests in `layout/`, all other blobs in the export's own files.

`SHA256SUMS` says which file is which blob, and the archives of the images hold blobs by their names. Neither is
believed: what comes is compared with its digest, as from any other copy.
"""

from __future__ import annotations

import os
import re
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from builder.audit.copies.layout import Layout, check_layout
from builder.audit.copies.untrusted import (
    CONTROL,
    LINE_LIMIT,
    Untrue,
    checked_digest,
    checked_name,
    open_regular,
    pieces_of,
)
from builder.core.digest import CHUNK

FOLDER = "layout"
SUMS = "SHA256SUMS"
LINE = re.compile(rb"(\\?)([0-9a-f]{64}) [ *]([^\n]+)\n")
ARCHIVE = re.compile(r"[^/]+\.oci\.tar|inputs/builder-image\.tar")
"""Files of an export that hold the blobs of an image."""
BLOB = re.compile(r"(?:\./)?blobs/sha256/([0-9a-f]{64})", re.ASCII)
HEADER_LIMIT = 2 << 20
"""Bytes that are read of an archive at once: a member's header that is longer is an attack."""
MEMBERS = 100_000
"""Blobs of an image."""
LINES = 10_000_000


@dataclass(frozen=True)
class _Place:
    """Where a blob lies: a file of the export, and there so many bytes from an offset; all of it where size is -1."""

    path: str
    offset: int = 0
    size: int = -1


class Exported(Layout):
    """What a plain export holds, as a layout."""

    def __init__(self, top: Path, name: str) -> None:
        """Read the export in `top`, which people know as `name`. Raises Untrue."""
        super().__init__(top / FOLDER, name)
        self._export = top
        self._places = _places(top, name)

    def size(self, digest: str) -> int | None:
        """Size of a blob in bytes; None where the export has none of it."""
        size = super().size(digest)
        place = self._places.get(digest)
        if size is not None or place is None:
            return size
        if place.size >= 0:
            return place.size
        try:
            with open_regular(self._file(place)) as stream:
                return os.fstat(stream.fileno()).st_size
        except FileNotFoundError:
            return None

    @contextmanager
    def pieces(self, digest: str, limit: int) -> Iterator[Iterator[bytes]]:
        """Open a blob. Raises Untrue where it is missing, no ordinary file, or longer than the limit."""
        place = self._places.get(checked_digest(digest))
        size = self.size(digest)
        if place is None or size is None or super().size(digest) is not None:
            with super().pieces(digest, limit) as pieces:
                yield pieces
            return
        if size > limit:
            raise Untrue(f"{digest} has {size} bytes in {self.name}, and should have no more than {limit}")
        path = self._file(place)
        try:
            with open_regular(path) as stream:
                stream.seek(place.offset)
                yield pieces_of(stream, str(path)) if place.size < 0 else _part(stream, place.size, str(path))
        except FileNotFoundError:
            raise Untrue(f"{digest} is missing from {self.name}: {place.path} is gone") from None

    def _file(self, place: _Place) -> Path:
        _check_folders(self._export, place.path, self.name)
        return self._export / place.path


def is_export(folder: Path) -> bool:
    """Whether a folder may be a plain export."""
    return (folder / FOLDER / "oci-layout").exists() and (folder / SUMS).exists()


def open_export(folder: Path, name: str = "") -> Layout:
    """Read what an export says that it holds. Raises Untrue where that is hostile or makes no sense."""
    called = name or str(folder)
    _check_folders(folder, f"{FOLDER}/index.json", called)
    return check_layout(Exported(folder, called))


def _check_folders(top: Path, path: str, called: str) -> None:
    """Raise Untrue where a path leads through a link."""
    if any((top / parent).is_symlink() for parent in Path(path).parents[:-1]):
        raise Untrue(f"{path} of {called} leads through a link")


def _places(top: Path, called: str) -> dict[str, _Place]:
    """Find which file is which blob, and which blobs lie in the archives of images. Raises Untrue."""
    files = dict(_listed(top, called))
    found: dict[str, _Place] = {}
    for name in files:
        if ARCHIVE.fullmatch(name):
            found |= _members(top, name, called)
    return found | {f"sha256:{digest}": _Place(name) for name, digest in files.items()}


def _listed(top: Path, called: str) -> Iterator[tuple[str, str]]:
    """Read the list of checksums: names, none twice, and digits. No blob is found by a name with odd characters."""
    seen: set[str] = set()
    with open_regular(top / SUMS) as stream:
        for number, line in enumerate(iter(lambda: stream.readline(LINE_LIMIT), b""), 1):
            match = LINE.fullmatch(line)
            if match is None or number > LINES:
                raise Untrue(f"{SUMS} of {called} has a line that is none: {line[:80]!r}")
            try:
                name = match[3].decode("utf-8")
            except UnicodeDecodeError:
                continue
            if match[1] or CONTROL.search(name):
                continue
            if checked_name(name) in seen:
                raise Untrue(f"{SUMS} of {called} names {name} twice")
            seen.add(name)
            yield name, match[2].decode("ascii")


def _members(top: Path, name: str, called: str) -> dict[str, _Place]:
    """Give the blobs of an archive; where it is gone, none. Raises Untrue where it is hostile or damaged."""
    found: dict[str, _Place] = {}
    _check_folders(top, name, called)
    what = f"{name} of {called}"
    try:
        with (
            open_regular(top / name) as stream,
            tarfile.open(fileobj=cast("BinaryIO", _Bounded(stream, what)), mode="r:", errorlevel=2) as tar,
        ):
            size = os.fstat(stream.fileno()).st_size
            number = 0
            while (member := tar.next()) is not None:
                cast("Any", tar).members.clear()  # it remembers all of them otherwise
                number += 1
                match = BLOB.fullmatch(member.name)
                if number > MEMBERS:
                    raise Untrue(f"{what} has more than {MEMBERS} entries")
                if match is None:
                    continue
                if not member.isreg() or member.issparse() or f"sha256:{match[1]}" in found:
                    raise Untrue(f"{member.name} of {what} is a link, a device, a sparse file, or there twice")
                if not 0 <= member.size <= size - member.offset_data:
                    raise Untrue(f"{what} is cut short")
                found[f"sha256:{match[1]}"] = _Place(name, member.offset_data, member.size)
    except FileNotFoundError:
        return {}
    except (tarfile.TarError, EOFError, ValueError, RecursionError, OverflowError) as error:
        raise Untrue(f"{what} is no tar, or is damaged: {error}") from error
    return found


class _Bounded:
    """A file that gives no more at once than a header of a tar may have."""

    def __init__(self, stream: IO[bytes], name: str) -> None:
        self._stream = stream
        self._name = name

    def read(self, size: int) -> bytes:
        """Read bytes. Raises Untrue beyond the bounds."""
        if not 0 <= size <= HEADER_LIMIT:
            raise Untrue(f"{self._name} has a header of {size} bytes")
        return self._stream.read(size)

    def tell(self) -> int:
        """Where it is."""
        return self._stream.tell()

    def seek(self, offset: int) -> int:
        """Go somewhere. Raises Untrue for a place that no file has."""
        if not 0 <= offset < 1 << 62:
            raise Untrue(f"{self._name} is not in order")
        return self._stream.seek(offset)


def _part(stream: BinaryIO, size: int, name: str) -> Iterator[bytes]:
    """Give so many bytes of a stream in pieces. Raises Untrue where the disk does not give them."""
    while size > 0:
        try:
            piece = stream.read(min(CHUNK, size))
        except OSError as error:
            raise Untrue(f"{name} can not be read: {error.strerror}") from error
        if not piece:
            return
        size -= len(piece)
        yield piece
