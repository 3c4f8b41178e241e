"""The packages of a release in the list that its repository has today."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from builder.freeze.primary import Listed, read_packages

SAME = 16
"""Packages of one NEVRA that are kept."""
Listing = dict[str, tuple[Listed, ...]]
"""By NEVRA; the same one can be listed more than once."""


def read_primary(path: Path, location: str, wanted: Collection[str]) -> Listing:
    """Give the packages of these NEVRA. `location` tells how the file is packed.

    Raises InputFailure where it is no such list.
    """
    found: dict[str, list[Listed]] = {}
    for package in read_packages(path, location):
        if package.nevra in wanted and len(same := found.setdefault(package.nevra, [])) < SAME:
            same.append(package)
    return {nevra: tuple(listed) for nevra, listed in found.items()}
