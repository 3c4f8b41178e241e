"""Write a file of sqlite by hand, so that its bytes depend on the rows alone.

The library that comes with Python fills pages in ways that differ from version to version (seen between 3.40.1 and
3.51.1), and notes its version in the file. Only tables with a rowid are written, rows numbered from 1.

Source: "Database File Format" (sqlite.org/fileformat2.html): 1.3 the header, 1.6 b-tree pages and the cells of
table b-trees with their overflow pages, 2.1 records, 2.6 the schema table.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence

import msgspec

PAGE = 4096
_LEAF, _INTERIOR = 0x0D, 0x05
_HEADER = 100
_LIBRARY = 3_040_000
"""As if sqlite 3.40.0 had written the file; readers do nothing with it."""
_LONGEST_LOCAL = PAGE - 35
_SHORTEST_LOCAL = (PAGE - 12) * 32 // 255 - 23
_INTEGER_SIZES = ((1, 1), (2, 2), (3, 3), (4, 4), (5, 6), (6, 8))
"""Serial types of integers, and their bytes."""
_BITS, _LONGEST_VARINT = 7, 9

Value = int | float | str | bytes | None


class Table(msgspec.Struct, frozen=True):
    """A table: its name, the statement that makes it, its rows."""

    name: str
    sql: str
    rows: Sequence[tuple[Value, ...]]


def database(tables: Iterable[Table]) -> bytes:
    """Give the bytes of a database with these tables, in this order. Rows keep their order, as rowid."""
    pages: list[bytes] = [b""]  # the first is that of the schema, which names the roots of the others
    schema: list[tuple[Value, ...]] = []
    for table in tables:
        root = _tree(pages, [_record(row) for row in table.rows], PAGE)
        pages.append(root)
        schema.append(("table", table.name, table.name, len(pages), table.sql))
    top = _tree(pages, [_record(row) for row in schema], PAGE - _HEADER)
    pages[0] = _header(len(pages)) + _moved(top)
    return b"".join(pages)


def _header(pages: int) -> bytes:
    return (
        b"SQLite format 3\0"
        + struct.pack(">HBBBBBB", PAGE, 1, 1, 0, 64, 32, 32)
        + struct.pack(">12I", 1, pages, 0, 0, 1, 4, 0, 0, 1, 0, 0, 0)
        + bytes(20)
        + struct.pack(">II", 1, _LIBRARY)
    )


def _tree(pages: list[bytes], records: Sequence[bytes], room: int) -> bytes:
    """Append all pages of a b-tree but its root to `pages`; gives the root. `room` is what a page may hold."""
    level = _filled(_LEAF, [(_leaf_cell(pages, key, record), key) for key, record in enumerate(records, 1)], room)
    while len(level) > 1:
        children = []
        for page, key in level:
            pages.append(page)
            children.append((len(pages), key))
        level = _filled(_INTERIOR, [(struct.pack(">I", page) + _varint(key), key) for page, key in children], room)
    return level[0][0]


def _filled(kind: int, cells: Sequence[tuple[bytes, int]], room: int) -> list[tuple[bytes, int]]:
    """Put cells with their keys into as few pages as hold them; gives pages with their highest keys."""
    head = 8 if kind == _LEAF else 12
    groups: list[list[tuple[bytes, int]]] = [[]]
    left = room - head
    for cell, key in cells:
        size = max(4, len(cell)) + 2
        if size > left:
            groups.append([])
            left = room - head
        groups[-1].append((cell, key))
        left -= size
    if kind == _INTERIOR and len(groups) > 1 and len(groups[-1]) == 1:
        groups[-1].insert(0, groups[-2].pop())  # a page with a right-most child alone is none
    return [(_page(kind, [cell for cell, _ in group], room), group[-1][1] if group else 0) for group in groups]


def _page(kind: int, cells: list[bytes], room: int) -> bytes:
    last = b""
    if kind == _INTERIOR:
        last = cells.pop()[:4]  # the right-most child has no key
    content = b""
    places = []
    for cell in cells:
        content = cell.ljust(4, b"\0") + content
        places.append(PAGE - len(content))
    start = PAGE - len(content)
    head = struct.pack(">BHHHB", kind, 0, len(cells), start, 0) + last + struct.pack(f">{len(places)}H", *places)
    free = room - len(head) - len(content)
    if free < 0:
        raise AssertionError("a page was filled with more than it holds")
    return head + bytes(PAGE - len(head) - len(content)) + content


def _moved(page: bytes) -> bytes:
    """Make room for the header of the file before a page: its cells lie at its end and stay."""
    return page[: PAGE - _HEADER - _used_at_end(page)] + page[PAGE - _used_at_end(page) :]


def _used_at_end(page: bytes) -> int:
    start = int.from_bytes(page[5:7], "big")
    return PAGE - start


def _leaf_cell(pages: list[bytes], key: int, record: bytes) -> bytes:
    """Give the cell of a row; what is too long for it goes to overflow pages."""
    size = len(record)
    head = _varint(size) + _varint(key)
    if size <= _LONGEST_LOCAL:
        return head + record
    local = _SHORTEST_LOCAL + (size - _SHORTEST_LOCAL) % (PAGE - 4)
    local = local if local <= _LONGEST_LOCAL else _SHORTEST_LOCAL
    rest = [record[place : place + PAGE - 4] for place in range(local, size, PAGE - 4)]
    first = len(pages) + 1
    for number, piece in enumerate(rest):
        following = first + number + 1 if number + 1 < len(rest) else 0
        pages.append(struct.pack(">I", following) + piece.ljust(PAGE - 4, b"\0"))
    return head + record[:local] + struct.pack(">I", first)


def _record(values: Iterable[Value]) -> bytes:
    kinds, bodies = [], []
    for value in values:
        kind, body = _encoded(value)
        kinds.append(_varint(kind))
        bodies.append(body)
    types = b"".join(kinds)
    length = len(types) + 1
    length += len(_varint(length)) - 1  # the length counts itself; of 500 columns it takes two bytes at most
    return _varint(length) + types + b"".join(bodies)


def _encoded(value: Value) -> tuple[int, bytes]:
    """Give the serial type of a value and its bytes."""
    match value:
        case None:
            return 0, b""
        case int():
            for kind, size in _INTEGER_SIZES:
                if -(1 << (8 * size - 1)) <= value < 1 << (8 * size - 1):
                    return kind, value.to_bytes(size, "big", signed=True)
            raise OverflowError(f"{value} does not fit 64 bits")
        case float():
            return 7, struct.pack(">d", value)
        case str():
            data = value.encode()
            return 13 + 2 * len(data), data
        case bytes():
            return 12 + 2 * len(value), value


def _varint(value: int) -> bytes:
    """Encode a number that is not negative: seven bits a byte, the highest first. Below 2^56 alone occurs here."""
    data = bytes([value & 0x7F])
    while value := value >> _BITS:
        data = bytes([value & 0x7F | 0x80]) + data
    if len(data) >= _LONGEST_VARINT:
        raise OverflowError("a length of 2^56 and more")
    return data
