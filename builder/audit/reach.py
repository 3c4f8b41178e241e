"""What releases reach in a store: their inputs, images in every shape, evidence, stages, builder image."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from builder.audit.decoding import decoded
from builder.core.errors import Failure, InputFailure
from builder.lock.model import Lock
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION
from builder.store.store import Store

BUILDER_ANNOTATION = "boss-builder.builder-image"
T = TypeVar("T")


def releases(references: Iterable[str]) -> frozenset[str]:
    """Name the releases that a store has anything of, from its references."""
    return frozenset(release for name in references if (release := _release(name)))


def references_of(
    store: Store, every: Mapping[str, oci.Descriptor], named: Collection[str]
) -> dict[str, oci.Descriptor]:
    """Give, of `every` reference, those of some releases, and of the stages and builder images that they stand on.

    Raises InputFailure where the store has nothing of a release. What can not be read is left out: whoever examines the
    references tells it.
    """
    unknown = sorted(set(named) - releases(every))
    if unknown:
        raise InputFailure(
            f"the store {store.path} has nothing of {', '.join(unknown)}", hint="boss-builder list shows what it has"
        )
    found = {name: one for name, one in every.items() if _release(name) in named}
    stages, builders = set[str](), set[str]()
    for lock in _locks(store, found):
        stages |= _stages(lock)
        builders.add(lock.builder_image.digest)
    return found | {name: one for name, one in every.items() if name in stages or one.digest in builders}


def _release(name: str) -> str:
    """Name the release that a reference is of: none for a stage or a builder image, which releases share."""
    kind, _, rest = name.partition("/")
    return kind if not rest else "" if kind in {"stage", "builder"} else rest.split("/")[0]


def _locks(store: Store, references: Mapping[str, oci.Descriptor]) -> list[Lock]:
    """Read the locks that inputs are, and that images name."""
    digests = set[str]()
    for name, descriptor in references.items():
        manifest = _document(store, descriptor.digest, oci.Manifest)
        if manifest is not None:
            named = manifest.config.digest if name.startswith("inputs/") else manifest.annotations.get(LOCK_ANNOTATION)
            digests |= {named} if named else set()
    found = (_document(store, digest, Lock) for digest in sorted(digests))
    return [lock for lock in found if lock is not None]


def _stages(lock: Lock) -> set[str]:
    """Name the stages that this version of the software plans for a lock."""
    from builder.build.build import build_plan

    try:
        planned = build_plan(lock)
    except (Failure, KeyError, StopIteration):  # a lock that another version wrote
        return set()
    return {stage.reference for stage in (*planned.stages, *([planned.vm] if planned.vm else []))}


def blobs(store: Store, references: Iterable[oci.Descriptor]) -> frozenset[bytes]:
    """Give the digests, 32 bytes each, of all that references lead to: also by subject, by lock, within an index."""
    seen = set[str]()
    waiting = [one.digest for one in references]
    while waiting:
        digest = waiting.pop()
        if digest in seen:
            continue
        seen.add(digest)
        index = _document(store, digest, oci.Index)
        waiting += [one.digest for one in index.manifests] if index is not None else []
        manifest = _document(store, digest, oci.Manifest)
        if manifest is None:
            continue
        seen |= {one.digest for one in (manifest.config, *manifest.layers)}
        waiting += [manifest.subject.digest] if manifest.subject is not None else []
        if BUILDER_ANNOTATION in manifest.annotations:
            waiting.append(manifest.annotations[BUILDER_ANNOTATION])
        lock = _document(store, manifest.annotations.get(LOCK_ANNOTATION, ""), Lock)
        if lock is not None:
            seen |= {manifest.annotations[LOCK_ANNOTATION], *(blob.digest for blob in lock.blobs().values())}
            waiting.append(lock.builder_image.digest)
    return frozenset(bytes.fromhex(digest[7:]) for digest in seen)


def _document(store: Store, digest: str, kind: type[T]) -> T | None:
    """Read a blob as it is; None where it is missing, unreadable or of another kind."""
    try:
        return decoded(store.blob_path(digest).read_bytes(), kind)
    except (OSError, ValueError):
        return None
