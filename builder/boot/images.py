"""The images of a store, by the names of their releases."""

from __future__ import annotations

from builder.core.errors import InputFailure
from builder.store import oci
from builder.store.store import Store


def images(store: Store) -> dict[str, oci.Descriptor]:
    """Give every release's image: the references without a folder that are no artifacts."""
    return {n: d for n, d in store.references().items() if "/" not in n and d.artifact_type is None}


def find_image(store: Store, release: str) -> oci.Descriptor:
    """Give a release's image. Raises InputFailure, with what there is, where the store has none."""
    known = images(store)
    if release not in known:
        there = f"it has: {', '.join(sorted(known))}" if known else "it has no image of any release"
        raise InputFailure(
            f"the store {store.path} has no image of {release}",
            hint=f"{there}\nmake one: boss-builder build {release}\nor name another store with --store",
        )
    return known[release]
