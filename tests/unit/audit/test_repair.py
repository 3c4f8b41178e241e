"""Repair from a copy: byte for byte what it was; what was damaged is kept; what can not be had is told."""

import json
import os
import shutil
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.audit.copies.copy import replicate
from builder.audit.copies.find import open_source
from builder.audit.copies.layout import Layout
from builder.audit.copies.place import Folder
from builder.audit.copies.repair import repair
from builder.cli.repair import command
from builder.core import documents
from builder.core.errors import InputFailure
from builder.core.progress import NoProgress
from builder.store import oci
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.audit.copies_store import archive_files, blob, damage, small_store, snapshot

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path) -> Store:
    return small_store(tmp_path / "images")


@pytest.fixture
def spare(store, tmp_path) -> Store:
    """A copy of the store."""
    copy = Store(tmp_path / "copy")
    replicate(Layout(store.path), Folder(copy, NOW), (), NoProgress())
    return copy


def mend(store: Store, spare: Store, events=None):
    note = (lambda *event: events.append(event)) if events is not None else (lambda *_: None)
    return repair(store, open_source(str(spare.path)), NOW, NoProgress(), note)


def layer(store: Store, reference: str = "one-1.0", number: int = 1) -> oci.Descriptor:
    return store.manifest(store.find(reference)).layers[number]


def test_a_whole_store_is_left_alone(store, spare):
    before = {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in archive_files(store)}
    done = mend(store, spare)
    assert (done.restored, done.quarantined, done.problems) == ((), (), ())
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in archive_files(store)} == before
    assert not (store.path / "quarantine").exists()


def rot(path):
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap_for_link(path):
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to("other")


