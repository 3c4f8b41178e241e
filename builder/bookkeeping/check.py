"""What is wrong with a bookkeeping, though BOSS would say nothing of it.

BOSS's own check of overlaps can not be reached (`if(row_no=1)`, an assignment), and a missing row shows only when a job
asks for it, decades later.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

import msgspec

from builder.bookkeeping.lookup import Versions
from builder.bookkeeping.runs import Ownership
from builder.bookkeeping.table import (
    DATA_TYPES,
    DEFAULT,
    MAXIMUM_RUN,
    SIGNED,
    Bookkeeping,
    Payload,
    PayloadRow,
    Row,
    runs_text,
)
from builder.core.errors import Location, Problem


class Kind(StrEnum):
    """Kinds of findings, as a recipe's `accept` names them."""

    OVERLAP = "overlap"
    """Runs that an earlier row has already: BOSS silently takes the first."""
    GAP = "gap"
    """Runs without a row between runs that have one."""
    INVERTED = "inverted"
    """A range that ends before it begins: it holds no run."""
    UNKNOWN_TYPE = "unknown-type"
    """A data type that BOSS's code does not know: nobody asks for it."""
    WRONG_SIGN = "wrong-sign"
    """Negative runs of a type that is looked up by the absolute value; a range of simulated and real runs."""
    DEFAULT_VERSION = "default-version"
    """The parameter version "default", which means another one once the database has grown."""
    NO_VERSION = "no-version"
    """An empty SftVer or ParVer: it can not be known which constants belong to the runs."""
    NO_PAYLOAD = "no-payload"
    """A version whose payload table has no constants for some of the runs."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, with the runs that it concerns."""

    kind: Kind
    release: str
    """Empty where it concerns a payload table."""
    data_type: str
    """Of a payload table its name."""
    run_from: int
    run_to: int
    message: str
    hint: str = ""
    at: Location | None = None

    @property
    def problem(self) -> Problem:
        """The finding as an error."""
        return Problem(f"{self.kind}: {self.message}", self.hint, self.at)


def check(book: Bookkeeping) -> tuple[Finding, ...]:
    """Give every finding: first those of CalVtxLumVer by release and type, then those of the payload tables."""
    found: list[Finding] = []
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in book.rows:
        groups.setdefault((row.release, row.data_type), []).append(row)
    versions = Versions()
    for (_, data_type), rows in sorted(groups.items()):
        found += _type(rows)
        found += _inverted(rows)
        found += _sign(rows)
        found += _overlaps(rows)
        found += _gaps(rows)
        found += _versions(rows, book.payloads_of(data_type), versions)
    for payload in book.payloads:
        found += _payload(payload)
    return tuple(found)


def _of(row: Row, kind: Kind, message: str, hint: str = "") -> Finding:
    return Finding(kind, row.release, row.data_type, row.run_from, row.run_to, message, hint, row.at)


def _named(row: Row) -> str:
    return f"{row.release} {row.data_type} {row.runs}"


def _type(rows: list[Row]) -> Iterator[Finding]:
    row = rows[0]
    if row.data_type not in DATA_TYPES:
        near = next((known for known in DATA_TYPES if known.lower() == row.data_type.lower()), "")
        hint = f"did you mean {near}?" if near else f"known: {', '.join(DATA_TYPES)}"
        yield _of(row, Kind.UNKNOWN_TYPE, f"{row.release} {row.data_type}: BOSS knows no such data type", hint)


def _inverted(rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        if row.run_from > row.run_to:
            yield _of(row, Kind.INVERTED, f"{_named(row)} ends before it begins", "no run is in it; exchange the ends")


def _sign(rows: Iterable[Row]) -> Iterator[Finding]:
    for row in rows:
        if row.run_from > row.run_to:
            continue
        if row.run_from < 0 and row.data_type in DATA_TYPES and row.data_type not in SIGNED:
            hint = f"{row.data_type} is looked up by the absolute value of the run; nobody asks for a negative one"
            yield _of(row, Kind.WRONG_SIGN, f"{_named(row)} has negative runs", hint)
        elif row.run_from < 0 <= row.run_to:
            hint = "simulated runs are negative, real ones are not; write a row for each"
            yield _of(row, Kind.WRONG_SIGN, f"{_named(row)} holds simulated and real runs", hint)


def _overlaps(rows: list[Row]) -> Iterator[Finding]:
    for number, other, taken in _shadowed((row.run_from, row.run_to) for row in rows):
        row, first = rows[number], rows[other]
        same = (row.software, row.parameters) == (first.software, first.parameters)
        rest = "" if len(taken) == 1 else f" and {len(taken) - 1} more ranges"
        yield Finding(
            Kind.OVERLAP, row.release, row.data_type, taken[0][0], taken[-1][1],
            f"{_named(row)}: its runs {runs_text(*taken[0])}{rest} belong to {first.runs} already"
            + (f" ({first.at})" if first.at else ""),
            f"BOSS takes the first row, {first.version}"
            + ("; both say the same" if same else f", and silently passes over {row.version}"),
            row.at,
        )  # fmt: skip


def _shadowed(ranges: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int, tuple[tuple[int, int], ...]]]:
    """Yield each range that earlier ones have runs of: its number, that of the owner of the lowest, and the runs."""
    owners = Ownership()
    for number, (first, last) in enumerate(ranges):
        taken = owners.enter(first, last, number)
        other = owners.owner(taken[0][0]) if taken else None
        if other is not None:
            yield number, other, taken


