"""A copy keeps the log of the store that it was made of: whole, as a stranger's, and never in place of its own."""

import os
import shutil
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from builder.audit import log
from builder.audit.copies import origin
from builder.audit.copies.bring_in import bring_in
from builder.audit.copies.copy import replicate
from builder.audit.copies.find import opened_source
from builder.audit.copies.layout import Layout
from builder.audit.copies.place import Folder
from builder.audit.log import EventType, Happening, Outcome
from builder.cli import import_
from builder.cli import replicate as replicate_command
from builder.core import documents
from builder.core.digest import Digest
from builder.core.progress import NoProgress
from builder.store.store import Store
from tests.unit.audit.copies_store import small_store

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


class Listening(NoProgress):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)


@pytest.fixture
def store(tmp_path) -> Store:
    """A store with a log of three events."""
    store = small_store(tmp_path / "images")
    for number in range(3):
        happen(store, f"event {number}")
    return store


def happen(store: Store, what: str) -> None:
    log.append(store.path, Happening(EventType.FIXITY_CHECK, what, Outcome.SUCCESS), now=NOW)


def copy(store: Store, target: Store, progress=None) -> None:
    replicate(Layout(store.path), Folder(target, NOW), (), progress or NoProgress())


def take(source, target: Store, progress=None) -> None:
    with opened_source(str(source), target, NoProgress()) as opened:
        bring_in(opened, Folder(target, NOW), (), progress or NoProgress())


def own(store: Store) -> bytes:
    return (store.path / "audit/log.jsonl").read_bytes()


def name_of(store: Store) -> str:
    return f"origin-{Digest.of(own(store).splitlines(keepends=True)[0]).hex[:12]}.jsonl"


def kept(store: Store) -> dict[str, bytes]:
    folder = store.path / "audit"
    return {path.name: path.read_bytes() for path in folder.glob("*")} if folder.is_dir() else {}


@pytest.mark.parametrize("way", [copy, lambda store, target: take(store.path, target)], ids=["replicate", "import"])
def test_a_copy_keeps_the_log_of_its_origin_and_has_none_of_its_own(store, tmp_path, way):
    target = Store(tmp_path / "copy")
    way(store, target)
    name = name_of(store)
    head = (store.path / "audit/head.json").read_bytes()
    assert kept(target) == {name: own(store), name.replace(".jsonl", ".head.json"): head}
    assert log.judge(kept(target)[name], head).problems == ()
    assert log.read(target.path).events == ()


def test_the_log_grows_with_its_origin_and_a_copy_of_the_same_changes_nothing(store, tmp_path):
    target = Store(tmp_path / "copy")
    copy(store, target)
    happen(store, "later")
    copy(store, target)
    assert kept(target)[name_of(store)] == own(store)
    before = {path: path.stat().st_ino for path in (target.path / "audit").iterdir()}
    copy(store, target)
    assert {path: path.stat().st_ino for path in (target.path / "audit").iterdir()} == before


def test_a_copy_of_a_copy_tells_of_both_and_what_comes_home_is_not_kept(store, tmp_path):
    first, second = Store(tmp_path / "first"), Store(tmp_path / "second")
    copy(store, first)
    happen(first, "in the copy")
    copy(first, second)
    assert {name for name in kept(second) if not name.endswith(".head.json")} == {name_of(store), name_of(first)}
    assert kept(second)[name_of(store)] == own(store)
    before = own(store)
    copy(second, store)
    assert own(store) == before
    assert {name for name in kept(store) if name.startswith("origin") and "head" not in name} == {name_of(first)}


def test_a_log_that_was_rewritten_is_kept_beside_the_old_one_and_grows_there(store, tmp_path):
    target = Store(tmp_path / "copy")
    copy(store, target)
    old = own(store)
    lines = old.splitlines(keepends=True)
    rewritten = Store(tmp_path / "rewritten")
    shutil.copytree(store.path, rewritten.path, dirs_exist_ok=True)
    (rewritten.path / "audit/log.jsonl").write_bytes(lines[0])
    head = log.judge(lines[0], None).head
    (rewritten.path / "audit/head.json").write_bytes(documents.compact(head) + b"\n")
    happen(rewritten, "another story")
    for _ in range(2):
        copy(rewritten, target)
        happen(rewritten, "and on")
    logs = {name: data for name, data in kept(target).items() if name.endswith(".jsonl")}
    assert logs.pop(name_of(store)) == old
    (other,) = logs.values()
    assert own(rewritten).startswith(other)
    assert len(other.splitlines()) == 3


