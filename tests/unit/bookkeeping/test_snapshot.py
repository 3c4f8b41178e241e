"""The snapshot: same content, same bytes; and nothing of it is lost."""

import hashlib
import sqlite3
import struct
from contextlib import closing
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.bookkeeping import snapshot
from builder.bookkeeping.table import sorted_payloads
from builder.core.errors import InputFailure
from tests.unit.bookkeeping.tables import book, books, payload, payload_row, row

SMALL = book(
    row("Mdc", 1, 9), row("Mdc", 5, 20, "1.0/2"), row("TofSim", -9, -1),
    payloads=[payload("MdcCalConst", payload_row("1.0/1", 1, 9, 0.1, 1e-300), constants=("t0", "resolution"))],
)  # fmt: skip


def bare(value: Any):
    """A bookkeeping without places."""
    return msgspec.structs.replace(
        value,
        rows=tuple(msgspec.structs.replace(r, at=None) for r in value.rows),
        payloads=tuple(
            msgspec.structs.replace(p, rows=tuple(msgspec.structs.replace(r, at=None) for r in p.rows))
            for p in value.payloads
        ),
    )


def test_the_bytes_are_the_same_always(tmp_path: Any):
    """A changed digest means that locks of all releases change: think before you change this test."""
    snapshot.write(SMALL, tmp_path / "a.db")
    digest = hashlib.sha256((tmp_path / "a.db").read_bytes()).hexdigest()
    assert digest == "82c81a86b36935bd64e063233a71faee07d6462fb9eb9b1ef14e495bae177575"


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=books)
def test_what_is_written_is_read_again_in_the_same_order(tmp_path: Any, value: Any):
    value = msgspec.structs.replace(value, payloads=sorted_payloads(value.payloads))
    one, two = tmp_path / "1", tmp_path / "2"
    for path in (one, two):
        path.unlink(missing_ok=True)
        snapshot.write(value, path)
    assert one.read_bytes() == two.read_bytes()
    assert bare(snapshot.read(one, "x")) == value


def test_texts_and_bytes_are_kept_too(tmp_path: Any):
    value = book(row(), payloads=[payload("MucCalConst", payload_row("1.0/1", 1, 9, "é'\"", b"\0\xff" * 9000, 2.0),
                                          constants=("a", "b", "c"))])  # fmt: skip
    snapshot.write(value, tmp_path / "a.db")
    assert bare(snapshot.read(tmp_path / "a.db", "x")) == value


def test_the_header_says_nothing_of_the_library_that_wrote_it(tmp_path: Any):
    snapshot.write(SMALL, tmp_path / "a.db")
    data = (tmp_path / "a.db").read_bytes()
    assert struct.unpack(">I", data[24:28]) == struct.unpack(">I", data[92:96]) == (1,)
    assert struct.unpack(">I", data[96:100]) == (3_040_000,)
    assert struct.unpack(">H", data[16:18]) == (4096,)
    assert data[18:20] == b"\x01\x01"  # no write-ahead log: a reader needs no other file


def test_sqlite_reads_it_as_boss_does(tmp_path: Any):
    snapshot.write(SMALL, tmp_path / "a.db")
    with closing(sqlite3.connect(f"file:{tmp_path}/a.db?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        found = connection.execute("select ParVer from CalVtxLumVer where RunFrom <= 6 and RunTo >= 6 order by rowid")
        assert found.fetchall() == [("1",), ("2",)]
        assert connection.execute("select typeof(t0), resolution from MdcCalConst").fetchall() == [("real", 1e-300)]
        tables = connection.execute("select name, sql from sqlite_master").fetchall()
    assert tables[0][1] == (
        "CREATE TABLE CalVtxLumVer(BossRelease TEXT, DataType TEXT, RunFrom INTEGER, RunTo INTEGER, SftVer TEXT, "
        "ParVer TEXT)"
    )


def test_nothing_is_overwritten(tmp_path: Any):
    (tmp_path / "a.db").touch()
    with pytest.raises(FileExistsError):
        snapshot.write(SMALL, tmp_path / "a.db")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0, 8191), byte=st.integers(0, 255), cut=st.integers(0, 8192))
def test_a_damaged_file_is_refused_or_read_but_never_breaks(tmp_path: Any, place: Any, byte: Any, cut: Any):
    whole = tmp_path / "whole.db"
    if not whole.exists():
        snapshot.write(SMALL, whole)
    data = bytearray(whole.read_bytes())
    data[place] = byte
    damaged = tmp_path / "damaged.db"
    for content in (bytes(data), bytes(data[:cut])):
        damaged.write_bytes(content)
        try:
            read = snapshot.read(damaged, "damaged.db")
        except InputFailure as failure:
            told = [str(problem) for problem in failure.problems]
        else:
            told = [row.data_type for row in read.rows] or ["no row"]
        assert all(told)
