"""What `--bind` may be, and what becomes of it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.boot.binds import Bind, parse_binds, working_folder
from builder.core.errors import InputFailure


def test_host_and_guest_are_told_apart_and_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "options.txt").write_text("")
    monkeypatch.chdir(tmp_path)
    assert parse_binds(["data:/data/", "options.txt:/job/o.txt:ro", ".:/here:rw"]) == (
        Bind(tmp_path / "data", "/data"),
        Bind(tmp_path / "options.txt", "/job/o.txt", writable=False),
        Bind(tmp_path, "/here"),
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "can not be read"),
        ("/tmp", "can not be read"),
        (":/data", "can not be read"),
        ("/tmp:", "can not be read"),
        ("/tmp:/a:rx", "can not be read"),
        ("/tmp:/a:/b:ro", "can not be read"),
        ("/tmp:data", "no absolute path"),
        ("/tmp:/", "the machine's own"),
        ("/tmp:/a/..", "the machine's own"),
        ("/tmp:/proc", "the machine's own"),
        ("/no/such/folder:/data", "No such file or directory"),
        ("/dev/null:/data", "neither a file nor a folder"),
    ],
)
def test_what_can_not_be_bound_is_said(text: str, message: str) -> None:
    with pytest.raises(InputFailure, match=message):
        parse_binds([text])


def test_all_that_is_wrong_is_said_together() -> None:
    with pytest.raises(InputFailure) as raised:
        parse_binds(["/tmp", "/tmp:/a", "/etc:/a", "/no/such:/b"])
    assert len(raised.value.problems) == 3
    assert "same place" in str(raised.value)


def test_a_command_starts_in_the_first_folder_that_is_bound(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    file, folder = Bind(tmp_path / "file", "/f"), Bind(tmp_path, "/d")
    assert working_folder([file, folder]) == "/d"
    assert working_folder([file]) == "/"


@given(st.text(st.characters(exclude_characters="\0\n\r"), min_size=1))
def test_any_name_comes_through_the_option_whole(name: str) -> None:
    option = Bind(Path("/x", name), "/data", writable=False).mount_option()
    assert next(csv.reader([option])) == ["type=bind", f"source={Path('/x', name)}", "destination=/data", "ro"]
