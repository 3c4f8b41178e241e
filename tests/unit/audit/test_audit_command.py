"""`boss-builder audit`: what it prints, for people and for programs, and its exit codes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder.audit import log
from builder.cli.audit import command
from builder.store.store import Store
from tests.unit.audit.archive import archive
from tests.unit.validation.measured import damage

NOBODY = 65534


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return archive(tmp_path_factory.mktemp("made") / "images").path


@pytest.fixture
def store(made: Path, tmp_path: Path) -> Store:
    return Store(Path(shutil.copytree(made, tmp_path / "images")))


def called(store: Store, *words: str) -> Result:
    return CliRunner().invoke(command, [*words, "--store", str(store.path)])


def a_layer(store: Store) -> str:
    return store.manifest(store.find("image/tiny-1.0/sif")).layers[0].digest


def test_a_store_that_is_well_says_so_and_what_was_logged(store):
    result = called(store)
    assert result.exit_code == 0
    first, second, third = result.stdout.splitlines()
    assert first == f"{store.path}: well"
    assert second.startswith("84 blobs, ")
    assert second.endswith("28 references; 84 new in the record of digests")
    assert third == "logged: events 1 to 3"
    assert result.stderr.splitlines()[0] == f"audit of {store.path}: full"


def test_the_first_line_comes_before_any_blob_is_read(store):
    result = called(store, "--quick")
    assert result.stderr.splitlines()[:2] == [f"audit of {store.path}: quick", "audit ..."]


def test_damage_has_a_code_a_place_and_a_cure(store):
    digest = a_layer(store)
    damage(store, digest)
    store.blob_path(digest).chmod(0o444)
    result = called(store)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith(
        f"blob-damaged: blobs/sha256/{digest[7:]}: its bytes do not have the digest of its name ("
    )
    assert lines[1].startswith("    restore it from a copy")
    assert lines[2] == f"{store.path}: damaged (problems: 1)"


def test_a_report_for_programs_has_everything(store):
    damage(store, a_layer(store))
    result = called(store, "--json", "tiny-1.0", "--part", "1/1")
    shown = json.loads(result.stdout)
    assert result.exit_code == 1
    assert (shown["asked"], shown["well"], shown["blobs"], shown["not_logged"]) == (
        "full, part 1/1, of tiny-1.0", False, 50, ""
    )  # fmt: skip
    assert {one["code"] for one in shown["problems"]} == {"blob-damaged", "blob-mode"}
    assert [event["eventType"] for event in shown["events"]] == [
        "message digest calculation", "fixity check", "validation"
    ]  # fmt: skip
    assert shown["events"][1]["eventOutcome"] == "fail"
    assert a_layer(store) in shown["events"][1]["linkingObjects"]


def test_the_log_is_shown_and_checked(store):
    called(store)
    result = called(store, "--log")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["1", "2", "3", "log:"]
    assert lines[-1] == f"log: well (3 lines, the last is {log.read(store.path).head.last})"
    shown = json.loads(called(store, "--log", "--json").stdout)
    assert (shown["well"], shown["head"]["count"], len(shown["events"])) == (True, 3, 3)


def test_a_log_that_was_cut_is_told(store):
    called(store)
    path = store.path / "audit/log.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
    result = called(store, "--log")
    assert result.exit_code == 1
    assert "log-cut: audit/log.jsonl: the end of the log was cut off (2 of 3 lines are there)" in result.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["tiny-9"], "has nothing of tiny-9"),
        (["--part", "13/12"], "'13/12' is no part"),
        (["--log", "--quick"], "--log shows the log of the whole store"),
        (["--log"], "no audit of"),
        (["recipes/nosuch"], "recipes/nosuch"),
    ],
)
def test_what_can_not_be_asked_is_the_inputs_fault(store, words, said):
    result = called(store, *words)
    assert (result.exit_code, said in result.stderr) == (2, True)


def test_no_store_is_the_inputs_fault(tmp_path):
    result = called(Store(tmp_path / "nowhere"))
    assert (result.exit_code, "is not a store" in result.stderr) == (2, True)


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that every user may enter: those of pytest are their owner's."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def as_nobody(store: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user who may read the store and not write it."""
    imports = "import builder.audit.examine, builder.audit.report, os, sys; from builder.cli.audit import command; "
    become = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY}); " if os.geteuid() == 0 else ""
    words = [sys.executable, "-c", f"{imports}{become}command(sys.argv[1:])", "--store", str(store), *words]
    root = Path(__file__).parents[3]
    return subprocess.run(words, capture_output=True, text=True, check=False, cwd=root)


def set_modes(store: Path, folder: int, file: int) -> None:
    for path in (store, *store.rglob("*")):
        if path.is_dir():
            path.chmod(folder)
        elif path.parent.name != "sha256":
            path.chmod(file)


@pytest.mark.parametrize("was_audited", [False, True], ids=["never audited", "audited before"])
def test_a_store_that_is_read_only_is_audited_and_nothing_is_logged(store, public, was_audited):
    if was_audited:
        called(store)
    copy = Path(shutil.copytree(store.path, public / "images"))
    set_modes(copy, 0o555, 0o444)
    done = as_nobody(copy, "--json", *(["--quick"] if was_audited else []))
    shown = json.loads(done.stdout)
    assert (done.returncode, shown["problems"], shown["events"]) == (0, [], [])
    assert shown["not_logged"] == f"{copy}/audit can not be written: Permission denied"
    assert shown["quick"] == (shown["blobs"] if was_audited else 0)
    set_modes(copy, 0o755, 0o644)
    before = {path.relative_to(store.path): path.read_bytes() for path in store.path.rglob("*") if path.is_file()}
    assert {path.relative_to(copy): path.read_bytes() for path in copy.rglob("*") if path.is_file()} == before


def test_what_can_not_be_read_is_not_called_damaged_and_is_not_well(store, public):
    copy = Path(shutil.copytree(store.path, public / "images"))
    (copy / "blobs/sha256" / a_layer(store)[7:]).chmod(0o000)
    done = as_nobody(copy)
    assert done.returncode == 1  # its mode is wrong
    assert "unreadable: blobs/sha256/" in done.stdout
    (copy / "blobs/sha256").chmod(0o700)
    done = as_nobody(copy)
    assert done.returncode == 4
    assert "not all could be read" in done.stdout
