"""Parts of an image that say only how its files are kept, as fields in a few words; and what differs in them."""

from __future__ import annotations

from collections.abc import Iterator

from builder.rebuild.differences.model import Difference, Kind
from builder.rebuild.taxonomy import Cause


def container(part: str, field: str, stored: str, rebuilt: str, *, kind: Kind = "container") -> Difference:
    """Tell of what concerns only how the files are kept."""
    return Difference(part=part, field=field, stored=stored, rebuilt=rebuilt, kind=kind, cause=Cause.CONTENT_IDENTICAL)


Told = dict[str, tuple[str, Kind]]
"""Fields of a part by name: the value in a few words, and of what nature a difference in it is."""


def told_differences(part: str, stored: Told, rebuilt: Told) -> Iterator[Difference]:
    """Compare two parts that say only how the files are kept."""
    for field in [*stored, *(name for name in rebuilt if name not in stored)]:
        before, after = stored.get(field), rebuilt.get(field)
        if before != after:
            kind = (before or after or ("", "container"))[1]
            yield container(part, field, before[0] if before else "", after[0] if after else "", kind=kind)
