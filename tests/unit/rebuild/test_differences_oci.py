"""Two OCI images, one change between them: what is found, and what it amounts to."""

import gzip
import io
import tarfile
import zipfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import Failure
from builder.core.progress import NoProgress
from builder.rebuild.differences import Comparison, Difference, ImageAt, as_text, compare_images
from builder.rebuild.taxonomy import Cause
from builder.store import oci
from builder.store.store import Store

DAY = 1_600_000_000
CREATED = "2020-09-13T12:26:40Z"


@dataclass(frozen=True)
class Item:
    """An entry of a layer."""

    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    mode: int = 0o644
    owner: int = 0
    mtime: float = DAY
    link: str = ""
    pax: dict[str, str] = field(default_factory=dict)
    name_of_owner: str = ""


FOLDER = Item(kind=tarfile.DIRTYPE, mode=0o755)
ROOT = {
    "bin": FOLDER,
    "bin/tool": Item(bytes(range(256)) * 8, mode=0o755),
    "etc": FOLDER,
    "etc/list": Item(b"one\ntwo\nthree\n"),
    "etc/made": Item(b"made on Wed Nov 25 15:36:14 UTC 2026 by hand\n"),
    "etc/link": Item(kind=tarfile.SYMTYPE, mode=0o777, link="list"),
    "etc/name": Item(kind=tarfile.LNKTYPE, link="etc/list"),
}
Layers = dict[str, dict[str, Item]]


def tar_of(entries: dict[str, Item]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, item in entries.items():
            info = tarfile.TarInfo(path)
            info.type, info.mode, info.mtime, info.linkname = item.kind, item.mode, item.mtime, item.link
            info.uid = info.gid = item.owner
            info.uname, info.pax_headers = item.name_of_owner, dict(item.pax)
            info.size = len(item.data) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(item.data))
    return sink.getvalue()


def image(
    folder: Path,
    layers: Layers,
    *,
    level: int = 6,
    annotations: dict[str, str] | None = None,
    created: str = CREATED,
    config: dict[str, object] | None = None,
) -> ImageAt:
    """Store an image of some layers, by stage."""
    store = Store(folder)
    blobs, diff_ids = [], []
    for entries in layers.values():
        tar = tar_of(entries)
        packed = gzip.compress(tar, level, mtime=0)
        diff_ids.append(Digest.of(tar))
        blobs.append(oci.Descriptor(media_type=oci.LAYER_GZIP, digest=store.put(packed), size=len(packed)))
    data = documents.compact(
        oci.ImageConfig(
            architecture="amd64",
            os="linux",
            created=created,
            config={"Env": ["PATH=/bin", "HOME=/root"], "Labels": {"a": "b"}} if config is None else config,
            rootfs=oci.RootFs(diff_ids=tuple(diff_ids)),
            history=tuple(oci.HistoryStep(created=CREATED, created_by=f"boss-builder stage {name}") for name in layers),
        )
    )
    described = oci.Descriptor(media_type=oci.CONFIG, digest=store.put(data), size=len(data))
    manifest = oci.Manifest(config=described, layers=tuple(blobs), annotations=annotations or {})
    return ImageAt(store, store.put_manifest(manifest, "toy"))


def compared(tmp_path: Path, before: Layers, after: Layers, **made: object) -> Comparison:
    return compare_images(
        "oci", image(tmp_path / "stored", before), image(tmp_path / "rebuilt", after, **made), no_toolbox, NoProgress()
    )


def no_toolbox():
    raise AssertionError("an OCI image needs no builder image")


def site(**changed: Item | None) -> Layers:
    """The root in one layer, with some entries changed, added, or (None) left out; `__` stands for `/`."""
    entries = ROOT | {name.replace("__", "/"): item for name, item in changed.items()}
    return {"site": {name: item for name, item in entries.items() if item is not None}}


def the_one(comparison: Comparison) -> Difference:
    (difference,) = comparison.differences
    return difference


