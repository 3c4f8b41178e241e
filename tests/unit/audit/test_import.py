"""Import: bags, their archives, layouts and OCFL objects come in whole; hostile and damaged ones not at all."""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from datetime import UTC, datetime

import bagit
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.audit.copies import archive
from builder.audit.copies.bring_in import bring_in
from builder.audit.copies.find import opened_source
from builder.audit.copies.place import Folder
from builder.audit.copies.registry import INDEX_TAG, TAG, tag_of
from builder.audit.copies.untrusted import Untrue, checked_name, decode_index
from builder.cli.import_ import command
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import Failure, InputFailure
from builder.core.progress import NoProgress
from builder.store import oci
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.audit.copies_store import archive_files, blob, small_store, snapshot

NOW = datetime(2026, 11, 25, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path) -> Store:
    return small_store(tmp_path / "images")


def layout_of(store: Store, folder) -> None:
    """Copy the archive's files into a folder, as anybody would."""
    for path in archive_files(store):
        target = folder / path.relative_to(store.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def bag_of(store: Store, folder):
    """Make a bag with the archive in data/ and a file for people; by bagit-python, the Library of Congress's own."""
    folder.mkdir()
    layout_of(store, folder)
    (folder / "release").mkdir()
    (folder / "release/HOWTO.md").write_text("read me\n")
    bagit.make_bag(str(folder), {"Source-Organization": "a test"}, checksums=["sha256", "md5"])
    return folder


def rebag(folder) -> None:
    """Make the lists of a bag true again after its payload was changed: the liar's work."""
    lines, number, size = [], 0, 0
    for path in sorted((folder / "data").rglob("*")):
        if path.is_file() and not path.is_symlink():
            data = path.read_bytes()
            lines.append(f"{hashlib.sha256(data).hexdigest()}  {path.relative_to(folder)}\n")
            number, size = number + 1, size + len(data)
    (folder / "manifest-sha256.txt").write_text("".join(lines))
    (folder / "bag-info.txt").write_text(f"Payload-Oxum: {size}.{number}\n")
    for path in folder.glob("tagmanifest-*"):
        path.unlink()


def ocfl_of(store: Store, folder, prefix: str = ""):
    """Make an OCFL object of one version."""
    content = folder / "v1/content"
    content.mkdir(parents=True)
    state, manifest = {}, {}
    for number, path in enumerate(archive_files(store)):
        digest = hashlib.sha512(path.read_bytes()).hexdigest()
        shutil.copy(path, content / str(number))
        state[digest] = [prefix + str(path.relative_to(store.path))]
        manifest[digest] = [f"v1/content/{number}"]
    inventory = {
        "id": "info:test", "type": "https://ocfl.io/1.1/spec/#inventory", "digestAlgorithm": "sha512", "head": "v1",
        "manifest": manifest, "versions": {"v1": {"created": "2026-11-25T12:00:00Z", "state": state}},
    }  # fmt: skip
    (folder / "0=ocfl_object_1.1").write_text("ocfl_object_1.1\n")
    write_inventory(folder, inventory)
    return folder


def write_inventory(folder, inventory) -> None:
    data = json.dumps(inventory).encode()
    (folder / "inventory.json").write_bytes(data)
    (folder / "inventory.json.sha512").write_text(f"{hashlib.sha512(data).hexdigest()} inventory.json\n")


def tar_of(folder, path, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        tar.add(folder, folder.name)
    return path


def take(source, target: Store, *releases: str):
    with opened_source(str(source), target, NoProgress()) as opened:
        return bring_in(opened, Folder(target, NOW), releases, NoProgress())


def make_layout(store, folder):
    folder.mkdir()
    layout_of(store, folder)
    return folder


SOURCES = {
    "a layout": make_layout,
    "a bag": bag_of,
    "a bag through a link": lambda store, folder: (
        bag_of(store, folder), folder.with_name("link").symlink_to(folder), folder.with_name("link"),
    )[2],
    "a tar.gz of a bag": lambda store, folder: tar_of(bag_of(store, folder), folder.with_suffix(".tar.gz")),
    "a tar of a bag": lambda store, folder: tar_of(bag_of(store, folder), folder.with_suffix(".tar"), "w"),
    "a tar.gz of a layout": lambda store, folder: tar_of(make_layout(store, folder), folder.with_suffix(".tar.gz")),
    "an OCFL object": ocfl_of,
    "an OCFL object with data/": lambda store, folder: ocfl_of(store, folder, "data/"),
    "a store": lambda store, _: store.path,
}  # fmt: skip


@pytest.mark.parametrize("kind", SOURCES)
def test_what_comes_back_is_the_store_byte_for_byte(store, tmp_path, kind):
    back = Store(tmp_path / "back")
    done = take(SOURCES[kind](store, tmp_path / "source"), back)
    assert done.problems == ()
    assert snapshot(back) == snapshot(store)
    assert verify(back) == ()
    assert list((back.path / "tmp").iterdir()) == []


def test_a_release_comes_into_a_store_in_use(store, tmp_path):
    back = Store(tmp_path / "back")
    mine = back.put_manifest(oci.Manifest(config=back.put_empty_config(), layers=()), "mine-1.0")
    take(bag_of(store, tmp_path / "bag"), back, "one-1.0")
    assert set(back.references()) == {
        "mine-1.0", "one-1.0", "inputs/one-1.0", "validation/one-1.0/oci", "builder/trixie-1", "stage/os/1",
    }  # fmt: skip
    assert back.find("mine-1.0") == mine
    assert verify(back) == ()


def test_a_blob_that_is_damaged_here_is_put_right_by_the_import(store, tmp_path):
    back = Store(tmp_path / "back")
    bag = bag_of(store, tmp_path / "bag")
    take(bag, back)
    digest = back.manifest(back.find("one-1.0")).layers[0].digest
    back.blob_path(digest).chmod(0o644)
    back.blob_path(digest).write_bytes(b"x" * back.blob_path(digest).stat().st_size)
    take(bag, back)
    assert snapshot(back) == snapshot(store)


# -- hostile and damaged ----------------------------------------------------------------------------------------------


def first_blob(bag):
    return min((bag / "data/blobs/sha256").iterdir())


def append(name, text):
    def harm(bag):
        path = bag / name
        path.write_text((path.read_text() if path.exists() else "") + text)

    return harm


def replace(name, old, new):
    def harm(bag):
        path = bag / name
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new))

    return harm


