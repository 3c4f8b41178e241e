"""Every way into a store, and every evil that can come by it: refused in words, no reference changed, nothing outside.

The ways are a layout, a bag, its volumes, an OCFL object, an export, each as a folder or a tar, and a registry.
"""

import hashlib
import io
import json
import os
import shutil
import socket
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from builder.audit.copies import archive as archive_module
from builder.audit.copies.bring_in import SHOWN, bring_in
from builder.audit.copies.find import opened_source
from builder.audit.copies.place import Folder
from builder.audit.copies.registry import INDEX_TAG
from builder.audit.copies.untrusted import Untrue, open_regular
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.core.progress import NoProgress
from builder.store import oci
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.audit.copies_store import archive_files, blob
from tests.unit.audit.test_import import NOW, rebag, write_inventory

LAYER = b"a layer of the image" * 20
OTHER = b"what another has" * 30
BLOBS = "blobs/sha256"
Evil = Callable[[Path], object]


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A small layout of two references, and a store with another one: both stay as they are."""
    top = tmp_path_factory.mktemp("written")
    back = Store(top / "back")
    back.put_manifest(oci.Manifest(config=back.put_empty_config(), layers=()), "mine-1.0")
    store = Store(top / "origin")
    for name, data in (("one-1.0", LAYER), ("two-1.0", OTHER)):
        store.put_manifest(oci.Manifest(config=store.put_empty_config(), layers=(blob(store, data),)), name)
    for path in archive_files(store):
        target = top / "layout" / path.relative_to(store.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return top


@pytest.fixture
def layout(written, tmp_path) -> Path:
    """The layout, to change; the store, which is in use, is beside it."""
    shutil.copytree(written / "back", tmp_path / "deep/back")
    return Path(shutil.copytree(written / "layout", tmp_path / "layout"))


# -- the ways ---------------------------------------------------------------------------------------------------------


def as_bag(layout: Path) -> Path:
    folder = layout.with_name("bag")
    shutil.copytree(layout, folder / "data")
    (folder / "bagit.txt").write_text("BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n")
    rebag(folder)
    return folder


def as_volumes(layout: Path) -> Path:
    """Two volumes: the layer in two parts, of which the second has the first one's other blobs too."""
    top = layout.with_name("volumes")
    digits, other = hashlib.sha256(LAYER).hexdigest(), hashlib.sha256(OTHER).hexdigest()
    lines = []
    for number in (1, 2):
        data = top / f"volume-{number:03}" / "data"
        (data / BLOBS).mkdir(parents=True)
        (data / "parts").mkdir()
        for name in ("oci-layout", "index.json"):
            shutil.copyfile(layout / name, data / name)
        part = f"parts/{digits}.part-{number:03}"
        (data / part).write_bytes(LAYER[:100] if number == 1 else LAYER[100:])
        lines.append(f"volume-{number:03}  {part}\n")
    for path in sorted((layout / BLOBS).iterdir()):
        if path.name != digits:
            number = 2 if path.name == other else 1
            shutil.copyfile(path, top / f"volume-{number:03}" / "data" / BLOBS / path.name)
            lines.append(f"volume-{number:03}  {BLOBS}/{path.name}\n")
    for number in (1, 2):
        bag = top / f"volume-{number:03}"
        (bag / "data" / "volumes.txt").write_text("".join(sorted(lines)))
        (bag / "bagit.txt").write_text("BagIt-Version: 1.0\n")
        rebag(bag)
        with (bag / "bag-info.txt").open("a") as stream:
            stream.write(f"Bag-Group-Identifier: g\nBag-Count: {number} of 2\n")
    return top


def as_object(layout: Path) -> Path:
    folder = layout.with_name("object")
    (folder / "v1/content").mkdir(parents=True)
    state: dict[str, list[str]] = {}
    for path in sorted(path for path in layout.rglob("*") if path.is_file()):
        digest = hashlib.sha512(path.read_bytes()).hexdigest()
        state.setdefault(digest, []).append(str(path.relative_to(layout)))
        shutil.copyfile(path, folder / "v1/content" / digest[:16])
    manifest = {digest: [f"v1/content/{digest[:16]}"] for digest in state}
    (folder / "0=ocfl_object_1.1").write_text("ocfl_object_1.1\n")
    inventory = {"digestAlgorithm": "sha512", "head": "v1", "manifest": manifest, "versions": {"v1": {"state": state}}}
    write_inventory(folder, inventory)
    return folder