@pytest.fixture(autouse=True)
def no_diffoscope(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


CAPABILITY = {"SCHILY.xattr.security.capability": "\x01\x00\x02"}
FLIPPED = bytes(range(256)) * 3 + b"\xff" + (bytes(range(256)) * 8)[769:]
MADE = b"made on Thu Dec  3 05:01:02 UTC 2026 by hand\n"

CHANGES = {
    "mtime": (site(bin__tool=replace(ROOT["bin/tool"], mtime=DAY + 1)), Cause.METADATA_ONLY, {"mtime": "time"}),
    "fraction of a second": (
        site(bin__tool=replace(ROOT["bin/tool"], mtime=DAY + 0.5)),
        Cause.METADATA_ONLY,
        {"mtime": "time", "header": "container"},
    ),
    "mode": (site(bin__tool=replace(ROOT["bin/tool"], mode=0o4755)), Cause.METADATA_ONLY, {"mode": "metadata"}),
    "owner": (site(bin__tool=replace(ROOT["bin/tool"], owner=7)), Cause.METADATA_ONLY, {"owner": "metadata"}),
    "extended attribute": (
        site(bin__tool=replace(ROOT["bin/tool"], pax=CAPABILITY)),
        Cause.METADATA_ONLY,
        {"attribute security.capability": "metadata"},
    ),
    "a copy for a hard link": (
        site(etc__name=ROOT["etc/list"]),
        Cause.METADATA_ONLY,
        {"hard link": "metadata"},
    ),
    "link target": (
        site(etc__link=replace(ROOT["etc/link"], link="made")),
        Cause.CONTENT_DIFFERS,
        {"link target": "content"},
    ),
    "type": (site(etc__link=Item(b"list")), Cause.CONTENT_DIFFERS, {"type": "content"}),
    "embedded date": (site(etc__made=Item(MADE)), Cause.CONTENT_DIFFERS, {"content": "time"}),
    "one byte": (
        site(bin__tool=replace(ROOT["bin/tool"], data=FLIPPED)),
        Cause.CONTENT_DIFFERS,
        {"content": "content"},
    ),
    "file added": (site(etc__new=Item(b"x")), Cause.CONTENT_DIFFERS, {"path": "content"}),
    "file lost": (site(etc__link=None), Cause.CONTENT_DIFFERS, {"path": "content"}),
    "order of entries": (
        {
            "site": {
                name: ROOT[name] for name in ("etc", "etc/made", "etc/list", "etc/name", "etc/link", "bin", "bin/tool")
            }
        },
        Cause.CONTENT_IDENTICAL,
        {"order": "order"},
    ),
    "pax header": (
        site(bin__tool=replace(ROOT["bin/tool"], pax={"comment": "x"})),
        Cause.CONTENT_IDENTICAL,
        {"header": "container"},
    ),
    "name of an owner": (
        site(bin__tool=replace(ROOT["bin/tool"], name_of_owner="root")),
        Cause.CONTENT_IDENTICAL,
        {"header": "container"},
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_a_layer_is_found_for_what_it_is(name, tmp_path):
    after, cause, fields = CHANGES[name]
    comparison = compared(tmp_path, site(), after)
    assert {d.field: d.kind for d in comparison.differences} == fields
    assert comparison.cause is cause
    assert {d.part for d in comparison.differences} == {"layer site"}
    assert comparison.truncated == 0


def test_an_image_is_the_same_as_itself(tmp_path):
    assert compared(tmp_path, site(), site()) == Comparison(cause=Cause.BIT_IDENTICAL)


def test_another_compression_is_only_that(tmp_path):
    comparison = compared(tmp_path, site(), site(), level=1)
    assert comparison.cause is Cause.CONTENT_IDENTICAL
    found = the_one(comparison)
    assert (found.part, found.field, found.kind) == ("layer site", "compression", "container")


def test_lines_in_another_order_are_told_apart_from_other_lines(tmp_path):
    after = site(etc__list=Item(b"two\none\nthree\n"))
    comparison = compared(tmp_path, site(), after)
    assert comparison.cause is Cause.CONTENT_DIFFERS
    assert [(d.path, d.kind) for d in comparison.differences] == [("/etc/list", "order"), ("/etc/name", "order")]
    assert "-two" in comparison.differences[0].detail


def test_the_byte_that_differs_is_shown(tmp_path):
    found = the_one(compared(tmp_path, site(), CHANGES["one byte"][0]))
    assert found.path == "/bin/tool"
    assert found.detail.startswith("first at byte 768, 1 bytes differ\n")
    assert "-00000300  00 01 02" in found.detail
    assert "+00000300  ff 01 02" in found.detail


def test_a_date_in_a_text_is_shown_as_such(tmp_path):
    found = the_one(compared(tmp_path, site(), CHANGES["embedded date"][0]))
    assert "timestamp only" in found.detail
    assert "-made on Wed Nov 25 15:36:14 UTC 2026 by hand" in found.detail


def zipped(day: int) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(zipfile.ZipInfo("class", (2026, 11, day, 0, 0, 0)), b"data")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("path", "one", "two"),
    [
        ("log.gz", gzip.compress(b"x", mtime=DAY), gzip.compress(b"x", mtime=DAY + 9)),
        ("a.jar", zipped(1), zipped(2)),
        ("m.pyc", b"\xa7\r\r\n" + bytes(4) + b"\1\2\3\4" + b"code", b"\xa7\r\r\n" + bytes(4) + b"\1\2\4\4" + b"code"),
        ("old.pyc", b"\3\xf3\r\n" + b"\1\2\3\4" + b"code\0", b"\3\xf3\r\n" + b"\1\2\4\4" + b"code\0"),
        ("lib.so", b"\0Nov 25 2026\x0015:36:14\0", b"\0Dec  3 2026\x0005:01:02\0"),
        ("at", b"built 1795621783\n", b"built 1795629999\n"),
    ],
)
def test_the_places_where_files_keep_times_are_known(path, one, two, tmp_path):
    before, after = ({"site": {path: Item(data)}} for data in (one, two))
    comparison = compared(tmp_path, before, after)
    assert comparison.cause is Cause.CONTENT_DIFFERS
    assert the_one(comparison).kind == "time"


def test_a_folder_that_one_image_lacks_is_told_once(tmp_path):
    comparison = compared(tmp_path, site(), site(bin=None, bin__tool=None))
    found = the_one(comparison)
    assert (found.path, found.stored, found.rebuilt, found.detail) == ("/bin", "folder", "", "and 1 below it")
    assert comparison.cause is Cause.CONTENT_DIFFERS


# -- several layers ---------------------------------------------------------------------------------------------------

WHITEOUT = Item(mode=0)


def test_layers_that_add_up_to_the_same_files_are_the_same_content(tmp_path):
    before = {"os": ROOT | {"etc/old": Item(b"old")}, "site": {"etc/.wh.old": WHITEOUT}}
    after = {"os": ROOT, "site": {"etc/.wh.old": WHITEOUT}}
    comparison = compared(tmp_path, before, after)
    assert comparison.cause is Cause.CONTENT_IDENTICAL
    found = the_one(comparison)
    assert (found.part, found.path, found.kind) == ("layer os", "/etc/old", "container")
    assert found.detail == "no file of the root differs by it"


def test_a_whiteout_that_is_lost_lets_the_file_below_through(tmp_path):
    before = {"os": ROOT, "site": {"etc/.wh.list": WHITEOUT, "etc/.wh.name": WHITEOUT, "x": Item()}}
    after = {"os": ROOT, "site": {"etc/.wh.name": WHITEOUT, "x": Item()}}
    comparison = compared(tmp_path, before, after)
    assert comparison.cause is Cause.CONTENT_DIFFERS
    assert [(d.part, d.path, d.field) for d in comparison.differences] == [
        ("layer os", "/etc/list", "path"),
        ("layer site", "/etc/.wh.list", "path"),
    ]


def test_an_opaque_folder_hides_what_lies_below(tmp_path):
    before = {"os": ROOT, "site": {"etc": FOLDER, "etc/.wh..wh..opq": WHITEOUT}}
    after = {"os": ROOT, "site": {f"etc/.wh.{name}": WHITEOUT for name in ("link", "list", "made", "name")}}
    assert compared(tmp_path, before, after).cause is Cause.CONTENT_IDENTICAL


def test_a_hard_link_stays_what_it_was_when_its_target_is_replaced_later(tmp_path):
    before = {"os": ROOT, "site": {"etc/list": Item(b"new\n")}}
    after = {
        "os": {name: item for name, item in ROOT.items() if name != "etc/name"} | {"etc/name": ROOT["etc/list"]},
        "site": {"etc/list": Item(b"new\n")},
    }
    assert compared(tmp_path, before, after).cause is Cause.CONTENT_IDENTICAL


def test_a_layer_that_is_lacking_is_missing_output(tmp_path):
    comparison = compared(tmp_path, {"os": ROOT, "boss": {"x": Item()}}, {"os": ROOT})
    assert comparison.cause is Cause.MISSING_OUTPUT
    assert [(d.part, d.field) for d in comparison.differences if d.cause is Cause.MISSING_OUTPUT] == [
        ("layer boss", "layer")
    ]


def test_layers_in_another_order_are_told(tmp_path):
    a, b = {"a": Item()}, {"b": Item()}
    comparison = compared(tmp_path, {"one": a, "two": b}, {"two": b, "one": a})
    assert "order of layers" in {d.field for d in comparison.differences}
    assert comparison.cause is Cause.METADATA_ONLY  # the history tells their names


def test_without_names_layers_go_by_their_number(tmp_path):
    stored, rebuilt = image(tmp_path / "a", site()), image(tmp_path / "b", CHANGES["mode"][0])
    unnamed = [ImageAt(at.store, without_history(at)) for at in (stored, rebuilt)]
    comparison = compare_images("oci", *unnamed, no_toolbox, NoProgress())
    assert the_one(comparison).part == "layer 1"


def without_history(at: ImageAt) -> oci.Descriptor:
    manifest = at.store.manifest(at.descriptor)
    config = at.store.document(manifest.config, dict) | {"history": []}
    data = documents.compact(config)
    described = oci.Descriptor(media_type=oci.CONFIG, digest=at.store.put(data), size=len(data))
    return at.store.put_manifest(oci.Manifest(config=described, layers=manifest.layers), "unnamed")


# -- documents --------------------------------------------------------------------------------------------------------

CONFIG = {"Env": ["PATH=/bin", "HOME=/root"], "Labels": {"a": "b"}}


@pytest.mark.parametrize(
    ("made", "part", "field_", "kind", "cause"),
    [
        ({"annotations": {"x": "1"}}, "manifest", "annotation x", "metadata", Cause.METADATA_ONLY),
        ({"annotations": {"boss-builder.key": "1"}}, "manifest", "annotation boss-builder.key", "container",
         Cause.CONTENT_IDENTICAL),
        ({"created": "2021-01-01T00:00:00Z"}, "config", "created", "time", Cause.METADATA_ONLY),
        ({"config": CONFIG | {"Labels": {"a": "c"}}}, "config", "label a", "metadata", Cause.METADATA_ONLY),
        ({"config": CONFIG | {"Env": ["PATH=/bin", "HOME=/"]}}, "config", "config.Env.HOME", "content",
         Cause.CONTENT_DIFFERS),
        ({"config": CONFIG | {"Cmd": ["sh"]}}, "config", "config.Cmd", "content", Cause.CONTENT_DIFFERS),
    ],
)  # fmt: skip
def test_documents_are_compared_field_by_field(made, part, field_, kind, cause, tmp_path):
    comparison = compared(tmp_path, site(), site(), **made)
    found = the_one(comparison)
    assert (found.part, found.field, found.kind, comparison.cause) == (part, field_, kind, cause)


def test_a_document_that_says_the_same_in_other_bytes_is_the_same_content(tmp_path):
    at = image(tmp_path / "a", site())
    other = image(tmp_path / "b", site())
    data = at.store.read(at.descriptor.digest) + b"\n"
    descriptor = oci.Descriptor(media_type=oci.MANIFEST, digest=other.store.put(data), size=len(data))
    comparison = compare_images("oci", at, ImageAt(other.store, descriptor), no_toolbox, NoProgress())
    assert (comparison.cause, the_one(comparison).field) == (Cause.CONTENT_IDENTICAL, "spelling")


# -- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spoil", [lambda d: d[:-9], lambda d: d[: len(d) // 2], lambda d: d[:40] + b"xyz" + d[43:]])
def test_a_damaged_layer_is_a_clear_failure(spoil, tmp_path):
    stored, rebuilt = image(tmp_path / "stored", site()), image(tmp_path / "rebuilt", CHANGES["mode"][0])
    layer = rebuilt.store.manifest(rebuilt.descriptor).layers[0]
    path = rebuilt.store.blob_path(layer.digest)
    path.chmod(0o644)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(Failure, match="the layer site is damaged or cut") as raised:
        compare_images("oci", stored, rebuilt, no_toolbox, NoProgress())
    assert layer.digest in str(raised.value)


def test_a_missing_layer_is_a_clear_failure(tmp_path):
    stored, rebuilt = image(tmp_path / "stored", site()), image(tmp_path / "rebuilt", CHANGES["mode"][0])
    rebuilt.store.blob_path(rebuilt.store.manifest(rebuilt.descriptor).layers[0].digest).unlink()
    with pytest.raises(Failure, match="is missing"):
        compare_images("oci", stored, rebuilt, no_toolbox, NoProgress())


# -- many, and odd ----------------------------------------------------------------------------------------------------


def test_a_thousand_times_do_not_hide_the_file_that_differs(tmp_path):
    many = {f"f{number:04}": Item(b"x") for number in range(1000)}
    late = {name: replace(item, mtime=DAY + 1) for name, item in many.items()}
    comparison = compared(tmp_path, {"site": many}, {"site": late | {"f0999": Item(b"y", mtime=DAY + 1)}})
    assert comparison.cause is Cause.CONTENT_DIFFERS
    assert len(comparison.differences) + comparison.truncated == 1001
    assert len(comparison.differences) <= 200
    assert [d.path for d in comparison.differences if d.kind == "content"] == ["/f0999"]


ODD_NAMES = {
    "caf\udce9": "/caf\\xe9",
    "new\nline": "/new\\nline",
    "back\\slash": "/back\\\\slash",
    "\x1b[31m": "/\\x1b[31m",
}


@pytest.mark.parametrize("name", ODD_NAMES)
def test_names_are_shown_without_harm(name, tmp_path):
    comparison = compared(tmp_path, {"site": {name: Item(b"1")}}, {"site": {name: Item(b"2")}})
    assert the_one(comparison).path == ODD_NAMES[name]
    assert ODD_NAMES[name] in as_text(comparison)
    assert "\x1b" not in as_text(comparison)


def test_what_was_found_reads_as_text_and_as_json(tmp_path):
    comparison = compared(tmp_path, site(), CHANGES["one byte"][0])
    text = as_text(comparison)
    assert text.startswith("COMPARE/content-differs: files differ")
    assert "layer site: /bin/tool: content (content)\n    stored:  2048 bytes, sha256:" in text
    assert documents.decode(documents.compact(comparison), Comparison) == comparison


def test_nothing_is_left_behind(tmp_path):
    compared(tmp_path, site(), CHANGES["one byte"][0])
    assert list((tmp_path / "rebuilt" / "tmp").iterdir()) == []


# -- diffoscope -------------------------------------------------------------------------------------------------------


def test_diffoscope_is_asked_where_it_is(tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "diffoscope").write_text('#!/bin/sh\nshift 4\necho "$@" | /bin/cat\n/usr/bin/cmp "$1" "$2"\nexit 1\n')
    (tools / "diffoscope").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    after = site(etc__made=Item(b"other\n"), **{f"a{n}.txt": Item(b"2") for n in range(9)})
    before = site(**{f"a{n}.txt": Item(b"1") for n in range(9)})
    comparison = compared(tmp_path, before, after)
    details = [d.detail for d in comparison.differences]
    assert len(details) == 10
    assert sum("diffoscope:" in detail for detail in details) == 5
    assert "first at byte 0, 1 bytes differ" in details[0]
    assert str(tmp_path) not in "".join(details)


def test_a_diffoscope_that_fails_fails_nothing(tmp_path, monkeypatch):
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "diffoscope").write_text("#!/bin/sh\necho broken >&2\nexit 2\n")
    (tools / "diffoscope").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    assert the_one(compared(tmp_path, site(), CHANGES["one byte"][0])).detail.endswith("diffoscope:\nbroken")


# -- any tree ---------------------------------------------------------------------------------------------------------

names = st.text("abc.-", min_size=1, max_size=3).filter(lambda name: name not in {".", ".."} and ".wh." not in name)
items = st.builds(
    Item, st.binary(max_size=40), mode=st.sampled_from([0o644, 0o755, 0o4711]), owner=st.integers(0, 3),
    mtime=st.integers(0, 2**31),
)  # fmt: skip
trees = st.dictionaries(names, items, min_size=1, max_size=6)
edits = st.sampled_from(["data", "mode", "owner", "mtime", "lost", "added"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(trees, edits, st.data())
def test_any_tree_is_the_same_as_itself_and_any_change_is_found(tmp_path_factory, tree, edit, data):
    folder = tmp_path_factory.mktemp("any")
    layers = {"site": dict(sorted(tree.items()))}
    stored = image(folder / "stored", layers)
    assert compare_images("oci", stored, image(folder / "same", layers, level=1), no_toolbox, NoProgress()).cause in {
        Cause.BIT_IDENTICAL,
        Cause.CONTENT_IDENTICAL,
    }
    path = data.draw(st.sampled_from(sorted(tree)))
    item = tree[path]
    changed = dict(layers["site"])
    expected = Cause.METADATA_ONLY if edit in {"mode", "owner", "mtime"} else Cause.CONTENT_DIFFERS
    match edit:
        case "data":
            changed[path] = replace(item, data=item.data + b"!")
        case "mode":
            changed[path] = replace(item, mode=item.mode ^ 0o100)
        case "owner":
            changed[path] = replace(item, owner=item.owner + 1)
        case "mtime":
            changed[path] = replace(item, mtime=item.mtime + 1)
        case "lost":
            del changed[path]
        case "added":
            changed["zzzz"] = Item(b"new")
            path = "zzzz"
    comparison = compare_images("oci", stored, image(folder / "new", {"site": changed}), no_toolbox, NoProgress())
    assert comparison.cause is expected
    assert {d.path for d in comparison.differences} == {f"/{path}"}
