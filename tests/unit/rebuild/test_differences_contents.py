"""Two contents: where they differ, of what nature that is, and how it is shown."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.core.digest import CHUNK
from builder.rebuild.differences import contents
from builder.rebuild.differences.contents import KEPT_SPOTS, find_spots, hexdump, look_into, unified


def spots(one: bytes, two: bytes):
    return find_spots(io.BytesIO(one), io.BytesIO(two))


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_every_byte_that_differs_is_counted(one, two):
    common = min(len(one), len(two))
    differing = [at for at in range(common) if one[at] != two[at]]
    found = spots(one, two)
    assert found.count == len(differing) + abs(len(one) - len(two))
    assert found.first == (differing[0] if differing else common)
    assert found.begin[: len(differing)] == tuple(differing[:KEPT_SPOTS])


def test_pieces_of_a_large_content_are_put_together():
    one = bytearray(3 * CHUNK)
    two = bytearray(one)
    for at in (CHUNK - 1, CHUNK, 2 * CHUNK + 5):
        two[at] = 1
    assert spots(bytes(one), bytes(two)).begin == (CHUNK - 1, CHUNK, 2 * CHUNK + 5)


def test_of_a_content_that_differs_everywhere_the_first_places_are_kept():
    found = spots(bytes(2 * CHUNK), b"\1" * (2 * CHUNK))
    assert (found.first, found.count, len(found.begin)) == (0, 2 * CHUNK, KEPT_SPOTS)


def looked(tmp_path, one: bytes, two: bytes, name: str = "/file"):
    (tmp_path / "one").write_bytes(one)
    (tmp_path / "two").write_bytes(two)
    return look_into(name, tmp_path / "one", tmp_path / "two")


def test_a_content_larger_than_is_read_as_a_whole_is_shown_all_the_same(tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "LOOKED_INTO", 1000)
    data = np.arange(5000, dtype=np.uint8).tobytes()
    found = looked(tmp_path, data, data[:4000] + b"!" + data[4001:])
    assert found.kind == "content"
    assert found.detail.startswith("first at byte 4000, 1 bytes differ\n-00000fa0")


def test_a_text_is_shown_by_its_lines(tmp_path):
    lines = [f"line {number}" for number in range(1000)]
    other = [*lines]
    other[500] = "changed \x1b[31m"
    found = looked(tmp_path, "\n".join(lines).encode(), "\n".join(other).encode())
    assert "from line 499 on:" in found.detail
    assert "-line 500\n+changed \\x1b[31m" in found.detail


def test_a_text_that_changed_in_every_line_is_shown_in_part():
    shown = unified("\n".join(str(n) for n in range(5000)), "\n".join(f"{n}!" for n in range(5000)))
    assert len(shown.splitlines()) < 40
    assert shown.splitlines()[-1].endswith("more lines")


def test_lines_that_begin_with_dashes_are_not_lost():
    assert "--- a" in unified("-- a\nx", "x")


def test_a_line_of_a_megabyte_is_cut():
    assert len(unified("a" * (1 << 20), "b" * (1 << 20))) < 2000


def test_text_and_binary_are_told_apart(tmp_path):
    assert "|a.b|" in looked(tmp_path, b"a\0b", b"a\0c").detail
    assert "|.." in looked(tmp_path, b"\xff\xfe", b"\xff\xfd").detail


def test_rows_are_shown_with_their_offsets():
    assert hexdump(b"a" * 16 + b"b", b"a" * 16 + b"c", 32).splitlines() == [
        " 00000020  61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61  |aaaaaaaaaaaaaaaa|",
        "-00000030  62                                               |b|",
        "+00000030  63                                               |c|",
    ]


@pytest.mark.parametrize(
    ("one", "two", "kind"),
    [
        (b"b\na\n", b"a\nb\n", "order"),
        (b"b\na\n", b"a\nb\nb\n", "content"),
        (b"\0b\na\n", b"\0a\nb\n", "content"),
        (b"", b"x", "content"),
        (b"x", b"", "content"),
        (b"PK\3\4 no zip", b"PK\3\4 none either", "content"),
        (b"\x1f\x8b\x08\0\1\2\3\4rest", b"\x1f\x8b\x08\0\4\3\2\1rest", "time"),
        (b"\x1f\x8b\x08\0\1\2\3\4rest", b"\x1f\x8b\x08\0\4\3\2\1tser", "content"),
    ],
)
def test_the_nature_of_a_difference(one, two, kind, tmp_path):
    assert looked(tmp_path, one, two).kind == kind


def test_bytes_at_the_place_of_a_time_are_no_time_in_a_file_of_another_kind(tmp_path):
    assert looked(tmp_path, b"\0\0\0\0\1\2\3\4\0", b"\0\0\0\0\4\3\2\1\0", "/lib.so").kind == "content"
