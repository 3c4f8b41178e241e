"""The files at the top of a store: `oci-layout`, `index.json`, and nothing that does not belong."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from builder.audit.decoding import decoded
from builder.audit.problems import AuditProblem, Code
from builder.core import documents
from builder.core.digest import Digest
from builder.store import oci
from builder.store.store import Store

LAYOUT = "oci-layout"
INDEX = "index.json"
KNOWN = frozenset({LAYOUT, INDEX, "blobs", "tmp", ".lock", "reports", "audit", "quarantine", "README.md"})
"""What belongs at the top; the default store of a checkout has a README.md."""
UNFINISHED = re.compile(r"\.(oci-layout|index\.json)\.[0-9a-f]{12}\.tmp")
SCHEMA_VERSION = 2


def examine(store: Store) -> Iterator[AuditProblem]:
    """Look at what lies at the top, and at the layout file. Raises OSError where it can not be read."""
    for folder, known in ((store.path, KNOWN), (store.path / "blobs", frozenset({"sha256"}))):
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.name not in known:
                code = Code.LEFTOVER if UNFINISHED.fullmatch(path.name) else Code.STRANGER
                yield AuditProblem(code, str(path.relative_to(store.path)))
    expected = documents.compact({"imageLayoutVersion": oci.LAYOUT_VERSION})
    try:
        layout = (store.path / LAYOUT).read_bytes()
    except FileNotFoundError:
        yield AuditProblem(Code.LAYOUT_DAMAGED, LAYOUT, "it is gone")
        return
    if layout != expected:
        yield AuditProblem(Code.LAYOUT_DAMAGED, LAYOUT)


@dataclass(frozen=True)
class IndexFile:
    """The index as it lies there: what could be read of it, its digest (empty where it is gone), what is wrong."""

    index: oci.Index = field(default_factory=oci.Index)
    digest: str = ""
    problems: tuple[AuditProblem, ...] = ()

    def references(self) -> dict[str, oci.Descriptor]:
        """Give what it names, by name."""
        named = ((one.annotations.get(oci.REF_NAME), one) for one in self.index.manifests)
        return {name: one for name, one in named if name}


def read_index(store: Store) -> IndexFile:
    """Read the index. Raises OSError where it can not be read."""
    try:
        data = (store.path / INDEX).read_bytes()
    except FileNotFoundError:
        return IndexFile(problems=(AuditProblem(Code.INDEX_DAMAGED, INDEX, "it is gone"),))
    digest = str(Digest.of(data))
    try:
        index = decoded(data, oci.Index)
        for descriptor in index.manifests:
            Digest(descriptor.digest)
    except ValueError as error:
        return IndexFile(digest=digest, problems=(AuditProblem(Code.INDEX_DAMAGED, INDEX, str(error)),))
    return IndexFile(index, digest, tuple(_index_problems(index, data)))


def _index_problems(index: oci.Index, data: bytes) -> Iterator[AuditProblem]:
    if index.schema_version != SCHEMA_VERSION or index.media_type != oci.INDEX:
        seen = f"schemaVersion {index.schema_version}, mediaType {index.media_type}"
        yield AuditProblem(Code.INDEX_DAMAGED, INDEX, seen)
    if documents.readable(index) != data:
        yield AuditProblem(Code.INDEX_SPELLING, INDEX)
    names = Counter(one.annotations.get(oci.REF_NAME, "") for one in index.manifests)
    yield from (AuditProblem(Code.REFERENCE_TWICE, name) for name, number in names.items() if name and number > 1)
    yield from (
        AuditProblem(Code.INDEX_DAMAGED, INDEX, f"{one.digest} has no name")
        for one in index.manifests
        if not one.annotations.get(oci.REF_NAME)
    )
