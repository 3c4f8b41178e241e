"""A bag holds all of a release and nothing else, is valid for whoever checks it, and is there whole or not at all."""

import signal
import subprocess
from pathlib import Path

import bagit
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.build.build import build_plan
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.export.bagit import Bagged, bag_info, export_bag
from builder.export.export import export
from builder.export.layout import is_of
from builder.export.plain import plain_name
from builder.store import oci
from tests.unit.export.archives import (
    Deadly,
    build,
    call,
    files,
    in_child,
    is_valid_bag,
    is_whole,
    on_small_file_system,
    put_artifact,
    put_inputs,
    references,
    run_blocks,
    times,
)
from tests.unit.export.release import RELEASE, Site, directory, link, put_oci, regular, tar


@pytest.fixture
def release(site) -> Site:
    build(site)
    return site


def run(site: Site, target: Path) -> Bagged:
    return export_bag(site.lock, site.store, target, NoProgress())


def test_it_is_valid_and_its_payload_is_a_store(release, tmp_path):
    done = run(release, tmp_path / "bag")
    assert is_valid_bag(tmp_path / "bag")
    assert is_whole(tmp_path / "bag" / "data")
    (bag,) = done.bags
    assert bag.files == len(files(tmp_path / "bag"))
    assert bag.digest == Digest.of((tmp_path / "bag" / "tagmanifest-sha256.txt").read_bytes())
    assert sorted(p.name for p in (tmp_path / "bag").iterdir()) == [
        "HOWTO.md", "bag-info.txt", "bagit.txt", "data", "manifest-md5.txt", "manifest-sha256.txt",
        "tagmanifest-md5.txt", "tagmanifest-sha256.txt",
    ]  # fmt: skip


def test_both_manifests_list_every_file_of_the_payload(release, tmp_path):
    run(release, tmp_path / "bag")
    payload = {f"data/{name}" for name in files(tmp_path / "bag" / "data")}
    for algorithm in ("sha256", "md5"):
        lines = (tmp_path / "bag" / f"manifest-{algorithm}.txt").read_text().splitlines()
        assert {line.split("  ", 1)[1] for line in lines} == payload
        assert len(lines) == len(payload)


@pytest.mark.parametrize("name", ["data/index.json", "data/release/HOWTO.md", "bag-info.txt", "HOWTO.md"])
def test_a_change_of_any_file_is_found(release, tmp_path, name):
    run(release, tmp_path / "bag")
    path = tmp_path / "bag" / name
    path.write_bytes(path.read_bytes().replace(b"1", b"2", 1))
    with pytest.raises((bagit.BagValidationError, subprocess.CalledProcessError)):
        is_valid_bag(tmp_path / "bag")


def test_skopeo_reads_images_and_artifacts_from_the_payload(release, tmp_path):
    run(release, tmp_path / "bag")
    for name in references(tmp_path / "bag" / "data"):
        raw = subprocess.run(
            ["skopeo", "inspect", "--raw", f"oci:{tmp_path}/bag/data:{name}"], check=True, capture_output=True
        )
        assert Digest.of(raw.stdout) == release.store.references()[name].digest
    subprocess.run(["skopeo", "inspect", f"oci:{tmp_path}/bag/data:{RELEASE}"], check=True, capture_output=True)


