"""Runs in the store: added, never changed; a bad one does not keep the others from being read."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.core import documents
from builder.core.errors import WorkFailure
from builder.rebuild import history
from builder.rebuild.evidence import Shelf
from builder.rebuild.model import Finding, Run
from builder.rebuild.taxonomy import Cause
from builder.store import oci
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.rebuild.made_runs import GOOD, RELEASE, answer, run


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


def config_of(store: Store, descriptor: oci.Descriptor) -> Path:
    return store.blob_path(store.manifest(descriptor).config.digest)


def rewrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def test_runs_come_back_as_they_were_oldest_first(store: Store) -> None:
    made = [run(day, answer(*GOOD), release=release) for day, release in ((2, RELEASE), (0, RELEASE), (1, "tiny-10"))]
    for one in made:
        history.append(store, one)
    assert history.runs(store, RELEASE) == (made[1], made[0])
    assert history.runs(store, "tiny") == ()
    assert history.releases(store) == ("tiny-1", "tiny-10")


def test_a_run_is_an_artifact_with_its_evidence(store: Store) -> None:
    shelf = Shelf(store)
    log = shelf.keep("build.log", b"it failed\n")
    descriptor = history.append(store, run(0, answer(Cause.BUILD_FAILS)), shelf.kept)
    manifest = store.manifest(descriptor)
    assert manifest.artifact_type == descriptor.artifact_type == history.RUN_TYPE
    assert [(layer.digest, layer.annotations[oci.TITLE]) for layer in manifest.layers] == [(log, "build.log")]
    (name,) = store.references("rebuild/")
    assert name == f"rebuild/{RELEASE}/20261101T030000Z-{manifest.config.digest[7:13]}"
    assert verify(store) == ()


def test_evidence_that_the_store_lacks_is_refused(store: Store) -> None:
    lost = oci.Descriptor(media_type="text/plain", digest="sha256:" + 64 * "1", size=3)
    with pytest.raises(WorkFailure, match="does not hold"):
        history.append(store, run(0, answer(*GOOD)), [lost])
    assert history.runs(store, RELEASE) == ()


def test_runs_of_the_same_second_do_not_meet(store: Store) -> None:
    made = [run(0, answer(*GOOD), seconds=float(number)) for number in range(12)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda one: history.append(store, one), made))
    assert sorted(one.seconds for one in history.runs(store, RELEASE)) == [float(number) for number in range(12)]


def test_the_same_run_again_changes_nothing_and_another_never_takes_its_place(store: Store) -> None:
    shelf = Shelf(store)
    first = history.append(store, run(0, answer(*GOOD)))
    assert history.append(store, run(0, answer(*GOOD))) == first
    shelf.keep("log", b"more")
    with pytest.raises(WorkFailure, match="another run as rebuild/tiny-1/"):
        history.append(store, run(0, answer(*GOOD)), shelf.kept)
    assert list(store.references("rebuild/").values()) == [first]


def test_a_time_of_another_zone_is_told_in_utc(store: Store) -> None:
    history.append(store, run(0, began="2026-11-25T16:36:14+01:00"))
    assert next(iter(store.references("rebuild/"))).startswith("rebuild/tiny-1/20261125T153614Z-")


def _with(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda data: documents.readable({**msgspec.json.decode(data), **changes})


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda _: b"{}", "is damaged"),
        (lambda data: data[:-5], "is damaged"),
    ],
)
def test_a_damaged_run_is_told_and_the_others_are_read(
    store: Store, spoil: Callable[[bytes], bytes], told: str
) -> None:
    good, bad = run(0, answer(*GOOD)), run(1, answer(*GOOD))
    history.append(store, good)
    path = config_of(store, history.append(store, bad))
    rewrite(path, spoil(path.read_bytes()))
    found = history.read(store, RELEASE)
    assert found.runs == (good,)
    assert [told in problem.message and "rebuild/tiny-1/20261102" in problem.message for problem in found.problems] == [
        True
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_with(version=2, colour="red"), "version 2"),
        (_with(version="1"), "not what it should be"),
        (_with(colour="red"), "not what it should be"),
        (_with(answers=[{"question": "frozen", "findings": [{"cause": "FETCH/strange"}]}]), "not what it should be"),
        (lambda _: b"[]", "not what it should be"),
        (lambda _: b"\xff\xfe", "not what it should be"),
    ],
)
def test_a_foreign_run_is_told_and_the_others_are_read(
    store: Store, change: Callable[[bytes], bytes], told: str
) -> None:
    good = run(0, answer(*GOOD))
    history.append(store, good)
    data = change(documents.readable(run(1)))
    config = oci.Descriptor(media_type=history.CONFIG_TYPE, digest=store.put(data), size=len(data))
    manifest = oci.Manifest(config=config, layers=(), artifact_type=history.RUN_TYPE)
    store.put_manifest(manifest, f"rebuild/{RELEASE}/20261102T000000Z-000000")
    found = history.read(store, RELEASE)
    assert found.runs == (good,)
    assert [told in problem.message and bool(problem.hint or "should" in told) for problem in found.problems] == [True]


def test_a_missing_manifest_or_one_that_names_no_digest_is_told(store: Store) -> None:
    good = run(0, answer(*GOOD))
    history.append(store, good)
    store.blob_path(history.append(store, run(1)).digest).unlink()
    data = documents.compact(
        oci.Manifest(config=oci.Descriptor(media_type="x", digest="md5:1", size=1), layers=()),
    )
    name = {oci.REF_NAME: f"rebuild/{RELEASE}/x"}
    foreign = oci.Descriptor(media_type=oci.MANIFEST, digest=store.put(data), size=len(data), annotations=name)
    store.edit_index(lambda kept: (*kept, foreign))
    found = history.read(store, RELEASE)
    assert found.runs == (good,)
    assert len(found.problems) == 2


def test_nothing_is_remembered_by_a_store_that_is_not_there(store: Store) -> None:
    assert history.read(store, RELEASE) == history.History((), ())
    assert not store.path.exists()


TEXT = st.text(max_size=20)
FINDINGS = st.builds(
    Finding,
    cause=st.sampled_from(Cause),
    about=TEXT,
    message=TEXT,
    severity=st.sampled_from([cause.entry.severity for cause in Cause]),
    advice=TEXT,
    evidence=st.tuples(TEXT),
    first_seen=TEXT,
    explanations=st.tuples(TEXT),
)
RUNS = st.builds(
    run,
    st.integers(0, 400),
    st.builds(lambda findings: answer(*findings), st.lists(FINDINGS, max_size=3)),
    title=TEXT,
    seconds=st.floats(0, 1e6),
    environment=st.dictionaries(TEXT, TEXT, max_size=3),
    stands_in_for=st.lists(TEXT, max_size=2).map(tuple),
)


@settings(max_examples=50, deadline=None)
@given(st.lists(RUNS, max_size=4))
def test_any_runs_come_back(tmp_path_factory: pytest.TempPathFactory, made: list[Run]) -> None:
    store = Store(tmp_path_factory.mktemp("history") / "images")
    for one in made:
        history.append(store, one)
    read = history.runs(store, RELEASE)
    assert [one.began for one in read] == sorted(one.began for one in read)
    assert {documents.compact(one) for one in read} == {documents.compact(one) for one in made}
