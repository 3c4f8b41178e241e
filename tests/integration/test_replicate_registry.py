"""Copies in a real registry (Debian's docker-registry, on loopback), and in a lying one."""

from __future__ import annotations

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder.audit.copies import registry as registry_module
from builder.audit.copies import registry_target
from builder.audit.copies.bring_in import bring_in
from builder.audit.copies.copy import replicate
from builder.audit.copies.find import open_source, open_target
from builder.audit.copies.layout import Layout
from builder.audit.copies.place import Folder
from builder.audit.copies.registry import INDEX_TAG, LOOSE_TAG, Registry, parse_address, tag_of
from builder.audit.copies.repair import repair
from builder.core import documents
from builder.core.errors import InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION
from builder.store.store import Store
from builder.store.verify import verify

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)
PART = 1 << 17
CONFIG = """version: 0.1
storage:
  filesystem:
    rootdirectory: {folder}
  delete:
    enabled: true
http:
  addr: 127.0.0.1:{port}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """Address of a registry, and the folder that it keeps its blobs in."""
    folder = tmp_path_factory.mktemp("registry")
    port = free_port()
    (folder / "config.yml").write_text(CONFIG.format(folder=folder / "data", port=port), "utf-8")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        for _ in range(200):
            try:
                with socket.create_connection(("127.0.0.1", port), timeout=1):
                    break
            except OSError:
                time.sleep(0.05)
        else:
            pytest.fail((folder / "log").read_text("utf-8"))
        yield f"oci://127.0.0.1:{port}", folder / "data"
    finally:
        process.terminate()
        process.wait(20)


def blob(store: Store, data: bytes, media_type: str = "application/octet-stream") -> oci.Descriptor:
    return oci.Descriptor(media_type=media_type, digest=store.put(data), size=len(data))


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_target, "PART", PART)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store with an image, one of whose layers is sent in parts, and with what a registry keeps only on demand."""
    store = Store(tmp_path / "images")
    builder = store.put_manifest(
        oci.Manifest(config=blob(store, b'{"tools": 1}', oci.CONFIG), layers=(blob(store, b"tools"),)),
        "builder/trixie-1",
    )
    lock = blob(store, documents.compact({"builder": builder.digest, "old": True}))
    config = documents.compact({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}})
    image = store.put_manifest(
        oci.Manifest(
            config=blob(store, config, oci.CONFIG),
            layers=(
                blob(store, os.urandom(2 * PART + 12345), oci.LAYER_GZIP),
                blob(store, os.urandom(PART), oci.LAYER_GZIP),
                blob(store, b"", oci.LAYER_GZIP),
            ),
            annotations={LOCK_ANNOTATION: lock.digest, "boss-builder.builder-image": builder.digest},
        ),
        "one-1.0",
    )
    store.put_manifest(
        oci.Manifest(
            config=store.put_empty_config(),
            layers=(blob(store, b"sif"),),
            artifact_type="application/sif",
            subject=image,
        ),
        "image/one-1.0/sif",
    )
    return store


def snapshot(store: Store) -> dict[str, bytes]:
    files = [store.path / "index.json", *(store.path / "blobs/sha256").iterdir()]
    return {path.name: path.read_bytes() for path in files}


def push(store: Store, address: str, *releases: str, thorough: bool = False):
    target = open_target(address, store.path, NOW)
    return replicate(Layout(store.path), target, releases, NoProgress(), thorough=thorough)


def pull(address: str, path: Path) -> Store:
    store = Store(path)
    bring_in(open_source(address), Folder(store, NOW), (), NoProgress())
    return store


def test_a_store_comes_back_from_a_registry_byte_for_byte(registry, store, tmp_path):
    address = f"{registry[0]}/whole/store"
    done = push(store, address)
    assert (done.problems, done.present) == ((), 0)
    back = pull(address, tmp_path / "back")
    assert snapshot(back) == snapshot(store)
    assert verify(back) == ()


def test_only_what_the_registry_lacks_is_sent(registry, store):
    address = f"{registry[0]}/incremental"
    push(store, address)
    store.put_manifest(oci.Manifest(config=store.put_empty_config(), layers=(blob(store, b"new"),)), "two-1.0")
    again = push(store, address)
    assert (again.copied, again.copied_size) == (2, 3 + store.find("two-1.0").size)
    assert push(store, address, thorough=True).copied == 0


def test_other_programs_read_an_image_by_its_tag(registry, store):
    address = f"{registry[0]}/plain"
    push(store, address)
    name = address.removeprefix("oci://")
    words = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}"]
    for reference, descriptor in store.references().items():
        if descriptor.artifact_type is None:
            found = subprocess.run(
                [*words, f"docker://{name}:{tag_of(reference)}"], capture_output=True, text=True, check=True, timeout=60
            )
            assert found.stdout.strip() == descriptor.digest
    assert Registry(parse_address(address)).manifest_bytes(LOOSE_TAG)