def _gaps(rows: list[Row]) -> Iterator[Finding]:
    """Gaps of simulated and of real runs apart: what lies between the two is none."""
    row = rows[0]
    sides = [(0, MAXIMUM_RUN)]
    if row.data_type in SIGNED or row.data_type not in DATA_TYPES:
        sides.insert(0, (-MAXIMUM_RUN, -1))
    for low, high in sides:
        covered = Ownership()
        for number, one in enumerate(rows):
            covered.enter(max(low, one.run_from), min(high, one.run_to), number)
        span = covered.span()
        for first, last in covered.free(*span) if span else ():
            before = rows[covered.owner(first - 1) or 0]
            after = rows[covered.owner(last + 1) or 0]
            yield Finding(
                Kind.GAP, row.release, row.data_type, first, last,
                f"{row.release} {row.data_type}: no row for the runs {runs_text(first, last)}, "
                f"between {before.runs} and {after.runs}",
                "BOSS ends with exit code 1 at such a run",
                before.at,
            )  # fmt: skip


def _versions(rows: list[Row], payloads: tuple[Payload, ...], versions: Versions) -> Iterator[Finding]:
    unnamed = [row for row in rows if not row.software or not row.parameters]
    if unnamed:
        row = unnamed[0]
        yield _of(
            row, Kind.NO_VERSION,
            f"{row.release} {row.data_type}: {len(unnamed)} of {len(rows)} rows name no SftVer or no ParVer, "
            f"first {row.runs}",
            "it can not be known which constants belong to their runs",
        )  # fmt: skip
    for row in rows:
        if not row.software or not row.parameters or row.run_from > row.run_to:
            continue
        if row.parameters == DEFAULT:
            resolved = ", ".join(f"{d.table} {d.version} for {d.runs}" for d in _defaults(row, payloads, versions))
            hint = f"today that is {resolved}" if resolved else "no payload table says which that is today"
            yield _of(row, Kind.DEFAULT_VERSION, f'{_named(row)} asks for the parameter version "{DEFAULT}"', hint)
        for payload in payloads:
            yield from _missing(row, payload, versions)


def _missing(row: Row, payload: Payload, versions: Versions) -> Iterator[Finding]:
    lacking = [(a, b) for a, b, found in versions.within(payload, row, row.run_from, row.run_to) if found is None]
    if lacking:
        rest = "" if len(lacking) == 1 else f" and {len(lacking) - 1} more ranges"
        yield Finding(
            Kind.NO_PAYLOAD, row.release, row.data_type, lacking[0][0], lacking[-1][1],
            f"{_named(row)}: {payload.name} has no constants {row.version} for the runs {runs_text(*lacking[0])}{rest}",
            "BOSS ends with exit code 1 at such a run",
            row.at,
        )  # fmt: skip


def _payload(payload: Payload) -> Iterator[Finding]:
    groups: dict[tuple[str, str], list[PayloadRow]] = {}
    for row in payload.rows:
        groups.setdefault((row.software, row.parameters), []).append(row)
        if row.run_from > row.run_to:
            message = f"{payload.name} {row.software}/{row.parameters} {runs_text(row.run_from, row.run_to)}"
            yield Finding(
                Kind.INVERTED, "", payload.name, row.run_from, row.run_to, f"{message} ends before it begins",
                "no run is in it; exchange the ends", row.at,
            )  # fmt: skip
    for (software, parameters), rows in groups.items():
        for number, other, taken in _shadowed((row.run_from, row.run_to) for row in rows):
            same = rows[number].constants == rows[other].constants
            yield Finding(
                Kind.OVERLAP, "", payload.name, taken[0][0], taken[-1][1],
                f"{payload.name} {software}/{parameters}: two rows for the runs {runs_text(*taken[0])}",
                "BOSS takes the first" + ("; both say the same" if same else ", and they differ"), rows[number].at,
            )  # fmt: skip


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """What `default` means for some runs: the highest version that a payload table has today."""

    data_type: str
    run_from: int
    run_to: int
    table: str
    version: str
    """SftVer/CalParVer."""

    @property
    def runs(self) -> str:
        """The range, for people."""
        return runs_text(self.run_from, self.run_to)


def defaults(book: Bookkeeping) -> tuple[Resolved, ...]:
    """Say for every row that asks for "default" which version that is, by runs and payload table."""
    versions = Versions()
    return tuple(
        resolved
        for row in book.rows
        if row.parameters == DEFAULT
        for resolved in _defaults(row, book.payloads_of(row.data_type), versions)
    )


def _defaults(row: Row, payloads: Iterable[Payload], versions: Versions) -> Iterator[Resolved]:
    for payload in payloads:
        last: Resolved | None = None
        for first, end, found in versions.within(payload, row, row.run_from, row.run_to):
            if found is None:
                continue
            version = f"{found.software}/{found.parameters}"
            if last and last.version == version and last.run_to == first - 1:
                last = msgspec.structs.replace(last, run_to=end)
                continue
            if last:
                yield last
            last = Resolved(
                data_type=row.data_type, run_from=first, run_to=end, table=payload.name, version=version
            )  # fmt: skip
        if last:
            yield last


def count_text(findings: Iterable[Finding]) -> str:
    """Count findings by kind, as in `gap: 24, overlap: 1`; `well` where there is none."""
    kinds = [finding.kind for finding in findings]
    return ", ".join(f"{kind}: {kinds.count(kind)}" for kind in Kind if kind in kinds) or "well"
