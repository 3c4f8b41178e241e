"""Licences of packages, from the list of the frozen repository."""

from __future__ import annotations

from collections.abc import Iterable

from builder.core.errors import InputFailure, WorkFailure
from builder.freeze.primary import Listed, is_readable, read_packages
from builder.lock.model import Lock
from builder.store.store import Store


def licenses(store: Store, lock: Lock) -> dict[str, str]:
    """Give the licence of each package, by the digest of its file; none where the list is packed in another way.

    Raises WorkFailure where the list is missing or damaged.
    """
    found: dict[str, str] = {}
    for name, blob in sorted(lock.frozen_repository.items()):
        if "primary.xml" in name and is_readable(name):
            try:
                found |= by_digest(read_packages(store.checked_path(blob.digest), name))
            except InputFailure as failure:
                message = failure.problems[0].message
                raise WorkFailure(f"the list of the frozen repository is damaged: {message}") from failure
    return found


def by_digest(packages: Iterable[Listed]) -> dict[str, str]:
    """Give the licence of each package that has one and a sha256."""
    return {
        f"sha256:{package.checksum.value}": package.license
        for package in packages
        if package.checksum.algorithm == "sha256" and package.checksum.value and package.license
    }
