"""The store: written whole, named by digest, never changed, usable by several processes."""

import multiprocessing
import os
import signal
import stat
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from builder.core.digest import Digest
from builder.core.errors import Failure, InputFailure, WorkFailure
from builder.store import oci
from builder.store.store import Store
from builder.store.verify import verify


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "images")


def artifact(store: Store, *blobs: bytes) -> oci.Manifest:
    layers = tuple(
        oci.Descriptor(media_type="application/octet-stream", digest=store.put(b), size=len(b)) for b in blobs
    )
    return oci.Manifest(config=store.put_empty_config(), layers=layers, artifact_type="application/vnd.test")


def test_a_blob_is_named_by_its_digest_and_read_only(store):
    digest = store.put(b"hello")
    path = store.blob_path(digest)
    assert path.name == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
    assert store.read(digest) == b"hello"


def test_a_file_with_another_digest_than_expected_is_not_stored_and_stays(store):
    store.create()
    with store.workspace("test") as folder:
        (folder / "file").write_bytes(b"data")
        with pytest.raises(WorkFailure, match="expected"):
            store.put_file(folder / "file", Digest.of(b"other"))
        assert (folder / "file").exists()
    assert verify(store) == ()
    assert not any((store.path / "blobs/sha256").iterdir())


def test_what_a_reference_names_must_be_there(store):
    absent = oci.Descriptor(media_type="x", digest=Digest.of(b"absent"), size=6)
    with pytest.raises(WorkFailure, match="does not hold"):
        store.put_manifest(oci.Manifest(config=store.put_empty_config(), layers=(absent,)), "name")
    assert store.references() == {}


def test_a_reference_moves_to_the_newest_manifest(store):
    store.put_manifest(artifact(store, b"one"), "release")
    second = store.put_manifest(artifact(store, b"two"), "release")
    assert store.find("release") == second
    assert len(store.index().manifests) == 1


def test_the_same_content_gives_the_same_index(tmp_path):
    for name, order in (("one", ("a", "b")), ("two", ("b", "a"))):
        store = Store(tmp_path / name)
        for reference in order:
            store.put_manifest(artifact(store, reference.encode()), reference)
    assert (tmp_path / "one/index.json").read_bytes() == (tmp_path / "two/index.json").read_bytes()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda p: p.write_bytes(b"other"), "is damaged"),
        (lambda p: p.write_bytes(p.read_bytes()[:-1]), "missing or cut"),
        (lambda p: p.unlink(), "missing or cut"),
        (lambda p: p.rename(p.with_name("0" * 64)), "is damaged"),
        (lambda p: p.with_name("stranger").write_text(""), "is no blob"),
        (lambda p: (p.unlink(), p.mkdir()), "is no blob"),
        (lambda p: (p.parent.parent.parent / "index.json").write_text("{"), "is not an OCI index"),
    ],
)
def test_damage_is_found(store, damage, said):
    store.put_manifest(artifact(store, b"some content"), "release")
    assert verify(store) == ()
    path = store.blob_path(Digest.of(b"some content"))
    path.chmod(0o644)
    damage(path)
    assert any(said in problem.message for problem in verify(store))


def test_reading_a_damaged_blob_is_refused(store):
    digest = store.put(b"content")
    store.blob_path(digest).chmod(0o644)
    store.blob_path(digest).write_bytes(b"changed")
    with pytest.raises(WorkFailure, match="damaged"):
        store.read(digest)


def test_storing_again_heals_a_damaged_blob(store):
    for put in (lambda: store.put(b"content"), lambda: _put_as_file(store, b"content")):
        digest = put()
        store.blob_path(digest).chmod(0o644)
        store.blob_path(digest).write_bytes(b"c0ntent")
        assert put() == digest
        assert store.read(digest) == b"content"
        assert verify(store) == ()


def _put_as_file(store: Store, data: bytes) -> str:
    with store.workspace("test") as folder:
        (folder / "file").write_bytes(data)
        return store.put_file(folder / "file")[0]


def test_a_missing_blob_names_the_next_command(store):
    store.create()
    with pytest.raises(WorkFailure) as caught, store.open(Digest.of(b"nothing")):
        pass
    assert "boss-builder freeze" in str(caught.value)


def test_a_store_that_can_not_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Failure, match="can not be written"):
        Store(tmp_path / "file" / "images").create()


