"""A database as text: what mysqldump (of MySQL or MariaDB) and sqlite3's `.dump` write.

Nothing of it is run: statements are parsed (sqlglot), and only those that make and fill tables are taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from builder.bookkeeping.rows import Cell, RawTable
from builder.bookkeeping.table import CALIBRATION, MAXIMUM_COLUMNS, MAXIMUM_ROWS, PAYLOAD_COLUMNS
from builder.core.errors import InputFailure, Location

_MYSQL = re.compile(
    r"""'(?:[^'\\]++|\\.|'')*+' | "(?:[^"\\]++|\\.|"")*+" | `[^`]*+` | --[^\n]*+ | \#[^\n]*+ | /\*.*?\*/ | ;"""
    r"""| [^'"`;/\#-]++ | .""",
    re.DOTALL | re.VERBOSE,
)
_SQLITE = re.compile(
    r"""'(?:[^']++|'')*+' | "(?:[^"]++|"")*+" | `[^`]*+` | --[^\n]*+ | /\*.*?\*/ | ; | [^'"`;/-]++ | .""",
    re.DOTALL | re.VERBOSE,
)
_HEAD = re.compile(r"INSERT\s+INTO\s+[^()']{1,200}(?:\([^()']*+\))?\s*VALUES\s*(?=\()", re.IGNORECASE)
_MYSQL_ROWS = re.compile(r"""'(?:[^'\\]++|\\.|'')*+' | [(),] | [^'(),]++ | .""", re.DOTALL | re.VERBOSE)
_SQLITE_ROWS = re.compile(r"""'(?:[^']++|'')*+' | [(),] | [^'(),]++ | .""", re.DOTALL | re.VERBOSE)
ROWS_AT_ONCE = 500
_MARK = re.compile(r"\A(?:\s|--[^\n]*\n)*PRAGMA\s+foreign_keys", re.IGNORECASE)
"""With this line sqlite3's `.dump` begins."""
_HARMLESS = re.compile(
    r"(?:SET|USE|PRAGMA|BEGIN|COMMIT|START\s+TRANSACTION|LOCK\s+TABLES|UNLOCK\s+TABLES|DROP\s+TABLE\s+IF\s+EXISTS"
    r"|CREATE\s+DATABASE|CREATE\s+(?:UNIQUE\s+)?INDEX|(?:DELETE\s+FROM|INSERT\s+INTO)\s+\W?sqlite_sequence)\b",
    re.IGNORECASE,
)
"""Statements that say nothing of the rows; a table that is dropped is one that was not made yet."""
_MAKES = re.compile(r"CREATE\s+TABLE\b", re.IGNORECASE)
_FILLS = re.compile(r"INSERT\s+INTO\b", re.IGNORECASE)
_HINT = (
    "a dump makes tables and fills them: mysqldump --hex-blob --skip-triggers DATABASE TABLE..., or sqlite3 FILE .dump"
)


def read_dump(text: str, shown: str) -> tuple[RawTable, ...]:
    """Give CalVtxLumVer and every table with the columns of a payload table; others are left out.

    `shown` is how messages name the file. Raises InputFailure with the line of a statement that is no part of a dump.
    """
    dialect, pattern = ("sqlite", _SQLITE) if _MARK.match(text) else ("mysql", _MYSQL)
    columns: dict[str, tuple[tuple[str, ...], Location]] = {}
    rows: dict[str, list[tuple[Location, tuple[Cell, ...]]]] = {}
    for statement, line in _statements(text, pattern, shown):
        at = Location(shown, line)
        if _MAKES.match(statement):
            name, names = _made(_parsed(statement, dialect, at), at)
            if name in columns:
                raise InputFailure(f"the table {name} is made twice", hint=_HINT, location=at)
            columns[name] = names, at
            rows[name] = []
        elif _FILLS.match(statement) and not _HARMLESS.match(statement):
            for part in _parts(statement, dialect, at):
                _fill(_parsed(part, dialect, at), columns, rows, at)
        elif not _HARMLESS.match(statement):
            words = " ".join(statement[:60].split()[:3])
            raise InputFailure(f"a dump does not say {words!r}", hint=_HINT, location=at)
    return tuple(
        RawTable(name, names, tuple(rows[name]), at)
        for name, (names, at) in columns.items()
        if name == CALIBRATION or set(PAYLOAD_COLUMNS) <= set(names)
    )


