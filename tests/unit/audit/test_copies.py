"""Replication to a folder: only what lacks, read back, complete at every moment."""

import json
import os
import re
import shutil
import stat
from datetime import UTC, datetime

import msgspec
import pytest
from click.testing import CliRunner

from builder.audit.copies.copy import replicate
from builder.audit.copies.find import open_target
from builder.audit.copies.layout import Layout
from builder.audit.copies.place import Folder
from builder.cli.replicate import command
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.audit.copies_store import archive_files, blob, damage, small_store, snapshot

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path) -> Store:
    return small_store(tmp_path / "images")


def copy(store: Store, target: Store, *releases: str, thorough: bool = False):
    return replicate(Layout(store.path), Folder(target, NOW), releases, NoProgress(), thorough=thorough)


def test_a_copy_is_byte_for_byte_the_store_and_a_store_itself(store, tmp_path):
    target = Store(tmp_path / "disk/copy")
    done = copy(store, target)
    assert done.problems == ()
    assert done.copied == len(snapshot(store)) - 2
    assert snapshot(target) == snapshot(store)
    assert verify(target) == ()
    assert {path.stat().st_nlink for path in archive_files(target)} == {1}


def test_what_the_target_has_is_not_copied_again(store, tmp_path):
    target = Store(tmp_path / "copy")
    copy(store, target)
    known = {path: path.stat().st_ino for path in archive_files(target)}
    store.put_manifest(oci.Manifest(config=blob(store, b"{}"), layers=(blob(store, b"new"),)), "three-1.0")
    done = copy(store, target)
    assert (done.copied, done.copied_size) == (2, len(b"new") + store.find("three-1.0").size)
    assert {path: path.stat().st_ino for path in known if path.name != "index.json"} == {
        path: inode for path, inode in known.items() if path.name != "index.json"
    }
    assert copy(store, target).copied == 0


def test_one_release_comes_with_what_it_was_made_from_and_without_the_other(store, tmp_path):
    target = Store(tmp_path / "copy")
    done = copy(store, target, "one-1.0")
    assert done.references == (
        "builder/trixie-1", "inputs/one-1.0", "one-1.0", "stage/os/1", "validation/one-1.0/oci",
    )  # fmt: skip
    assert verify(target) == ()
    lock = store.manifest(store.find("one-1.0")).annotations[LOCK_ANNOTATION]
    assert target.has(lock)
    copy(store, target, "two-1.0")
    assert snapshot(target) == snapshot(store)


def test_what_the_target_has_besides_stays(store, tmp_path):
    target = Store(tmp_path / "copy")
    target.put_manifest(oci.Manifest(config=target.put_empty_config(), layers=()), "elder-1.0")
    copy(store, target)
    assert target.find("elder-1.0")
    assert verify(target) == ()


def test_an_unknown_release_is_told_with_those_that_are_known(store, tmp_path):
    with pytest.raises(InputFailure, match=r"no release three(.|\n)*one-1\.0, two-1\.0"):
        copy(store, Store(tmp_path / "copy"), "three")


def test_what_is_damaged_here_is_left_out_and_the_rest_is_copied(store, tmp_path):
    layer = store.manifest(store.find("one-1.0")).layers[1]
    damage(store, layer.digest)
    target = Store(tmp_path / "copy")
    done = copy(store, target)
    assert [problem.message for problem in done.problems] == [
        f"{layer.digest} is damaged in {store.path}: its digest is {Digest.of(b'damaged' + b'!' * (layer.size - 7))}",
        "one-1.0 was not copied: 1 of its blobs could not be had",
    ]
    assert set(target.references()) == set(store.references()) - {"one-1.0"}
    assert verify(target) == ()


def test_damage_in_the_target_is_found_and_mended_only_by_a_thorough_copy(store, tmp_path):
    target = Store(tmp_path / "copy")
    copy(store, target)
    digest = store.manifest(store.find("one-1.0")).layers[1].digest
    damage(target, digest)
    assert copy(store, target).copied == 0
    assert copy(store, target, thorough=True).copied == 1
    assert snapshot(target) == snapshot(store)
    (kept,) = (target.path / "quarantine").iterdir()
    assert kept.name == f"{digest[7:]}-20261125T120000Z"
    assert kept.read_bytes().startswith(b"damaged")


def test_a_blob_that_is_cut_or_a_link_in_the_target_is_copied_again(store, tmp_path):
    target = Store(tmp_path / "copy")
    copy(store, target)
    one, two = store.manifest(store.find("one-1.0")).layers
    target.blob_path(one.digest).chmod(0o644)
    os.truncate(target.blob_path(one.digest), 10)
    target.blob_path(two.digest).unlink()
    target.blob_path(two.digest).symlink_to(store.blob_path(two.digest))
    assert copy(store, target).copied == 2
    assert snapshot(target) == snapshot(store)
    assert not target.blob_path(two.digest).is_symlink()