def test_two_bags_are_equal_and_bear_the_date_of_the_release(release, tmp_path):
    run(release, tmp_path / "one")
    run(release, tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")
    assert times(tmp_path / "one") == {1583020800}


# -- what belongs to a release ---------------------------------------------------------------------------------------


def test_it_has_what_is_the_releases_own_what_it_was_made_of_and_nothing_else(release, tmp_path):
    store = release.store
    stages = [stage.reference for stage in build_plan(release.lock).stages]
    own = [f"results/{RELEASE}/oci", f"rebuild/{RELEASE}/20260101T000000Z-0a1b2c", f"receipt/{RELEASE}", stages[0]]
    strangers = ["tiny-1.0.1", "inputs/tiny-1.1", "results/tiny-1.1/oci", "stage/tiny-1.0/123", "builder/tiny-1.0"]
    for name in (*own, *strangers):
        put_artifact(store, name, name.encode())
    run(release, tmp_path / "bag")
    assert references(tmp_path / "bag" / "data") == sorted(
        [RELEASE, "builder/one", f"image/{RELEASE}/sif", f"image/{RELEASE}/vm", f"inputs/{RELEASE}", *own]
    )
    blobs = {path.name for path in (tmp_path / "bag" / "data" / "blobs" / "sha256").iterdir()}
    assert Digest.of(own[0].encode()).hex in blobs
    assert not blobs & {Digest.of(name.encode()).hex for name in strangers}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiny-1.0", True), ("x/tiny-1.0", True), ("x/tiny-1.0/y/z", True), ("stage/tiny-1.0/x", False),
        ("builder/tiny-1.0", False), ("tiny-1.0/x", False), ("x/tiny-1.01", False), ("x/y/tiny-1.0", False),
        ("", False),
    ],
)  # fmt: skip
def test_a_reference_belongs_to_a_release_by_its_second_part(name, expected):
    assert is_of(name, "tiny-1.0") is expected


def test_the_builder_image_is_there_also_when_its_name_has_gone_to_a_newer_one(release, tmp_path):
    wanted = release.lock.builder_image.digest
    put_oci(release.store, "builder/one", {"newer": "yes"})
    run(release, tmp_path / "bag")
    assert f"builder/{Digest(wanted).hex[:12]}" in references(tmp_path / "bag" / "data")
    assert "builder/one" not in references(tmp_path / "bag" / "data")
    assert is_whole(tmp_path / "bag" / "data")


def test_without_the_inputs_of_the_present_lock_there_is_no_bag(built, tmp_path):
    with pytest.raises(InputFailure, match=r"does not have the inputs of tiny-1\.0"):
        run(built, tmp_path / "bag")
    put_inputs(built)
    built.source("document.more", "tiny-1.0/documents/more.md", b"more")
    built.put_image("oci")
    with pytest.raises(InputFailure, match=r"built from its present lock|does not have the inputs"):
        run(built, tmp_path / "bag")


def test_it_may_not_lie_in_the_store_nor_where_something_is(release, tmp_path):
    with pytest.raises(InputFailure, match="lies in the store"):
        run(release, tmp_path / "images" / "bag")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(InputFailure, match="is not empty"):
        run(release, tmp_path / "full")


# -- bag-info.txt ----------------------------------------------------------------------------------------------------


def test_bag_info_says_what_it_is_what_it_imitates_and_no_day_that_would_be_a_lie(release, tmp_path):
    run(release, tmp_path / "bag")
    info = bagit.Bag(str(tmp_path / "bag")).info
    sizes = [len(data) for data in files(tmp_path / "bag" / "data").values()]
    assert info["External-Identifier"] == RELEASE
    assert info["External-Description"] == ("Tiny 1.0; the operating system tiny 1 stands in for an Enterprise Linux")
    assert info["Payload-Oxum"] == f"{sum(sizes)}.{len(sizes)}"
    assert info["Release-Date"] == "2020-03-01"
    assert "Bagging-Date" not in info
    assert "Bag-Count" not in info


def test_a_title_of_several_lines_makes_no_field_of_its_own(release):
    named = msgspec.structs.replace(release.lock.recipe.release, title="Tiny\nPayload-Oxum: 0.0\r\n\tend")
    recipe = msgspec.structs.replace(release.lock.recipe, release=named)
    info = bag_info(msgspec.structs.replace(release.lock, recipe=recipe), [1])
    assert [line.partition(":")[0] for line in info.splitlines()].count("Payload-Oxum") == 1