def _statements(text: str, pattern: re.Pattern[str], shown: str) -> Iterator[tuple[str, int]]:
    """Yield each statement without comments, and the line on which it begins."""
    parts: list[str] = []
    line = start = 1
    for found in pattern.finditer(text):
        piece = found.group()
        if piece == ";":
            if parts:
                yield "".join(parts).strip(), start
            parts = []
        elif piece in {"'", '"', "`"} or (piece == "/" and text.startswith("/*", found.start())):
            raise InputFailure(f"what begins with {piece} here never ends", hint=_HINT, location=Location(shown, line))
        elif not piece.startswith(("--", "/*")) and not (piece.startswith("#") and pattern is _MYSQL):
            if not parts:
                if not piece.strip():
                    line += piece.count("\n")
                    continue
                start = line + piece[: len(piece) - len(piece.lstrip())].count("\n")
            parts.append(piece)
        line += piece.count("\n")
    if parts:
        raise InputFailure("the last statement does not end: the dump was cut", location=Location(shown, start))


def _parts(statement: str, dialect: str, at: Location) -> Iterator[str]:
    """Cut an INSERT of many rows into some of fewer, so that their trees do not fill the memory."""
    head = _HEAD.match(statement)
    if not head:
        raise InputFailure("a table is filled with something other than rows", hint=_HINT, location=at)
    pattern = _MYSQL_ROWS if dialect == "mysql" else _SQLITE_ROWS
    depth, count, start = 0, 0, head.end()
    for found in pattern.finditer(statement, head.end()):
        piece = found.group()
        depth += (piece == "(") - (piece == ")")
        if piece == "," and depth == 0:
            count += 1
            if count % ROWS_AT_ONCE == 0:
                yield head.group() + statement[start : found.start()]
                start = found.end()
    yield head.group() + statement[start:]


def _parsed(statement: str, dialect: str, at: Location) -> exp.Expression:
    try:
        found = sqlglot.parse_one(statement, dialect=dialect)
    except (SqlglotError, RecursionError, ValueError) as error:
        first = str(error).splitlines()[0][:120] if str(error) else "nested too deep"
        raise InputFailure(f"the statement can not be parsed: {first}", hint=_HINT, location=at) from error
    if not isinstance(found, exp.Expression):
        raise InputFailure("the statement can not be parsed", hint=_HINT, location=at)
    return found


def _made(statement: exp.Expression, at: Location) -> tuple[str, tuple[str, ...]]:
    schema = statement.this
    if not isinstance(statement, exp.Create) or not isinstance(schema, exp.Schema):
        raise InputFailure("a table is made without a list of columns", hint=_HINT, location=at)
    names = tuple(column.name for column in schema.expressions if isinstance(column, exp.ColumnDef | exp.Identifier))
    if len(names) > MAXIMUM_COLUMNS:
        raise InputFailure(f"a table has more than {MAXIMUM_COLUMNS} columns", location=at)
    return schema.this.name, names


def _fill(
    statement: exp.Expression,
    columns: dict[str, tuple[tuple[str, ...], Location]],
    rows: dict[str, list[tuple[Location, tuple[Cell, ...]]]],
    at: Location,
) -> None:
    target = statement.this
    name = target.this.name if isinstance(target, exp.Schema) else target.name
    if name not in columns:
        raise InputFailure(f"the table {name} is filled before it is made", hint=_HINT, location=at)
    names = columns[name][0]
    order = tuple(column.name for column in target.expressions) if isinstance(target, exp.Schema) else names
    values = statement.args.get("expression")
    if not isinstance(values, exp.Values) or sorted(order) != sorted(names):
        raise InputFailure(f"{name} is filled with something other than full rows", hint=_HINT, location=at)
    for row in values.expressions:
        cells = [_cell(value, at) for value in (row.expressions if isinstance(row, exp.Tuple) else [row])]
        if len(cells) != len(order):
            raise InputFailure(f"a row of {name} has {len(cells)} values, not {len(order)}", hint=_HINT, location=at)
        by_name = dict(zip(order, cells, strict=True))
        rows[name].append((at, tuple(by_name[column] for column in names)))
    if len(rows[name]) > MAXIMUM_ROWS:
        raise InputFailure(f"{name} has more than {MAXIMUM_ROWS} rows", location=at)


def _cell(value: exp.Expression, at: Location) -> Cell:
    if isinstance(value, exp.Neg) and isinstance(value.this, exp.Literal) and not value.this.is_string:
        number = _number(value.this.name)
        return None if number is None else -number
    if isinstance(value, exp.Literal):
        return value.name if value.is_string else _number(value.name)
    if isinstance(value, exp.Null):
        return None
    if isinstance(value, exp.HexString):
        digits = value.name
        return bytes.fromhex("0" * (len(digits) % 2) + digits)
    raise InputFailure(f"a value is no constant: {value.sql()[:60]}", hint=_HINT, location=at)


def _number(text: str) -> int | float | None:
    try:
        return int(text) if text.isdecimal() and len(text) < 20 else float(text)  # noqa: PLR2004 - 64 bits
    except ValueError:
        return None
