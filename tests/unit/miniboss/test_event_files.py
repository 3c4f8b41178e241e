"""Files of events: what was written comes back, and damage is told."""

from __future__ import annotations

import json
import zipfile
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from miniboss.event_files import DST, RTRAW, EventFileError, read_digitised, read_reconstructed, writing
from miniboss.events import Digitised, Generated, Reconstructed
from miniboss.reconstruction.events import reconstruct
from miniboss.simulation.detector import digitise


@pytest.fixture(scope="module")
def digits(constants, geometry, muons):
    return digitise(muons(30, 1.0), constants, geometry, 1, 0)


def write(file, kind, *blocks):
    with writing(file, kind, "1.0.0") as sink:
        for block in blocks:
            sink.write(-9947, block)
    return file


def same(one, other):
    for field in fields(one):
        if field.name == "truth":
            continue
        first, second = getattr(one, field.name), getattr(other, field.name)
        assert (first.dtype, first.shape, first.tobytes()) == (second.dtype, second.shape, second.tobytes()), field.name
    for field in fields(Generated):
        assert np.array_equal(getattr(one.truth, field.name), getattr(other.truth, field.name))


def test_digits_come_back(tmp_path, digits):
    blocks = list(read_digitised(write(tmp_path / "x.rtraw", RTRAW, digits, digits)))
    assert [block.run for block in blocks] == [-9947, -9947]
    for block in blocks:
        assert isinstance(block.events, Digitised)
        same(block.events, digits)


def test_tracks_come_back(tmp_path, digits, constants, geometry):
    made = reconstruct(digits, constants, geometry)
    (block,) = read_reconstructed(write(tmp_path / "x.dst", DST, made))
    assert isinstance(block.events, Reconstructed)
    same(block.events, made)


def test_no_events_come_back_as_none(tmp_path):
    assert list(read_digitised(write(tmp_path / "x.rtraw", RTRAW))) == []


def test_equal_events_give_equal_bytes_at_another_time_and_place(tmp_path, digits, monkeypatch):
    one = write(tmp_path / "one.rtraw", RTRAW, digits).read_bytes()
    monkeypatch.setattr("time.time", lambda: 4e9)
    (tmp_path / "sub").mkdir()
    assert write(tmp_path / "sub" / "two.rtraw", RTRAW, digits).read_bytes() == one


def test_numpy_alone_can_read_the_file(tmp_path, digits):
    with np.load(write(tmp_path / "x.rtraw", RTRAW, digits), allow_pickle=False) as archive:
        assert np.array_equal(archive["000000/phi"], digits.phi, equal_nan=True)


def test_a_file_appears_whole_or_not_at_all(tmp_path, digits):
    target = tmp_path / "x.rtraw"
    target.write_text("from before")
    with pytest.raises(TypeError):
        write(target, RTRAW, digits, None)  # the second block cannot be written
    assert target.read_text() == "from before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_place_that_cannot_be_written_is_an_error(tmp_path, digits):
    with pytest.raises(EventFileError, match=r"cannot write .*none.*No such file"):
        write(tmp_path / "none" / "x.rtraw", RTRAW, digits)


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_an_error(tmp_path, digits, kept):
    file = write(tmp_path / "x.rtraw", RTRAW, digits)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(EventFileError, match=r"x\.rtraw is damaged"):
        list(read_digitised(file))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_changed_byte_is_an_error_or_changes_nothing(tmp_path, digits, data):
    file = write(tmp_path / "x.rtraw", RTRAW, digits)
    content = bytearray(file.read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    try:
        blocks = list(read_digitised(file))
    except EventFileError:
        return
    for block in blocks:
        same(block.events, digits)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x05\x06" + bytes(18)])
def test_something_else_is_an_error(tmp_path, content):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(EventFileError, match="damaged, or not a file of events"):
        list(read_digitised(tmp_path / "x"))


def test_a_file_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(EventFileError, match=r"cannot read .*No such file"):
        list(read_digitised(tmp_path / "x"))


def test_the_other_kind_of_file_is_an_error(tmp_path, digits):
    with pytest.raises(EventFileError, match="holds 'rtraw', and 'dst' is wanted"):
        list(read_reconstructed(write(tmp_path / "x", RTRAW, digits)))


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        ("phi", np.zeros((30, 2, 43), dtype="<f8"), "larger than it can be|holds float64"),
        ("z", np.zeros((29, 2, 43), dtype="<f4"), "has the shape"),
        ("phi", np.zeros((30, 2), dtype="<f4"), "argument"),
        ("phi", np.zeros((30, 2, 5000), dtype="<f4"), "has the shape"),
        ("tof", np.zeros((30, 3), dtype="<f4"), "has the shape"),
        ("phi", np.full((30, 2, 43), None, dtype=object), "object"),
    ],
)
def test_an_array_of_another_shape_or_type_is_an_error(tmp_path, digits, name, array, message):
    file = write(tmp_path / "x", RTRAW, replace(digits, **{name: array}) if array.dtype != object else digits)
    if array.dtype == object:
        replace_member(
            file,
            "000000/phi.npy",
            b"\x93NUMPY\x01\x00\x76\x00"
            + (b"{'descr': '|O', 'fortran_order': False, 'shape': (30, 2, 43), }".ljust(117) + b"\n"),
        )
    with pytest.raises(EventFileError, match=message):
        list(read_digitised(file))


def replace_member(file, name, content):
    with zipfile.ZipFile(file) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    members[name] = content
    with zipfile.ZipFile(file, "w") as archive:
        for member, old in members.items():
            archive.writestr(member, old)


@pytest.mark.parametrize(
    ("name", "document", "message"),
    [
        ("header.json", {"format": "other"}, "is not a file of events of miniboss"),
        ("header.json", [], "is not a file of events of miniboss"),
        ("end.json", {"blocks": -1}, "does not give the number of blocks"),
        ("end.json", {"blocks": 2}, "000001"),
        ("000000/run.json", "x", "is no number of a run"),
    ],
)
def test_a_document_that_says_something_else_is_an_error(tmp_path, digits, name, document, message):
    file = write(tmp_path / "x", RTRAW, digits)
    replace_member(file, name, json.dumps(document).encode())
    with pytest.raises(EventFileError, match=message):
        list(read_digitised(file))
