"""What comes back of a copy of a user's files: what has changed, all of it, and nothing else."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from builder.boot.vm.results import State, bring_back, states


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    top = tmp_path / "mine"
    (top / "inner").mkdir(parents=True)
    (top / "kept").write_text("kept")
    (top / "inner" / "edited").write_text("old")
    (top / "link").symlink_to("kept")
    return top


def copy_of(top: Path) -> Path:
    archive = top.parent / "copy.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(top, "." if top.is_dir() else top.name)
    return archive


def archive_of(folder: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    archive = folder / "made.tar"
    with tarfile.open(archive, "w") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return archive


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", mode: int = 0o644) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname, made.mode = kind, link, mode
    return made


def test_a_copy_that_has_not_changed_changes_nothing(mine: Path) -> None:
    inodes = {p: p.lstat().st_ino for p in mine.rglob("*")}
    before = states(mine)
    archive = copy_of(mine)
    (mine / "kept").write_text("changed here meanwhile")
    assert bring_back(archive, mine, before) == []
    assert {p: p.lstat().st_ino for p in mine.rglob("*")} == inodes
    assert (mine / "kept").read_text() == "changed here meanwhile"


def test_what_is_new_or_different_comes_back_with_its_mode_and_time(mine: Path, tmp_path: Path) -> None:
    archive = archive_of(
        tmp_path,
        (member("./kept"), b"kept"),
        (member("./inner", tarfile.DIRTYPE, mode=0o755), b""),
        (member("./inner/edited"), b"new"),
        (member("./inner/program", mode=0o755), b"#!/bin/sh"),
        (member("./fresh", tarfile.DIRTYPE, mode=0o755), b""),
        (member("./fresh/link", tarfile.SYMTYPE, "/opt/boss"), b""),
        (member("./fresh/same", tarfile.LNKTYPE, "./inner/program", mode=0o755), b""),
    )
    assert bring_back(archive, mine, states(mine)) == []
    assert (mine / "inner" / "edited").read_text() == "new"
    assert (mine / "inner" / "edited").stat().st_mtime == 0
    assert os.access(mine / "inner" / "program", os.X_OK)
    assert (mine / "fresh" / "link").readlink() == Path("/opt/boss")
    assert (mine / "fresh" / "same").read_text() == "#!/bin/sh"
    assert (mine / "link").is_symlink(), "what the command removed stays"
    assert not [p for p in mine.rglob("*") if "boss-builder" in p.name]


def test_a_single_file_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "options.txt"
    file.write_text("old")
    archive = archive_of(tmp_path, (member("job.txt"), b"new"))
    assert bring_back(archive, file, states(file)) == []
    assert file.read_text() == "new"


@pytest.mark.parametrize("name", ["../out", "/etc/out", "inner/../../out", "away/out"])
def test_nothing_is_written_outside_the_folder(mine: Path, tmp_path: Path, name: str) -> None:
    archive = archive_of(tmp_path, (member("away", tarfile.SYMTYPE, str(tmp_path)), b""), (member(name), b"evil"))
    problems = bring_back(archive, mine, states(mine))
    assert len(problems) == 1
    assert problems[0].endswith("it leads out of the folder")
    assert not (tmp_path / "out").exists()


def test_what_can_not_be_written_is_named_and_the_rest_comes(mine: Path, tmp_path: Path) -> None:
    archive = archive_of(
        tmp_path,
        (member("inner"), b"a file where a folder is"),
        (member("kept", tarfile.DIRTYPE), b""),
        (member("pipe", tarfile.FIFOTYPE), b""),
        (member("good"), b"good"),
    )
    problems = bring_back(archive, mine, states(mine))
    assert [problem.partition(":")[0] for problem in problems] == ["inner", "kept", "pipe"]
    assert (mine / "good").read_text() == "good"
    assert (mine / "inner" / "edited").read_text() == "old"


def test_states_tell_files_and_links_by_their_content(mine: Path) -> None:
    found = states(mine)
    assert set(found) == {"kept", "inner/edited", "link"}
    assert found["link"] == State(0, "kept")
