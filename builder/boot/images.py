"""The images of a store, by the names of their releases and by shape."""

from __future__ import annotations

from builder.core.errors import InputFailure
from builder.store import oci
from builder.store.shapes import SHAPES, Shape, release_and_shape
from builder.store.store import Store


def images(store: Store) -> dict[str, dict[Shape, oci.Descriptor]]:
    """Give every release's images by shape, in the order of SHAPES; a release without any is not named."""
    found: dict[str, dict[Shape, oci.Descriptor]] = {}
    for name, descriptor in store.references().items():
        named = release_and_shape(name, descriptor)
        if named is not None:
            release, shape = named
            found.setdefault(release, {})[shape] = descriptor
    return {release: {s: shapes[s] for s in SHAPES if s in shapes} for release, shapes in sorted(found.items())}


def release_images(store: Store, release: str) -> dict[Shape, oci.Descriptor]:
    """Give a release's images by shape. Raises InputFailure, with what there is, where the store has none."""
    known = images(store)
    if release not in known:
        there = f"it has: {', '.join(known)}" if known else "it has no image of any release"
        raise InputFailure(
            f"the store {store.path} has no image of {release}",
            hint=f"{there}\nmake one: boss-builder build {release}\nor name another store with --store",
        )
    return known[release]


def find_image(store: Store, release: str, shape: Shape = "oci") -> oci.Descriptor:
    """Give a release's image in a shape. Raises InputFailure, with the command that makes it, where there is none."""
    known = release_images(store, release)
    if shape not in known:
        raise missing_shape(store, release, shape, known)
    return known[shape]


def missing_shape(store: Store, release: str, shape: Shape, known: dict[Shape, oci.Descriptor]) -> InputFailure:
    """Say that a shape has not been built, which ones have, and how to make it."""
    return InputFailure(
        f"the store {store.path} has no {shape} image of {release}",
        hint=f"it has: {', '.join(known)}\nmake it: boss-builder build {release} --image {shape}",
    )
