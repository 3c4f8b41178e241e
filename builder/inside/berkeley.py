"""Berkeley DB files as an old rpm leaves them, brought into canonical form: the same entries give the same bytes.

Two things in such a file say when and by whom it was written, and nothing else: the identifier of the file, which the
library makes of inode, time and process, and bytes that it never sets (in the descriptions of items that lie on pages
of their own, and in the free room of a page), which hold what the memory held. Identifiers have to differ only among
the files of one folder, so their names decide them. Source: Berkeley DB 4.3 to 5.3, dbinc/db_page.h.
"""

from __future__ import annotations

import hashlib
import io
import struct
from collections.abc import Iterable, Iterator

from builder.inside.canonical import REGULAR, Content, Opener

FOLDERS = (b"var/lib/rpm", b"usr/lib/sysimage/rpm")
"""Where the rpm of any Enterprise Linux keeps its database."""
BTREE_MAGIC, HASH_MAGIC = 0x00053162, 0x00061561
MAGIC_AT, PAGE_SIZE_AT, FILE_ID_AT, FILE_ID = 12, 20, 52, 20
META = 512
"""Bytes of the first page that describe the file."""
PAGE_SIZES = tuple(1 << bits for bits in range(9, 17))
PAGE_HEADER = 26
ENTRIES_AT, FREE_UNTIL_AT, TYPE_AT = 20, 22, 25
HASH_UNSORTED, INTERNAL, LEAF, OVERFLOW, DUPLICATES, HASH = 2, 3, 5, 7, 12, 13
"""Types of pages."""
HASH_OFF_PAGE = (3, 4)
"""Types of items of a hash that lie elsewhere."""
OFF_PAGE = (2, 3)
"""Types of items of a tree that lie elsewhere."""
DELETED = 0x80


def canonical_database(name: bytes, data: bytes) -> bytes:
    """Give a file of Berkeley DB in canonical form, of the same size; other files come back as they are."""
    if len(data) < META or struct.unpack_from("<I", data, MAGIC_AT)[0] not in (BTREE_MAGIC, HASH_MAGIC):
        return data
    (size,) = struct.unpack_from("<I", data, PAGE_SIZE_AT)
    if size not in PAGE_SIZES or len(data) % size:
        return data
    made = data[FILE_ID_AT : FILE_ID_AT + FILE_ID]
    # a page that began as a copy of the first may still have the identifier in its free room
    changed = bytearray(data.replace(made, hashlib.sha256(name).digest()[:FILE_ID]))
    for start in range(size, len(changed), size):
        changed[start : start + size] = _page(changed[start : start + size])
    return bytes(changed)


def _page(page: bytearray) -> bytearray:
    entries, free_until = struct.unpack_from("<HH", page, ENTRIES_AT)
    kind = page[TYPE_AT]
    if kind == OVERFLOW:  # of which the second number is the length of what it holds
        end = PAGE_HEADER + free_until
        page[end:] = bytes(max(len(page) - end, 0))
        return page
    begin = PAGE_HEADER + 2 * entries
    if kind not in (HASH_UNSORTED, HASH, INTERNAL, LEAF, DUPLICATES) or not begin <= free_until <= len(page):
        return page
    page[begin:free_until] = bytes(free_until - begin)
    for (place,) in struct.iter_unpack("<H", bytes(page[PAGE_HEADER:begin])):
        if place + 12 > len(page):
            continue
        if kind in (HASH_UNSORTED, HASH):
            if page[place] in HASH_OFF_PAGE:
                page[place + 1 : place + 4] = bytes(3)
        elif kind != INTERNAL and page[place + 2] & ~DELETED in OFF_PAGE:
            page[place : place + 2] = bytes(2)
            page[place + 3] = 0
    return page


def with_canonical_databases(contents: Iterable[Content]) -> Iterator[Content]:
    """Give the contents of a root, those RPM databases among them that are of Berkeley DB in canonical form."""
    for entry, opener in contents:
        folder, _, name = entry.path.rpartition(b"/")
        if opener is None or entry.kind != REGULAR or folder not in FOLDERS:
            yield entry, opener
            continue
        with opener() as stream:
            data = canonical_database(name, stream.read())
        yield entry, _held(data)


def _held(data: bytes) -> Opener:
    return lambda: io.BytesIO(data)
