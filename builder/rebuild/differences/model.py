"""Differences, typed; the collection of them; and what they amount to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Literal

import msgspec

from builder.rebuild.taxonomy import Cause
from builder.store import oci
from builder.store.store import Store

Kind = Literal["time", "order", "metadata", "content", "container"]
"""Of what nature a difference is. A date inside of a file is `time`, and the files differ all the same."""
LIMIT = 40
"""Differences of each kind that are kept: a thousand times of files must not hide the one file that differs."""
GRAVITY = (
    Cause.BIT_IDENTICAL, Cause.CONTENT_IDENTICAL, Cause.METADATA_ONLY, Cause.CONTENT_DIFFERS, Cause.MISSING_OUTPUT,
)  # fmt: skip


@dataclass(frozen=True)
class ImageAt:
    """An image in a store."""

    store: Store
    descriptor: oci.Descriptor


class Difference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing in which two images differ."""

    part: str
    """Of the image: `manifest`, `config`, `layer site`, `sif header`, `root`, `partition table`, `file system`..."""
    path: str = ""
    """The file in the image, from `/`; empty where it is about no file."""
    field: str
    """`mtime`, `mode`, `owner`, `content`, `order`, `annotation X`..."""
    stored: str = ""
    """What the stored image has there, in a few words; empty where it has nothing."""
    rebuilt: str = ""
    """What the rebuilt one has there."""
    kind: Kind
    cause: Cause
    """What this difference alone makes of the comparison."""
    detail: str = ""
    """More of it, in several lines: the bytes, or the lines, that differ."""


class Comparison(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What comparing a rebuilt image with the stored one gave."""

    cause: Cause
    """BIT_IDENTICAL, CONTENT_IDENTICAL, METADATA_ONLY, CONTENT_DIFFERS or MISSING_OUTPUT."""
    differences: tuple[Difference, ...] = ()
    truncated: int = 0
    """How many more there are."""

    @property
    def kinds(self) -> frozenset[Kind]:
        """The kinds of its differences; all of them, as some of each kind are always kept."""
        return frozenset(difference.kind for difference in self.differences)


class Findings:
    """Differences as they are found: some of each kind are kept, the rest counted, the gravest cause remembered."""

    def __init__(self) -> None:
        """Begin with none."""
        self._kept: list[Difference] = []
        self._counts: Counter[Kind] = Counter()
        self._cause = Cause.BIT_IDENTICAL

    def add(self, difference: Difference) -> None:
        """Take one."""
        self._counts[difference.kind] += 1
        if self._counts[difference.kind] <= LIMIT:
            self._kept.append(difference)
        self._cause = max(self._cause, difference.cause, key=GRAVITY.index)

    def has_room(self, kind: Kind) -> bool:
        """Whether one more of this kind is kept."""
        return self._counts[kind] < LIMIT

    @property
    def count(self) -> int:
        """How many were found."""
        return self._counts.total()

    @property
    def comparison(self) -> Comparison:
        """What they amount to."""
        truncated = self.count - len(self._kept)
        return Comparison(cause=self._cause, differences=tuple(self._kept), truncated=truncated)
