"""What the shapes' builds share: an image in the store, found again by the key of all that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.build.config import image_annotations
from builder.core import documents
from builder.core.digest import Digest
from builder.core.host import available_memory
from builder.core.progress import Progress
from builder.lock.model import Lock
from builder.store import oci
from builder.store.shapes import KEY_ANNOTATION, RENDERED, SHAPE_ANNOTATION, Shape, reference
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox

SCRATCH = "/boss-builder/scratch"
UNPACKED_RATIO = 8
"""More than any RPM or layer unpacks to, as a multiple of its own size."""
SPARE = 256 << 20


@dataclass(frozen=True)
class Job:
    """What every part of one build needs; `open_toolbox` opens the builder image that the lock names, once."""

    lock: Lock
    lock_digest: str
    store: Store
    open_toolbox: Callable[[], Toolbox]
    progress: Progress

    @property
    def release(self) -> str:
        """Name of the release."""
        return self.lock.recipe.full_name


@dataclass(frozen=True)
class BuiltImage:
    """A release in a shape, in the store."""

    shape: Shape
    descriptor: oci.Descriptor
    size: int
    """Bytes of its layers as they are stored."""
    stored: bool
    """Whether the store had it already."""
    seconds: float


def key(*parts: Any) -> Digest:
    """Give the key of an image: equal parts, equal bytes."""
    return Digest.of(documents.compact(parts))


def artifact_annotations(job: Job, shape: Shape, made_from: Digest) -> dict[str, str]:
    """Give what the manifest of an image that is no OCI image says of it."""
    return {**image_annotations(job.lock, job.lock_digest), SHAPE_ANNOTATION: shape, KEY_ANNOTATION: made_from}


def stored_manifest(job: Job, shape: Shape, made_from: Digest) -> oci.Manifest | None:
    """Find an image that was made from the same; None where the store has none, or not all of it."""
    store = job.store
    descriptor = store.find(reference(job.release, shape))
    if descriptor is None or not store.has(descriptor.digest, descriptor.size):
        return None
    manifest = store.manifest(descriptor)
    whole = all(store.has(blob.digest, blob.size) for blob in (manifest.config, *manifest.layers))
    return manifest if whole and manifest.annotations.get(KEY_ANNOTATION) == made_from else None


def put_image(job: Job, shape: Shape, manifest: oci.Manifest, *, stored: bool, seconds: float) -> BuiltImage:
    """Store the manifest of an image, under the reference of its shape."""
    descriptor = job.store.put_manifest(manifest, reference(job.release, shape))
    size = sum(layer.size for layer in manifest.layers)
    return BuiltImage(shape, descriptor, size, stored, seconds)


def rendered(store: Store, files: Mapping[str, str]) -> tuple[oci.Descriptor, ...]:
    """Store rendered files, by name, and describe them as further layers of an image."""
    described = []
    for name, text in files.items():
        data = text.encode()
        title = {oci.TITLE: name}
        described.append(oci.Descriptor(media_type=RENDERED, digest=store.put(data), size=len(data), annotations=title))
    return tuple(described)


def scratch_memory(layers: Sequence[oci.Descriptor]) -> dict[str, str]:
    """Let what is unpacked for a while lie in memory, where that has room for it twice."""
    need = 2 * UNPACKED_RATIO * sum(layer.size for layer in layers) + SPARE
    return {SCRATCH: f"exec,suid,dev,size={need}"} if available_memory() > need else {}