DAMAGE = {
    "a bit": rot,
    "cut": lambda path: (path.chmod(0o644), os.truncate(path, path.stat().st_size - 1)),
    "empty": lambda path: (path.chmod(0o644), os.truncate(path, 0)),
    "longer": lambda path: (path.chmod(0o644), path.write_bytes(path.read_bytes() + b"x")),
    "gone": lambda path: path.unlink(),
    "a folder": lambda path: (path.unlink(), path.mkdir(), (path / "inside").write_text("x")),
    "a link": lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("what", ["layer", "config", "manifest", "lock of an older day"])
def test_after_repair_the_store_is_what_it_was_and_the_damaged_is_kept(store, spare, how, what):
    head = store.find("one-1.0")
    manifest = store.manifest(head)
    digest = {
        "layer": manifest.layers[1].digest,
        "config": manifest.config.digest,
        "manifest": head.digest,
        "lock of an older day": manifest.annotations["boss-builder.lock"],
    }[what]
    before = snapshot(store)
    DAMAGE[how](store.blob_path(digest))
    events = []
    done = mend(store, spare, events)
    assert done.restored == (digest,)
    assert done.problems == ()
    assert snapshot(store) == before
    assert verify(store) == ()
    assert events == [("recovery", digest, "success")]
    assert len(done.quarantined) == (how != "gone")
    for kept in done.quarantined:
        assert kept.name == f"{digest[7:]}-20261125T120000Z"
        assert os.path.lexists(kept)


def test_a_manifest_and_the_layer_that_only_it_names_come_back_together(store, spare):
    before = snapshot(store)
    gone = [store.find("one-1.0").digest, layer(store).digest]
    for digest in gone:
        store.blob_path(digest).unlink()
    assert set(mend(store, spare).restored) == set(gone)
    assert snapshot(store) == before


def test_all_blobs_lost_come_back(store, spare):
    before = snapshot(store)
    shutil.rmtree(store.path / "blobs/sha256")
    (store.path / "blobs/sha256").mkdir()
    done = mend(store, spare)
    assert done.problems == ()
    assert snapshot(store) == before
    assert verify(store) == ()


def test_what_the_copy_has_damaged_too_is_told_and_the_rest_is_mended(store, spare):
    one, two = layer(store), layer(store, "two-1.0")
    for digest in (one.digest, two.digest):
        damage(store, digest)
    damage(spare, two.digest)
    held = store.blob_path(two.digest).read_bytes()
    done = mend(store, spare)
    assert done.restored == (one.digest,)
    (problem,) = done.problems
    assert f"{two.digest} is damaged or missing here, and can not be had" in problem.message
    assert store.blob_path(two.digest).read_bytes() == held


def test_what_the_copy_lacks_is_told(store, spare):
    digest = layer(store).digest
    damage(store, digest)
    spare.blob_path(digest).unlink()
    (problem,) = mend(store, spare).problems
    assert "has none of it" in problem.message


def test_two_copies_each_of_which_is_damaged_mend_a_store_together(store, spare, tmp_path):
    before = snapshot(store)
    other = Store(tmp_path / "other")
    replicate(Layout(spare.path), Folder(other, NOW), (), NoProgress())
    one, two = layer(store), layer(store, "two-1.0")
    for digest, copy in ((one.digest, spare), (two.digest, other)):
        damage(store, digest)
        damage(copy, digest)
    assert len(mend(store, spare).problems) == 1
    assert mend(store, other).problems == ()
    assert snapshot(store) == before


@pytest.mark.parametrize(
    "data", [None, b"", b"{", b"\0" * 400, b"[" * 100_000, b'{"manifests": 7}', b'{"manifests": [{"digest": "../x"}]}']
)
def test_a_damaged_index_comes_back_and_is_kept(store, spare, data):
    before = snapshot(store)
    path = store.path / "index.json"
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    done = mend(store, spare)
    assert done.restored == ("index.json",)
    assert [kept.read_bytes() for kept in done.quarantined] == ([] if data is None else [data])
    assert snapshot(store) == before


def test_an_index_that_names_what_the_copy_does_not_know_is_not_replaced(store, spare):
    new = store.put_manifest(oci.Manifest(config=store.put_empty_config(), layers=(blob(store, b"n"),)), "three-1.0")
    path = store.path / "index.json"
    damaged = path.read_bytes().replace(b'"schemaVersion"', b'"schemaVersion', 1)
    path.write_bytes(damaged)
    with pytest.raises(InputFailure, match=f"does not know {new.digest}"):
        mend(store, spare)
    assert path.read_bytes() == damaged
    replicate_again(store, spare, new)
    assert mend(store, spare).problems == ()
    assert verify(store) == ()
    assert store.find("three-1.0") == new


def replicate_again(store, spare, new):
    """Bring the new manifest to the copy, as if it had been copied in time."""
    manifest = store.manifest(new)
    for data in (b"n", oci.EMPTY_DATA):
        spare.put(data)
    spare.put_manifest(manifest, "three-1.0")


@pytest.mark.parametrize("place", ["digest", "size"])
def test_an_entry_of_the_index_that_can_not_be_true_is_taken_from_the_copy(store, spare, place):
    before = snapshot(store)
    path = store.path / "index.json"
    descriptor = store.find("one-1.0")
    old = {"digest": descriptor.digest.encode(), "size": b'"size": %d' % descriptor.size}[place]
    new = {"digest": old[:-1] + (b"0" if old[-1:] != b"0" else b"1"), "size": old + b"1"}[place]
    at = path.read_bytes().index(descriptor.digest.encode())
    damaged = path.read_bytes()[:at] + path.read_bytes()[at:].replace(old, new, 1)
    path.write_bytes(damaged)
    assert verify(store) != ()
    done = mend(store, spare)
    assert done.restored == ("index.json",)
    assert done.quarantined[0].read_bytes() == damaged
    assert snapshot(store) == before


def test_a_reference_of_ours_that_the_copy_has_not_yet_stays(store, spare):
    new = store.put_manifest(oci.Manifest(config=store.put_empty_config(), layers=(blob(store, b"n"),)), "three-1.0")
    damage(store, layer(store).digest)
    before = (store.path / "index.json").read_bytes()
    assert mend(store, spare).problems == ()
    assert store.find("three-1.0") == new
    assert (store.path / "index.json").read_bytes() == before


def test_a_stranger_is_left_where_it_is(store, spare):
    (store.path / "blobs/sha256/stranger").write_text("x")
    assert mend(store, spare).restored == ()
    assert (store.path / "blobs/sha256/stranger").read_text() == "x"


def test_a_manifest_that_declares_another_size_than_its_blob_has_is_told_and_the_repair_ends(store, spare):
    lying = oci.Manifest(
        config=store.put_empty_config(),
        layers=(oci.Descriptor(media_type="x", digest=layer(store).digest, size=layer(store).size + 1),),
    )
    data = documents.compact(lying)
    head = oci.Descriptor(
        media_type=oci.MANIFEST, digest=store.put(data), size=len(data), annotations={oci.REF_NAME: "lying-1.0"}
    )
    index = store.index()
    (store.path / "index.json").write_bytes(documents.readable(oci.Index(manifests=(*index.manifests, head))))
    done = mend(store, spare)
    assert len(done.problems) == 1
    assert "declares" in done.problems[0].message


@pytest.mark.parametrize("how", [how for how in DAMAGE if how != "gone"])
def test_a_damaged_blob_that_nothing_needs_is_moved_aside_and_the_store_is_well(store, spare, how):
    digest = blob(store, b"nobody's").digest
    before = snapshot(store)
    DAMAGE[how](store.blob_path(digest))
    assert verify(store) != ()
    events = []
    done = mend(store, spare, events)
    assert (done.cleared, done.restored, done.problems) == ((digest,), (), ())
    (kept,) = done.quarantined
    assert kept.name == f"{digest[7:]}-20261125T120000Z"
    assert os.path.lexists(kept)
    assert verify(store) == ()
    del before[f"blobs/sha256/{digest[7:]}"]
    assert snapshot(store) == before
    assert events == [("recovery", digest, "fail"), ("deletion", digest, "success")]


def test_a_damaged_blob_that_nothing_needs_is_fetched_where_the_copy_has_it(store, spare):
    digest = blob(store, b"nobody's").digest
    spare.put(b"nobody's")
    damage(store, digest)
    done = mend(store, spare)
    assert (done.cleared, done.restored) == ((), (digest,))


def test_what_is_mentioned_is_not_moved_aside(store, spare):
    digest = store.manifest(store.find("one-1.0")).annotations["boss-builder.lock"]
    spare.blob_path(digest).unlink()
    damage(store, digest)
    done = mend(store, spare)
    assert (done.cleared, len(done.problems)) == ((), 1)
    assert store.blob_path(digest).read_bytes().startswith(b"damaged")


def test_nothing_is_moved_aside_while_it_is_not_known_what_is_needed(store, spare):
    digest = blob(store, b"nobody's").digest
    manifest = store.find("one-1.0").digest
    damage(store, digest)
    for place in (store, spare):
        damage(place, manifest)
    done = mend(store, spare)
    assert done.cleared == ()
    assert len(done.problems) == 2
    assert store.blob_path(digest).exists()


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_byte_of_any_blob_or_of_the_index_may_change(store, spare, data):
    before = snapshot(store)
    path = data.draw(st.sampled_from([p for p in archive_files(store) if p.name != "oci-layout"]))
    held = path.read_bytes()
    at = data.draw(st.integers(0, len(held) - 1))
    path.chmod(0o644)
    path.write_bytes(held[:at] + bytes([held[at] ^ data.draw(st.integers(1, 255))]) + held[at + 1 :])
    if path.name == "index.json":
        try:
            done = mend(store, spare)
        except InputFailure:
            pass
        else:
            assert done.problems == () or verify(store) != ()
        path.write_bytes(held)
    else:
        assert mend(store, spare).problems == ()
    assert snapshot(store) == before


def test_the_command_tells_what_it_did_and_its_exit_code(store, spare, tmp_path):
    def run(*words):
        return CliRunner().invoke(command, [*words, "--store", str(store.path)])

    assert run("--from", str(spare.path)).stdout == f"{store.path}: 0 restored; well\n"
    digest = layer(store).digest
    damage(store, digest)
    shown = json.loads(run("--from", str(spare.path), "--json").stdout)
    assert (shown["restored"], shown["problems"]) == ([digest], [])
    assert f"quarantine/{digest[7:]}-" in shown["quarantined"][0]
    unneeded = blob(store, b"nobody's").digest
    damage(store, unneeded)
    answer = run("--from", str(spare.path))
    assert answer.exit_code == 0
    assert f"nothing needs it: {unneeded}" in answer.stdout
    damage(store, blob(store, b"nobody's").digest)
    assert json.loads(run("--from", str(spare.path), "--json").stdout)["cleared"] == [unneeded]
    for copy in (store, spare):
        damage(copy, digest)
    answer = run("--from", str(spare.path))
    assert answer.exit_code == 1
    assert "can not be had" in answer.stderr
    assert run("--from", str(tmp_path / "nosuch")).exit_code == 2
    assert CliRunner().invoke(command, ["--from", str(spare.path), "--store", str(tmp_path / "x")]).exit_code == 2
