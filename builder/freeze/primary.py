"""Read `primary.xml`, the list of an RPM repository's packages, as a stream and with bounds on all that it can say.

Source of the format: createrepo_c, src/xml_dump_primary.c.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from xml.parsers import expat

from builder.core.errors import InputFailure
from builder.freeze.download import Checksum

COMMON = "http://linux.duke.edu/metadata/common"
PREFIXES = {COMMON: "", "http://linux.duke.edu/metadata/rpm": "rpm:"}
"""Namespaces of the elements that are read, and how they are called here."""
LIMIT = 2 << 30
"""Bytes of a list, unpacked; the largest known has a tenth of it."""
PIECE = 1 << 20
TAG = 16 << 20
"""Bytes of a tag, which the parser holds until it ends."""
DEPTH = 32
"""Elements within each other; a list has five."""
TEXT = 4096
"""Letters that are kept of a text or an attribute."""
SUFFIXES = (".gz", ".bz2", ".xz", ".xml")
"""Ways to pack a list that are read here; dnf knows more (zstd)."""


@dataclass(frozen=True)
class Listed:
    """A package as the list has it; what the list does not say is empty."""

    nevra: str
    location: str
    checksum: Checksum
    license: str = ""


def is_readable(location: str) -> bool:
    """Whether a list is packed in a way that is read here."""
    return location.endswith(SUFFIXES)


def read_packages(path: Path, location: str) -> Iterator[Listed]:
    """Give every package, one after another. `location` tells how the file is packed.

    Raises InputFailure where it is no such list; packages that stand before the fault were given then.
    """
    try:
        with _opened(path, location) as stream:
            yield from parse(pieces(stream))
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise InputFailure(f"{location} can not be unpacked: {error}") from error
    except (expat.ExpatError, ValueError) as error:
        raise InputFailure(f"{location} is no list of packages: {error}") from error


def _opened(path: Path, location: str) -> BufferedIOBase:
    """Open a list by the suffix of its location."""
    match Path(location).suffix:
        case ".gz":
            return gzip.open(path)
        case ".bz2":
            return bz2.open(path)
        case ".xz":
            return lzma.open(path)
        case _:
            return path.open("rb")


def pieces(stream: BufferedIOBase) -> Iterator[bytes]:
    """Read a stream in pieces. Raises ValueError where it is too long."""
    total = 0
    while piece := stream.read(PIECE):
        total += len(piece)
        if total > LIMIT:
            raise ValueError(f"it is longer than {LIMIT} bytes")
        yield piece


def parse(parts: Iterable[bytes]) -> Iterator[Listed]:
    """Give the packages of a list that comes in any pieces; raises ExpatError or ValueError where it is none."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = _refuse_doctype
    fed = 0
    for part in parts:
        parser.Parse(part, False)  # noqa: FBT003 - expat's own signature
        fed += len(part)
        if fed - parser.CurrentByteIndex > TAG + len(part):
            raise ValueError(f"a tag is longer than {TAG} bytes")
        yield from reader.taken()
    parser.Parse(b"", True)  # noqa: FBT003
    yield from reader.taken()


def _refuse_doctype(*_: object) -> None:
    raise ValueError("it declares a document type, which no repository does")


@dataclass
class _Reader:
    """Gathers one package at a time."""

    found: list[Listed] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)
    kept: int = 0
    """Letters of `text`, at least."""
    reads: str = ""
    """The element whose text is gathered."""
    depth: int = 0

    def taken(self) -> list[Listed]:
        """Give what was found since the last time."""
        found, self.found = self.found, []
        return found

    def start(self, element: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth == 1 and element != f"{COMMON} metadata":
            raise ValueError("it does not begin as one")
        if self.depth > DEPTH:
            raise ValueError(f"its elements are nested more than {DEPTH} deep")
        namespace, _, name = element.rpartition(" ")
        match self.depth, PREFIXES.get(namespace, "?:") + name:
            case 2, "package":
                self.values = {}
            case 3, "name" | "arch" | "checksum":
                self._begin(name)
                self.values[f"{name}-type"] = attributes.get("type", "")[:TEXT]
            case 3, "version":
                self.values |= {part: attributes.get(part, "")[:TEXT] for part in ("epoch", "ver", "rel")}
            case 3, "location":
                self.values["location"] = attributes.get("href", "")[:TEXT]
            case 4, "rpm:license":
                self._begin(name)

    def _begin(self, name: str) -> None:
        self.reads, self.text, self.kept = name, [], 0

    def characters(self, data: str) -> None:
        if self.reads and self.kept < TEXT:
            self.text.append(data[: TEXT - self.kept])
            self.kept += len(data)

    def end(self, element: str) -> None:
        self.depth -= 1
        if self.reads:
            self.values[self.reads], self.reads = "".join(self.text).strip(), ""
        elif self.depth == 1 and element == f"{COMMON} package":
            self.found.append(_listed(self.values))


def _listed(values: dict[str, str]) -> Listed:
    value = values.get
    return Listed(
        nevra=f"{value('name')}-{value('epoch') or 0}:{value('ver')}-{value('rel')}.{value('arch')}",
        location=value("location", ""),
        checksum=Checksum(value("checksum-type", ""), value("checksum", "")),
        license=value("license", ""),
    )
