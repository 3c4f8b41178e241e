"""Tables as text: RFC 4180, UTF-8, the first line names the columns."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from builder.bookkeeping.rows import Cell, RawTable
from builder.bookkeeping.table import MAXIMUM_ROWS
from builder.core.errors import InputFailure, Location

MAXIMUM_BYTES = 64 << 20
SUFFIX = ".csv"


def read_table(path: Path, name: str, shown: str) -> RawTable:
    """Read one table; `shown` is how messages name the file.

    In a payload table the constants are numbers. Raises InputFailure for what is no CSV; columns and cells are judged
    by `rows`.
    """
    text = _text(path, shown)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows: list[tuple[Location, tuple[Cell, ...]]] = []
    columns: tuple[str, ...] = ()
    line = 1
    try:
        for cells in reader:
            at, line = Location(shown, line), reader.line_num + 1
            if not cells:
                continue  # an empty line
            if not columns:
                columns = tuple(cell.strip() for cell in cells)
                continue
            if len(rows) >= MAXIMUM_ROWS:
                raise InputFailure(f"more than {MAXIMUM_ROWS} rows", hint="a table has at most so many", location=at)
            rows.append((at, tuple(cells)))
    except csv.Error as error:
        raise InputFailure(f"this is no CSV: {error}", hint="RFC 4180", location=Location(shown, line)) from error
    if not columns:
        raise InputFailure("the file is empty", hint="its first line names the columns", location=Location(shown))
    return RawTable(name, columns, tuple(rows), Location(shown, 1), numeric=True)


def payload_files(folder: Path) -> tuple[Path, ...]:
    """Give the tables of a folder: every NAME.csv, sorted. Raises InputFailure for anything else in it, or nothing."""
    at = Location(str(folder))
    try:
        found = sorted(folder.iterdir())
    except OSError as error:
        raise InputFailure(f"the folder can not be read: {error.strerror}", location=at) from error
    others = [path.name for path in found if path.suffix != SUFFIX or not path.is_file()]
    if others or not found:
        said = f"it holds {others[0]!r}" if others else "it is empty"
        message = f"a folder of payload tables holds NAME.csv alone; {said}"
        raise InputFailure(message, hint="one file for each table", location=at)
    return tuple(found)


def _text(path: Path, shown: str) -> str:
    at = Location(shown)
    try:
        with path.open("rb") as stream:
            data = stream.read(MAXIMUM_BYTES + 1)
    except OSError as error:
        raise InputFailure(f"the file can not be read: {error.strerror}", location=at) from error
    if len(data) > MAXIMUM_BYTES:
        raise InputFailure("the file is too large", hint=f"a table has at most {MAXIMUM_BYTES} bytes", location=at)
    if b"\0" in data:
        raise InputFailure("this is no text: it holds zero bytes", hint="RFC 4180", location=at)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputFailure("this is not UTF-8", hint="save it as UTF-8", location=Location(shown, line)) from error
