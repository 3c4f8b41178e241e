"""What a file of an image is, however the image keeps it; and a listing of files, as a file of JSON lines.

Paths are bytes without a leading slash; the root itself is the empty path. In JSON bytes are text of their code points
(latin-1): every byte has one, and the order is that of the bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

FILE, FOLDER, SYMBOLIC_LINK, PIPE, SOCKET = "file", "folder", "symbolic link", "pipe", "socket"
CHARACTER, BLOCK = "character device", "block device"
HARD_LINK, WHITEOUT = "hard link", "whiteout"
"""What only a layer has."""
NANO = 1_000_000_000


@dataclass(frozen=True, slots=True)
class File:
    """One path of an image, or of a layer."""

    path: bytes
    kind: str
    mode: int
    """Permissions with set-user-id, set-group-id and sticky bits."""
    uid: int
    gid: int
    times: tuple[tuple[str, int], ...]
    """Name and nanoseconds since 1970: `mtime` always, others where the container keeps them."""
    size: int = 0
    """Bytes; 0 but for files."""
    link: bytes = b""
    """Where a symbolic (in a layer: hard) link points."""
    device: tuple[int, int] = (0, 0)
    attributes: tuple[tuple[bytes, bytes], ...] = ()
    """Extended attributes, sorted."""
    sha256: str = ""
    """Of the content of a file, in hexadecimal digits."""
    leader: bytes = b""
    """Of several names of one file the first; empty for itself, and where there is but one."""
    spelling: str = ""
    """How the container says all this, where it has a choice."""
    layer: str = ""
    """Which layer it comes from, where there are layers."""
    member: bytes = b""
    """The entry of that layer that has its content."""


def with_leaders(files: Iterable[tuple[File, object]]) -> list[File]:
    """Sort files by path, and name of each group (equal second values: one file by several names) the first."""
    pairs = sorted(files, key=lambda pair: pair[0].path)
    first: dict[object, bytes] = {}
    for file, group in pairs:
        first.setdefault(group, file.path)
    return [file if first[group] == file.path else replace(file, leader=first[group]) for file, group in pairs]


def write_listing(files: Iterable[File], path: Path) -> None:
    """Write a listing, a line a file, in the order that they come in."""
    with path.open("x", encoding="ascii") as stream:
        for file in files:
            attributes = [[_text(name), _text(value)] for name, value in file.attributes]
            values = [
                _text(file.path), file.kind, file.mode, file.uid, file.gid, file.times, file.size, _text(file.link),
                file.device, attributes, file.sha256, _text(file.leader),
            ]  # fmt: skip
            stream.write(json.dumps(values) + "\n")


def read_listing(path: Path) -> Iterator[File]:
    """Read what `write_listing` wrote."""
    with path.open(encoding="ascii") as stream:
        for line in stream:
            name, kind, mode, uid, gid, times, size, link, device, attributes, sha256, leader = json.loads(line)
            yield File(
                path=_bytes(name),
                kind=kind,
                mode=mode,
                uid=uid,
                gid=gid,
                times=tuple((which, when) for which, when in times),
                size=size,
                link=_bytes(link),
                device=(device[0], device[1]),
                attributes=tuple((_bytes(key), _bytes(value)) for key, value in attributes),
                sha256=sha256,
                leader=_bytes(leader),
            )


def _text(data: bytes) -> str:
    return data.decode("latin-1")


def _bytes(text: str) -> bytes:
    return text.encode("latin-1")