def as_export(layout: Path) -> Path:
    """One layer is a file of its own, one lies in the archive of an image."""
    folder = layout.with_name("export")
    shutil.copytree(layout, folder / "layout")
    names = {LAYER: folder / "one-1.0.sif", OTHER: folder / "two-1.0.oci.tar"}
    for data, path in names.items():
        digits = hashlib.sha256(data).hexdigest()
        (folder / "layout" / BLOBS / digits).unlink()
        if path.suffix == ".sif":
            path.write_bytes(data)
            continue
        with tarfile.open(path, "w") as tar:
            info = tarfile.TarInfo(f"{BLOBS}/{digits}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder)}\n"
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    ]
    (folder / "SHA256SUMS").write_text("".join(lines))
    return folder


def packed(folder: Path) -> Path:
    path = folder.with_name(f"{folder.name}.tar")
    with tarfile.open(path, "w") as tar:
        tar.add(folder, folder.name)
    return path


FOLDERS = {
    "layout": lambda layout: layout,
    "bag": as_bag,
    "volumes": as_volumes,
    "OCFL": as_object,
    "export": as_export,
}


class Serving(BaseHTTPRequestHandler):
    """A registry that gives what lies in a layout."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        reference = self.path.rpartition("/")[2]
        top = self.server.layout
        path = top / "index.json" if reference == INDEX_TAG else top / BLOBS / reference.removeprefix("sha256:")
        data = path.read_bytes() if path.is_file() and path.parent in {top, top / BLOBS} else None
        self.send_response(404 if data is None else 200)
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        if body and data:
            self.wfile.write(data)


@contextmanager
def served(layout: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Serving) as server:
        server.daemon_threads, server.block_on_close = True, False
        server.layout = layout
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"oci://127.0.0.1:{server.server_port}/name"
        server.shutdown()
        thread.join()


@contextmanager
def way_in(way: str, layout: Path) -> Iterator[str]:
    """Give the word for `import` that brings a layout by a way."""
    if way == "registry":
        with served(layout) as word:
            yield word
    else:
        kind, _, form = way.partition(" ")
        folder = FOLDERS[kind](layout)
        yield str(packed(folder) if form else folder)


WAYS = [*FOLDERS, *(f"{kind} tar" for kind in FOLDERS if kind != "volumes"), "registry"]


def take(word: str, target: Store) -> None:
    with opened_source(word, target, NoProgress()) as opened:
        bring_in(opened, Folder(target, NOW), (), NoProgress())


def refused(word: str, top: Path, said: str) -> InputFailure:
    """Import what must be refused: no reference changes, and nothing is written outside of the store."""
    back = Store(top / "deep/back")
    mine = back.references()

    def outside() -> set[Path]:
        return {path for path in top.rglob("*") if back.path not in path.parents}

    before = outside()
    with pytest.raises(InputFailure, match=said) as raised:
        take(word, back)
    assert back.references() == mine
    assert verify(back) == ()
    assert list((back.path / "tmp").iterdir()) == []
    assert outside() == before
    return raised.value


@pytest.mark.parametrize("way", WAYS)
def test_what_is_well_is_taken_by_every_way(layout, tmp_path, way):
    back = Store(tmp_path / "back")
    with way_in(way, layout) as word:
        take(word, back)
    assert set(back.references()) == {"one-1.0", "two-1.0"}
    assert back.read(Digest.of(LAYER)) == LAYER
    assert verify(back) == ()


# -- documents that lie: by every way ---------------------------------------------------------------------------------


def index_with(change: Callable[[list[dict]], object]) -> Evil:
    def harm(layout: Path) -> None:
        document = json.loads((layout / "index.json").read_text())
        change(document["manifests"])
        (layout / "index.json").write_text(json.dumps(document))

    return harm


def index_text(old: str, new: bytes) -> Evil:
    def harm(layout: Path) -> None:
        data = (layout / "index.json").read_bytes()
        assert old.encode() in data
        (layout / "index.json").write_bytes(data.replace(old.encode(), new, 1))

    return harm


def manifest_of(data: bytes) -> Evil:
    """Put another manifest in the place of the first."""

    def harm(layout: Path) -> None:
        digest = Digest.of(data)
        (layout / BLOBS / digest.hex).write_bytes(data)
        index_with(lambda m: m[0].update(digest=str(digest), size=len(data)))(layout)

    return harm


def manifest_with(layer: dict, more: bytes = b"") -> Evil:
    document = {
        "schemaVersion": 2, "mediaType": oci.MANIFEST,
        "config": {"mediaType": oci.EMPTY, "digest": str(Digest.of(oci.EMPTY_DATA)), "size": 2},
        "layers": [{"mediaType": "x", "digest": str(Digest.of(LAYER)), "size": len(LAYER)} | layer],
    }  # fmt: skip
    return manifest_of(json.dumps(document).encode()[:-1] + more + b"}")


def many(layout: Path) -> None:
    data = [
        oci.Descriptor(
            media_type=oci.MANIFEST, digest=f"sha256:{number:064x}", size=7, annotations={oci.REF_NAME: f"n-{number}"}
        )
        for number in range(100_000)
    ]
    (layout / "index.json").write_bytes(documents.compact(oci.Index(manifests=tuple(data))))


DEEP = b"[" * 1000 + b"]" * 1000
SIZE = '"size": '
LIES = {
    "a reference that leads out": (
        index_with(lambda m: m[0]["annotations"].update({oci.REF_NAME: "../../x"})), "leads elsewhere"),
    "an absolute reference": (
        index_with(lambda m: m[0]["annotations"].update({oci.REF_NAME: "/etc/x"})), "leads elsewhere"),
    "a reference with a line end": (
        index_with(lambda m: m[0]["annotations"].update({oci.REF_NAME: "a\nb"})), "no file should have"),
    "a reference twice": (index_with(lambda m: m.append(dict(m[0]))), "twice"),
    "a digest that is a path": (index_with(lambda m: m[0].update(digest="sha256:../../../x")), "no sha256 digest"),
    "a digest in capitals": (index_with(lambda m: m[0].update(digest="sha256:" + "AB" * 32)), "no sha256 digest"),
    "a manifest that is not there": (index_with(lambda m: m[0].update(digest="sha256:" + "ab" * 32)), "missing from"),
    "blobs outside": (manifest_with({"digest": "sha256:../../../../../../etc/passwd"}), "no sha256 digest"),
    "blobs that are not there": (manifest_with({"digest": "sha256:" + "cd" * 32}), "missing from"),
    "a blob that is longer": (manifest_with({"size": len(LAYER) - 1}), "no more than|more than|gives"),
    "a blob that is shorter": (manifest_with({"size": len(LAYER) + 1}), "gives"),
    "a blob of nearly nothing but size": (manifest_with({"size": 1 << 62}), "gives"),
    "a blob of negative size": (manifest_with({"size": -5}), "-5 bytes"),
    "a blob whose size is no number": (manifest_with({"size": "5"}), "no manifest"),
    "a deep index": (index_text('"schemaVersion"', b'"x": ' + DEEP + b', "schemaVersion"'), "nested too deeply"),
    "a deep manifest": (manifest_with({}, b', "x": ' + DEEP), "nested too deeply"),
    "a very deep index": (index_text('"schemaVersion"', b'"x": ' + b"[" * 10**6), "nested|not what it should"),
    "a very deep manifest": (manifest_of(b'{"layers": ' + b"[" * 10**6), "no manifest"),
    "a huge number": (index_text(SIZE, b'"size": 1' + b"0" * 5000), "not what it should be"),
    "a number beyond all": (index_text(SIZE, b'"size": 1e999'), "not what it should be"),
    "no number": (index_text(SIZE, b'"size": NaN'), "not what it should be"),
    "a number of 64 bits": (index_with(lambda m: m[0].update(size=1 << 63)), "a manifest of|not what it should be"),
    "no UTF-8 in the index": (index_text("one-1.0", b"\xff\xfe"), "not what it should be"),
    "half a character": (index_text("one-1.0", b"\\ud800"), "not what it should be"),
    "no UTF-8 in a manifest": (manifest_of(b'{"config": "\xff", "layers": []}'), "no manifest"),
    "a manifest that is none": (manifest_of(b"\x00\x01\x02"), "no manifest"),
    "an index that is none": (
        lambda layout: (layout / "index.json").write_bytes(b"\x1f\x8b\x08"), "not what it should be"),
    "an empty index": (lambda layout: (layout / "index.json").write_bytes(b""), "not what it should be"),
}  # fmt: skip


@pytest.mark.parametrize("way", ["bag tar", "OCFL", "export", "registry"])
@pytest.mark.parametrize("lie", LIES)
def test_documents_that_lie_are_refused_by_every_way(layout, tmp_path, way, lie):
    harm, said = LIES[lie]
    harm(layout)
    with way_in(way, layout) as word:
        refused(word, tmp_path, said)


def test_a_hundred_thousand_references_to_nothing_are_told_briefly(layout, tmp_path):
    many(layout)
    failure = refused(str(layout), tmp_path, "missing from")
    assert len(failure.problems) == SHOWN + 1
    assert failure.problems[-1].message == f"there are {200_000 - SHOWN} more problems"


@pytest.mark.parametrize("way", WAYS)
def test_references_that_differ_in_case_alone_are_two(layout, tmp_path, way):
    index_with(lambda m: m.append({**m[0], "annotations": {oci.REF_NAME: "ONE-1.0"}}))(layout)
    back = Store(tmp_path / "back")
    with way_in(way, layout) as word:
        take(word, back)
    assert set(back.references()) == {"one-1.0", "ONE-1.0", "two-1.0"}


# -- files that are none: by every way that is a folder ---------------------------------------------------------------


def file_of(top: Path, data: bytes) -> Path:
    """Find the file of a copy that has some bytes, or the first part of them."""
    return next(path for path in sorted(top.rglob("*")) if path.is_file() and path.read_bytes() in {data, data[:100]})


def link_out(path: Path) -> None:
    """The right bytes, elsewhere."""
    elsewhere = path.parents[1] / "elsewhere"
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


def listen(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as made:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            made.bind(f"/proc/self/fd/{folder}/{path.name}")  # a path of a socket is short
        finally:
            os.close(folder)


NO_FILES = {
    "a link to another place": link_out,
    "a link to the host": lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
    "a link to itself": lambda path: (path.unlink(), path.symlink_to(path.name)),
    "a link to a device": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    "a pipe": lambda path: (path.unlink(), os.mkfifo(path)),
    "a socket": listen,
    "a folder": lambda path: (path.unlink(), path.mkdir()),
    "a sparse file": lambda path: os.truncate(path, 1 << 40),
    "nothing": lambda path: path.unlink(),
    "an empty file": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("way", FOLDERS)
@pytest.mark.parametrize("evil", NO_FILES)
def test_what_is_no_file_of_the_right_bytes_is_refused_by_every_way(layout, tmp_path, way, evil):
    with way_in(way, layout) as word:
        NO_FILES[evil](file_of(Path(word), LAYER))
        refused(word, tmp_path, ".")


@pytest.mark.parametrize("evil", NO_FILES)
def test_an_index_that_is_no_file_is_refused(layout, tmp_path, evil):
    NO_FILES[evil](layout / "index.json")
    refused(str(layout), tmp_path, "index.json")


@pytest.mark.parametrize("way", FOLDERS)
def test_a_folder_that_is_a_link_is_refused_by_every_way(layout, tmp_path, way):
    with way_in(way, layout) as word:
        folder = file_of(Path(word), documents.compact({"imageLayoutVersion": "1.0.0"})).parent
        inner = folder if way in {"OCFL", "export"} else folder / "blobs"
        inner.rename(tmp_path / "outside")
        inner.symlink_to(tmp_path / "outside")
        refused(word, tmp_path, "is a link|through a link|neither a file nor a folder")


def test_folders_in_folders_without_end_are_refused(layout, tmp_path):
    bag = as_bag(layout)
    here = os.open(bag / "data", os.O_RDONLY)
    for _ in range(30):  # together they are longer than a path may be
        os.mkdir("d" * 200, dir_fd=here)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    back = Store(tmp_path / "deep/back")
    with pytest.raises(InputFailure, match="can not be read: File name too long"):
        take(str(bag), back)
    assert set(back.references()) == {"mine-1.0"}
    subprocess.run(["rm", "-r", bag], check=True)


def test_a_name_that_no_file_can_have_is_told(tmp_path):
    with pytest.raises(InputFailure, match="can not be read: File name too long"):
        take("n" * 5000, Store(tmp_path / "back"))


def test_a_sparse_file_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "hollow"
    path.write_bytes(b"data")
    os.truncate(path, 1 << 41)
    with pytest.raises(Untrue, match="nearly all hole"), open_regular(path):
        pass
    path.write_bytes(b"data" * 1_000_000)
    os.truncate(path, 1 << 27)
    with open_regular(path) as stream:
        assert stream.read(4) == b"data"


# -- members that are none: by every way that is an archive -----------------------------------------------------------


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.size, info.linkname = kind, len(data), "/etc/passwd"
    return info, data


ZEROS = b"\0" * (4 << 20)
MEMBERS = {
    "a name that leads out": ([member("{top}/../../evil")], "leads elsewhere"),
    "an absolute name": ([member("/tmp/evil-way-in")], "leads elsewhere"),
    "a name with a backslash": ([member("{top}\\..\\evil")], "leads elsewhere"),
    "a name with a line end": ([member("{top}/a\nb")], "no file should have"),
    "a name that is too long": ([member("{top}/" + "n" * 256)], "no file should have"),
    "a name that is no UTF-8": ([member("{top}/a\udcff"), member("{top}/a\udcff")], "twice"),
    "a link": ([member("{top}/link", tarfile.SYMTYPE)], "is a link"),
    "a hard link": ([member("{top}/link", tarfile.LNKTYPE)], "is a link"),
    "a device": ([member("{top}/null", tarfile.CHRTYPE)], "is a link, a device"),
    "a disk": ([member("{top}/sda", tarfile.BLKTYPE)], "is a link, a device"),
    "a pipe": ([member("{top}/pipe", tarfile.FIFOTYPE)], "is a link, a device"),
    "a sparse file": ([member("{top}/hole", tarfile.GNUTYPE_SPARSE)], "is a link, a device|damaged"),
    "a name twice": ([member("{top}/a"), member("{top}/a", data=b"y")], "twice"),
    "a file as folder": ([member("{top}/a"), member("{top}/a/b")], "twice"),
    "a long header": ([(member("x", tarfile.GNUTYPE_LONGNAME)[0], b"a" * (3 << 20))], "a header of"),
    "a bomb": ([member("{top}/zeros", data=ZEROS)], "unpacks to more than"),
}  # fmt: skip


@pytest.mark.parametrize("way", ["bag", "export", "volumes"])
@pytest.mark.parametrize("evil", MEMBERS)
def test_members_that_are_evil_are_refused_in_every_archive(layout, tmp_path, monkeypatch, way, evil):
    monkeypatch.setattr(archive_module, "ALLOWANCE", 1 << 18)
    folder = FOLDERS[way](layout)
    inner = folder / "volume-002" if way == "volumes" else folder
    path = inner.with_name(f"{inner.name}.tar.gz")
    added, said = MEMBERS[evil]
    with tarfile.open(path, "w:gz", format=tarfile.GNU_FORMAT) as tar:
        tar.add(inner, inner.name)
        for info, data in added:
            one = tarfile.TarInfo(info.name.replace("{top}", inner.name))
            one.type, one.linkname, one.size = info.type, info.linkname, len(data)
            tar.addfile(one, io.BytesIO(data))
    shutil.rmtree(inner)
    refused(str(folder if way == "volumes" else path), tmp_path, said)
    assert not os.path.lexists("/tmp/evil-way-in")
