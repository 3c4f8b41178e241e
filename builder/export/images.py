"""Which of a release's images are exported, and whether they are what the lock says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from builder.core.digest import Digest
from builder.core.errors import InputFailure, Problem
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION, SHAPES, Shape, VmConfig, reference
from builder.store.store import Store


@dataclass(frozen=True)
class StoredImage:
    """A release's image in one shape, as the store has it."""

    shape: Shape
    descriptor: oci.Descriptor
    manifest: oci.Manifest

    @cached_property
    def main(self) -> oci.Descriptor:
        """The SIF or the disk, which is the first layer."""
        return self.manifest.layers[0]

    @cached_property
    def rendered(self) -> tuple[tuple[str, oci.Descriptor], ...]:
        """Rendered files that the store keeps beside the SIF or the disk, by name."""
        return tuple((layer.annotations[oci.TITLE], layer) for layer in self.manifest.layers[1:])


def stored_images(store: Store, lock: Lock, shapes: Sequence[Shape]) -> tuple[StoredImage, ...]:
    """Find a release's images in the store: of the given shapes, or, where none is given, of all that it has.

    Raises InputFailure where one is missing, was not made from this lock, or not of the files of the OCI image.
    """
    release = lock.recipe.full_name
    found = {shape: store.find(reference(release, shape)) for shape in SHAPES}
    base = found["oci"]
    wanted = tuple(dict.fromkeys(shapes)) or tuple(shape for shape in SHAPES if found[shape] is not None)
    missing = [shape for shape in wanted if found[shape] is None]
    if missing or not wanted:
        what = f"no {' and no '.join(missing)} image" if missing else "no image"
        raise InputFailure(
            f"the store {store.path} has {what} of {release}",
            hint=f"boss-builder build {release}, or name another store",
        )
    images = [
        StoredImage(shape, descriptor, store.manifest(descriptor))
        for shape in SHAPES
        if shape in wanted and (descriptor := found[shape]) is not None
    ]
    problems = [problem for image in images if (problem := _problem(image, base, lock)) is not None]
    if problems:
        raise InputFailure(*problems)
    return tuple(images)


def _problem(image: StoredImage, base: oci.Descriptor | None, lock: Lock) -> Problem | None:
    release = lock.recipe.full_name
    hint = f"boss-builder build {release}"
    if image.manifest.annotations.get(LOCK_ANNOTATION) != Digest.of(lock_file.encode(lock)):
        return Problem(f"the {image.shape} image of {release} was not built from its present lock", hint)
    subject = image.manifest.subject
    if image.shape != "oci" and (base is None or subject is None or subject.digest != base.digest):
        return Problem(f"the {image.shape} image of {release} was not made from its present oci image", hint)
    return None


def vm_config(store: Store, image: StoredImage) -> VmConfig:
    """Read the machine that a VM image was made for. Raises WorkFailure where it is missing or damaged."""
    return store.document(image.manifest.config, VmConfig)
