"""One build: what its parts share, and an image in the store, found again by the key of all that it was made from."""

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
TIME_LIMIT = 3600.0
"""Seconds that a stage, or an image, may take unless told otherwise."""


@dataclass(frozen=True)
class Job:
    """What every part of one build needs; `open_toolbox` opens the builder image that the lock names, once."""

    lock: Lock
    lock_digest: str
    store: Store
    open_toolbox: Callable[[], Toolbox]
    progress: Progress
    time_limit: float = TIME_LIMIT
    """Seconds that each stage and each image may take."""

    @property
    def release(self) -> str:
        """Name of the release."""
        return self.lock.recipe.full_name

    def annotations(self, shape: Shape, made_from: Digest) -> dict[str, str]:
        """Give what the manifest of an image that is no OCI image says of it."""
        return {**image_annotations(self.lock, self.lock_digest), SHAPE_ANNOTATION: shape, KEY_ANNOTATION: made_from}

    def find(self, shape: Shape, made_from: Digest) -> oci.Manifest | None:
        """Find an image that was made from the same; None where the store has none, or not all of it."""
        descriptor = self.store.find(reference(self.release, shape))
        if descriptor is None or not self.store.has(descriptor.digest, descriptor.size):
            return None
        manifest = self.store.manifest(descriptor)
        whole = all(self.store.has(blob.digest, blob.size) for blob in (manifest.config, *manifest.layers))
        return manifest if whole and manifest.annotations.get(KEY_ANNOTATION) == made_from else None

    def put(self, shape: Shape, manifest: oci.Manifest, *, stored: bool, seconds: float) -> BuiltImage:
        """Store the manifest of an image, under the reference of its shape."""
        descriptor = self.store.put_manifest(manifest, reference(self.release, shape))
        return BuiltImage(shape, descriptor, sum(layer.size for layer in manifest.layers), stored, seconds)

    def put_rendered(self, files: Mapping[str, str]) -> tuple[oci.Descriptor, ...]:
        """Store rendered files, by name, and describe them as further layers of an image."""
        described = []
        for name, text in files.items():
            data = text.encode()
            digest, title = self.store.put(data), {oci.TITLE: name}
            described.append(oci.Descriptor(media_type=RENDERED, digest=digest, size=len(data), annotations=title))
        return tuple(described)


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


def scratch_memory(layers: Sequence[oci.Descriptor]) -> dict[str, str]:
    """Let what is unpacked for a while lie in memory, where that has room for it twice."""
    need = 2 * UNPACKED_RATIO * sum(layer.size for layer in layers) + SPARE
    return {SCRATCH: f"exec,suid,dev,size={need}"} if available_memory() > need else {}