def cut(store: Store) -> None:
    (store.path / "audit/log.jsonl").write_bytes(own(store)[:-10])


def edit(store: Store) -> None:
    (store.path / "audit/log.jsonl").write_bytes(own(store).replace(b"event 1", b"event 7"))


def swap_for_link(store: Store, name: str) -> None:
    path = store.path / name
    path.rename(store.path.with_name("outside"))
    path.symlink_to(store.path.with_name("outside"))


HARMS = {
    "cut": cut,
    "edited": edit,
    "no head": lambda store: (store.path / "audit/head.json").unlink(),
    "another head": lambda store: (store.path / "audit/head.json").write_text('{"count":1,"last":"x"}\n'),
    "a deep head": lambda store: (store.path / "audit/head.json").write_text("[" * 4000),
    "a long head": lambda store: (store.path / "audit/head.json").write_text(" " * 5000),
    "a huge number": lambda store: (store.path / "audit/head.json").write_text(
        '{"count":1' + "0" * 400 + ',"last":""}'
    ),
    "a deep line": lambda store: (store.path / "audit/log.jsonl").write_bytes(b"[" * 9999 + b"\n" + own(store)),
    "noise": lambda store: (store.path / "audit/log.jsonl").write_bytes(os.urandom(4096)),
    "a link": lambda store: swap_for_link(store, "audit/log.jsonl"),
    "a folder that is a link": lambda store: swap_for_link(store, "audit"),
    "a pipe": lambda store: ((store.path / "audit/log.jsonl").unlink(), os.mkfifo(store.path / "audit/log.jsonl")),
}


@pytest.mark.parametrize("harm", HARMS)
def test_a_log_that_is_damaged_or_hostile_is_not_kept_and_the_rest_comes(store, tmp_path, harm):
    HARMS[harm](store)
    target, progress = Store(tmp_path / "copy"), Listening()
    take(store.path, target, progress)
    assert kept(target) == {}
    assert any(line.startswith("not taken along: ") for line in progress.said)
    assert target.references() == store.references()


def test_a_log_that_is_too_long_is_told(store, tmp_path, monkeypatch):
    monkeypatch.setattr(origin, "LIMIT", 100)
    target, progress = Store(tmp_path / "copy"), Listening()
    copy(store, target, progress)
    assert kept(target) == {}
    assert any("is longer than 100 bytes" in line for line in progress.said)


def test_names_that_a_source_gives_its_logs_mean_nothing(store, tmp_path):
    other = small_store(tmp_path / "other")
    happen(other, "of another store")
    name = "origin-" + "0" * 12
    shutil.copy(other.path / "audit/log.jsonl", store.path / f"audit/{name}.jsonl")
    shutil.copy(other.path / "audit/head.json", store.path / f"audit/{name}.head.json")
    (store.path / "audit/origin-evil.jsonl").write_text("x")
    target = Store(tmp_path / "copy")
    copy(store, target)
    assert {n for n in kept(target) if n.endswith(".jsonl")} == {name_of(store), name_of(other)}


def test_the_commands_keep_it_with_the_event_of_the_copy(store, tmp_path):
    target, back = tmp_path / "copy", tmp_path / "back"
    answer = CliRunner().invoke(replicate_command.command, [str(target), "--store", str(store.path)])
    assert answer.exit_code == 0
    assert "is kept as audit/origin-" in answer.stderr
    assert kept(Store(target))[name_of(store)] == own(store)
    assert log.read(store.path).events[-1].event_type == EventType.REPLICATION
    assert CliRunner().invoke(import_.command, [str(target), "--store", str(back)]).exit_code == 0
    assert kept(Store(back))[name_of(store)] == own(store)
    (event,) = log.read(back).events
    assert event.event_type == EventType.INGESTION
