"""The folder of an export: whole or not at all, and listed in a way that coreutils check."""

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.core.errors import InputFailure, WorkFailure
from builder.export.folder import GrowingFolder, checksums, new_folder

EPOCH = 1583020800
NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40).filter(
    lambda name: name not in {".", ".."}
)


def write(target: Path, **files: bytes) -> None:
    with new_folder(target, EPOCH, size=0) as folder:
        for name, data in files.items():
            folder.write(name, data)


def test_it_appears_with_its_lists_and_bears_one_time_and_plain_modes(tmp_path):
    before = os.umask(0o077)
    try:
        with new_folder(tmp_path / "new" / "x", EPOCH, size=0) as folder:
            folder.write("b/c", b"data")
            folder.write_text("a", "ä", 0o755)
            assert not (tmp_path / "new" / "x").exists()
    finally:
        os.umask(before)
    found = tmp_path / "new" / "x"
    shown = {str(p.relative_to(found)): (oct(p.stat().st_mode & 0o7777), p.stat().st_mtime) for p in found.rglob("*")}
    assert shown == {
        "a": ("0o755", EPOCH),
        "b": ("0o755", EPOCH),
        "b/c": ("0o644", EPOCH),
        "SHA256SUMS": ("0o644", EPOCH),
        "MD5SUMS": ("0o644", EPOCH),
    }
    assert (oct(found.stat().st_mode & 0o7777), found.stat().st_mtime) == ("0o755", EPOCH)
    assert (found / "MD5SUMS").read_text().splitlines()[1] == "8d777f385d3dfec8815d20f7496026dc  b/c"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=found, check=True)


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "x").mkdir()
    write(tmp_path / "x", a=b"1")
    assert (tmp_path / "x" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, WorkFailure])
def test_whatever_ends_it_early_leaves_nothing_not_even_new_parents(tmp_path, error):
    def begin() -> None:
        with new_folder(tmp_path / "one" / "two" / "x", EPOCH, size=0) as folder:
            folder.write("a", b"1")
            raise error

    with pytest.raises(error):
        begin()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../up", "a/../../up", "nul\0"])
def test_no_name_leads_out_of_it(tmp_path, name):
    with pytest.raises(InputFailure, match="leads out of the export"):
        GrowingFolder(tmp_path, EPOCH).place(name)


def test_what_is_not_an_empty_folder_is_left_as_it_is(tmp_path):
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to("nowhere")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    for name, message in (("file", "is not a folder"), ("link", "is not a folder"), ("full", "is not empty")):
        with pytest.raises(InputFailure, match=message):
            write(tmp_path / name, a=b"1")
    assert sorted(tmp_path.rglob("*")) == before


def test_room_is_asked_for_before_anything_is_written(tmp_path):
    def begin() -> None:
        with new_folder(tmp_path / "x", EPOCH, size=1 << 60):
            pytest.fail("there is no such room")

    with pytest.raises(WorkFailure, match="has room for"):
        begin()
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(NAMES.filter(lambda n: n not in {".", ".."} and len(os.fsencode(n)) < 200), min_size=1, max_size=5)
)
def test_coreutils_check_files_of_any_name(tmp_path_factory, names):
    target = tmp_path_factory.mktemp("names") / "x"
    with new_folder(target, EPOCH, size=0) as folder:
        for name in names:
            folder.write(f"files/{name}", name.encode())
    for tool, sums in (("sha256sum", "SHA256SUMS"), ("md5sum", "MD5SUMS")):
        done = subprocess.run([tool, "--check", "--strict", sums], cwd=target, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")


def test_the_lists_are_those_that_coreutils_write(tmp_path):
    for name in ("plain", "two words", "back\\slash", "new\nline"):
        (tmp_path / name).write_text(name)
    names = sorted(p.name for p in tmp_path.iterdir())
    said = subprocess.run(["sha256sum", *names], cwd=tmp_path, check=True, capture_output=True).stdout
    digests = {line.split(b"  ", 1)[1]: line.split(b"  ", 1)[0].lstrip(b"\\") for line in said.splitlines()}
    escaped = {name: name.replace("\\", "\\\\").replace("\n", "\\n").encode() for name in names}
    assert checksums((name, digests[escaped[name]].decode()) for name in names) == said