def test_a_target_that_gives_back_something_else_is_told(store, tmp_path):
    class Forgetful(Folder):
        def put(self, digest, size, pieces, done):
            super().put(digest, size, pieces, done)
            damage(self.store, digest)

    with pytest.raises(WorkFailure, match="does not give back"):
        replicate(Layout(store.path), Forgetful(Store(tmp_path / "copy"), NOW), (), NoProgress())
    assert Store(tmp_path / "copy").references() == {}


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda top: top / "images", "is, holds or lies in"),
        (lambda top: top / "images/deep/er", "is, holds or lies in"),
        (lambda top: top, "neither empty nor a store"),
        (lambda top: ((top / "file").write_text("") and None) or top / "file", "is not a folder"),
        (lambda top: ((top / "link").symlink_to(top / "images"), top / "link")[1], "is, holds or lies in"),
        (lambda _: "oci://nowhere", "no address"),
        (lambda _: "oci://127.0.0.1:5000/Not/Small", "no address"),
        (lambda _: "oci://user:secret@127.0.0.1:5000/name", "no address"),
        (lambda _: "oci://127.0.0.1:99999/name", "no address"),
        (lambda _: "oci://127.0.0.1:5000/../name", "no address"),
    ],
)
def test_what_can_be_no_target_is_refused(store, tmp_path, make, said):
    with pytest.raises(InputFailure, match=said):
        open_target(str(make(tmp_path)), store.path, NOW)


def test_an_index_of_the_target_that_can_not_be_read_is_told_and_kept(store, tmp_path):
    target = Store(tmp_path / "copy")
    copy(store, target)
    (target.path / "index.json").write_text("{")
    with pytest.raises(InputFailure, match="is not an OCI index"):
        copy(store, target)
    assert (target.path / "index.json").read_text() == "{"


def run(*words: str):
    return CliRunner().invoke(command, list(words))


def test_the_command_tells_what_it_did_and_its_exit_code(store, tmp_path):
    target = tmp_path / "copy"
    answer = run(str(target), "--store", str(store.path))
    assert answer.exit_code == 0
    assert re.fullmatch(rf"{target}: 8 references; \d+ blobs copied \([\d.]+ MB\), 0 were there\n", answer.stdout)
    answer = run(str(target), "one-1.0", "--store", str(store.path), "--json", "--thorough")
    shown = json.loads(answer.stdout)
    assert (answer.exit_code, shown["copied_blobs"], shown["problems"]) == (0, 0, [])
    assert run(str(target), "nosuch", "--store", str(store.path)).exit_code == 2
    assert run(str(target), "--store", str(tmp_path / "nosuch")).exit_code == 2
    damage(store, store.manifest(store.find("one-1.0")).layers[1].digest)
    answer = run(str(tmp_path / "other"), "--store", str(store.path))
    assert answer.exit_code == 1
    assert "one-1.0 was not copied" in answer.stderr


def test_blobs_are_read_only_in_the_copy_and_no_work_is_left(store, tmp_path):
    target = Store(tmp_path / "copy")
    copy(store, target)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (target.path / "blobs/sha256").iterdir()} == {0o444}
    assert list((target.path / "tmp").iterdir()) == []


def test_a_manifest_with_fields_that_we_do_not_know_keeps_its_bytes(tmp_path):
    store = Store(tmp_path / "images")
    known = oci.Manifest(config=store.put_empty_config(), layers=(blob(store, b"x"),))
    data = json.dumps({**json.loads(documents.compact(known)), "of-2040": [1, 2]}, indent=7).encode()
    digest = store.put(data)
    head = oci.Descriptor(media_type=oci.MANIFEST, digest=digest, size=len(data), annotations={oci.REF_NAME: "odd-1"})
    (store.path / "index.json").write_bytes(documents.readable(oci.Index(manifests=(head,))))
    target = Store(tmp_path / "copy")
    assert copy(store, target).problems == ()
    assert target.read(digest) == data
    assert msgspec.json.decode((target.path / "index.json").read_bytes(), type=oci.Index).manifests == (head,)


def test_a_copy_of_a_copy_is_the_store(store, tmp_path):
    first, second = Store(tmp_path / "first"), Store(tmp_path / "second")
    copy(store, first)
    shutil.rmtree(first.path / "tmp")
    copy(first, second)
    assert snapshot(second) == snapshot(store)
