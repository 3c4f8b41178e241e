"""What lets an old rpm leave the same bytes twice: a clock that stands still, its database in canonical form."""

import io
import os
import struct
import subprocess
import sys

import pytest

from builder.inside.berkeley import BTREE_MAGIC, HASH_MAGIC, canonical_database, with_canonical_databases
from builder.inside.canonical import REGULAR, Entry
from builder.inside.clock import still_clock
from builder.inside.handover import kind_of_unnamed

PAGE = 512
HASH, LEAF, OVERFLOW = 13, 5, 7
DAY = 1577836800


def page(kind: int, items: list[bytes], *, free: bytes = b"", room: int = PAGE) -> bytes:
    """A page whose items lie at its end, as the library lays them out; `free` is what the memory held between."""
    body = bytearray((free * room)[:room] if free else bytes(room))
    place = room
    places = []
    for item in items:
        place -= len(item)
        body[place : place + len(item)] = item
        places.append(place)
    struct.pack_into("<8xIIIHHBB", body, 0, 1, 0, 0, len(items), place, 1, kind)
    body[:8] = bytes(8)
    struct.pack_into(f"<{len(items)}H", body, 26, *places)
    return bytes(body)


def database(magic: int, identifier: bytes, *pages: bytes) -> bytes:
    meta = bytearray(PAGE)
    struct.pack_into("<8xIIII", meta, 0, 0, magic, 9, PAGE)
    meta[52:72] = identifier
    return bytes(meta) + b"".join(pages)


def elsewhere(noise: bytes, tree: bool) -> bytes:
    """An item that says where the value lies: page 7, 1000 bytes."""
    head = noise[:2] + b"\x03" + noise[2:3] if tree else b"\x03" + noise
    return head + struct.pack("<II", 7, 1000)


@pytest.mark.parametrize("magic", [HASH_MAGIC, BTREE_MAGIC], ids=["hash", "tree"])
def test_what_only_memory_and_time_decided_is_taken_out_of_a_database(magic):
    tree = magic == BTREE_MAGIC

    def written(noise: bytes, identifier: bytes) -> bytes:
        kept = b"\x05\x00\x01hello" if tree else b"\x01hello"
        first = page(LEAF if tree else HASH, [kept, elsewhere(noise, tree)], free=noise)
        return database(magic, identifier, first, page(HASH, [], free=identifier))

    one, other = written(b"abc", b"1" * 20), written(b"xyz", b"2" * 20)
    assert one != other
    assert canonical_database(b"Packages", one) == canonical_database(b"Packages", other)
    assert len(canonical_database(b"Packages", one)) == len(one)
    assert b"hello" in canonical_database(b"Packages", one)
    assert struct.pack("<II", 7, 1000) in canonical_database(b"Packages", one)
    assert canonical_database(b"Packages", one) != canonical_database(b"Name", one)


def test_a_value_that_fills_pages_of_its_own_is_kept_and_the_room_behind_it_is_cleared():
    def written(noise: bytes) -> bytes:
        value = bytearray((noise * PAGE)[:PAGE])
        struct.pack_into("<8xIIIHHBB", value, 0, 1, 0, 0, 1, 100, 0, OVERFLOW)
        value[:8] = bytes(8)
        value[26:126] = b"v" * 100
        return database(HASH_MAGIC, b"1" * 20, bytes(value))

    assert canonical_database(b"Packages", written(b"ab")) == canonical_database(b"Packages", written(b"xy"))
    assert b"v" * 100 in canonical_database(b"Packages", written(b"ab"))


def test_canonical_form_is_not_changed_again():
    once = canonical_database(b"Name", database(HASH_MAGIC, b"1" * 20, page(HASH, [elsewhere(b"abc", tree=False)])))
    assert canonical_database(b"Name", once) == once


@pytest.mark.parametrize(
    "data",
    [b"", b"SQLite format 3\0" + bytes(PAGE), database(HASH_MAGIC, b"1" * 20, bytes(10))],
    ids=["empty", "sqlite", "cut-short"],
)
def test_other_files_stay_as_they_are(data):
    assert canonical_database(b"rpmdb.sqlite", data) == data


def test_only_the_databases_of_rpm_are_touched():
    data = database(HASH_MAGIC, b"1" * 20)

    def entry(path: bytes) -> Entry:
        return Entry(path, REGULAR, 0o644, 0, 0, DAY, len(data))

    given = [(entry(name), lambda: io.BytesIO(data)) for name in (b"var/lib/rpm/Name", b"srv/Name")]
    changed = {}
    for found, opener in with_canonical_databases(given):
        assert opener is not None
        changed[found.path] = opener().read() != data
    assert changed == {b"var/lib/rpm/Name": True, b"srv/Name": False}


@pytest.mark.parametrize("day", [DAY, 2**31 + 5], ids=["2020", "after-2038"])
def test_a_program_under_the_still_clock_sees_one_time(tmp_path, day):
    clock = tmp_path / "clock.so"
    clock.write_bytes(still_clock(day))
    script = "import ctypes; t = ctypes.CDLL(None).time; t.restype = ctypes.c_int64; n = ctypes.c_int64()\n"
    script += "print(t(None), t(ctypes.byref(n)), n.value)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "LD_PRELOAD": str(clock)},
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout.split(), done.stderr) == ([str(day)] * 3, "")


@pytest.mark.parametrize(
    ("said", "kind"),
    [("RPM version 4.4.2.3", "bdb"), ("RPM version 4.8.0", "bdb"), ("RPM version 4.11.3", "bdb"),
     ("RPM version 4.16.1.3", "sqlite"), ("RPM version 4.20.1", "sqlite")],
    ids=["el5", "el6", "el7", "el9", "later"],
)  # fmt: skip
def test_an_rpm_that_names_no_kind_of_database_is_known_by_its_version(said, kind):
    assert kind_of_unnamed(said) == kind
