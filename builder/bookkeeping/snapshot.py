"""The snapshot: one file of sqlite that holds a bookkeeping; the same bookkeeping gives the same bytes.

No keys or indexes are made: the order of rows is that of rowid, and BOSS takes the first row.
"""

from __future__ import annotations

from pathlib import Path

from builder.bookkeeping.rows import bookkeeping
from builder.bookkeeping.sqlite_file import read_sqlite
from builder.bookkeeping.sqlite_format import Table, database
from builder.bookkeeping.table import CALIBRATION, Bookkeeping, Constant, Payload

_CALIBRATION_COLUMNS = "BossRelease TEXT, DataType TEXT, RunFrom INTEGER, RunTo INTEGER, SftVer TEXT, ParVer TEXT"
_PAYLOAD_COLUMNS = "SftVer TEXT, CalParVer TEXT, RunFrom INTEGER, RunTo INTEGER"
_TYPES: dict[type[Constant], str] = {float: "REAL", str: "TEXT", bytes: "BLOB"}


def write(book: Bookkeeping, path: Path) -> None:
    """Write a bookkeeping into a new file. Raises FileExistsError where there is one."""
    rows = [(r.release, r.data_type, r.run_from, r.run_to, r.software, r.parameters) for r in book.rows]
    calibration = Table(CALIBRATION, f"CREATE TABLE {CALIBRATION}({_CALIBRATION_COLUMNS})", rows)
    with path.open("xb") as stream:
        stream.write(database([calibration, *map(_payload, book.payloads)]))


def _payload(payload: Payload) -> Table:
    kinds = [_TYPES[type(value)] for value in payload.rows[0].constants] if payload.rows else []
    kinds += ["REAL"] * (len(payload.constants) - len(kinds))
    columns = ", ".join(f'"{name}" {kind}' for name, kind in zip(payload.constants, kinds, strict=True))
    rows = [(r.software, r.parameters, r.run_from, r.run_to, *r.constants) for r in payload.rows]
    return Table(payload.name, f'CREATE TABLE "{payload.name}"({_PAYLOAD_COLUMNS}, {columns})', rows)


def read(path: Path, shown: str) -> Bookkeeping:
    """Read a snapshot, or any file of sqlite with these tables. Raises InputFailure."""
    return bookkeeping(read_sqlite(path, shown))
