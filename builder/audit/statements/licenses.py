"""Licences of packages, from the list of the frozen repository: read as a stream, with a bound on its length.

Source of the format: createrepo_c, src/xml_dump_primary.c.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from xml.parsers import expat

from builder.core.errors import WorkFailure
from builder.lock.model import Lock
from builder.store.store import Store

COMMON = "http://linux.duke.edu/metadata/common"
RPM = "http://linux.duke.edu/metadata/rpm"
LIMIT = 2 << 30
"""Bytes of a list, unpacked; the largest known has a tenth of it."""
PIECE = 1 << 20
TEXT = 4096
"""Letters that are kept of a licence."""
PACKED = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open, ".xml": open}


def licenses(store: Store, lock: Lock) -> dict[str, str]:
    """Give the licence of each package, by the digest of its file; none where the list is packed in another way.

    Raises WorkFailure where the list is missing or damaged.
    """
    found: dict[str, str] = {}
    for name, blob in sorted(lock.frozen_repository.items()):
        opener = PACKED.get(Path(name).suffix)
        if "primary.xml" in name and opener is not None:
            found |= _read(store.checked_path(blob.digest), name, opener)
    return found


def _read(path: Path, name: str, opener: object) -> dict[str, str]:
    try:
        with opener(path, "rb") as stream:  # type: ignore[operator]
            return parse(pieces(stream))
    except (EOFError, zlib.error, lzma.LZMAError, OSError, expat.ExpatError, ValueError) as error:
        raise WorkFailure(f"{name} of the frozen repository is no list of packages: {error}") from error


def pieces(stream: IO[bytes], limit: int = LIMIT) -> Iterator[bytes]:
    """Read a stream in pieces. Raises ValueError where it is longer than `limit` bytes."""
    total = 0
    while piece := stream.read(PIECE):
        total += len(piece)
        if total > limit:
            raise ValueError(f"it is longer than {limit} bytes")
        yield piece


@dataclass
class _Reader:
    """Gathers digest and licence of one package at a time."""

    found: dict[str, str] = field(default_factory=dict)
    digest: str = ""
    license: str = ""
    text: list[str] | None = None
    kept: int = 0
    """Letters of `text`, at least."""
    path: list[str] = field(default_factory=list)

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if not self.path and element != f"{COMMON} metadata":
            raise ValueError("it does not begin as one")
        self.path.append(element)
        match self.path[1:]:
            case [package] if package == f"{COMMON} package":
                self.digest = self.license = ""
            case [_, checksum] if checksum == f"{COMMON} checksum" and attributes.get("type") == "sha256":
                self.text, self.kept = [], 0
            case [_, _, tag] if tag == f"{RPM} license":
                self.text, self.kept = [], 0

    def characters(self, data: str) -> None:
        if self.text is not None and self.kept < TEXT:
            self.text.append(data[: TEXT - self.kept])
            self.kept += len(data)

    def end(self, element: str) -> None:
        depth = len(self.path)
        self.path.pop()
        if self.text is not None:
            text, self.text = "".join(self.text).strip(), None
            if element == f"{RPM} license":
                self.license = text
            else:
                self.digest = text
        elif depth == 2 and self.digest and self.license:  # noqa: PLR2004 - the end of a package
            self.found[f"sha256:{self.digest}"] = self.license


def parse(parts: Iterable[bytes]) -> dict[str, str]:
    """Give licences by the digest of the package. Raises ExpatError or ValueError where it is no list of packages."""
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.characters
    parser.StartDoctypeDeclHandler = _refuse_doctype
    for part in parts:
        parser.Parse(part, False)  # noqa: FBT003 - expat's own signature
    parser.Parse(b"", True)  # noqa: FBT003
    return reader.found


def _refuse_doctype(*_: object) -> None:
    raise ValueError("it declares a document type, which no repository does")