def test_a_registry_that_others_filled_is_read_by_its_tags(registry, store, tmp_path):
    address = f"{registry[0]}/others"
    subprocess.run(
        ["skopeo", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false", f"oci:{store.path}:one-1.0",
         f"docker://{address.removeprefix('oci://')}:elsewhere"],
        check=True, timeout=60,
    )  # fmt: skip
    back = pull(address, tmp_path / "back")
    assert {name: d.digest for name, d in back.references().items()} == {"elsewhere": store.find("one-1.0").digest}
    assert verify(back) == ()


def test_what_no_manifest_names_outlives_the_registrys_own_collection_of_garbage(registry, store, tmp_path):
    address, data = f"{registry[0]}/collected", registry[1]
    push(store, address)
    config = data.parent / "config.yml"
    collected = subprocess.run(
        ["docker-registry", "garbage-collect", config], check=True, timeout=60, capture_output=True, text=True
    )
    assert "blobs marked" in collected.stdout
    assert snapshot(pull(address, tmp_path / "back")) == snapshot(store)


def test_a_release_that_moved_has_its_new_image_and_one_that_another_sent_stays(registry, store, tmp_path):
    address = f"{registry[0]}/moved"
    push(store, address)
    other = Store(tmp_path / "other")
    other.put_manifest(oci.Manifest(config=other.put_empty_config(), layers=(blob(other, b"2"),)), "two-1.0")
    push(other, address)
    moved = store.put_manifest(oci.Manifest(config=store.put_empty_config(), layers=(blob(store, b"n"),)), "one-1.0")
    push(store, address)
    back = pull(address, tmp_path / "back")
    assert back.find("one-1.0") == moved
    assert back.find("two-1.0") == other.find("two-1.0")


def test_a_store_is_mended_from_a_registry(registry, store):
    address = f"{registry[0]}/mend"
    push(store, address)
    before = snapshot(store)
    image = store.manifest(store.find("one-1.0"))
    for digest in (image.layers[0].digest, store.find("image/one-1.0/sif").digest):
        store.blob_path(digest).chmod(0o644)
        store.blob_path(digest).write_bytes(b"rot")
    store.blob_path(image.config.digest).unlink()
    (store.path / "index.json").write_bytes(b"\0" * 100)
    done = repair(store, open_source(address), NOW, NoProgress())
    assert done.problems == ()
    assert snapshot(store) == before
    assert len(done.quarantined) == 3
    assert verify(store) == ()


def test_a_registry_whose_disk_rots_is_found_out(registry, store, tmp_path):
    address, data = f"{registry[0]}/rotten", registry[1]
    push(store, address)
    digest = store.manifest(store.find("one-1.0")).layers[0].digest
    place = data / f"docker/registry/v2/blobs/sha256/{digest[7:9]}/{digest[7:]}/data"
    held = bytearray(place.read_bytes())
    held[1000] ^= 1
    place.write_bytes(held)
    with pytest.raises(WorkFailure, match="does not give back"):
        push(store, address, thorough=True)
    with pytest.raises(InputFailure, match="is damaged in"):
        pull(address, tmp_path / "back")
    assert Store(tmp_path / "back").references() == {}
    place.write_bytes(store.read(digest))


def test_a_registry_that_is_not_there_is_told(store, tmp_path, monkeypatch):
    monkeypatch.setattr(registry_module, "ATTEMPTS", 1)
    with pytest.raises(WorkFailure, match="does not answer"):
        push(store, f"oci://127.0.0.1:{free_port()}/name")
    assert not (tmp_path / "back").exists()


# -- a registry that lies ---------------------------------------------------------------------------------------------


