"""Rows go to a temporary file and come back in order."""

import os
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.audit import spool
from builder.audit.spool import Spool
from builder.core.errors import WorkFailure


@given(st.lists(st.binary(min_size=5, max_size=5)), st.integers(1, 40))
def test_rows_come_back_in_order_however_many_are_gathered_before_they_are_written(rows, buffer):
    before, spool.BUFFER = spool.BUFFER, buffer
    try:
        held = Spool(5)
    finally:
        spool.BUFFER = before
    for row in rows:
        held.add(row)
    assert list(held) == sorted(rows)
    assert list(held) == sorted(rows)


def test_memory_does_not_grow_with_the_number_of_rows():
    held = Spool(88)
    tracemalloc.start()
    try:
        for _ in range(100_000):
            held.add(os.urandom(88))
        once = tracemalloc.get_traced_memory()[0]
        for _ in range(100_000):
            held.add(os.urandom(88))
        twice = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert once < 2 << 20
    assert twice - once < 1 << 20  # of 8.8 MB more
    assert sum(1 for _ in held) == 200_000


def test_a_temporary_folder_that_can_not_be_written_is_told(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nosuch"))
    held = Spool(spool.BUFFER)
    with pytest.raises(WorkFailure, match="nosuch can not be written: No such file"):
        held.add(b"x" * spool.BUFFER)


def test_the_file_is_gone_with_the_spool():
    def files() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a descriptor of a folder is none of ours

    before = files()
    held = Spool(100)
    for _ in range(60):
        held.add(b"x" * 100)
    assert files() == before + 1
    del held
    assert files() == before
