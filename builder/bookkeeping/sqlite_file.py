"""Read a file of sqlite that somebody else made, without running anything that is in it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from builder.bookkeeping.rows import Cell, RawTable
from builder.bookkeeping.table import CALIBRATION, MAXIMUM_COLUMNS, MAXIMUM_ROWS, PAYLOAD_COLUMNS
from builder.core.errors import InputFailure, Location

MAGIC = b"SQLite format 3\0"
TIME_LIMIT = 60.0
"""Seconds for all of it."""
LONGEST_VALUE = 64 << 20
_STEPS = 10_000
"""Instructions of sqlite's machine between two looks at the clock."""
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ})
_SCHEMA = frozenset({"sqlite_master", "sqlite_schema"})


def read_sqlite(path: Path, shown: str) -> tuple[RawTable, ...]:
    """Give CalVtxLumVer and every table with the columns of a payload table, rows in the order of rowid.

    Raises InputFailure where the file is damaged, holds what is no plain table under such a name, or takes too long.
    """
    at = Location(shown)
    try:
        with _opened(path) as connection:
            return tuple(_tables(connection, at))
    except (sqlite3.Error, UnicodeDecodeError, OverflowError) as error:
        why = str(error).splitlines()[0][:200]
        raise InputFailure(f"this file of sqlite can not be read: {why}", hint="is it damaged?", location=at) from error


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a file to read alone: no view, trigger, virtual table or function of it is ever called."""
    connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1", uri=True)
    try:
        end = time.monotonic() + TIME_LIMIT
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_COLUMN, MAXIMUM_COLUMNS + len(PAYLOAD_COLUMNS))
        connection.execute("pragma trusted_schema = off")
        connection.execute("pragma cell_size_check = on")
        connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
        connection.set_authorizer(_authorize)
        yield connection
    finally:
        connection.close()


def _authorize(action: int, one: str | None, two: str | None, database: str | None, inner: str | None) -> int:  # noqa: ARG001 - sqlite's signature
    return sqlite3.SQLITE_OK if action in _ALLOWED and inner is None else sqlite3.SQLITE_DENY


def _tables(connection: sqlite3.Connection, at: Location) -> Iterator[RawTable]:
    for name, kind, sql in connection.execute("select name, type, sql from sqlite_master order by name").fetchall():
        if kind == "index" or str(name).startswith("sqlite_"):
            continue
        plain = kind == "table" and not str(sql).lower().lstrip().startswith("create virtual")
        if not plain:
            if name == CALIBRATION:
                raise InputFailure(f"{name} is a {kind}, not a table", hint="copy its rows into one", location=at)
            continue
        query = f"select * from {_quoted(name)} order by {_row_number(sql)} limit {MAXIMUM_ROWS + 1}"  # noqa: S608 - quoted
        cursor = connection.execute(query)
        columns = tuple(str(column[0]) for column in cursor.description)
        if name == CALIBRATION or set(PAYLOAD_COLUMNS) <= set(columns):
            rows: list[tuple[Location, tuple[Cell, ...]]] = [(at, tuple(row)) for row in cursor]
            yield RawTable(str(name), columns, tuple(rows), at)


def _row_number(sql: object) -> str:
    """A table without rowid has an order of its own."""
    return "1" if "without rowid" in " ".join(str(sql).lower().split()) else "rowid"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
