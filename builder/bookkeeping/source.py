"""Read a bookkeeping from files, whatever they are: tables as CSV, a database as text, a file of sqlite."""

from __future__ import annotations

from pathlib import Path

from builder.bookkeeping.csv_files import SUFFIX, payload_files, read_table
from builder.bookkeeping.rows import bookkeeping
from builder.bookkeeping.snapshot import read
from builder.bookkeeping.sqlite_file import MAGIC
from builder.bookkeeping.table import CALIBRATION, Bookkeeping
from builder.core.errors import InputFailure, Location

MAXIMUM_DUMP = 16 << 20
"""Bytes of a database as text."""
MAXIMUM_DATABASE = 1 << 30


def read_csv(table: Path, payloads: Path | None = None) -> Bookkeeping:
    """Read CalVtxLumVer and a folder of payload tables from CSV. Raises InputFailure with every problem."""
    files = payload_files(payloads) if payloads else ()
    tables = (read_table(path, path.name.removesuffix(SUFFIX), str(path)) for path in files)
    return bookkeeping((read_table(table, CALIBRATION, str(table)), *tables))


def read_database(path: Path) -> Bookkeeping:
    """Read a file of sqlite, or what mysqldump or sqlite3's `.dump` wrote. Raises InputFailure."""
    from builder.bookkeeping.dump import read_dump

    at = Location(str(path))
    try:
        with path.open("rb") as stream:
            head = stream.read(len(MAGIC))
            size = path.stat().st_size
            if size > (MAXIMUM_DATABASE if head == MAGIC else MAXIMUM_DUMP):
                raise InputFailure("the file is too large", hint="dump the tables that are needed alone", location=at)
            data = b"" if head == MAGIC else head + stream.read()
    except OSError as error:
        raise InputFailure(f"the file can not be read: {error.strerror}", location=at) from error
    if head == MAGIC:
        return read(path, str(path))
    if b"\0" in data:
        raise InputFailure("this is neither a file of sqlite nor the text of a dump", location=at)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputFailure(
            "this is not UTF-8", hint="mysqldump --hex-blob --default-character-set=utf8mb4",
            location=Location(str(path), line),
        ) from error  # fmt: skip
    return bookkeeping(read_dump(text, str(path)))


def read_file(path: Path) -> Bookkeeping:
    """Read a file by its name and content: `.csv` is CalVtxLumVer alone. Raises InputFailure."""
    return read_csv(path) if path.suffix == SUFFIX else read_database(path)
