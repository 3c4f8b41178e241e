"""Which of the files in a user's folders a container's root has made."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.boot.binds import Bind
from builder.boot.docker.owners import new_paths, roots_files


def test_only_what_was_not_there_before_is_named_the_topmost_alone() -> None:
    before = {(1, 10): "/job/old", (1, 11): "/job/old/a"}
    after = {**before, (1, 20): "/job/new/deep/file", (1, 21): "/job/new", (1, 22): "/job/old/b", (1, 23): "/newer"}
    assert new_paths(before, after) == ["/newer", "/job/new", "/job/old/b"]


def test_a_file_that_was_moved_is_no_new_one() -> None:
    assert new_paths({(1, 10): "/job/a"}, {(1, 10): "/job/b"}) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root makes root's files")
def test_roots_files_are_found_where_they_may_be_changed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for name in ("roots", "mine", "folder/roots"):
        (tmp_path / name).write_text("")
    os.chown(tmp_path / "mine", 1234, 1234)
    os.chown(tmp_path, 1234, 1234)
    found = roots_files([Bind(tmp_path, "/job"), Bind(tmp_path / "folder", "/input", writable=False)])
    assert sorted(found.values()) == ["/job/folder", "/job/folder/roots", "/job/roots"]
