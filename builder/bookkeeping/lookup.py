"""Look constants up as BOSS does: a row of CalVtxLumVer by release, type and run, then the payload of its version."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from builder.bookkeeping.runs import Ownership
from builder.bookkeeping.table import CALIBRATION, DEFAULT, SIGNED, Bookkeeping, Payload, PayloadRow, Row


class PayloadAnswer(msgspec.Struct, frozen=True):
    """What a payload table has for a row of CalVtxLumVer and a run; no `row` where it has nothing."""

    table: str
    constants: tuple[str, ...]
    matching: int
    """How many rows fit; BOSS takes the first."""
    row: PayloadRow | None


class Answer(msgspec.Struct, frozen=True):
    """The rows that fit, in the order of the table, of which BOSS takes the first; and what that one leads to."""

    release: str
    data_type: str
    run: int
    asked: int
    """The run that BOSS asks for: signed for some types, the absolute value for the others."""
    matching: tuple[Row, ...]
    payloads: tuple[PayloadAnswer, ...]

    @property
    def row(self) -> Row | None:
        """The row that counts."""
        return self.matching[0] if self.matching else None

    @property
    def sql(self) -> str:
        """What BOSS asks the database, in effect."""
        release, data_type = (text.replace("'", "''") for text in (self.release, self.data_type))
        return (
            f"select SftVer, ParVer from {CALIBRATION} where BossRelease = '{release}' and RunFrom <= {self.asked} "  # noqa: S608 - shown, never run
            f"and RunTo >= {self.asked} and DataType = '{data_type}'"
        )


def asked_run(data_type: str, run: int) -> int:
    """Give the run that is looked up for a type: Tof, EsTof, TofSim and DedxSim take its sign, others do not."""
    return run if data_type in SIGNED else abs(run)


def look_up(book: Bookkeeping, release: str, data_type: str, run: int) -> Answer:
    """Answer as BOSS's query would be answered, and say which rows were passed over."""
    asked = asked_run(data_type, run)
    matching = tuple(
        row
        for row in book.rows
        if row.release == release and row.data_type == data_type and row.run_from <= asked <= row.run_to
    )
    payloads = tuple(_payload(p, matching[0], asked) for p in book.payloads_of(data_type)) if matching else ()
    return Answer(release, data_type, run, asked, matching, payloads)


def _payload(payload: Payload, row: Row, run: int) -> PayloadAnswer:
    fitting = [p for p in candidates(payload, row.software, row.parameters) if p.run_from <= run <= p.run_to]
    return PayloadAnswer(payload.name, payload.constants, len(fitting), fitting[0] if fitting else None)


def candidates(payload: Payload, software: str, parameters: str) -> list[PayloadRow]:
    """Give the rows of a version in the order in which they are taken: `default` takes the highest CalParVer first."""
    rows = [row for row in payload.rows if row.software == software]
    if parameters == DEFAULT:
        return sorted(
            rows, key=lambda row: row.parameters, reverse=True
        )  # stable: rows of one version keep their order
    return [row for row in rows if row.parameters == parameters]


class Versions:
    """Which payload row each run of a version gets; made once for each table and version that is asked for."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self._known: dict[tuple[str, str, str], tuple[list[PayloadRow], Ownership]] = {}

    def within(self, payload: Payload, row: Row, first: int, last: int) -> Iterator[tuple[int, int, PayloadRow | None]]:
        """Yield every stretch of runs from `first` to `last` with its payload row, or None where there is none."""
        rows, owners = self._owners(payload, row.software, row.parameters)
        stretches = [(s.first, s.last, rows[s.owner]) for s in owners.within(first, last)]
        gaps = [(a, b, None) for a, b in owners.free(first, last)]
        yield from sorted([*stretches, *gaps], key=lambda stretch: stretch[0])

    def _owners(self, payload: Payload, software: str, parameters: str) -> tuple[list[PayloadRow], Ownership]:
        key = (payload.name, software, parameters)
        if key not in self._known:
            rows = candidates(payload, software, parameters)
            owners = Ownership()
            for number, row in enumerate(rows):
                owners.enter(row.run_from, row.run_to, number)
            self._known[key] = rows, owners
        return self._known[key]
