"""What differs between two bookkeepings: run by run, by what a job would get, not by how the rows are cut."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Literal

import msgspec

from builder.bookkeeping.lookup import Versions
from builder.bookkeeping.runs import Ownership
from builder.bookkeeping.table import Bookkeeping, Constant, Payload, Row, runs_text

Values = dict[str, tuple[Constant, ...] | None]
"""Constants by the name of their table; None where a table has none for the runs."""


class Stretch(msgspec.Struct, frozen=True):
    """Runs with one row and one set of constants."""

    first: int
    last: int
    version: str
    values: Values


class Difference(msgspec.Struct, frozen=True):
    """Runs of a data type that get something else."""

    data_type: str
    run_from: int
    run_to: int
    kind: Literal["added", "removed", "version", "constants"]
    """`version`: another SftVer or ParVer; `constants`: the same version, other constants."""
    before: str
    """SftVer/ParVer; empty where there was no row."""
    after: str
    tables: tuple[str, ...] = ()
    """Payload tables whose constants differ."""

    @property
    def text(self) -> str:
        """The difference in a line."""
        head = f"{self.data_type} {runs_text(self.run_from, self.run_to)}"
        if self.kind == "added":
            return f"{head}: only in the second, {self.after}"
        if self.kind == "removed":
            return f"{head}: only in the first, {self.before}"
        changed = f"; other constants in {', '.join(self.tables)}" if self.tables else ""
        if self.kind == "version":
            return f"{head}: {self.before} -> {self.after}" + (changed or "")
        return f"{head}: {self.before} has other constants in {', '.join(self.tables)}"


def differences(one: Bookkeeping, two: Bookkeeping) -> tuple[Difference, ...]:
    """Compare two bookkeepings of one release each, for every data type and run.

    A payload table that only one of them has at all is compared for its data type too: its constants differ.
    """
    types = sorted({row.data_type for book in (one, two) for row in book.rows})
    return tuple(difference for data_type in types for difference in _of_type(one, two, data_type))


def _of_type(one: Bookkeeping, two: Bookkeeping, data_type: str) -> Iterator[Difference]:
    last: Difference | None = None
    for first, end, before, after in _together(_stretches(one, data_type), _stretches(two, data_type)):
        found = _difference(data_type, first, end, before, after)
        if last and found and _same(last, found) and last.run_to == first - 1:
            last = msgspec.structs.replace(last, run_to=end)
            continue
        if last:
            yield last
        last = found
    if last:
        yield last


def _same(one: Difference, two: Difference) -> bool:
    return msgspec.structs.replace(one, run_from=0, run_to=0) == msgspec.structs.replace(two, run_from=0, run_to=0)


def _difference(data_type: str, first: int, last: int, one: Stretch | None, two: Stretch | None) -> Difference | None:
    if one is None or two is None:
        if one is two:
            return None
        kind: Literal["added", "removed"] = "added" if one is None else "removed"
        return Difference(data_type, first, last, kind, one.version if one else "", two.version if two else "")
    names = sorted(one.values.keys() | two.values.keys())
    tables = tuple(name for name in names if one.values.get(name) != two.values.get(name))
    if one.version != two.version:
        return Difference(data_type, first, last, "version", one.version, two.version, tables)
    return Difference(data_type, first, last, "constants", one.version, two.version, tables) if tables else None


def _stretches(book: Bookkeeping, data_type: str) -> list[Stretch]:
    """Cut the runs of a type wherever its row, or the row of one of its payload tables, changes."""
    rows = [row for row in book.rows if row.data_type == data_type]
    payloads = book.payloads_of(data_type)
    owners = Ownership()
    for number, row in enumerate(rows):
        owners.enter(row.run_from, row.run_to, number)
    versions = Versions()
    return [
        stretch
        for segment in owners.segments()
        for stretch in _cut(rows[segment.owner], segment.first, segment.last, payloads, versions)
    ]


def _cut(row: Row, first: int, last: int, payloads: tuple[Payload, ...], versions: Versions) -> list[Stretch]:
    stretches = [Stretch(first, last, row.version, {})]
    for payload in payloads:
        parts = [Stretch(a, b, row.version, {payload.name: found.constants if found else None})
                 for a, b, found in versions.within(payload, row, first, last)]  # fmt: skip
        stretches = [
            Stretch(a, b, row.version, (x.values if x else {}) | (y.values if y else {}))
            for a, b, x, y in _together(stretches, parts)
        ]
    return stretches


def _together(one: list[Stretch], two: list[Stretch]) -> Iterator[tuple[int, int, Stretch | None, Stretch | None]]:
    """Cut two sorted lists of disjoint stretches at the ends of both; runs that neither has are left out."""
    edges = sorted({edge for stretch in (*one, *two) for edge in (stretch.first, stretch.last + 1)})
    left, right = 0, 0
    for first, after in pairwise(edges):
        while left < len(one) and one[left].last < first:
            left += 1
        while right < len(two) and two[right].last < first:
            right += 1
        a = one[left] if left < len(one) and one[left].first <= first else None
        b = two[right] if right < len(two) and two[right].first <= first else None
        if a or b:
            yield first, after - 1, a, b
