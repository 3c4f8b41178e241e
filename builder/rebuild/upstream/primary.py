"""Read `primary.xml`, the list of an RPM repository's packages, as a stream and with a bound on its length.

Source of the format: createrepo_c, src/xml_dump_primary.c; the namespace is http://linux.duke.edu/metadata/common.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from io import BufferedIOBase
from pathlib import Path
from xml.parsers import expat

from builder.core.errors import InputFailure
from builder.freeze.download import Checksum

NAMESPACE = "http://linux.duke.edu/metadata/common"
LIMIT = 2 << 30
"""Bytes of a list, unpacked; the largest known has a tenth of it."""
PIECE = 1 << 20
TEXT, TEXTS = 1024, 16
"""Letters of a piece of text, and pieces, that are kept of an element."""
SAME = 16
"""Packages of one NEVRA that are kept."""
SUFFIXES = (".gz", ".bz2", ".xz", ".xml")
"""Ways to pack a list that are read here; dnf knows more (zstd)."""


@dataclass(frozen=True)
class Listed:
    """A package as the list has it."""

    nevra: str
    location: str
    checksum: Checksum


Listing = dict[str, tuple[Listed, ...]]
"""By NEVRA; the same one can be listed more than once."""


def is_readable(location: str) -> bool:
    """Whether a list is packed in a way that is read here."""
    return location.endswith(SUFFIXES)


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


def read_primary(path: Path, location: str, wanted: Collection[str]) -> Listing:
    """Give the packages of these NEVRA. `location` tells how the file is packed.

    Raises InputFailure where it is no such list.
    """
    try:
        with _opened(path, location) as stream:
            return parse_primary(_pieces(stream), wanted)
    except (EOFError, zlib.error, lzma.LZMAError, OSError) as error:
        raise InputFailure(f"{location} can not be unpacked: {error}") from error
    except (expat.ExpatError, ValueError) as error:
        raise InputFailure(f"{location} is no list of packages: {error}") from error


def _pieces(stream: BufferedIOBase) -> Iterator[bytes]:
    total = 0
    while piece := stream.read(PIECE):
        total += len(piece)
        if total > LIMIT:
            raise ValueError(f"it is longer than {LIMIT} bytes")
        yield piece


@dataclass
class _Reader:
    """Gathers one package at a time."""

    wanted: Collection[str]
    found: dict[str, list[Listed]] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    text: list[str] | None = None
    depth: int = 0

    def start(self, element: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        namespace, _, name = element.rpartition(" ")
        if self.depth == 1 and (namespace, name) != (NAMESPACE, "metadata"):
            raise ValueError("it does not begin as one")
        if namespace != NAMESPACE or self.depth not in {2, 3}:
            return
        match name:
            case "package":
                self.values = {}
            case "name" | "arch" | "checksum":
                self.text = []
                self.values[f"{name}-type"] = attributes.get("type", "")
            case "version":
                self.values |= {part: attributes.get(part, "") for part in ("epoch", "ver", "rel")}
            case "location":
                self.values["location"] = attributes.get("href", "")

    def characters(self, data: str) -> None:
        if self.text is not None and len(self.text) < TEXTS:
            self.text.append(data[:TEXT])

    def end(self, element: str) -> None:
        self.depth -= 1
        name = element.rpartition(" ")[2]
        if self.text is not None:
            self.values[name], self.text = "".join(self.text).strip(), None
        elif name == "package" and self.depth == 1:
            value = self.values.get
            nevra = f"{value('name')}-{value('epoch') or 0}:{value('ver')}-{value('rel')}.{value('arch')}"
            listed = self.found.setdefault(nevra, []) if nevra in self.wanted else None
            if listed is not None and len(listed) < SAME:
                checksum = Checksum(value("checksum-type", ""), value("checksum", ""))
                listed.append(Listed(nevra, value("location", ""), checksum))


def parse_primary(pieces: Iterator[bytes], wanted: Collection[str]) -> Listing:
    """Give the packages of these NEVRA; raises ExpatError or ValueError where it is no list of packages."""
    reader = _Reader(wanted)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = _refuse_doctype
    for piece in pieces:
        parser.Parse(piece, False)  # noqa: FBT003 - expat's own signature
    parser.Parse(b"", True)  # noqa: FBT003
    return {nevra: tuple(listed) for nevra, listed in reader.found.items()}


def _refuse_doctype(*_: object) -> None:
    raise ValueError("it declares a document type, which no repository does")
