"""Collection of garbage: what nothing reaches goes, what anything reaches stays, whoever works meanwhile."""

import json
import multiprocessing
import os
import time

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.cli.gc import command
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.store import oci
from builder.store.garbage import DAY, HOUR, Reach, _unreached, find, manifest_of, reached, remove
from builder.store.shapes import LOCK_ANNOTATION
from builder.store.store import Store
from builder.store.verify import verify


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "images")


def blob(store: Store, data: bytes, media_type: str = "application/octet-stream") -> oci.Descriptor:
    return oci.Descriptor(media_type=media_type, digest=store.put(data), size=len(data))


def manifest(store: Store, *layers: bytes, **more) -> oci.Manifest:
    return oci.Manifest(
        **{"config": store.put_empty_config(), "layers": tuple(blob(store, data) for data in layers), **more}
    )


def tomorrow() -> float:
    """A moment at which all that is stored now is older than a day."""
    return time.time() + DAY + 60


def digests(store: Store) -> set[str]:
    return {f"sha256:{path.name}" for path in (store.path / "blobs/sha256").iterdir()}


def test_what_was_replaced_goes_and_what_a_reference_reaches_stays(store):
    first = store.put_manifest(manifest(store, b"old", b"shared"), "release")
    store.put_manifest(manifest(store, b"new", b"shared"), "release")
    garbage = remove(store, DAY, tomorrow())
    assert set(garbage.blobs) == {first.digest, Digest.of(b"old")}
    assert garbage.size == first.size + 3
    assert not digests(store) & set(garbage.blobs)
    assert verify(store) == ()
    assert remove(store, DAY, tomorrow()).blobs == {}


def test_finding_removes_nothing(store):
    store.create()
    digest = store.put(b"nobody's")
    before = digests(store)
    assert find(store, DAY, tomorrow()).blobs == {digest: 8}
    assert digests(store) == before


def test_what_is_younger_than_the_grace_stays(store):
    digest = store.put(b"just stored")
    garbage = remove(store, DAY, time.time())
    assert (garbage.blobs, garbage.young, garbage.young_size) == ({}, 1, 11)
    assert store.has(digest)
    assert remove(store, HOUR, time.time() + HOUR + 60).blobs == {digest: 11}


def test_a_subject_a_lock_its_inputs_and_a_builder_image_stay_without_a_reference_of_their_own(store):
    builder = store.put_manifest(manifest(store, b"tools"), "builder/one")
    rpm = blob(store, b"an rpm of an older lock")
    lock = blob(store, documents.compact({"builder_image": builder.digest, "package": {"digest": rpm.digest}}))
    image = store.put_manifest(
        manifest(
            store, b"root", annotations={LOCK_ANNOTATION: lock.digest, "boss-builder.builder-image": builder.digest}
        ),
        "release",
    )
    store.put_manifest(manifest(store, b"PASS", subject=image), "validation/release/oci")
    for reference in ("builder/one", "release"):
        store.remove_reference(reference)
    assert remove(store, DAY, tomorrow()).blobs == {}
    store.remove_reference("validation/release/oci")
    assert {lock.digest, rpm.digest, builder.digest, image.digest} <= set(remove(store, DAY, tomorrow()).blobs)
    assert digests(store) == set()


def test_what_the_configuration_of_a_run_names_stays(store):
    evidence, image = blob(store, b"a diff"), store.put_manifest(manifest(store, b"root"), "release")
    config = documents.compact({"answers": [{"evidence": evidence.digest, "image": image.digest}]})
    store.put_manifest(
        manifest(store, config=blob(store, config, "application/vnd.boss-builder.rebuild.config.v1+json")),
        "rebuild/a/b",
    )
    store.remove_reference("release")
    assert remove(store, DAY, tomorrow()).blobs == {}
    assert store.has(Digest.of(b"root"))


