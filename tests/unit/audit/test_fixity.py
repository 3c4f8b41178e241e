"""Every blob is read once, gives all its digests, and is compared with its name and with what was recorded."""

from __future__ import annotations

import hashlib
import io
import os
import threading
from pathlib import Path

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from builder.audit import fixity, known_digests
from builder.audit.fixity import Measured, compare
from builder.audit.known_digests import Known, KnownDigests
from builder.audit.problems import Code
from builder.core.progress import NoProgress, PlainProgress, state_text
from builder.store.store import Store

DATA = b"some content"
NAME = hashlib.sha256(DATA).hexdigest()
MEASURED = Measured(
    NAME, len(DATA), NAME, hashlib.md5(DATA, usedforsecurity=False).hexdigest(), blake3(DATA).hexdigest()
)
KNOWN = Known(digest=f"sha256:{NAME}", size=len(DATA), md5=MEASURED.md5, blake3=MEASURED.blake3)
DIGITS = st.text("0123456789abcdef", min_size=64, max_size=64)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


def everything(_: str) -> bool:
    return True


def checked(store: Store, record: Path | None = None, *, quick: bool = False, workers: int = 2) -> fixity.Checked:
    folder = store.path / "blobs/sha256"
    with KnownDigests(record) as known, NoProgress().task("audit") as task:
        return fixity.check(folder, fixity.scan(folder, everything), known, task, quick=quick, workers=workers)


def recorded(found: fixity.Checked, path: Path) -> Path:
    with path.open("wb") as stream:
        known_digests.write(found.new(), stream)
    return path


@pytest.mark.parametrize("size", [0, 1, fixity.PIECE - 1, fixity.PIECE, 3 * fixity.PIECE + 1])
def test_one_reading_gives_all_digests(store, size):
    data = os.urandom(size)
    store.put(data)
    (row,) = checked(store).new()
    assert row == Known(
        digest="sha256:" + hashlib.sha256(data).hexdigest(),
        size=size,
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        blake3=blake3(data).hexdigest(),
    )


def test_many_blobs_are_recorded_in_their_order_whoever_read_them_first(store, monkeypatch, tmp_path):
    monkeypatch.setattr(fixity, "LARGE", 3000)
    monkeypatch.setattr(fixity, "BATCH_BLOBS", 7)
    names = {store.put(os.urandom(n * 13 % 4000)) for n in range(400)}
    one, many = checked(store, workers=1), checked(store, workers=8)
    rows = list(one.new())
    assert [row.digest for row in rows] == sorted(names)
    assert list(many.new()) == rows
    record = recorded(many, tmp_path / "digests.jsonl")
    quick = checked(store, record, quick=True)
    assert (quick.number, quick.quick, quick.new_number, quick.problems) == (len(names), len(names), 0, [])
    assert quick.size == one.size == sum(row.size for row in rows)


def test_a_quick_check_reads_in_full_what_the_record_lacks(store, tmp_path):
    store.put(b"old")
    record = recorded(checked(store), tmp_path / "digests.jsonl")
    store.put(b"new")
    found = checked(store, record, quick=True)
    assert (found.number, found.quick, found.new_number) == (2, 1, 1)


JUDGED = {
    "all is as recorded": (MEASURED, KNOWN, None),
    "nothing is recorded": (MEASURED, None, None),
    "quick, as recorded": (Measured(NAME, 12, "", "", MEASURED.blake3), KNOWN, None),
    "another sha256": (Measured(NAME, 12, "0" * 64, MEASURED.md5, MEASURED.blake3), KNOWN, Code.BLOB_DAMAGED),
    "another sha256, no record": (Measured(NAME, 12, "0" * 64, "", ""), None, Code.BLOB_DAMAGED),
    "another md5": (Measured(NAME, 12, NAME, "0" * 32, MEASURED.blake3), KNOWN, Code.RECORD_DIFFERS),
    "another blake3": (Measured(NAME, 12, NAME, MEASURED.md5, "0" * 64), KNOWN, Code.RECORD_DIFFERS),
    "another size, the right sha256": (
        Measured(NAME, 13, NAME, MEASURED.md5, MEASURED.blake3), KNOWN, Code.RECORD_DIFFERS
    ),
    "quick, another blake3": (Measured(NAME, 12, "", "", "0" * 64), KNOWN, Code.BLOB_DAMAGED),
    "quick, another size": (Measured(NAME, 11, "", "", "0" * 64), KNOWN, Code.BLOB_CUT),
}  # fmt: skip


@pytest.mark.parametrize("case", JUDGED)
def test_a_blob_is_judged_by_its_name_and_its_record(case):
    measured, known, code = JUDGED[case]
    found = compare(measured, known)
    assert (found.code if found else None) == code


def test_what_is_no_blob_is_a_stranger_and_is_not_opened(store):
    digest = store.put(b"data")
    folder = store.path / "blobs/sha256"
    (folder / "README").write_text("")
    (folder / ("A" * 64)).write_text("")
    (folder / ("0" * 64)).mkdir()
    (folder / ("1" * 64)).symlink_to(digest[7:])
    os.mkfifo(folder / ("2" * 64))  # opening it would wait for ever
    blobs = fixity.scan(folder, everything)
    assert {one.code for one in blobs.problems} == {Code.BLOB_STRANGER}
    assert (len(blobs.problems), [name for name, _ in blobs]) == (5, [digest[7:]])


