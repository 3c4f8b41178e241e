"""The store's own writes, failing at every single point: nothing is lost, it verifies, and the next run finishes.

What is written is `store_writes.work`. A call of the kernel errs, or its caller is killed, at its first, second, ...
use, until the work needs no more of them; a disk is full, and grows by a page each time.
"""

import shutil
import subprocess
import sys

import pytest

from builder.store.store import Store
from tests.integration.forking import ROOT, Forking
from tests.integration.store_writes import AFTER, begin, garbage, left_over, lost

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("store-faults")]
WORK = "tests.integration.store_writes:working"
COLLECT = "tests.integration.store_writes:collecting"
POINTS = 400
"""More uses of any one call than the work has."""
KILLS = ("mkdir", "write", "fsync", "rename", "fchmod", "rmdir", "/^unlink")
"""What changes something: a killed caller's other calls leave what the next of these would find."""
CALLS = "openat read write fsync rename fchmod mkdir flock /^unlink rmdir"
ERRORS = {"EIO": CALLS.split(), "ENOSPC": ["write", "fsync", "rename", "mkdir"]}
REMOVING = ("read", "/^unlink", "fsync", "flock")
FAULTS = [
    *(f"{call}:signal=KILL" for call in KILLS),
    *(f"{call}:error={error}" for error, calls in ERRORS.items() for call in calls),
]


@pytest.fixture(scope="module")
def forking():
    with Forking("tests.integration.store_writes") as server:
        yield server


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> Store:
    return begin(tmp_path_factory.mktemp("prepared") / "images")


def references(store: Store) -> dict[str, str]:
    return {name: str(one.digest) for name, one in store.references().items()}


@pytest.fixture(scope="module")
def finished(prepared, forking, tmp_path_factory) -> dict[str, str]:
    """The references after a run that nothing disturbs."""
    store = Store(tmp_path_factory.mktemp("finished") / "images")
    shutil.copytree(prepared.path, store.path)
    assert forking.run(WORK, store.path).code == 0
    found = references(store)
    assert set(found) == set(AFTER)
    assert left_over(store) == []
    return found


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_call_errs_or_is_the_last_the_store_verifies_and_the_next_run_finishes(
    fault, forking, prepared, finished, tmp_path
):
    before = references(prepared)
    store = Store(tmp_path / "images")
    for number in range(1, POINTS):
        shutil.rmtree(store.path, ignore_errors=True)
        shutil.copytree(prepared.path, store.path)
        ran = forking.run(WORK, store.path, fault=f"{fault}:when={number}")
        where = f"{fault}:when={number}: {ran}"
        assert "Traceback" not in ran.said, where
        assert lost(store, before) == [], where
        if not ran.faulted:
            assert ran.code == 0, where
            assert number > 1, "the work has no such call"
            break
        assert forking.run(WORK, store.path).code == 0, where
        assert (references(store), left_over(store), lost(store, before)) == (finished, [], []), where
    else:
        pytest.fail("the work never ends")


@pytest.mark.parametrize("fault", [*(f"{call}:{how}" for call in REMOVING for how in ("error=EIO", "signal=KILL"))])
def test_whatever_call_of_a_collection_errs_or_is_its_last_it_removes_nothing_else(fault, forking, prepared, tmp_path):
    before = references(prepared)
    store = Store(tmp_path / "images")
    for number in range(1, POINTS):
        shutil.rmtree(store.path, ignore_errors=True)
        shutil.copytree(prepared.path, store.path)
        ran = forking.run(COLLECT, store.path, fault=f"{fault}:when={number}")
        where = f"{fault}:when={number}: {ran}"
        assert "Traceback" not in ran.said, where
        assert (references(store), lost(store, before)) == (before, []), where
        if not ran.faulted:
            assert number > 1, "a collection has no such call"
            break
    assert (ran.code, garbage(store)) == (0, set())


def test_all_blobs_are_on_the_disk_by_name_before_the_index_names_them_whoever_stored_them(prepared, tmp_path):
    store = Store(tmp_path / "images")
    shutil.copytree(prepared.path, store.path)
    script = "import sys; from tests.integration.store_writes import refer; sys.exit(refer(sys.argv[1]))"
    traced = ["strace", "-f", "-y", "-o", str(tmp_path / "log"), "-e", "trace=fsync,rename"]
    subprocess.run([*traced, sys.executable, "-c", script, store.path], cwd=ROOT, check=True)
    done = (tmp_path / "log").read_text().splitlines()
    index = next(n for n, line in enumerate(done) if "rename(" in line and 'index.json")' in line)
    assert any("fsync(" in line and f"<{store.path}/blobs/sha256>" in line for line in done[:index])
    assert any("fsync(" in line and ".tmp>" in line for line in done[:index])
    assert any("fsync(" in line and f"<{store.path}>" in line for line in done[index:])


@pytest.fixture
def small_disk(tmp_path):
    """A file system with no room."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", folder], check=True)


def test_a_disk_that_is_full_at_any_point_of_a_write_loses_nothing_and_with_room_the_work_is_finished(
    small_disk, forking, prepared, finished
):
    before = references(prepared)
    store = Store(small_disk / "images")
    shutil.copytree(prepared.path, store.path)
    used = int(subprocess.run(["du", "-sk", small_disk], capture_output=True, check=True, text=True).stdout.split()[0])
    refused = 0
    for pages in range(POINTS):
        subprocess.run(["mount", "-o", f"remount,size={used + 4 * pages}k", small_disk], check=True)
        ran = forking.run(WORK, store.path)
        assert "Traceback" not in ran.said, (pages, ran)
        assert lost(store, before) == [], (pages, ran)
        if ran.code == 0:
            break
        assert (ran.code, "no space is left" in ran.said) == (4, True), (pages, ran)
        refused += 1
    assert refused > 3
    assert (references(store), left_over(store)) == (finished, [])