def test_a_subject_that_is_no_longer_whole_keeps_what_is_left_of_it(store):
    image = store.put_manifest(manifest(store, b"root", b"gone"), "release")
    store.put_manifest(manifest(store, b"PASS", subject=image), "validation/release/oci")
    store.remove_reference("release")
    store.blob_path(Digest.of(b"gone")).unlink()
    assert remove(store, DAY, tomorrow()).blobs == {}
    assert store.has(Digest.of(b"root"))


@pytest.mark.parametrize(
    ("harm", "failure"),
    [
        (lambda path: path.unlink(), WorkFailure),
        (lambda path: (path.chmod(0o644), path.write_bytes(b"{}")), WorkFailure),
        (lambda path: (path.parents[2] / "index.json").write_text("{"), InputFailure),
    ],
)
def test_nothing_is_removed_while_it_can_not_be_known_what_is_referred_to(store, harm, failure):
    descriptor = store.put_manifest(manifest(store, b"root"), "release")
    store.put(b"garbage")
    harm(store.blob_path(descriptor.digest))
    before = digests(store)
    with pytest.raises(failure):
        remove(store, DAY, tomorrow())
    assert digests(store) == before


def test_a_missing_or_damaged_layer_does_not_keep_the_garbage(store):
    store.put_manifest(manifest(store, b"root"), "release")
    garbage = store.put(b"garbage")
    store.blob_path(Digest.of(b"root")).unlink()
    assert remove(store, DAY, tomorrow()).blobs == {garbage: 7}


def test_strangers_folders_and_links_are_not_touched(store):
    store.create()
    folder = store.path / "blobs/sha256"
    (folder / "stranger").write_text("x")
    (folder / ("a" * 64)).mkdir()
    (folder / ("b" * 64)).symlink_to("stranger")
    remove(store, DAY, tomorrow())
    assert {path.name for path in folder.iterdir()} == {"stranger", "a" * 64, "b" * 64}


@pytest.mark.parametrize("grace", [0.0, -1.0, HOUR - 1, float("nan")])
def test_a_grace_of_less_than_an_hour_is_refused(store, grace):
    store.create()
    for function in (find, remove):
        with pytest.raises(InputFailure, match="too short"):
            function(store, grace, tomorrow())


def test_a_grace_of_less_than_a_day_is_refused_while_a_process_works_in_the_store(store):
    digest = store.put(b"garbage")
    with store.workspace("build"):
        with pytest.raises(WorkFailure, match=r"tmp/build-"):
            remove(store, HOUR, tomorrow())
        assert store.has(digest)
    assert remove(store, HOUR, tomorrow()).blobs == {digest: 7}


def test_what_a_killed_process_left_in_tmp_does_not_count_as_living(store):
    store.create()
    (store.path / "tmp/build-dead").mkdir()
    (store.path / "tmp/keep-downloads").mkdir()
    assert remove(store, HOUR, tomorrow()).blobs == {}


def _write(path, number, rounds):
    """Put blobs and manifests; move references; hold a workspace, as a build does."""
    store = Store(path)
    with store.workspace("build"):
        for n in range(rounds):
            layers = [blob(store, os.urandom(2000)) for _ in range(3)]
            store.put_manifest(
                oci.Manifest(config=store.put_empty_config(), layers=tuple(layers)), f"release-{number}-{n % 7}"
            )


def test_collections_with_no_grace_beside_a_writer_are_refused_and_nothing_referenced_is_lost(store):
    store.create()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(store.path, n, 40)) for n in range(2)]
    for writer in writers:
        writer.start()
    refused = 0
    with store.workspace("build"):  # somebody works in the store all the while
        while any(writer.is_alive() for writer in writers):
            assert remove(store, DAY, time.time()).blobs == {}
            for grace, now in ((0.0, time.time()), (HOUR, tomorrow())):
                with pytest.raises((InputFailure, WorkFailure)):
                    remove(store, grace, now)
                refused += 1
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert refused > 5
    assert len(store.references("release-")) == 14
    assert verify(store) == ()
    assert remove(store, DAY, tomorrow()).blobs
    assert verify(store) == ()
    assert len(store.references("release-")) == 14