# -- bad stores ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["layer", "config", "manifest", "package", "builder", "disk"])
@pytest.mark.parametrize("how", ["altered", "cut", "missing"])
def test_a_damaged_blob_refuses_the_bag_and_nothing_is_left(release, tmp_path, what, how):
    store = release.store
    image = store.references()[RELEASE]
    digest = {
        "layer": lambda: store.manifest(image).layers[0].digest,
        "config": lambda: store.manifest(image).config.digest,
        "manifest": lambda: store.references()[f"inputs/{RELEASE}"].digest,
        "package": lambda: release.lock.packages()[0].blob.digest,
        "builder": lambda: store.manifest(store.references()["builder/one"]).layers[1].digest,
        "disk": lambda: store.manifest(store.references()[f"image/{RELEASE}/vm"]).layers[0].digest,
    }[what]()
    path = store.blob_path(digest)
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if how == "altered" else data[:-1])
    with pytest.raises(WorkFailure, match=f"the blob {digest} is (damaged|missing)"):
        run(release, tmp_path / "new" / "bag")
    assert not (tmp_path / "new").exists()


def test_all_missing_blobs_are_told_at_once_with_what_needs_them(release, tmp_path):
    packages = [package.blob.digest for package in release.lock.packages()]
    for digest in packages:
        release.store.blob_path(digest).unlink()
    with pytest.raises(WorkFailure) as failure:
        run(release, tmp_path / "bag")
    assert [problem.message for problem in failure.value.problems] == [
        f"inputs/{RELEASE}: the blob {digest} is missing from the store"
        for digest in [blob.digest for _, blob in sorted(release.lock.blobs().items()) if blob.digest in packages]
    ]


def write_index(site: Site, *added: oci.Descriptor) -> None:
    index = site.store.index()
    changed = msgspec.structs.replace(index, manifests=(*index.manifests, *added))
    (site.store.path / "index.json").write_bytes(documents.compact(changed))


@pytest.mark.parametrize(
    "name", [f"results/{RELEASE}/../../x", f"results/{RELEASE}/a b", f"results/{RELEASE}/\n", f"a\u0301/{RELEASE}/x",
             f"results/{RELEASE}//x", f"/{RELEASE}", f"../{RELEASE}", f"results/{RELEASE}/"]
)  # fmt: skip
def test_an_odd_name_among_the_references_is_refused(release, tmp_path, name):
    found = put_artifact(release.store, "other", b"x")
    write_index(release, msgspec.structs.replace(found, annotations={oci.REF_NAME: name}))
    with pytest.raises(InputFailure, match="odd name"):
        run(release, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def test_an_odd_name_of_something_else_is_nobodys_business(release, tmp_path):
    found = put_artifact(release.store, "other", b"x")
    write_index(release, msgspec.structs.replace(found, annotations={oci.REF_NAME: "../ \n"}))
    run(release, tmp_path / "bag")
    assert is_valid_bag(tmp_path / "bag")


@pytest.mark.parametrize("digest", ["sha512:" + "0" * 128, "sha256:../../../etc/passwd", "", "sha256:" + "G" * 64])
def test_a_digest_that_is_none_is_told(release, tmp_path, digest):
    name = f"results/{RELEASE}/x"
    write_index(
        release, oci.Descriptor(media_type=oci.MANIFEST, digest=digest, size=2, annotations={oci.REF_NAME: name})
    )
    with pytest.raises(WorkFailure, match=f"{name}: not a sha256 digest"):
        run(release, tmp_path / "bag")


def test_a_manifest_that_names_a_digest_that_is_none_is_told(release, tmp_path):
    data = b'{"schemaVersion":2,"config":{"mediaType":"x","digest":"sha256:..","size":1},"layers":[]}'
    name = f"results/{RELEASE}/x"
    write_index(
        release,
        oci.Descriptor(
            media_type=oci.MANIFEST, digest=release.store.put(data), size=len(data), annotations={oci.REF_NAME: name}
        ),
    )
    with pytest.raises(WorkFailure, match="not a sha256 digest"):
        run(release, tmp_path / "bag")


# -- names of files --------------------------------------------------------------------------------------------------


def test_odd_names_of_files_are_encoded_and_odd_folders_kept_as_tars(release, tmp_path):
    linked = tar(link("there", "one"), regular("one", b"1"))
    spaced = tar(regular("two words", b"2"))
    hollow = tar(directory("nothing"))
    plain = tar(directory("sub"), regular("sub/one", b"1"))
    for name, data in {"linked": linked, "spaced": spaced, "hollow": hollow, "plain": plain}.items():
        release.source(f"external_library.{name}", f"tiny-1.0/{name}", data, "directory")
    release.source("external_library.odd", "tiny-1.0/a=b,c+2C.cfg", b"odd")
    build(release)
    run(release, tmp_path / "bag")
    recipes = tmp_path / "bag" / "data" / "release" / "recipes" / "tiny-1.0"
    assert is_valid_bag(tmp_path / "bag")
    assert (recipes / "linked.tar").read_bytes() == linked
    assert (recipes / "spaced.tar").read_bytes() == spaced
    assert (recipes / "hollow.tar").read_bytes() == hollow
    assert (recipes / "plain" / "sub" / "one").read_bytes() == b"1"
    assert (recipes / "a+3Db+2Cc+2B2C.cfg").read_bytes() == b"odd"


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1), unique=True))
def test_two_names_are_never_written_the_same(names):
    written = [plain_name(name) for name in names]
    assert len(set(written)) == len(names)
    assert all(char.isascii() and (char.isalnum() or char in "._+-") for name in written for char in name)


