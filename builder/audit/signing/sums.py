"""SHA256SUMS of a release: every blob of it, to be checked by `sha256sum --check` in the store's folder."""

from __future__ import annotations

import re
from collections.abc import Mapping

from builder.audit.statements import reading
from builder.core.digest import Digest
from builder.core.errors import WorkFailure
from builder.store import oci
from builder.store.store import Store

FOLDER = "blobs/sha256"
LINE = re.compile(rf"(?P<digest>[0-9a-f]{{64}})  {FOLDER}/(?P=digest)")


def blobs(store: Store, references: Mapping[str, oci.Descriptor]) -> dict[str, str]:
    """Give the digests of manifests, configurations and layers, each with a name for people.

    Raises WorkFailure where a manifest is missing or damaged.
    """
    found: dict[str, str] = {}
    for name, descriptor in references.items():
        found.setdefault(descriptor.digest, name)
        manifest = reading.manifest(store, descriptor)
        found.setdefault(manifest.config.digest, f"configuration of {name}")
        for layer in manifest.layers:
            found.setdefault(layer.digest, f"{name}: {layer.annotations.get(oci.TITLE, 'layer')}")
    return found


def spelled(digests: Mapping[str, str]) -> bytes:
    """Spell digests as `sha256sum` does, in their order (GNU coreutils manual, "md5sum invocation")."""
    return "".join(f"{d.hex}  {FOLDER}/{d.hex}\n" for d in sorted(map(Digest, digests))).encode()


def parsed(data: bytes) -> frozenset[str]:
    """Read the digests of a list. Raises WorkFailure where a line is another, or leads elsewhere."""
    found = set[str]()
    lines = data.decode("utf-8", "replace").split("\n")
    if lines.pop() != "":
        raise WorkFailure("SHA256SUMS does not end with a line's end")
    for number, line in enumerate(lines, 1):
        match = LINE.fullmatch(line)
        if match is None:
            raise WorkFailure(f"line {number} of SHA256SUMS does not name a blob by its digest")
        found.add(f"sha256:{match['digest']}")
    return frozenset(found)
