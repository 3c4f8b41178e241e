"""Read `repomd.xml`, the table of contents of an RPM repository.

Source of the format: createrepo_c, src/repomd.c and its documentation; the namespace is
http://linux.duke.edu/metadata/repo.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import dataclass

from builder.core.errors import InputFailure
from builder.freeze.download import Checksum

NAMESPACE = "http://linux.duke.edu/metadata/repo"
NEEDED = ("primary", "filelists", "group", "group_gz", "modules")
"""The kinds of metadata that resolving needs; the first is mandatory."""


@dataclass(frozen=True)
class Part:
    """One file of metadata."""

    kind: str
    location: str
    checksum: Checksum
    size: int | None


@dataclass(frozen=True)
class Contents:
    """What a `repomd.xml` says, and the same document with nothing but the needed parts."""

    revision: str
    parts: tuple[Part, ...]
    reduced: bytes
    content: str = ""
    """What the repository says that it is."""


def parse(data: bytes, url: str) -> Contents:
    """Read a `repomd.xml` that came from `url`. Raises InputFailure where it is none or misses something."""

    def wrong(why: str) -> InputFailure:
        return InputFailure(
            f"{url} is not the metadata of an RPM repository: {why}", hint="is the repository's url right?"
        )

    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise wrong("it declares a document type or entities, which no repository does")
    try:
        root = ET.fromstring(data)  # noqa: S314 - no DTD gets here, and the length is bounded
    except ET.ParseError as error:
        raise wrong(str(error)) from error
    parts = []
    for element in root.findall(f"{{{NAMESPACE}}}data"):
        kind = element.get("type", "")
        if kind not in NEEDED:
            root.remove(element)
            continue
        location = element.find(f"{{{NAMESPACE}}}location")
        checksum = element.find(f"{{{NAMESPACE}}}checksum")
        size = element.findtext(f"{{{NAMESPACE}}}size")
        if location is None or checksum is None or not checksum.text:
            raise wrong(f"the entry {kind!r} has no location or no checksum")
        href = location.get("href", "")
        if not href or href.startswith("/") or "://" in href or ".." in href.split("/"):
            raise wrong(f"the entry {kind!r} points outside: {href!r}")
        parts.append(
            Part(
                kind=kind,
                location=href,
                checksum=Checksum(checksum.get("type", ""), checksum.text.strip()),
                size=int(size) if size and size.isdigit() else None,
            )
        )
    if not any(part.kind == "primary" for part in parts):
        raise wrong("it lists no primary metadata")
    ET.register_namespace("", NAMESPACE)
    reduced = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    revision = root.findtext(f"{{{NAMESPACE}}}revision") or ""
    content = " ".join((root.findtext(f"{{{NAMESPACE}}}tags/{{{NAMESPACE}}}content") or "").split())
    return Contents(revision=revision, parts=tuple(parts), reduced=reduced, content=content)