def _collect(path, stop):
    store = Store(path)
    while not stop.is_set():
        remove(store, DAY, time.time())


def test_many_writers_and_a_collector_lose_no_reference(store):
    store.create()
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    collector = context.Process(target=_collect, args=(store.path, stop))
    writers = [context.Process(target=_write, args=(store.path, n, 14)) for n in range(4)]
    for process in (collector, *writers):
        process.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    stop.set()
    collector.join()
    assert collector.exitcode == 0
    assert len(store.references("release-")) == 4 * 7
    assert verify(store) == ()


@settings(deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 20).map(lambda n: f"sha256:{n:064x}"), st.tuples(st.integers(0, 9), st.floats(0, 100))
    ),
    st.sets(st.integers(0, 20).map(lambda n: f"sha256:{n:064x}")),
    st.floats(0, 100),
)
def test_only_what_is_old_and_not_reached_is_garbage(files, kept, before):
    found = Reach(blobs=dict.fromkeys(kept, 1))
    garbage = _unreached(((d, size, changed) for d, (size, changed) in files.items()), found, before)
    assert set(garbage.blobs) == {d for d, (_, changed) in files.items() if d not in kept and changed < before}
    assert garbage.young + garbage.kept + len(garbage.blobs) == len(files)


@settings(deadline=None)
@given(st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(
    lambda value: json.dumps({"config": value, "layers": value}).encode()
))  # fmt: skip
def test_bytes_that_are_no_manifest_are_refused_in_words(data):
    with pytest.raises(InputFailure):
        manifest_of(data, "sha256:0")


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"x": ' * 100_000,
        '{"config": {"mediaType": "x", "digest": "sha256:1", "size": 1}, "layers": []}',
        '{"config": {"mediaType": "x", "digest": "sha256:' + "0" * 64 + '", "size": -1}, "layers": []}',
        '{"config": {"mediaType": "x", "digest": "sha256:' + "0" * 64 + '", "size": 1e99}, "layers": []}',
        '{"config": {"mediaType": "x", "digest": "../../etc/passwd", "size": 1}, "layers": []}',
    ],
)
def test_a_manifest_that_is_an_attack_is_refused_in_words(text):
    with pytest.raises(InputFailure):
        manifest_of(text.encode(), "sha256:0")


def test_a_long_chain_of_subjects_is_followed_to_its_end(store):
    subject = None
    for n in range(3000):
        data = documents.compact(
            oci.Manifest(
                config=oci.Descriptor(media_type=oci.EMPTY, digest=Digest.of(b"{}"), size=2),
                layers=(),
                subject=subject,
                annotations={"n": str(n)},
            )
        )
        digest = Digest.of(data)
        store.create() if n == 0 else None
        (store.path / "blobs/sha256" / digest.hex).write_bytes(data)
        subject = oci.Descriptor(media_type=oci.MANIFEST, digest=digest, size=len(data))
    store.put_empty_config()
    (store.path / "index.json").write_bytes(documents.readable(oci.Index(manifests=(subject,))))
    assert len(reached(store).manifests) == 3000


def test_the_command_tells_what_it_removed(store, monkeypatch):
    store.put_manifest(manifest(store, b"root"), "release")
    digest = store.put(b"garbage")

    def run(*words):
        return CliRunner().invoke(command, [*words, "--store", str(store.path)])

    assert run().stdout == f"{store.path}: 0 blobs (0 B) removed; 3 kept\n"
    assert "1 more (7 B) are younger than 24 hours" in run("--dry-run").stderr
    monkeypatch.setattr(time, "time", lambda now=tomorrow(): now)
    assert run("--dry-run").stdout == f"{store.path}: 1 blobs (7 B) would be removed; 3 kept\n"
    assert json.loads(run("--json").stdout)["blobs"] == [digest]
    assert not store.has(digest)
    assert run("--grace", "0").exit_code == 2
    assert CliRunner().invoke(command, ["--store", str(store.path / "nosuch")]).exit_code == 2
