"""Which references belong to a release."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from builder.audit.copies.place import key_of
from builder.core.errors import InputFailure
from builder.store import oci

SHARED = ("builder", "stage")
"""References that belong to no release: what several were built with, or share."""
Needs = Callable[[oci.Descriptor], Iterable[str]]


def releases_of(index: oci.Index) -> tuple[str, ...]:
    """Names of the releases that an index has images or inputs of."""
    parts = [key_of(descriptor).split("/") for descriptor in index.manifests]
    names = {p[0] for p in parts if len(p) == 1} | {p[1] for p in parts if len(p) > 1 and p[0] not in SHARED}
    return tuple(sorted(name for name in names if not name.startswith("sha256:")))


def selected(index: oci.Index, releases: Sequence[str]) -> tuple[oci.Descriptor, ...]:
    """Choose the references of some releases; all of them where none is named. Raises InputFailure for unknown ones."""
    if not releases:
        return index.manifests
    known = releases_of(index)
    unknown = [name for name in releases if name not in known]
    if unknown:
        raise InputFailure(
            *(f"there is no release {name}" for name in unknown), hint=f"there are: {', '.join(known) or 'none'}"
        )
    wanted = set(releases)
    return tuple(d for d in index.manifests if wanted & set(key_of(d).split("/")))


def shared(index: oci.Index, here: Iterable[str], needs: Needs) -> tuple[oci.Descriptor, ...]:
    """Choose the references of no release (builder images, stages) all of whose blobs are at hand already."""
    at_hand = set(here)
    candidates = (d for d in index.manifests if key_of(d).split("/")[0] in SHARED)
    return tuple(d for d in candidates if at_hand.issuperset(needs(d)))