def test_an_index_of_another_shape_is_the_inputs_fault(store):
    store.create()
    (store.path / "index.json").write_text('{"schemaVersion": 2, "manifests": 7}')
    with pytest.raises(InputFailure, match="is not an OCI index"):
        store.index()


def _put_many(path, number):
    store = Store(path)
    for i in range(20):
        store.put_manifest(artifact(store, f"{number}-{i}".encode()), f"release-{number}-{i}")


def test_two_writers_lose_nothing(store):
    store.create()
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_put_many, args=(store.path, n)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    assert len(store.references("release-")) == 40
    assert verify(store) == ()


def _many_workspaces(path):
    store = Store(path)
    for _ in range(150):
        with store.workspace("busy") as folder:
            (folder / "file").write_text("x")
            if not (folder / "file").exists():
                raise RuntimeError(folder)


def test_nobody_takes_a_living_workspace_for_an_abandoned_one(store):
    store.create()
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_many_workspaces, args=(store.path,)) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0


def test_a_workspace_is_gone_at_its_end_and_a_killed_ones_with_the_next(store):
    with store.workspace("one") as folder:
        (folder / "file").write_text("x")
        with store.workspace("two"):
            assert folder.exists()
    assert not folder.exists()
    script = """
        import sys, time
        from pathlib import Path
        from builder.store.store import Store
        with Store(Path(sys.argv[1])).workspace("killed") as folder:
            (folder / "file").write_text("x")
            print("ready", flush=True)
            time.sleep(60)
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script), store.path], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    left = list((store.path / "tmp").iterdir())
    assert len(left) == 1
    with store.workspace("other"):
        assert left[0].exists()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with store.workspace("next"):
        assert not left[0].exists()


def test_what_a_killed_writer_of_the_index_left_is_removed_by_the_next_writer(store):
    store.put_manifest(artifact(store, b"one"), "release")
    for left in (".index.json.0123456789ab.tmp", ".oci-layout.0123456789ab.tmp"):
        (store.path / left).write_text("{")
    (store.path / "mine.tmp").write_text("")
    store.remove_reference("nosuch")
    assert {path.name for path in store.path.iterdir()} == {
        "blobs", "index.json", "oci-layout", "tmp", ".lock", "mine.tmp",
    }  # fmt: skip


def test_an_edit_tells_whether_it_changed_anything_and_what_it_raises_leaves_the_index_alone(store):
    store.put_manifest(artifact(store, b"one"), "release")
    data = (store.path / "index.json").read_bytes()

    def refuse(kept):
        raise WorkFailure(f"{len(kept)} are enough")

    assert not store.edit_index(lambda kept: kept)
    with pytest.raises(WorkFailure, match="1 are enough"):
        store.edit_index(refuse)
    assert (store.path / "index.json").read_bytes() == data
    assert store.edit_index(lambda _: ())
    assert store.references() == {}


def test_a_blob_that_can_not_be_read_is_told_and_storing_it_again_heals_it(store, monkeypatch):
    digest = store.put(b"content")
    real = Path.open

    def failing(self, *words, **more):
        if self == store.blob_path(digest) and self.stat().st_ino == inode:
            raise OSError(5, "Input/output error")
        return real(self, *words, **more)

    inode = store.blob_path(digest).stat().st_ino
    monkeypatch.setattr(Path, "open", failing)
    assert ["can not be read: Input/output error" in str(problem) for problem in verify(store)] == [True]
    assert store.put(b"content") == digest
    assert verify(store) == ()


def test_kill_at_any_moment_leaves_a_store_that_verifies(store):
    script = """
        import sys, os
        from pathlib import Path
        from builder.store import oci
        from builder.store.store import Store
        store = Store(Path(sys.argv[1]))
        n = 0
        while True:
            n += 1
            data = os.urandom(200_000)
            blob = oci.Descriptor(media_type="x", digest=store.put(data), size=len(data))
            if n == 1:
                print(flush=True)
            store.put_manifest(oci.Manifest(config=store.put_empty_config(), layers=(blob,)), f"release-{n % 5}")
    """
    for n in range(12):
        words = [sys.executable, "-c", textwrap.dedent(script), store.path]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as process:
            process.stdout.readline()  # it has begun, however busy the host is
            time.sleep(0.02 + 0.013 * n)
            process.kill()
        assert verify(store) == ()
    assert store.references("release-")
    with store.workspace("after"):
        assert len(list((store.path / "tmp").iterdir())) == 1
