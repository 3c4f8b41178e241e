"""From the cells of a source (text, numbers, nothing) to typed rows; every bad cell is reported, with its place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from builder.bookkeeping.table import (
    CALIBRATION,
    CALIBRATION_COLUMNS,
    MAXIMUM_COLUMNS,
    MAXIMUM_ROWS,
    MAXIMUM_RUN,
    PAYLOAD_COLUMNS,
    Bookkeeping,
    Constant,
    Payload,
    PayloadRow,
    Row,
    sorted_payloads,
)
from builder.core.errors import InputFailure, Location, Problem

MAXIMUM_PROBLEMS = 20
"""That are told of one table; of a file that is none there would be one for each line."""
MAXIMUM_TEXT = 255
"""Characters of a release, a data type or a version, as in the columns of BOSS's database."""
COUNTERS = frozenset({"id", "seqno"})
"""Columns that may stand in a database's table besides, whatever is in them."""
IDENTIFIER = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,63}")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?")
_WHOLE = re.compile(r"[+-]?[0-9]{1,10}")

Cell = str | int | float | bytes | None


class RawTable(msgspec.Struct, frozen=True):
    """A table as a source gave it: its name, the names of its columns, its rows with their places."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Location, tuple[Cell, ...]], ...]
    at: Location
    numeric: bool = False
    """Whether constants must be numbers, as in text, where nothing else says what they are."""


def bookkeeping(tables: Iterable[RawTable]) -> Bookkeeping:
    """Give CalVtxLumVer and payload tables as typed values.

    Raises InputFailure with every cell that is wrong, or where there is no CalVtxLumVer.
    """
    problems: list[Problem] = []
    rows: tuple[Row, ...] | None = None
    payloads = []
    for table in map(_without_counters, tables):
        own: list[Problem] = []
        if table.name == CALIBRATION:
            rows = _calibration(table, own)
        elif (payload := _payload(table, own)) is not None:
            payloads.append(payload)
        problems += own[:MAXIMUM_PROBLEMS]
        if len(own) > MAXIMUM_PROBLEMS:
            problems.append(Problem(f"and {len(own) - MAXIMUM_PROBLEMS} more like these", location=table.at))
    if problems:
        raise InputFailure(*problems)
    if rows is None:
        raise InputFailure(f"there is no table {CALIBRATION}", hint="it says which constants belong to which runs")
    return Bookkeeping(rows, sorted_payloads(payloads))


def _without_counters(table: RawTable) -> RawTable:
    """Leave out what counts a database's rows: BOSS does not ask for it."""
    kept = [place for place, column in enumerate(table.columns) if column.lower() not in COUNTERS]
    if len(kept) == len(table.columns) or any(len(cells) != len(table.columns) for _, cells in table.rows):
        return table
    return msgspec.structs.replace(
        table,
        columns=tuple(table.columns[place] for place in kept),
        rows=tuple((at, tuple(cells[place] for place in kept)) for at, cells in table.rows),
    )


def _calibration(table: RawTable, problems: list[Problem]) -> tuple[Row, ...]:
    rows = []
    for at, cells in _ordered(table, CALIBRATION_COLUMNS, problems):
        reader = _Cells(at, problems)
        release, data_type = reader.text(cells[0], "BossRelease"), reader.text(cells[1], "DataType")
        run_from, run_to = reader.run(cells[2], "RunFrom"), reader.run(cells[3], "RunTo")
        software, parameters = reader.text(cells[4], "SftVer"), reader.text(cells[5], "ParVer")
        for value, name in ((release, "BossRelease"), (data_type, "DataType")):
            if not value and not reader.wrong:
                reader.refuse(f"{name} is empty", "every row belongs to a release and a data type")
        rows.append(Row(release, data_type, run_from, run_to, software, parameters, at))
    return tuple(rows)


def _payload(table: RawTable, problems: list[Problem]) -> Payload | None:
    names = tuple(column for column in table.columns if column not in PAYLOAD_COLUMNS)
    for name in (table.name, *names):
        if not IDENTIFIER.fullmatch(name) or name.lower().startswith("sqlite_"):
            message = f"a table or column can not be called {name[:80]!r}"
            problems.append(Problem(message, "a letter, then at most 63 letters, digits and _", table.at))
    if problems:
        return None
    if not names:
        problems.append(Problem(f"{table.name} holds no constants", "add a column for each", table.at))
        return None
    rows = []
    for at, cells in _ordered(table, (*PAYLOAD_COLUMNS, *names), problems):
        reader = _Cells(at, problems)
        software, parameters = reader.text(cells[0], "SftVer"), reader.text(cells[1], "CalParVer")
        run_from, run_to = reader.run(cells[2], "RunFrom"), reader.run(cells[3], "RunTo")
        constants = tuple(
            reader.constant(cell, name, numeric=table.numeric)
            for name, cell in zip(names, cells[len(PAYLOAD_COLUMNS) :], strict=True)
        )
        rows.append(PayloadRow(software, parameters, run_from, run_to, constants, at))
    rows = _empty_bytes(rows)
    for column, name in enumerate(names):
        kinds = {type(row.constants[column]).__name__ for row in rows}
        if len(kinds) > 1:
            message = f"{table.name}.{name} holds values of several kinds: {', '.join(sorted(kinds))}"
            problems.append(Problem(message, "a constant is a number, or a text, or bytes, in every row", table.at))
    return Payload(table.name, names, tuple(rows))


