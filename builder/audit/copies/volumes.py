"""The volumes of a bag that was split for tape, as they are: each a bag of its own, together one layout.

The volumes are written by `builder.export.bagit.export_volumes`: `Bag-Group-Identifier` and `Bag-Count` of bag-info.txt
say which belong together, `volumes.txt` in the payload where each blob, and each part of one, lies.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.audit.copies.bag import open_bag
from builder.audit.copies.layout import Layout
from builder.audit.copies.untrusted import Untrue, checked_digest, lines_of, open_regular, pieces_of, read_small
from builder.core.errors import Problem

BAG_INFO = "bag-info.txt"
CONTENTS = "volumes.txt"
MOST = 999
"""Volumes of a group."""
PLACE = re.compile(
    r"volume-([0-9]{3})  (?:blobs/sha256/([0-9a-f]{64})|parts/([0-9a-f]{64})\.part-([0-9]{3}))", re.ASCII
)
LABEL = re.compile(r"(Bag-Group-Identifier|Bag-Count)\s*:\s*(.*?)\s*", re.IGNORECASE)
COUNT = re.compile(r"([0-9]{1,6}) of ([0-9]{1,6})", re.ASCII)
UNKNOWN = re.compile(r"[0-9]{1,6} of \?", re.ASCII)
"""What RFC 8493 has for a group whose end is not known: none of ours."""
INDEX = "index.json"
HINT = "name all volumes of one group, or the folder that they lie in"


@dataclass(frozen=True)
class Membership:
    """Which volume of which group a bag is; numbers begin with 1."""

    group: str
    number: int
    count: int


def membership(bag: Path, called: str) -> Membership | None:
    """Read which volume of a group a bag says to be; None where it stands alone. Raises Untrue where it makes no sense.

    The only one of a group stands alone: it is a whole bag.
    """
    said: dict[str, str] = {}
    try:
        with open_regular(bag / BAG_INFO) as stream:
            for line in lines_of(stream, f"{BAG_INFO} of {called}"):
                if match := LABEL.fullmatch(line):
                    if match[1].lower() in said:
                        raise Untrue(f"{called} says its {match[1]} twice")
                    said[match[1].lower()] = match[2]
    except FileNotFoundError:
        return None
    group, count = said.get("bag-group-identifier"), said.get("bag-count")
    if group is None or count is None or UNKNOWN.fullmatch(count):
        return None
    numbers = COUNT.fullmatch(count)
    found = Membership(group, int(numbers[1]), int(numbers[2])) if numbers else None
    if found is None or not 1 <= found.number <= found.count <= MOST:
        raise Untrue(f"{called} says that it is volume {count[:80]!r} of a group, which can not be")
    return found if found.count > 1 else None


class Volumes(Layout):
    """One layout, spread over volumes."""

    def __init__(
        self, volumes: Mapping[int, Layout], name: str, places: Mapping[str, Sequence[tuple[int, str]]]
    ) -> None:
        """Read volumes by their number; `places` are volume and path of the parts of each blob, in their order."""
        super().__init__(volumes[1].top, name)
        self._volumes = volumes
        self._places = places

    def size(self, digest: str) -> int | None:
        """Size of a blob in bytes; None where any part of it is no ordinary file."""
        sizes = [self._size(*place) for place in self._places.get(checked_digest(digest), ())]
        return sum(size for size in sizes if size is not None) if sizes and None not in sizes else None

    def _size(self, number: int, path: str) -> int | None:
        place = self._volumes[number].top / path
        try:
            found = place.lstat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Untrue(f"{place} can not be read: {error.strerror}") from error
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    @contextmanager
    def pieces(self, digest: str, limit: int) -> Iterator[Iterator[bytes]]:
        """Open a blob, joined of its parts. Raises Untrue where one is missing, or it is longer than the limit."""
        size = self.size(digest)
        if size is None:
            raise Untrue(f"{digest} is missing from {self.name}")
        if size > limit:
            raise Untrue(f"{digest} has {size} bytes in {self.name}, and should have no more than {limit}")
        yield self._joined(digest)

    def _joined(self, digest: str) -> Iterator[bytes]:
        for number, path in self._places[digest]:
            place = self._volumes[number].top / path
            try:
                with open_regular(place) as stream:
                    yield from pieces_of(stream, str(place))
            except FileNotFoundError:
                raise Untrue(f"{place} is missing") from None


def open_volumes(bags: Sequence[tuple[Path, str]], name: str) -> Layout:
    """Check volumes, folders and what people call them, as bags, and join them to one layout.

    Raises Untrue where they are of several groups, one is missing (it is named by its number) or there twice, one is
    damaged, or they do not agree about what they hold.
    """
    numbered = _numbered(bags)
    volumes = {number: open_bag(*numbered[number]) for number in sorted(numbered)}
    for file in (INDEX, CONTENTS):
        expected = _read(volumes[1], file)
        for layout in volumes.values():
            if _read(layout, file) != expected:
                raise Untrue(f"{file} of {layout.name} is not that of {volumes[1].name}")
    return Volumes(volumes, name, _places(volumes, name))


def _numbered(bags: Sequence[tuple[Path, str]]) -> dict[int, tuple[Path, str]]:
    """Give the volumes of a whole group by their number. Raises Untrue."""
    found: dict[int, tuple[Path, str]] = {}
    group: Membership | None = None
    for folder, called in bags:
        member = membership(folder, called)
        if member is None:
            raise Untrue(f"{called} is no volume of a group of bags", hint="name it by itself")
        group = group or member
        if (member.group, member.count) != (group.group, group.count):
            raise Untrue(
                f"{called} is a volume of another group ({member.group[:80]!r}, of {member.count}) than {bags[0][1]} "
                f"({group.group[:80]!r}, of {group.count})",
                hint=HINT,
            )
        if member.number in found:
            raise Untrue(f"volume {member.number} is there twice: {found[member.number][1]} and {called}", hint=HINT)
        found[member.number] = folder, called
    if group is not None:
        missing = [number for number in range(1, group.count + 1) if number not in found]
        said = f"{group.count} of {group.group[:80]!r}"
        if missing:
            raise Untrue(*(Problem(f"volume {number} of {said} is missing", hint=HINT) for number in missing))
    return found


def _read(layout: Layout, file: str) -> bytes:
    try:
        return read_small(layout.top / file)
    except FileNotFoundError:
        raise Untrue(f"{layout.name} has no {file}") from None


def _places(volumes: Mapping[int, Layout], name: str) -> dict[str, list[tuple[int, str]]]:
    """Read volumes.txt: volume and path of the parts of each blob, in their order. Raises Untrue."""
    found: dict[str, dict[int, tuple[int, str]]] = {}
    with open_regular(volumes[1].top / CONTENTS) as stream:
        for line in lines_of(stream, f"{CONTENTS} of {name}"):
            match = PLACE.fullmatch(line)
            if match is None or int(match[1]) not in volumes:
                raise Untrue(f"{CONTENTS} of {name} has a line that is none: {line[:120]!r}")
            parts = found.setdefault(f"sha256:{match[2] or match[3]}", {})
            part = int(match[4] or 0)
            if part in parts or (parts and (part == 0 or 0 in parts)):
                raise Untrue(f"{CONTENTS} of {name} names {line[12:120]} twice")
            parts[part] = int(match[1]), line.partition("  ")[2]
    for digest, parts in found.items():
        if 0 not in parts and sorted(parts) != list(range(1, len(parts) + 1)):
            raise Untrue(f"{CONTENTS} of {name} does not name all parts of {digest}")
    return {digest: [parts[part] for part in sorted(parts)] for digest, parts in found.items()}
