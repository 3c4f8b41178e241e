"""Ranges of runs, where the first that is entered wins: BOSS takes the first row that a query gives."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import NamedTuple


class Segment(NamedTuple):
    """Runs that belong to one owner, an index; both ends are included."""

    first: int
    last: int
    owner: int


class Ownership:
    """For every run the owner that was entered first. Segments are disjoint and sorted."""

    def __init__(self) -> None:
        """Begin with no run owned."""
        self._segments: list[Segment] = []
        self._owned: list[tuple[int, int]] = []  # the same runs, neighbours joined: few where many overlap

    def enter(self, first: int, last: int, owner: int) -> tuple[tuple[int, int], ...]:
        """Give `owner` the runs `first` to `last` that nobody has; gives those that somebody had before."""
        if first > last:
            return ()
        low = bisect_left(self._owned, first, key=lambda span: span[1])
        high = bisect_right(self._owned, last, key=lambda span: span[0])
        taken = tuple((max(first, a), min(last, b)) for a, b in self._owned[low:high])
        for a, b in _between(taken, first, last):
            place = bisect_left(self._segments, a, key=lambda segment: segment.first)
            self._segments.insert(place, Segment(a, b, owner))
        low = bisect_left(self._owned, first - 1, key=lambda span: span[1])
        high = bisect_right(self._owned, last + 1, key=lambda span: span[0])
        joined = self._owned[low:high]
        ends = (min([first, *(a for a, _ in joined)]), max([last, *(b for _, b in joined)]))
        self._owned[low:high] = [ends]
        return taken

    def owner(self, run: int) -> int | None:
        """Give the owner of a run."""
        return next((segment.owner for segment in self.within(run, run)), None)

    def within(self, first: int, last: int) -> Iterator[Segment]:
        """Yield the segments between two runs, cut at both."""
        place = bisect_left(self._segments, first, key=lambda segment: segment.last)
        while place < len(self._segments) and self._segments[place].first <= last:
            segment = self._segments[place]
            yield Segment(max(first, segment.first), min(last, segment.last), segment.owner)
            place += 1

    def free(self, first: int, last: int) -> tuple[tuple[int, int], ...]:
        """Give the ranges between two runs that nobody has."""
        low = bisect_left(self._owned, first, key=lambda span: span[1])
        high = bisect_right(self._owned, last, key=lambda span: span[0])
        return tuple(_between(self._owned[low:high], first, last))

    def span(self) -> tuple[int, int] | None:
        """Give the lowest and the highest run that somebody has."""
        return (self._owned[0][0], self._owned[-1][1]) if self._owned else None

    def segments(self) -> tuple[Segment, ...]:
        """Give all segments."""
        return tuple(self._segments)


def _between(
    taken: list[tuple[int, int]] | tuple[tuple[int, int], ...], first: int, last: int
) -> Iterator[tuple[int, int]]:
    """Yield what sorted, disjoint ranges leave free between two runs."""
    for a, b in taken:
        if first < a:
            yield first, a - 1
        first = b + 1
    if first <= last:
        yield first, last