@given(st.from_regex(r"[A-Za-z0-9._-]{1,40}", fullmatch=True))
def test_a_plain_name_stays_as_it_is(name):
    assert plain_name(name) == name


# -- for people ------------------------------------------------------------------------------------------------------


def test_its_howto_makes_the_same_files_of_it_as_a_plain_export_has(release, tmp_path):
    release.put_evidence("oci", release.store.references()[RELEASE], "PASSED")
    run(release, tmp_path / "the bag")
    export(release.lock, release.store, tmp_path / "plain", shapes=(), with_inputs=False, progress=NoProgress())
    work = tmp_path / "work"
    work.mkdir()
    said = run_blocks(
        tmp_path / "the bag" / "HOWTO.md", work, "check", "layout", "files", "skopeo", "names", bag=tmp_path / "the bag"
    )
    assert f'"org.opencontainers.image.ref.name": "inputs/{RELEASE}"' in said
    made, plain = files(work / RELEASE), files(tmp_path / "plain")
    beside = {"SHA256SUMS", "MD5SUMS", *(name for name in plain if name.startswith("layout/"))}
    assert made.keys() == plain.keys() - beside
    differing = {name for name in made if made[name] != plain[name]}
    assert differing == {"HOWTO.md", f"{RELEASE}.oci.tar"}
    assert "SHA256SUMS" not in made["HOWTO.md"].decode()
    subprocess.run(
        ["skopeo", "inspect", f"oci-archive:{work}/{RELEASE}/{RELEASE}.oci.tar"], check=True, capture_output=True
    )
    subprocess.run(
        ["skopeo", "inspect", f"docker-archive:{work}/{RELEASE}/{RELEASE}.oci.tar"], check=True, capture_output=True
    )


# -- cut short -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 7, 20, 45])
def test_a_killed_export_leaves_nothing_of_that_name_and_the_next_one_puts_away_the_rest(release, tmp_path, at):
    target = tmp_path / "new" / "bag"
    ended = in_child(lambda: export_bag(release.lock, release.store, target, Deadly(at)))
    assert ended == signal.SIGKILL
    assert not target.exists()
    run(release, target)
    assert is_valid_bag(target)
    assert [path.name for path in target.parent.iterdir()] == ["bag"]


@pytest.mark.parametrize("form", ["export_bag", "export_ocfl"])
def test_a_full_file_system_is_told_and_nothing_is_left_there(release, tmp_path, form):
    said = on_small_file_system(tmp_path, "64k", call(form, release, tmp_path / "small" / "new" / "x"))
    assert said == [
        f"the export {tmp_path}/small/new/x can not be written: No space left on device",
        "    make room, or name a folder on another file system",
    ]
    assert list((tmp_path / "after").iterdir()) == []
