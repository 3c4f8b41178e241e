"""Read a bookkeeping from a server of MariaDB or MySQL, in one transaction that only reads."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

import msgspec
import pymysql
from pymysql.constants import CR, ER
from pymysql.cursors import Cursor, SSCursor

from builder.bookkeeping.rows import IDENTIFIER, Cell, RawTable, bookkeeping
from builder.bookkeeping.table import CALIBRATION, MAXIMUM_ROWS, Bookkeeping
from builder.core.errors import Failure, InputFailure, Location, WorkFailure

if TYPE_CHECKING:
    from pymysql.connections import Connection

CONNECT_LIMIT = 10
"""Seconds to wait for the server."""
READ_LIMIT = 60
"""Seconds between two pieces of an answer."""
LOCK_LIMIT = 10
"""Seconds to wait for a table that somebody has locked."""
MAXIMUM_BYTES = 512 << 20
"""Of texts and bytes of a table."""
NO_TABLE_OR_DATABASE = frozenset({ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR})
NO_ACCESS = frozenset({ER.ACCESS_DENIED_ERROR, ER.DBACCESS_DENIED_ERROR, ER.TABLEACCESS_DENIED_ERROR, 1698})
"""1698: ACCESS_DENIED_NO_PASSWORD_ERROR."""
LOCKED = frozenset({ER.LOCK_WAIT_TIMEOUT, ER.LOCK_DEADLOCK, 1969, 3024})
"""1969 and 3024: a statement took longer than max_statement_time (MariaDB) or max_execution_time (MySQL)."""


class Server(msgspec.Struct, frozen=True):
    """Where a database is, and who reads it."""

    host: str
    port: int
    database: str
    user: str

    @property
    def address(self) -> str:
        """How locks and messages name it; without the password, and without the user."""
        return f"mariadb://{self.host}:{self.port}/{self.database}"


def read_server(server: Server, password: str, payloads: Sequence[str], release: str) -> Bookkeeping:
    """Copy the rows of a release from CalVtxLumVer, and the payload tables that are named, all as of one moment.

    A table has no order of its own: rows come in that of its primary key, or as the server gives them where it has
    none. Raises InputFailure where the server refuses or lacks something, WorkFailure where it can not be reached,
    breaks off or keeps a table locked.
    """
    try:
        with pymysql.connect(
            host=server.host, port=server.port, user=server.user, password=password, database=server.database,
            charset="utf8mb4", connect_timeout=CONNECT_LIMIT, read_timeout=READ_LIMIT, write_timeout=READ_LIMIT,
            local_infile=False,
        ) as connection:  # fmt: skip
            _prepare(connection)
            at = Location(server.address)
            tables = [_table(connection, CALIBRATION, at, release)]
            tables += [_table(connection, name, at) for name in dict.fromkeys(payloads)]
    except pymysql.MySQLError as error:
        raise _failure(server, error) from error
    except RuntimeError as error:  # a way to log in that needs another package
        raise InputFailure(
            f"{server.address} asks for a way to log in that is not supported: {error}",
            hint="use an account with mysql_native_password",
        ) from error
    except (OSError, ValueError) as error:
        raise WorkFailure(f"{server.address} breaks off: {error}") from error
    return bookkeeping(tables).of_release(release)


def _prepare(connection: Connection[Cursor]) -> None:
    """One view of all tables, no writing, no waiting without end."""
    with connection.cursor() as cursor:
        cursor.execute("select version()")
        is_mariadb = "MariaDB" in str(cursor.fetchone())
        limit = f"max_statement_time = {READ_LIMIT}" if is_mariadb else f"max_execution_time = {READ_LIMIT * 1000}"
        for setting in (
            f"session {limit}",
            f"session lock_wait_timeout = {LOCK_LIMIT}",
            "session sql_mode = ''",
            "session transaction isolation level repeatable read",
        ):
            cursor.execute(f"set {setting}")
        cursor.execute("start transaction with consistent snapshot, read only")


def _table(connection: Connection[Cursor], name: str, at: Location, release: str | None = None) -> RawTable:
    if not IDENTIFIER.fullmatch(name):
        raise InputFailure(f"a table can not be called {name!r}", hint="a letter, then letters, digits and _")
    with connection.cursor(SSCursor) as cursor:
        where = "" if release is None else " where binary BossRelease = %s"
        order = _order(connection, name)
        cursor.execute(
            f"select * from `{name}`{where}{order} limit {MAXIMUM_ROWS + 1}",  # noqa: S608 - a checked name
            () if release is None else (release,),
        )
        columns = tuple(str(column[0]) for column in cursor.description or ())
        rows: list[tuple[Location, tuple[Cell, ...]]] = []
        size = 0
        for row in cursor:
            cells = tuple(_cell(value) for value in row)
            size += sum(len(cell) for cell in cells if isinstance(cell, str | bytes))
            if size > MAXIMUM_BYTES:
                raise InputFailure(
                    f"{name} holds more than {MAXIMUM_BYTES} bytes", hint="name other tables", location=at
                )
            rows.append((at, cells))
    return RawTable(name, columns, tuple(rows), at)


def _order(connection: Connection[Cursor], name: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"show index from `{name}` where Key_name = 'PRIMARY'")
        columns = [str(row[4]) for row in sorted(cursor.fetchall(), key=lambda row: int(row[3]))]
    return " order by " + ", ".join(f"`{column.replace('`', '``')}`" for column in columns) if columns else ""


def _cell(value: object) -> Cell:
    if isinstance(value, Decimal):
        return float(value)
    return value if value is None or isinstance(value, str | int | float | bytes) else str(value)


def _failure(server: Server, error: pymysql.MySQLError) -> Failure:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    said = str(error.args[1]) if len(error.args) > 1 else str(error)
    if code in NO_ACCESS:
        return InputFailure(
            f"{server.address} refuses the user {server.user!r}: {said}",
            hint="is the password right, and may the user read (grant select) from this host?",
        )
    if code in NO_TABLE_OR_DATABASE:
        return InputFailure(f"{server.address}: {said}", hint="are database and payloads named as the server does?")
    if code in LOCKED:
        return WorkFailure(
            f"{server.address}: a table is locked, or took too long: {said}", hint="try again when nobody writes to it"
        )
    if code in {CR.CR_CONN_HOST_ERROR, CR.CR_CONNECTION_ERROR, CR.CR_UNKNOWN_HOST}:
        return WorkFailure(f"{server.address} can not be reached: {said}", hint="does the server run, on this port?")
    return WorkFailure(f"{server.address} breaks off: {said}")
