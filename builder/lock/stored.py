"""The locks that a store holds: what was frozen, whatever became of the recipes."""

from __future__ import annotations

import msgspec

from builder.core import documents
from builder.core.errors import Failure
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.store import oci
from builder.store.store import Store

INPUTS_TYPE = "application/vnd.boss-builder.inputs.v1"
LOCK_TYPE = "application/vnd.boss-builder.lock.v1+json"
CONTENT_TYPE = "application/octet-stream"
INPUTS = "inputs/"


def store_lock(lock: Lock, store: Store) -> None:
    """Keep a lock in a store, as the configuration of an artifact that holds all inputs."""
    data = lock_file.encode(lock)
    layers = tuple(
        oci.Descriptor(media_type=CONTENT_TYPE, digest=blob.digest, size=blob.size, annotations={oci.TITLE: name})
        for name, blob in sorted(lock.blobs().items())
    )
    store.put_manifest(
        oci.Manifest(
            config=oci.Descriptor(media_type=LOCK_TYPE, digest=store.put(data), size=len(data)),
            layers=layers,
            artifact_type=INPUTS_TYPE,
        ),
        INPUTS + lock.recipe.full_name,
    )


def stored_lock(store: Store, release: str) -> Lock | None:
    """Read a release's lock from the store alone, where no recipe is at hand; None where it holds none."""
    descriptor = store.find(INPUTS + release)
    if descriptor is None:
        return None
    config = store.manifest(descriptor).config
    try:
        return documents.decode(store.read(config.digest), Lock)
    except msgspec.DecodeError:
        return None


def frozen_releases(store: Store) -> tuple[str, ...]:
    """Name every release that the store has the inputs of."""
    return tuple(sorted(name.removeprefix(INPUTS) for name in store.references(INPUTS)))


def frozen_lock(store: Store, release: str) -> Lock | Failure | None:
    """Read the lock of a release; None where the store has none of it, a Failure where it can not be read."""
    descriptor = store.find(INPUTS + release)
    if descriptor is None:
        return None
    try:
        config = store.manifest(descriptor).config
        if config.media_type != LOCK_TYPE:
            return None
        return store.document(config, Lock)
    except Failure as failure:
        return failure