class Liar(BaseHTTPRequestHandler):
    """Serves a store, but one blob in another way; what way, the server says."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        server = self.server
        kind, _, reference = self.path.rpartition("/")
        index = server.store.path / "index.json"
        path = index if reference == INDEX_TAG else server.store.path / "blobs/sha256" / reference[7:]
        wanted = {d.digest for d in server.store.references().values()} | {INDEX_TAG}
        if not path.is_file() or kind.endswith("manifests") != (reference in wanted):
            self.send_response(404)
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif reference == server.lie_about:
            server.lie(self, path.read_bytes(), body)
        else:
            self.give(path.read_bytes(), body)

    def give(self, data, body, length=None):
        self.send_response(200)
        self.send_header("Content-Length", str(len(data) if length is None else length))
        self.end_headers()
        if body:
            self.wfile.write(data)

    def drip(self, body, pause):
        """Say nothing of a length, and never end."""
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            while body:
                self.wfile.write(b"4\r\nabcd\r\n" if pause else b"40000\r\n" + b"x" * 0x40000 + b"\r\n")
                time.sleep(pause)
        except OSError:
            self.close_connection = True


def head_then(handler, data, body, drip_pause):
    """Tell the right length, then never end."""
    if body:
        handler.drip(body, drip_pause)
    else:
        handler.give(data, body)


def cut(handler, data, body):
    """Tell the right length, and end the connection before."""
    handler.give(data[:-1], body, len(data))
    handler.close_connection = body


def refuse(status):
    def lie(handler, _data, _body):
        handler.send_response(status)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return lie


LIES = {
    "other bytes": (lambda h, data, body: h.give(b"x" * len(data), body), InputFailure, "is damaged in"),
    "more bytes": (lambda h, data, body: h.give(data + b"x", body), InputFailure, "more than|bytes for|damaged in"),
    "fewer bytes": (lambda h, data, body: h.give(data[:-1], body), InputFailure, "bytes for|damaged in"),
    "cut short": (cut, WorkFailure, "broke off"),
    "no end": (lambda h, data, body: head_then(h, data, body, 0), InputFailure, "more than"),
    "a slow drip": (lambda h, data, body: head_then(h, data, body, 0.05), WorkFailure, "too slow"),
    "no length": (lambda h, _data, body: h.drip(body, 0), InputFailure, "how long"),
    "an error": (refuse(403), WorkFailure, "answered 403"),
    "gone": (refuse(404), InputFailure, "missing|has none"),
}


@pytest.fixture
def liar(store) -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    server.daemon_threads = True
    server.store = store
    server.lie_about = server.lie = None
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("about", ["layer", "manifest"])
def test_a_registry_that_lies_brings_in_nothing_and_ends(liar, store, tmp_path, monkeypatch, lie, about):
    if lie == "a slow drip":
        monkeypatch.setattr(registry_module, "PATIENCE", 1.0)
        monkeypatch.setattr(registry_module, "SLOWEST", 1 << 30)
    monkeypatch.setattr(registry_module, "ATTEMPTS", 1)
    image = store.find("one-1.0")
    manifest = store.manifest(image)
    liar.lie_about = {"layer": manifest.layers[1], "manifest": image}[about].digest
    liar.lie, failure, said = LIES[lie]
    with pytest.raises(failure, match=said):
        pull(f"oci://127.0.0.1:{liar.server_port}/name", tmp_path / "back")
    back = Store(tmp_path / "back")
    assert back.references() == {}
    assert verify(back) == ()


def test_a_registry_that_sends_elsewhere_for_its_blobs_is_read(liar, store, tmp_path):
    digest = store.manifest(store.find("one-1.0")).layers[0].digest

    def elsewhere(handler, _data, _body):
        handler.send_response(307)
        handler.send_header("Location", f"/storage/blobs/{digest}?signed=1")
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    def answer(handler, *, body):
        if handler.path.startswith("/storage/"):
            handler.give(store.read(digest), body)
        else:
            Liar.answer(handler, body=body)

    class Sending(Liar):
        pass

    Sending.answer = answer
    liar.RequestHandlerClass = Sending
    liar.lie_about, liar.lie = digest, elsewhere
    assert snapshot(pull(f"oci://127.0.0.1:{liar.server_port}/name", tmp_path / "back")) == snapshot(store)


def test_the_same_registry_without_a_lie_brings_in_all_of_it(liar, store, tmp_path):
    assert snapshot(pull(f"oci://127.0.0.1:{liar.server_port}/name", tmp_path / "back")) == snapshot(store)


def test_an_index_without_end_is_refused(liar):
    liar.lie_about, liar.lie = INDEX_TAG, lambda h, data, body: head_then(h, data, body, 0)
    with pytest.raises(InputFailure, match="more than"):
        open_source(f"oci://127.0.0.1:{liar.server_port}/name").index_bytes()


def test_a_download_goes_on_where_the_line_broke(liar, store, tmp_path):
    digest = store.manifest(store.find("one-1.0")).layers[0].digest
    asked = []

    def broken_once(handler, data, body):
        if body:
            asked.append(handler.headers.get("Range"))
        if body and len(asked) == 1:
            handler.give(data[: PART + 1], body, len(data))
            handler.close_connection = True
        elif body and handler.headers.get("Range"):
            start = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
            handler.send_response(206)
            handler.send_header("Content-Length", str(len(data) - start))
            handler.end_headers()
            handler.wfile.write(data[start:])
        else:
            handler.give(data, body)

    liar.lie_about, liar.lie = digest, broken_once
    back = pull(f"oci://127.0.0.1:{liar.server_port}/name", tmp_path / "back")
    assert asked == [None, f"bytes={PART + 1}-"]
    assert snapshot(back) == snapshot(store)
