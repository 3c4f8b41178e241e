"""Copies under faults: killed at any moment, a full disk, a disk that errs. Nothing is lost; the next run finishes."""

import gzip
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import textwrap
from datetime import UTC, datetime
from pathlib import Path

import pytest

from builder.audit.copies.copy import replicate
from builder.audit.copies.layout import Layout
from builder.audit.copies.place import Folder
from builder.core.errors import SpaceFailure
from builder.core.progress import NoProgress
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.audit.copies_store import damage, small_store, snapshot

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("copies")]
NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
CALLS = ("fsync", "/rename")
"""What a command is killed at; strace counts each name of a call by itself."""
MOMENTS = 4
"""How often each command is killed at each."""


def words(command: str, *arguments: object) -> list[str]:
    call = f"from builder.cli.{command} import command; command()"
    return [sys.executable, "-c", call, *map(str, arguments)]


def finish(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words(command, *arguments), capture_output=True, text=True, timeout=300, check=False)


def traced(log: Path, call: str, *more: str) -> list[str]:
    return ["strace", "-f", "-o", str(log), "-e", f"trace={call}", *more]


def moments(log: Path, call: str, command: str, *arguments: object) -> list[int]:
    """Numbers of calls, spread over those that a whole run makes; a later run, whose log is begun, makes some less."""
    subprocess.run([*traced(log, call), *words(command, *arguments)], capture_output=True, timeout=300, check=True)
    names = [line.split("(")[0].split()[-1] for line in log.read_text().splitlines() if "(" in line]
    most = max(names.count(name) for name in set(names))
    assert most > 2 * MOMENTS
    return [1 + number * (most * 2 // 3) // (MOMENTS - 1) for number in range(MOMENTS)]


def kill_at(number: int, log: Path, call: str, command: str, *arguments: object) -> bool:
    """Run a command and kill it at a call; whether it came so far."""
    kill = ("-e", f"inject={call}:signal=KILL:when={number}")
    done = subprocess.run(
        [*traced(log, call, *kill), *words(command, *arguments)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode in {0, -signal.SIGKILL}, done.stderr
    return done.returncode != 0


@pytest.fixture
def store(tmp_path) -> Store:
    return small_store(tmp_path / "images")


@pytest.mark.parametrize("command", ["replicate", "import_"])
@pytest.mark.parametrize("call", CALLS)
def test_a_copy_that_is_killed_leaves_both_whole_and_the_next_one_finishes(store, tmp_path, command, call):
    def arguments(target):
        return (target, "--store", store.path) if command == "replicate" else (store.path, "--store", target)

    before = snapshot(store)
    target, log = Store(tmp_path / "copy"), tmp_path / "strace"
    for number in moments(log, call, command, *arguments(tmp_path / "probe")):
        for again in (number, 1 + number // 3):  # the second run goes on where the first was killed
            assert kill_at(again, log, call, command, *arguments(target.path)) or again != number
            assert snapshot(store) == before
            assert verify(target) == ()
            assert not target.references() or snapshot(target) == before
        assert finish(command, *arguments(target.path)).returncode == 0
        assert snapshot(target) == before
        shutil.rmtree(target.path)


@pytest.mark.parametrize("call", CALLS)
def test_a_repair_that_is_killed_loses_nothing_and_the_next_one_finishes(store, tmp_path, call):
    spare, log = Store(tmp_path / "spare"), tmp_path / "strace"
    replicate(Layout(store.path), Folder(spare, NOW), (), NoProgress())
    before = snapshot(store)
    digests = [layer.digest for name in ("one-1.0", "two-1.0") for layer in store.manifest(store.find(name)).layers]
    damaged = {digest: b"damaged" + b"!" * (store.blob_path(digest).stat().st_size - 7) for digest in digests}

    def harm():
        for digest in damaged:
            damage(store, digest)
        (store.path / "index.json").write_bytes(b"{")

    harm()
    for number in moments(log, call, "repair", "--from", spare.path, "--store", store.path):
        shutil.rmtree(store.path / "quarantine")
        (store.path / "quarantine").mkdir()
        harm()
        assert kill_at(number, log, call, "repair", "--from", spare.path, "--store", store.path)
        kept = {path.read_bytes() for path in (store.path / "quarantine").iterdir()}
        for digest, data in damaged.items():
            held = store.blob_path(digest).read_bytes()
            assert held == data or (held == before[f"blobs/sha256/{digest[7:]}"] and data in kept)
        assert snapshot(spare) == before
        done = finish("repair", "--from", spare.path, "--store", store.path)
        assert done.returncode == 0, done.stderr
        assert snapshot(store) == before
        assert set(damaged.values()) <= {path.read_bytes() for path in (store.path / "quarantine").iterdir()}


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_full_target_is_told_it_stays_whole_and_takes_the_rest_when_there_is_room(store, small_disk):
    target = Store(small_disk / "copy")
    done = finish("replicate", target.path, "--store", store.path)
    assert (done.returncode, done.stdout) == (4, "")
    assert f"no space is left in {target.path} for all of it: the copy needs " in done.stderr
    assert "Traceback" not in done.stderr
    assert verify(target) == ()
    assert list((target.path / "blobs/sha256").iterdir()) == []
    assert list((target.path / "tmp").iterdir()) == []
    subprocess.run(["mount", "-o", "remount,size=8m", small_disk], check=True)
    assert finish("replicate", target.path, "--store", store.path).returncode == 0
    assert snapshot(target) == snapshot(store)


def test_an_archive_that_finds_no_room_is_told_before_it_is_unpacked(store, small_disk, tmp_path):
    archive = tmp_path / "images.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(store.path, "images")
    done = finish("import_", archive, "--store", small_disk / "store")
    assert (done.returncode, done.stdout) == (4, "")
    assert f"for all of it: unpacking {archive} needs " in done.stderr
    assert not (small_disk / "store").exists()


def test_a_disk_that_gets_full_on_the_way_is_told_and_what_came_is_whole(store, small_disk, monkeypatch):
    monkeypatch.setattr(Folder, "check_room", lambda *_: None)
    target = Store(small_disk / "copy")
    with pytest.raises(SpaceFailure, match="is not copied again"):
        replicate(Layout(store.path), Folder(target, NOW), (), NoProgress())
    assert verify(target) == ()
    assert list((target.path / "blobs/sha256").iterdir()) != []
    assert list((target.path / "tmp").iterdir()) == []


def test_a_disk_that_is_full_from_the_start_is_told(store, small_disk):
    with pytest.raises(OSError, match="No space left"):
        (small_disk / "fill").write_bytes(b"x" * (500 << 10))
    done = finish("replicate", small_disk / "copy", "--store", store.path)
    assert "no space is left" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 4


FAULTS = [
    *(f"{call}:error={error}:when={n}+"
      for call, error in (("mkdir", "ENOSPC"), ("fsync", "ENOSPC"), ("fsync", "EIO"), ("/rename", "EIO"))
      for n in (1, 2, 3, 5, 13)),
    *(f"fsync:error=EIO:when={n}" for n in (1, 4)),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_disk_that_errs_is_told_and_what_is_there_stays_whole(store, tmp_path, fault):
    target = Store(tmp_path / "copy")
    before = snapshot(store)
    log = tmp_path / "strace"
    traced = ["strace", "-f", "-o", str(log), "-e", f"trace={fault.split(':')[0]}", "-e", f"inject={fault}"]
    done = subprocess.run(
        [*traced, *words("replicate", target.path, "--store", store.path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert done.returncode in {0, 3, 4}
    assert ("INJECTED" in log.read_text()) == (done.returncode != 0)
    assert snapshot(store) == before
    assert verify(target) == ()
    assert finish("replicate", target.path, "--store", store.path).returncode == 0
    assert snapshot(target) == before


def test_a_source_that_can_not_be_read_in_part_is_told_and_the_rest_is_copied(store, tmp_path):
    digest = store.manifest(store.find("one-1.0")).layers[1].digest
    target = Store(tmp_path / "copy")
    path = store.blob_path(digest)
    traced = ["strace", "-f", "-o", "/dev/null", "-P", str(path), "-e", "trace=read", "-e", "inject=read:error=EIO"]
    done = subprocess.run(
        [*traced, *words("replicate", target.path, "--store", store.path)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"{path} can not be read: Input/output error" in done.stderr
    assert set(target.references()) == set(store.references()) - {"one-1.0"}
    assert verify(target) == ()


def _add(path: Path, number: int) -> None:
    source = small_store(path.parent / f"source-{number}", f"r{number}")
    replicate(Layout(source.path), Folder(Store(path), NOW), (), NoProgress())


def test_many_copies_into_one_store_at_once_lose_no_reference(tmp_path):
    import multiprocessing

    target = Store(tmp_path / "copy")
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add, args=(target.path, n)) for n in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    names = set(target.references())
    assert {f"r{n}-{release}" for n in range(4) for release in ("one-1.0", "two-1.0")} <= names
    assert verify(target) == ()


def test_a_hundred_thousand_entries_are_fine_and_memory_stays_flat(tmp_path):
    path = tmp_path / "many.tar.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        for number in range(100_001):
            stream.write(tarfile.TarInfo(f"many/{number // 1000}/{number}").tobuf())
        stream.write(b"\0" * 1024)
    script = """
        import resource, sys
        from pathlib import Path
        from builder.audit.copies.archive import unpack
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unpack(Path(sys.argv[1]), Path(sys.argv[2]))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    (tmp_path / "folder").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), path, tmp_path / "folder"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert int(done.stdout) < 20_000, "kB"
    assert sum(len(names) for _, _, names in os.walk(tmp_path / "folder")) == 100_001
    shutil.rmtree(tmp_path / "folder")