def link_in(bag):
    path = first_blob(bag)
    path.unlink()
    path.symlink_to("/etc/hostname")


def link_folder(bag):
    (bag / "data/blobs/sha256").rename(bag / "elsewhere")
    (bag / "data/blobs/sha256").symlink_to("../../elsewhere")


def both(*harms):
    def harm(bag):
        for one in harms:
            one(bag)

    return harm


def edit_index(change):
    def harm(bag):
        path = bag / "data/index.json"
        document = json.loads(path.read_text())
        change(document["manifests"])
        path.write_text(json.dumps(document))
        rebag(bag)

    return harm


ZERO = "0" * 64


def listing(name):
    """List one more name in a bag that is well otherwise."""
    return both(rebag, append("manifest-sha256.txt", f"{ZERO}  {name}\n"))


HARMS = {
    "a name that leads out": (listing("data/../../etc/passwd"), "leads elsewhere"),
    "an absolute name": (listing("/etc/passwd"), "leads elsewhere"),
    "an encoded line end": (listing("data/a%0Ab"), "no file should have"),
    "a name outside of the payload": (listing("bagit.txt"), "outside of its payload"),
    "a name twice": (
        both(rebag, lambda bag: append("manifest-sha256.txt", (bag / "manifest-sha256.txt").read_text())(bag)),
        "twice"),
    "another list": (append("manifest-sha256.txt", f"{ZERO}  data/x\n"), "manifest-sha256.txt is damaged"),
    "a name of nothing": (both(rebag, append("manifest-sha256.txt", f"{ZERO}  data/gone\n")), "missing from"),
    "a file in no list": (both(rebag, append("data/more", "x")), "in no manifest"),
    "a line that is none": (both(rebag, append("manifest-sha256.txt", "nonsense\n")), "a line that is none"),
    "a line without end": (both(rebag, append("manifest-sha256.txt", "0" * 9000)), "a line of more than"),
    "no UTF-8": (both(rebag, lambda bag: (bag / "manifest-sha256.txt").write_bytes(b"\xff\xfe")), "not UTF-8"),
    "another length": (both(rebag, replace("bag-info.txt", b"Oxum: ", b"Oxum: 1")), "declares"),
    "another tag file": (append("bag-info.txt", "More: x\n"), "bag-info.txt is damaged"),
    "holes": (append("fetch.txt", "http://127.0.0.1/ 1 data/x\n"), "holes"),
    "no manifest that counts": (both(rebag, lambda bag: (bag / "manifest-sha256.txt").unlink()), "no manifest-sha256"),
    "another version": (both(rebag, lambda bag: (bag / "bagit.txt").write_text("BagIt-Version: 7\n")), "known version"),
    "a damaged blob": (
        both(lambda bag: first_blob(bag).chmod(0o644), lambda bag: first_blob(bag).write_bytes(b"x")),
        "bytes|damaged|declares"),
    "a damaged blob, rebagged": (
        both(lambda bag: first_blob(bag).chmod(0o644), lambda bag: first_blob(bag).write_bytes(b"x"), rebag),
        "another digest than its name"),
    "a blob that is not there": (both(lambda bag: first_blob(bag).unlink(), rebag), "missing|has none"),
    "a blob that is a link": (both(link_in, rebag), "neither a file nor a folder"),
    "a folder that is a link": (both(link_folder, rebag), "neither a file nor a folder"),
    "a pipe": (both(rebag, lambda bag: os.mkfifo(bag / "data/pipe")), "neither a file nor a folder"),
    "a damaged file for people": (
        lambda bag: (bag / "data/release/HOWTO.md").write_text("rm -rf\n"), "HOWTO.md is damaged"),
    "no layout": (both(lambda bag: (bag / "data/oci-layout").unlink(), rebag), "no oci-layout"),
    "a layout of 2040": (both(replace("data/oci-layout", b"1.0.0", b"9.9.9"), rebag), "version '9.9.9'"),
    "no index": (both(lambda bag: (bag / "data/index.json").unlink(), rebag), "no index.json"),
    "a deep index": (
        both(lambda bag: (bag / "data/index.json").write_text("[" * 10**6), rebag), "nested|not what it should"),
    "a deep field": (
        both(lambda bag: (bag / "data/index.json").write_text('{"x": ' + "[" * 10**6 + "]" * 10**6 + "}"), rebag),
        "nested too deeply"),
    "a digest that is none": (edit_index(lambda m: m[0].update(digest="md5:0")), "no sha256 digest"),
    "a digest that is a path": (edit_index(lambda m: m[0].update(digest="sha256:../../../etc/passwd")), "no sha256"),
    "a reference that leads out": (
        edit_index(lambda m: m[0]["annotations"].update({oci.REF_NAME: "../../x"})), "leads elsewhere"),
    "a reference twice": (edit_index(lambda m: m.append({**m[0], "digest": m[1]["digest"]})), "twice"),
    "a size of a manifest that is none": (edit_index(lambda m: m[0].update(size=1 << 50)), "a manifest of"),
    "a negative size": (edit_index(lambda m: m[0].update(size=-1)), "a manifest of"),
    "a manifest of another size": (edit_index(lambda m: m[0].update(size=m[0]["size"] - 1)), "no more than"),
    "an index in the index": (edit_index(lambda m: m[0].update(mediaType=oci.INDEX)), "manifests alone"),
    "a blob as manifest": (
        edit_index(lambda m: m[0].update(digest=Digest.of(b"PASS"), size=4)), "is no manifest"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_a_bag_that_is_hostile_or_damaged_changes_no_reference_and_says_why(store, tmp_path, harm):
    back = Store(tmp_path / "deep/er/back")
    mine = back.put_manifest(oci.Manifest(config=back.put_empty_config(), layers=()), "mine-1.0")
    bag = bag_of(store, tmp_path / "bag")
    change, said = HARMS[harm]
    change(bag)
    before = {path for path in tmp_path.rglob("*") if back.path not in path.parents}
    with pytest.raises(InputFailure, match=said):
        take(bag, back)
    assert back.references() == {"mine-1.0": mine}
    assert verify(back) == ()
    assert list((back.path / "tmp").iterdir()) == []
    assert {path for path in tmp_path.rglob("*") if back.path not in path.parents} == before


def test_a_bag_without_harm_is_taken(store, tmp_path):
    bag = bag_of(store, tmp_path / "bag")
    rebag(bag)
    assert take(bag, Store(tmp_path / "back")).problems == ()


def member(name, kind=tarfile.REGTYPE, data=b"x", **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    info.size = len(data) if kind == tarfile.REGTYPE else 0
    for key, value in more.items():
        setattr(info, key, value)
    return info, io.BytesIO(data)


def long_header(length):
    """An extended header that says that it is long, and is."""
    info = tarfile.TarInfo("././@LongLink")
    info.type = tarfile.GNUTYPE_LONGNAME
    info.size = length
    return info, io.BytesIO(b"a" * length)


ARCHIVES = {
    "a name that leads out": ([member("../evil")], "leads elsewhere"),
    "a name that leads out later": ([member("bag/../../evil")], "leads elsewhere"),
    "an absolute name": ([member("/tmp/evil-import")], "leads elsewhere"),
    "a link": ([member("bag/link", tarfile.SYMTYPE, linkname="/etc/passwd")], "is a link"),
    "a hard link": ([member("bag/link", tarfile.LNKTYPE, linkname="/etc/passwd")], "is a link"),
    "a device": ([member("bag/null", tarfile.CHRTYPE, devmajor=1, devminor=3)], "is a link"),
    "a pipe": ([member("bag/pipe", tarfile.FIFOTYPE)], "is a link"),
    "a file twice": ([member("bag/a"), member("bag/a", data=b"y")], "twice"),
    "a file as folder": ([member("bag/a"), member("bag/a/b")], "twice"),
    "a folder as file": ([member("bag/a/b"), member("bag/a")], "twice"),
    "a long header": ([long_header(4 << 20), member("bag/a")], "a header of"),
    "a name with a line end": ([member("bag/a\nb")], "no file should have"),
    "a name that is long": ([member("bag/" + "/".join(["d" * 200] * 9))], "no file should have"),
    "nothing": ([], "no oci-layout"),
}


@pytest.mark.parametrize("kind", ARCHIVES)
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_a_hostile_archive_writes_nothing_outside_and_says_why(tmp_path, kind, mode):
    members, said = ARCHIVES[kind]
    path = tmp_path / "evil.tar"
    with tarfile.open(path, mode, format=tarfile.GNU_FORMAT) as tar:
        for info, data in members:
            data.seek(0)
            tar.addfile(info, data)
    back = Store(tmp_path / "back")
    with pytest.raises(InputFailure, match=said):
        take(path, back)
    assert {p.name for p in tmp_path.iterdir()} == {"evil.tar", "back"}
    assert list((back.path / "tmp").iterdir()) == []
    assert not os.path.lexists("/tmp/evil-import")


def bomb(path, size, bag_info=""):
    with gzip.open(path, "wb", compresslevel=9) as stream, tarfile.open(fileobj=stream, mode="w") as tar:
        if bag_info:
            tar.addfile(*member("bag/bag-info.txt", data=bag_info.encode()))
        info = tarfile.TarInfo("bag/data/zeros")
        info.size = size
        stream.write(info.tobuf())
        for _ in range(size >> 20):
            stream.write(b"\0" * (1 << 20))
        tar.offset += size


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "ALLOWANCE", 1 << 20)
    path = tmp_path / "bomb.tar.gz"
    bomb(path, 64 << 20)
    assert path.stat().st_size * archive.RATIO < 32 << 20
    with pytest.raises(InputFailure, match="unpacks to more than"):
        take(path, Store(tmp_path / "back"))


def test_an_archive_that_is_longer_than_its_bag_declares_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "ALLOWANCE", 1 << 20)
    monkeypatch.setattr(archive, "RATIO", 10_000)
    path = tmp_path / "bomb.tar.gz"
    bomb(path, 8 << 20, "Payload-Oxum: 1000.1\n")
    with pytest.raises(InputFailure, match="unpacks to more than"):
        take(path, Store(tmp_path / "back"))


def test_an_archive_that_is_cut_short_or_damaged_is_refused(store, tmp_path):
    path = tar_of(bag_of(store, tmp_path / "bag"), tmp_path / "bag.tar.gz")
    whole = path.read_bytes()
    for data in (whole[: len(whole) // 2], whole[:-4], whole[:1000] + b"\0\1\2" + whole[1003:], b"", b"no tar" * 999):
        path.write_bytes(data)
        back = Store(tmp_path / "back")
        with pytest.raises(InputFailure):
            take(path, back)
        assert back.references() == {}


def test_a_manifest_that_names_blobs_that_are_not_there_is_refused(tmp_path):
    store = Store(tmp_path / "images")
    absent = oci.Descriptor(media_type="x", digest=Digest.of(b"absent"), size=6)
    data = documents.compact(oci.Manifest(config=store.put_empty_config(), layers=(absent,)))
    head = oci.Descriptor(
        media_type=oci.MANIFEST, digest=store.put(data), size=len(data), annotations={oci.REF_NAME: "a-1"}
    )
    (store.path / "index.json").write_bytes(documents.readable(oci.Index(manifests=(head,))))
    back = Store(tmp_path / "back")
    with pytest.raises(InputFailure, match=r"missing from(.|\n)*a-1 was not copied"):
        take(bag_of(store, tmp_path / "bag"), back)
    assert back.references() == {}


def test_a_blob_that_is_longer_than_its_manifest_says_is_refused(tmp_path):
    store = Store(tmp_path / "images")
    short = oci.Descriptor(media_type="x", digest=store.put(b"longer"), size=5)
    data = documents.compact(oci.Manifest(config=store.put_empty_config(), layers=(short,)))
    head = oci.Descriptor(
        media_type=oci.MANIFEST, digest=store.put(data), size=len(data), annotations={oci.REF_NAME: "a-1"}
    )
    (store.path / "index.json").write_bytes(documents.readable(oci.Index(manifests=(head,))))
    with pytest.raises(InputFailure, match="should have no more than 5"):
        take(store.path, Store(tmp_path / "back"))


# -- OCFL -------------------------------------------------------------------------------------------------------------


def inventory_with(change):
    def harm(folder):
        inventory = json.loads((folder / "inventory.json").read_text())
        change(inventory)
        write_inventory(folder, inventory)

    return harm


def first(mapping):
    return next(iter(mapping))


OBJECTS = {
    "another inventory": (append("inventory.json", " "), "inventory.json of .* is damaged"),
    "no sidecar": (lambda folder: (folder / "inventory.json.sha512").unlink(), "no inventory.json.sha512"),
    "no inventory": (lambda folder: (folder / "inventory.json").unlink(), "no inventory.json"),
    "a deep inventory": (
        lambda folder: (folder / "inventory.json").write_text('{"x":' + "[" * 10**6), "nested|not what it should"),
    "no head": (inventory_with(lambda i: i.update(head="v9")), "no version 'v9'"),
    "md5": (inventory_with(lambda i: i.update(digestAlgorithm="md5")), "digests of 'md5'"),
    "content that leads out": (
        inventory_with(lambda i: i["manifest"].update({first(i["manifest"]): ["../../etc/passwd"]})),
        "leads elsewhere"),
    "a logical path that leads out": (
        inventory_with(lambda i: i["versions"]["v1"]["state"].update({first(i["manifest"]): ["../x"]})),
        "leads elsewhere"),
    "a logical path twice": (
        inventory_with(lambda i: i["versions"]["v1"]["state"][first(i["manifest"])].append("oci-layout")), "twice"),
    "a digest that the manifest has not": (inventory_with(lambda i: i["manifest"].popitem()), "its manifest has not"),
    "content that is not there": (lambda folder: (folder / "v1/content/1").unlink(), "missing from"),
    "another index": (lambda folder: (folder / "v1/content/1").write_text("{}"), "is damaged"),
    "a damaged blob": (
        lambda folder: ((folder / "v1/content/5").chmod(0o644), (folder / "v1/content/5").write_bytes(b"x")),
        "bytes|damaged|no more"),
    "content that is a link": (
        lambda folder: ((folder / "v1/content").rename(folder / "c"), (folder / "v1/content").symlink_to("../c")),
        "is a link"),
    "a storage root": (
        lambda folder: (folder / "0=ocfl_object_1.1").rename(folder / "0=ocfl_1.1"), "name the folder of one object"),
}  # fmt: skip


@pytest.mark.parametrize("harm", OBJECTS)
def test_an_object_that_is_hostile_or_damaged_changes_no_reference_and_says_why(store, tmp_path, harm):
    folder = ocfl_of(store, tmp_path / "object")
    change, said = OBJECTS[harm]
    change(folder)
    back = Store(tmp_path / "back")
    with pytest.raises(InputFailure, match=said):
        take(folder, back)
    assert back.references() == {}


# -- parsers ----------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text() | st.lists(st.sampled_from(["a", "..", ".", "", "b c", "\\", "\n"])).map("/".join))
def test_a_name_that_is_taken_stays_below_its_folder(name):
    try:
        checked_name(name)
    except Untrue:
        return
    assert os.path.normpath("/top/" + name) == "/top/" + name


JSON = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["manifests", "digest", "size"]), inner),
)


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_an_index_is_read_or_refused_in_words(data):
    try:
        index = decode_index(data, "it")
    except Untrue:
        return
    assert all(descriptor.checked_digest for descriptor in index.manifests)


