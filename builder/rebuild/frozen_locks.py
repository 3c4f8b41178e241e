"""The locks that a store holds: what was frozen, whatever became of the recipes."""

from __future__ import annotations

from builder.core.errors import Failure
from builder.freeze.freeze import LOCK_TYPE
from builder.lock.model import Lock
from builder.store.store import Store

INPUTS = "inputs/"


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
