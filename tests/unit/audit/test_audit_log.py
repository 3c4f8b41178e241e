"""The log: events that are bound to each other; what is edited, taken out, put in, moved or cut off is found."""

from __future__ import annotations

import hashlib
import itertools
import json
import multiprocessing
import subprocess
import sys
import textwrap
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.audit import log
from builder.audit.log import EventType, Happening, Outcome
from builder.audit.problems import Code
from builder.core.errors import FoundFailure, HostFailure

NOW = datetime(2040, 1, 1, 12, 0, 0, tzinfo=UTC)
FORGED = {
    Code.LOG_EDITED, Code.LOG_BROKEN, Code.LOG_CUT, Code.LOG_TOO_LONG, Code.LOG_OTHER_END, Code.HEAD_MISSING,
    Code.HEAD_DAMAGED,
}  # fmt: skip


def happening(number: int = 1) -> Happening:
    return Happening(
        EventType.FIXITY_CHECK,
        f"check {number}",
        Outcome.SUCCESS,
        objects=(log.NOTHING,),
        facts={"part": f"{number}/12", "blobs": number},
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    return tmp_path / "images"


def logged(store: Path, number: int = 5) -> tuple[bytes, bytes]:
    log.append(store, *(happening(n) for n in range(1, number + 1)), now=NOW)
    return (store / "audit/log.jsonl").read_bytes(), (store / "audit/head.json").read_bytes()


def codes(state: log.State) -> set[Code]:
    return {one.code for one in state.problems}


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    return logged(tmp_path_factory.mktemp("images"))


def test_a_log_that_was_never_begun_is_well(store):
    assert log.read(store) == log.NEW


def test_an_event_has_the_words_of_premis_and_names_the_line_before(store):
    data, head = logged(store, 2)
    first, second = data.splitlines(keepends=True)
    assert json.loads(second) == {
        "eventIdentifier": 2,
        "eventType": "fixity check",
        "eventDateTime": "2040-01-01T12:00:00Z",
        "eventDetail": "check 2",
        "eventDetailExtension": {"part": "2/12", "blobs": 2},
        "eventOutcome": "success",
        "eventOutcomeDetail": "",
        "linkingAgent": log.AGENT,
        "linkingObjects": ["sha256:" + hashlib.sha256(b"").hexdigest()],
        "previous": "sha256:" + hashlib.sha256(first).hexdigest(),
    }
    assert json.loads(head) == {"count": 2, "last": "sha256:" + hashlib.sha256(second).hexdigest()}


def test_the_chain_can_be_followed_with_coreutils(store):
    logged(store)
    script = "sed -n 3p log.jsonl | sha256sum | cut -c 1-64; tail -n 1 log.jsonl | sha256sum | cut -c 1-64"
    done = subprocess.run(["sh", "-c", script], cwd=store / "audit", capture_output=True, text=True, check=True)
    third, last = (f"sha256:{digits}" for digits in done.stdout.split())
    state = log.read(store)
    assert (state.events[3].previous, state.head.last) == (third, last)


def test_appends_follow_each_other(store):
    logged(store, 2)
    assert [event.event_identifier for event in log.append(store, happening(3), now=NOW)] == [3]
    state = log.read(store)
    assert [event.event_detail for event in state.events] == ["check 1", "check 2", "check 3"]
    assert (state.problems, state.notes) == ((), ())


def edited(lines: list[bytes]) -> list[bytes]:
    return [*lines[:2], lines[2].replace(b"check 3", b"check 8"), *lines[3:]]


CHANGES = {
    "the first deleted": lambda lines: lines[1:],
    "one deleted": lambda lines: [*lines[:2], *lines[3:]],
    "the last deleted": lambda lines: lines[:-1],
    "all deleted": lambda _: [],
    "one edited": edited,
    "the last edited": lambda lines: [*lines[:-1], lines[-1].replace(b"check 5", b"check 8")],
    "two swapped": lambda lines: [lines[0], lines[2], lines[1], *lines[3:]],
    "the last two swapped": lambda lines: [*lines[:3], lines[4], lines[3]],
    "one doubled": lambda lines: [*lines[:3], *lines[2:]],
    "the last doubled": lambda lines: [*lines, lines[-1]],
    "garbage put in": lambda lines: [*lines[:2], b"garbage\n", *lines[2:]],
    "an empty line put in": lambda lines: [*lines[:2], b"\n", *lines[2:]],
    "an empty line put before": lambda lines: [b"\n", *lines],
    "its end taken from a line": lambda lines: [*lines[:2], lines[2].rstrip(b"\n"), *lines[3:]],
    "its end taken from the last": lambda lines: [*lines[:-1], lines[-1].rstrip(b"\n")],
    "written with spaces": lambda lines: [*lines[:2], lines[2].replace(b'":"', b'": "'), *lines[3:]],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_log_is_found_and_nothing_is_added_to_it(store, change):
    data, _ = logged(store)
    path = store / "audit/log.jsonl"
    path.write_bytes(b"".join(CHANGES[change](data.splitlines(keepends=True))))
    before = path.read_bytes()
    assert codes(log.read(store)) & FORGED
    with pytest.raises(FoundFailure, match="nothing was logged"):
        log.append(store, happening(), now=NOW)
    assert path.read_bytes() == before


def test_a_forged_event_with_the_right_chain_is_found_by_the_head(store, tmp_path):
    """Who edits an event has to write all that follow anew: then the head names another line."""
    _, head = logged(store)
    other = tmp_path / "other"
    other.mkdir()
    log.append(other, *(happening(n if n != 3 else 8) for n in range(1, 6)), now=NOW)
    forged = (other / "audit/log.jsonl").read_bytes()
    assert codes(log.judge(forged, (other / "audit/head.json").read_bytes())) == set()
    assert codes(log.judge(forged, head)) == {Code.LOG_OTHER_END}


@pytest.mark.parametrize("number", [4, 6, 7])
def test_a_head_of_another_length_is_found_but_for_one_line(number, store, tmp_path):
    data, _ = logged(store)
    other = tmp_path / "other"
    other.mkdir()
    _, head = logged(other, number)
    state = log.judge(data, head)
    assert codes(state) == (set() if number == 4 else {Code.LOG_CUT})
    assert [note.code for note in state.notes] == ([Code.LOG_AHEAD] if number == 4 else [])


def test_two_lines_more_than_the_head_knows_are_found(store, tmp_path):
    data, _ = logged(store)
    other = tmp_path / "other"
    other.mkdir()
    assert codes(log.judge(data, logged(other, 3)[1])) == {Code.LOG_TOO_LONG}


@pytest.mark.parametrize("gone", ["log.jsonl", "head.json"])
def test_a_file_that_is_gone_is_missed(store, gone):
    logged(store)
    (store / "audit" / gone).unlink()
    assert codes(log.read(store)) == {Code.LOG_CUT if gone == "log.jsonl" else Code.HEAD_MISSING}


def test_every_flipped_bit_of_the_log_and_of_its_head_is_found(five):
    data, head = five
    for at, bit in itertools.product(range(len(data)), (0, 5, 7)):
        state = log.judge(flip(data, at, bit), head)
        assert codes(state) & FORGED, (at, bit)
    for at, bit in itertools.product(range(len(head)), range(8)):
        state = log.judge(data, flip(head, at, bit))
        assert codes(state) & FORGED, (at, bit)


def flip(data: bytes, at: int, bit: int) -> bytes:
    changed = bytearray(data)
    changed[at] ^= 1 << bit
    return bytes(changed)


def test_every_cut_of_a_whole_log_is_found(five):
    data, head = five
    for length in range(len(data)):
        assert codes(log.judge(data[:length], head)) == {Code.LOG_CUT}, length


@given(st.binary(), st.binary() | st.none())
def test_any_bytes_are_judged_without_an_error(data, head):
    state = log.judge(data, head)
    assert state.problems


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_write_that_was_cut_anywhere_is_torn_not_forged_and_the_next_append_mends_it(tmp_path_factory, data):
    store = tmp_path_factory.mktemp("images")
    whole, _ = logged(store, 3)
    path, head = store / "audit/log.jsonl", store / "audit/head.json"
    begun = len(whole) - len(whole.splitlines(keepends=True)[-1])
    log.append(store, happening(4), now=NOW)
    after = path.read_bytes()
    (store / "audit/head.json").write_bytes(log_head(whole))
    path.write_bytes(after[: data.draw(st.integers(len(whole) + 1, len(after)))])
    assert begun < len(whole)
    is_whole = path.read_bytes() == after
    state = log.read(store)
    assert (codes(state), [note.code for note in state.notes]) == (
        set(), [Code.LOG_AHEAD if is_whole else Code.LOG_TORN]
    )  # fmt: skip
    events = log.append(store, happening(5), now=NOW)
    assert [event.event_type for event in events] == [EventType.RECOVERY, EventType.FIXITY_CHECK]
    mended = log.read(store)
    assert (mended.problems, mended.notes) == ((), ())
    assert path.read_bytes().startswith(after[: len(whole) + 1])
    assert json.loads(head.read_bytes())["count"] == len(path.read_bytes().splitlines())
    for at in range(0, len(path.read_bytes()), 23):  # what is around the torn line is as well bound as the rest
        assert codes(log.judge(flip(path.read_bytes(), at, 0), head.read_bytes())) & FORGED, at


def log_head(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    last = hashlib.sha256(lines[-1]).hexdigest() if lines else hashlib.sha256(b"").hexdigest()
    return b'{"count":%d,"last":"sha256:%s"}\n' % (len(lines), last.encode())


@given(st.lists(st.integers(0, 400), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_writers_that_are_stopped_one_after_another_leave_a_log_that_is_mended(tmp_path_factory, cuts):
    """Each append is cut after some bytes of what it adds to the log, before it wrote the head."""
    store = tmp_path_factory.mktemp("images")
    logged(store, 2)
    path, head = store / "audit/log.jsonl", store / "audit/head.json"
    for cut in cuts:
        before, head_before = path.read_bytes(), head.read_bytes()
        log.append(store, happening(), now=NOW)
        path.write_bytes(path.read_bytes()[: len(before) + cut])
        lines = len(path.read_bytes().split(b"\n")) - 1
        if len(path.read_bytes()) < len(before) + cut or lines > json.loads(head_before)["count"] + 1:
            return  # all was written, or the mend and its head: those are the other tests
        head.write_bytes(head_before)
        assert codes(log.read(store)) == set()
    log.append(store, happening(), now=NOW)
    state = log.read(store)
    assert (state.problems, state.notes) == ((), ())


def test_a_killed_process_never_leaves_a_log_that_looks_forged(store):
    script = """
        import sys
        from datetime import UTC, datetime
        from pathlib import Path
        from builder.audit import log
        one = log.Happening(log.EventType.FIXITY_CHECK, "x" * 5000, log.Outcome.SUCCESS)
        while True:
            log.append(Path(sys.argv[1]), one, now=datetime.now(UTC))
            print(flush=True)
    """
    for n in range(8):
        words = [sys.executable, "-c", textwrap.dedent(script), store]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            time.sleep(0.011 * n)
            process.kill()
        assert log.read(store).problems == ()
        log.append(store, happening(), now=NOW)
        state = log.read(store)
        assert (state.problems, state.notes) == ((), ())


@pytest.mark.parametrize("has_list", [False, True], ids=["no folder", "a list of signers alone"])
def test_who_reads_before_the_first_writer_does_not_see_half_of_what_it_writes(store, has_list):
    if has_list:
        (store / "audit").mkdir()
        (store / "audit/allowed_signers").write_text("")
    with log.reading(store) as folder:
        logged(store)
        assert log.read_locked(folder) == log.NEW
    assert log.read(store).head.count == 5


def test_a_copy_without_the_lock_is_read(store):
    logged(store)
    (store / "audit/.lock").unlink()
    assert (log.read(store).head.count, log.read(store).problems) == (5, ())
    (store / "audit/log.jsonl").unlink()
    assert codes(log.read(store)) == {Code.LOG_CUT}


def append_many(store: Path) -> None:
    for number in range(20):
        log.append(store, happening(number), now=NOW)


def test_several_processes_write_one_log(store):
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=append_many, args=(store,)) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert log.read(store).problems == ()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert (log.read(store).head.count, log.read(store).problems) == (60, ())


def test_a_folder_that_can_not_be_written_is_the_hosts_fault(store):
    (store / "audit").write_text("a file where the folder should be")
    with pytest.raises(HostFailure, match="can not be written"):
        log.append(store, happening(), now=NOW)