@settings(deadline=None)
@given(st.text(min_size=1), st.text(min_size=1))
def test_tags_are_tags_and_differ_where_references_do(one, other):
    tags = {tag_of(one), tag_of(other), INDEX_TAG}
    assert all(TAG.fullmatch(tag) for tag in tags)
    assert len(tags) == len({one, other}) + 1


@pytest.mark.parametrize("reference", ["a/b", "a-b", INDEX_TAG])
def test_a_reference_that_is_spelled_as_the_tag_of_another_has_another_tag(reference):
    tags = {tag_of(reference), tag_of(tag_of(reference)), tag_of(tag_of(tag_of(reference)))}
    assert len(tags) == (1 if reference == "a-b" else 3)
    assert tag_of("miniboss-1.0.0") == "miniboss-1.0.0"


@settings(deadline=None, max_examples=40)
@given(data=st.binary(max_size=3000))
def test_bytes_that_are_no_archive_are_refused_in_words(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("archive")
    for head in (b"", b"\x1f\x8b\x08\x00", gzip.compress(b"")):
        (folder / "file").write_bytes(head + data)
        try:
            take(folder / "file", Store(folder / "back"))
        except Failure:
            continue
        raise AssertionError


# -- the command ------------------------------------------------------------------------------------------------------


def test_the_command_tells_what_it_did_and_its_exit_code(store, tmp_path):
    bag = bag_of(store, tmp_path / "bag")

    def run(*words):
        return CliRunner().invoke(command, [*words, "--store", str(tmp_path / "back")])

    answer = run(str(bag), "--release", "one-1.0")
    assert answer.exit_code == 0
    assert answer.stdout.startswith(f"{tmp_path / 'back'}: 5 references; ")
    shown = json.loads(run(str(bag), "--json").stdout)
    assert (len(shown["references"]), shown["store"]) == (8, str(tmp_path / "back"))
    assert run(str(bag), "--release", "three").exit_code == 2
    assert run(str(tmp_path / "nosuch")).exit_code == 2
    (bag / "data/release/HOWTO.md").write_text("x")
    answer = run(str(bag), "--json")
    assert (answer.exit_code, "is damaged" in json.loads(answer.stdout)["problems"][0]["message"]) == (2, True)


def test_blobs_that_no_reference_of_a_bag_names_stay_in_the_bag(store, tmp_path):
    extra = blob(store, b"nobody's").digest
    back = Store(tmp_path / "back")
    take(bag_of(store, tmp_path / "bag"), back)
    assert not back.has(extra)