@pytest.mark.parametrize("mode", [0o644, 0o464, 0o446, 0o555, 0o4444, 0o400])
def test_a_blob_of_another_mode_is_told(store, mode):
    path = store.blob_path(store.put(b"data"))
    path.chmod(mode)
    (found,) = fixity.scan(path.parent, everything).problems
    assert (found.code, found.seen) == (Code.BLOB_MODE, f"{mode:04o}")


def test_a_blob_that_goes_while_others_are_read_is_left_out(store):
    kept, gone = store.put(b"kept"), store.put(b"gone")
    folder = store.path / "blobs/sha256"
    blobs = fixity.scan(folder, everything)
    store.blob_path(gone).unlink()
    with KnownDigests(None) as known, NoProgress().task("audit") as task:
        found = fixity.check(folder, blobs, known, task, quick=False, workers=1)
    assert ([row.digest for row in found.new()], found.problems) == ([kept], [])


def test_an_error_of_the_disk_is_no_damage_and_does_not_stop_the_others(store, monkeypatch):
    good, bad = store.put(b"good"), store.put(b"bad")
    real = Path.open

    def failing(self: Path, *words: object, **more: object) -> object:
        if self.name == bad[7:]:
            raise OSError(5, "Input/output error")
        return real(self, *words, **more)

    monkeypatch.setattr(Path, "open", failing)
    found = checked(store)
    assert [one.code for one in found.problems] == [Code.UNREADABLE]
    assert ([row.digest for row in found.new()], found.damaged) == ([good], set())


def test_an_interrupt_stops_the_reading_of_large_blobs(store):
    """The first piece that is told ends it: what is left of a blob is not read."""
    store.put(b"x" * (64 * fixity.PIECE))
    told = []

    class Impatient:
        def advance(self, amount: int) -> None:
            told.append(amount)
            if threading.current_thread() is not threading.main_thread():
                reader.stopped.set()

    reader = fixity._Reader(store.path / "blobs/sha256", Impatient())
    thread = threading.Thread(target=reader.read_all, args=([next((store.path / "blobs/sha256").iterdir()).name], ()))
    thread.start()
    thread.join()
    assert told == [fixity.PIECE]


@given(st.lists(DIGITS, unique=True), st.lists(DIGITS, unique=True))
def test_a_record_is_merged_in_order_and_what_is_known_stays(tmp_path_factory, old, new):
    def rows(names: list[str], md5: str) -> list[Known]:
        return [Known(digest=f"sha256:{name}", size=1, md5=md5, blake3=name) for name in sorted(names)]

    path = tmp_path_factory.mktemp("record") / "digests.jsonl"
    with path.open("wb") as stream:
        known_digests.write(known_digests.merged(rows(old, "old"), rows(new, "new")), stream)
    with KnownDigests(path) as known:
        assert [row.name for row in known] == sorted({*old, *new})
        assert all((row := known.find(name)) and row.md5 == "old" for name in old)
        assert all(known.find(name) is not None for name in new)
        assert known.find("0" * 63 + "g") is None
        assert set(known.some(old[:2])) == set(old[:2])


@given(st.binary(min_size=1))
def test_a_record_of_any_bytes_is_refused_or_read(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("record") / "digests.jsonl"
    path.write_bytes(data)
    with pytest.raises(ValueError):  # noqa: PT011 - whatever is wrong with them
        KnownDigests(path)


@pytest.mark.parametrize("names", [("1", "0"), ("1", "1")])
def test_a_record_that_is_not_sorted_is_refused(tmp_path, names):
    path = tmp_path / "digests.jsonl"
    rows = (Known(digest=f"sha256:{name * 64}", size=1, md5="", blake3="") for name in names)
    with path.open("wb") as stream:
        known_digests.write(rows, stream)
    with pytest.raises(ValueError, match="not sorted"):
        KnownDigests(path)


@pytest.mark.parametrize(
    ("done", "total", "seconds", "text"),
    [
        (0, 10_000, 0.0, "0 B of 10.0 kB, 0 B/s"),
        (2_000, 10_000, 1.0, "2.0 kB of 10.0 kB, 2.0 kB/s, 4 s left"),
        (1_000_000, 400_000_000, 1.0, "1.0 MB of 400.0 MB, 1.0 MB/s, 6 min 39 s left"),
        (1_000_000, 40_000_000_000, 1.0, "1.0 MB of 40.0 GB, 1.0 MB/s, 11 h 6 min left"),
        (10_000, 10_000, 4.0, "10.0 kB of 10.0 kB, 2.5 kB/s"),
        (2_000, 0, 1.0, "2.0 kB, 2.0 kB/s"),
    ],
)
def test_progress_tells_amount_rate_and_time_left(done, total, seconds, text):
    assert state_text(done, total, seconds) == text


def test_plain_progress_tells_them_now_and_then(monkeypatch):
    monkeypatch.setattr(PlainProgress, "INTERVAL", 0.0)
    stream = io.StringIO()
    with PlainProgress(stream).task("audit", 1000) as task:
        task.advance(400)
    assert stream.getvalue().splitlines()[1].startswith("audit: 400 B of 1.0 kB, ")