def _empty_bytes(rows: list[PayloadRow]) -> list[PayloadRow]:
    """Take an empty text among bytes for no bytes: mysqldump writes them so."""
    kinds = [
        {type(value) for value in column if value != ""} for column in zip(*(r.constants for r in rows), strict=True)
    ]
    return [
        msgspec.structs.replace(
            row,
            constants=tuple(
                b"" if value == "" and kind == {bytes} else value
                for value, kind in zip(row.constants, kinds, strict=True)
            ),
        )
        for row in rows
    ]


def _ordered(
    table: RawTable, columns: Sequence[str], problems: list[Problem]
) -> Iterator[tuple[Location, tuple[Cell, ...]]]:
    """Yield rows with their cells in the order of `columns`; nothing where the table has not these columns."""
    lower = [column.lower() for column in table.columns]
    missing = [column for column in columns if column not in table.columns]
    unknown = [column for column in table.columns if column not in columns]
    if len(set(lower)) != len(lower) or len(lower) > MAXIMUM_COLUMNS:
        message = f"{table.name} has a column twice, or more than {MAXIMUM_COLUMNS} columns"
        problems.append(Problem(message, "capitals are not told from others", table.at))
    elif missing or unknown:
        said = [f"has no column {', '.join(missing)}"] if missing else []
        said += [f"has the unknown column {', '.join(repr(name[:80]) for name in unknown[:5])}"] if unknown else []
        hint = f"its columns are {', '.join(columns)}; their names are exact"
        problems.append(Problem(f"{table.name} {' and '.join(said)}", hint, table.at))
    elif len(table.rows) > MAXIMUM_ROWS:
        message = f"{table.name} has {len(table.rows)} rows"
        problems.append(Problem(message, f"a table has at most {MAXIMUM_ROWS}", table.at))
    else:
        order = [table.columns.index(column) for column in columns]
        for at, cells in table.rows:
            if len(cells) != len(order):
                message = f"the row has {len(cells)} cells, not {len(order)}"
                problems.append(Problem(message, "one for each column", at))
                continue
            yield at, tuple(cells[place] for place in order)


class _Cells:
    """Reads the cells of one row; what is wrong is reported at the row's place."""

    def __init__(self, at: Location, problems: list[Problem]) -> None:
        self._at = at
        self._problems = problems
        self.wrong = False

    def refuse(self, message: str, hint: str) -> None:
        self.wrong = True
        self._problems.append(Problem(message, hint, self._at))

    def text(self, cell: Cell, name: str) -> str:
        value = "" if cell is None else cell
        if isinstance(value, int):
            value = str(value)
        if not isinstance(value, str):
            self.refuse(f"{name} is not a text: {_shown(cell)}", "")
            return ""
        value = value.strip(" ")
        if len(value) > MAXIMUM_TEXT or not value.isprintable():
            self.refuse(f"{name} is not a name: {_shown(cell)}", f"at most {MAXIMUM_TEXT} printable characters")
            return ""
        return value

    def run(self, cell: Cell, name: str) -> int:
        value = cell.strip(" ") if isinstance(cell, str) else cell
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > MAXIMUM_RUN:
            self.refuse(f"{name} is not a run: {_shown(cell)}", f"a whole number of -{MAXIMUM_RUN} to {MAXIMUM_RUN}")
            return 0
        return value

    def constant(self, cell: Cell, name: str, *, numeric: bool) -> Constant:
        value = float(cell) if numeric and isinstance(cell, str) and _NUMBER.fullmatch(cell.strip(" ")) else cell
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
        if isinstance(cell, str | bytes) and not numeric:
            return cell
        self.refuse(
            f"{name} is not a constant: {_shown(cell)}", "a finite number" + (", a text or bytes" * (not numeric))
        )
        return 0.0


def _shown(cell: Cell) -> str:
    text = "NULL" if cell is None else repr(cell)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - one line
