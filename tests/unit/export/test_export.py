"""What is exported, of which images, and what HOWTO.md says of it."""

import itertools
import json
import re
import subprocess
import tarfile
from pathlib import Path

import msgspec
import pytest

from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.export.export import Exported, export
from builder.export.names import docker_name
from builder.recipe.fields import FileRef
from builder.recipe.model import Puppet, Release
from builder.recipe.tables import Bookkeeping, CsvTables
from builder.store import oci
from builder.store.shapes import SHAPES, Shape
from tests.unit.export.release import RELEASE, Site, directory, link, regular, tar, vm_config

BLOCK = re.compile(r"^```sh ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(site: Site, target: Path, *shapes: Shape, with_inputs: bool = False) -> Exported:
    return export(site.lock, site.store, target, shapes=shapes, with_inputs=with_inputs, progress=NoProgress())


def test_it_holds_images_texts_recipes_and_documents(built, tmp_path):
    done = run(built, tmp_path / "x")
    assert sum(name.startswith("layout/blobs/sha256/") for name in done.files) == 4, "two manifests and configurations"
    assert tuple(name for name in done.files if not name.startswith("layout/blobs/")) == (
        "HOWTO.md", "MD5SUMS", "SHA256SUMS", "documents/notes.md", "layout/index.json", "layout/oci-layout",
        "packages/oci.txt", "packages/sif.txt", "packages/vm.txt", "recipe.lock.json", "recipes/base/keys/KEY",
        "recipes/base/recipe.hcl", "recipes/tiny-1.0/documents/notes.md", "recipes/tiny-1.0/recipe.hcl",
        "recipes/tiny-1.0/validation/test_it.py", "rendered/Dockerfile", "rendered/boss/install.sh",
        "rendered/grub.cfg", "rendered/tiny-1.0.def", "rendered/vm/install.sh", "tiny-1.0.oci.tar", "tiny-1.0.qcow2",
        "tiny-1.0.sh", "tiny-1.0.sif", "tiny-1.0.xml",
    )  # fmt: skip
    assert (tmp_path / "x" / "tiny-1.0.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "x" / "packages" / "oci.txt").read_text() == "boss-1-1.noarch\nshell-1-1.noarch\n"
    assert (tmp_path / "x" / "packages" / "vm.txt").read_text().splitlines()[1] == "kernel-1-1.noarch"


def test_the_inputs_are_laid_out_for_plain_tools(built, tmp_path):
    module = tar(directory("manifests"), regular("manifests/init.pp", b"class node {}\n"))
    puppet = Puppet(manifest=FileRef("base", "puppet/site.pp"), modules=(FileRef("base", "puppet/modules/node"),))
    recipe = msgspec.structs.replace(built.lock.recipe, puppet=puppet)
    built.lock = msgspec.structs.replace(built.lock, recipe=recipe)
    built.source("puppet.manifest", "base/puppet/site.pp", b"include node\n")
    built.source("puppet.module.node", "base/puppet/modules/node", module, "directory")
    done = run_changed(built, tmp_path / "x")
    inputs = [name.removeprefix("inputs/") for name in done.files if name.startswith("inputs/")]
    assert inputs == [
        "builder-image.tar", "context/Dockerfile", "context/boss/documents/notes.md", "context/boss/install.sh",
        "context/boss/packages/boss-1-1.noarch.rpm", "context/site/apply.sh",
        "context/site/modules/node/manifests/init.pp", "context/site/site.pp",
        "keys/os/" + "A" * 40 + ".asc", "keys/os/" + "B" * 40 + ".asc",
        "make-os.sh", "os-packages.txt", "puppet/modules/node/manifests/init.pp", "puppet/site.pp",
        "repository/boss-1-1.noarch.rpm", "repository/kernel-1-1.noarch.rpm", "repository/repodata/repomd.xml",
        "repository/shell-1-1.noarch.rpm", "sources/document.notes/notes.md", "upstream/os/repodata/repomd.xml",
    ]  # fmt: skip
    assert (tmp_path / "x" / "inputs" / "os-packages.txt").read_text() == "shell-0:1-1.noarch\n"


def run_changed(site: Site, target: Path) -> Exported:
    """Build again from a lock that was changed, and export everything."""
    for shape in SHAPES:
        site.put_image(shape)
    return run(site, target, with_inputs=True)


def test_a_folder_with_links_out_of_itself_is_kept_as_a_tar(built, tmp_path):
    data = tar(link("etc", "/etc"), regular("one", b"1"))
    built.source("external_library.odd", "tiny-1.0/libraries/odd", data, "directory")
    for shape in SHAPES:
        built.put_image(shape)
    run(built, tmp_path / "x")
    assert (tmp_path / "x" / "recipes" / "tiny-1.0" / "libraries" / "odd.tar").read_bytes() == data
    assert not (tmp_path / "x" / "recipes" / "tiny-1.0" / "libraries" / "odd").exists()


def test_a_file_that_lies_in_a_folder_that_is_an_input_too_is_written_once(built, tmp_path):
    built.source("external_library.all", "tiny-1.0/documents", tar(regular("notes.md", b"notes")), "directory")
    for shape in SHAPES:
        built.put_image(shape)
    assert run(built, tmp_path / "x").files.count("recipes/tiny-1.0/documents/notes.md") == 1


def test_two_exports_are_equal(built, tmp_path):
    for name in ("one", "two"):
        run(built, tmp_path / name, with_inputs=True)
    assert subprocess.run(["diff", "-r", tmp_path / "one", tmp_path / "two"], check=False).returncode == 0


# -- the tar of the OCI image --------------------------------------------------------------------------------------


def test_the_image_is_an_oci_layout_and_a_docker_archive_at_once(built, tmp_path):
    run(built, tmp_path / "x", "oci")
    image = built.store.references()[RELEASE]
    manifest = built.store.manifest(image)
    with tarfile.open(tmp_path / "x" / f"{RELEASE}.oci.tar") as archive:
        names = archive.getnames()
        content = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
        assert {(m.uid, m.gid, m.mtime) for m in archive} == {(0, 0, 1583020800)}
    assert names == sorted(names)
    pointer = json.loads(content["index.json"])["manifests"][0]
    assert pointer["digest"] == image.digest
    assert pointer["annotations"] == {
        "io.containerd.image.name": "docker.io/library/tiny:1.0",
        "org.opencontainers.image.ref.name": "1.0",
    }
    (listed,) = json.loads(content["manifest.json"])
    assert listed["RepoTags"] == ["tiny:1.0"]
    assert listed["Layers"] == ["blobs/sha256/" + Digest(layer.digest).hex for layer in manifest.layers]
    assert listed["Config"] == "blobs/sha256/" + Digest(manifest.config.digest).hex
    for name, data in content.items():
        if name.startswith("blobs/"):
            assert Digest.of(data).hex == Path(name).name


@pytest.mark.parametrize(
    ("name", "version", "shown"),
    [("miniboss", "1.0.0", "miniboss:1.0.0"), ("BOSS", "6.6.4.p03", "boss:6.6.4.p03"), ("a+b--C", "1+2", "a-b-c:1-2")],
)
def test_a_release_has_a_name_that_docker_takes(site, name, version, shown):
    release = Release(name=name, version=version, title="t", date=site.lock.recipe.release.date, license="MIT")
    assert docker_name(msgspec.structs.replace(site.lock.recipe, release=release)) == shown


# -- which images --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shapes", [["oci"], ["oci", "sif"], ["oci", "vm"]])
def test_all_that_the_store_has_is_exported_unless_shapes_are_named(site, tmp_path, shapes):
    for shape in shapes:
        site.put_image(shape)
    assert run(site, tmp_path / "all").shapes == tuple(shapes)
    assert run(site, tmp_path / "one", shapes[-1], shapes[-1]).shapes == (shapes[-1],)


def test_what_was_not_built_is_named(site, tmp_path):
    with pytest.raises(InputFailure, match=r"has no image of tiny-1\.0\n.*boss-builder build tiny-1\.0"):
        run(site, tmp_path / "x")
    site.put_image("oci")
    with pytest.raises(InputFailure, match=r"has no sif and no vm image of tiny-1\.0"):
        run(site, tmp_path / "x", "sif", "vm")
    assert not (tmp_path / "x").exists()


def test_images_of_another_lock_or_of_other_files_are_refused_together(built, tmp_path):
    other = msgspec.structs.replace(built.lock, os_packages=())
    built.put_image("sif", lock=other)
    stranger = oci.Descriptor(media_type=oci.MANIFEST, digest=Digest.of(b"another"), size=7)
    built.put_image("vm", subject=stranger)
    with pytest.raises(InputFailure) as caught:
        run(built, tmp_path / "x")
    assert [problem.message for problem in caught.value.problems] == [
        "the sif image of tiny-1.0 was not built from its present lock",
        "the vm image of tiny-1.0 was not made from its present oci image",
    ]


def test_an_export_into_the_store_is_refused_also_through_a_link(built, tmp_path):
    (tmp_path / "link").symlink_to(built.store.path)
    for target in (built.store.path, built.store.path / "x", tmp_path / "link" / "x"):
        with pytest.raises(InputFailure, match="lies in the store"):
            run(built, target)


@pytest.mark.parametrize("what", ["sif", "vm", "oci", "document", "builder", "key"])
@pytest.mark.parametrize("how", ["altered", "cut", "longer", "missing"])
def test_a_damaged_blob_is_found_wherever_it_is(built, tmp_path, what, how):
    store = built.store
    digest = {
        "sif": lambda: store.manifest(store.references()[f"image/{RELEASE}/sif"]).layers[0].digest,
        "vm": lambda: store.manifest(store.references()[f"image/{RELEASE}/vm"]).config.digest,
        "oci": lambda: store.manifest(store.references()[RELEASE]).layers[1].digest,
        "document": lambda: built.lock.sources["document.notes"].blob.digest,
        "builder": lambda: store.manifest(store.references()["builder/one"]).config.digest,
        "key": lambda: built.lock.repositories[0].keys[1].blob.digest,
    }[what]()
    path = store.blob_path(digest)
    data = path.read_bytes()
    path.unlink()
    if how != "missing":
        path.write_bytes({"altered": b"\0" + data[1:], "cut": data[:-1], "longer": data + b"\0"}[how])
    with pytest.raises(WorkFailure, match=f"the blob {digest} is (damaged|missing)"):
        run(built, tmp_path / "new" / "x", with_inputs=True)
    assert not (tmp_path / "new").exists()


# -- HOWTO.md ------------------------------------------------------------------------------------------------------

KINDS = {
    "oci": {"docker", "podman", "skopeo", "testinfra", "apptainer"},
    "sif": {"apptainer", "squashfs"},
    "vm": {"qemu", "libvirt", "disk", "mount"},
}


SOME = [shapes for count in (1, 2, 3) for shapes in itertools.combinations(SHAPES, count)]


@pytest.mark.parametrize("shapes", SOME, ids="-".join)
@pytest.mark.parametrize("with_inputs", [False, True])
def test_howto_describes_what_is_there_and_its_commands_are_a_shells(built, tmp_path, shapes, with_inputs):
    run(built, tmp_path / "x", *shapes, with_inputs=with_inputs)
    text = (tmp_path / "x" / "HOWTO.md").read_text("utf-8")
    kinds = {"check"}.union(*(KINDS[shape] for shape in shapes))
    if with_inputs:
        kinds |= {"rpm", "rebuild", "by-hand"} | ({"apptainer-again"} if {"oci", "sif"} <= set(shapes) else set())
    assert {kind for kind, _ in BLOCK.findall(text)} == kinds
    for _, script in BLOCK.findall(text):
        subprocess.run(["sh", "-n"], input=script.encode(), check=True)
    for suffix in re.findall(rf"{RELEASE}\.(oci\.tar|sif|qcow2|sh|xml)\b", text):
        assert (tmp_path / "x" / f"{RELEASE}.{suffix}").exists() or f"work/{RELEASE}.{suffix}" in text
    assert "the operating system tiny 1 stands in for an Enterprise Linux" in text
    assert not re.search(r"\n{3,}|[ \t]$|\{[{%]", text.replace("{{.Id}} {{.Created}}", ""), re.MULTILINE)


def test_the_snapshot_of_the_bookkeeping_and_its_tables_are_among_the_inputs(built, tmp_path):
    table = FileRef("tiny-1.0", "CalVtxLumVer.csv")
    bookkeeping = Bookkeeping(source=CsvTables(table=table), install_to="/opt/boss/db/offlinedb.db")
    built.lock = msgspec.structs.replace(
        built.lock, recipe=msgspec.structs.replace(built.lock.recipe, bookkeeping=bookkeeping)
    )
    built.source("bookkeeping", "snapshot://tiny-1.0/offlinedb.db", b"SQLite", "snapshot")
    built.source("bookkeeping.table", str(table), b"BossRelease,...")
    built.put_image("oci")
    run(built, tmp_path / "x", "oci", with_inputs=True)
    out = tmp_path / "x"
    assert (out / "recipes/tiny-1.0/CalVtxLumVer.csv").read_bytes() == b"BossRelease,..."
    assert (out / "inputs/sources/bookkeeping/offlinedb.db").read_bytes() == b"SQLite"
    assert (out / "inputs/sources/bookkeeping.table/CalVtxLumVer.csv").exists()
    assert (out / "inputs/context/boss/bookkeeping/offlinedb.db.tar").exists()
    text = (out / "HOWTO.md").read_text("utf-8")
    assert "install -D --mode 0444 inputs/sources/bookkeeping/offlinedb.db $root/opt/boss/db/offlinedb.db" in text


@pytest.mark.parametrize(("bus", "into", "out"), [("nvme", "nvme1n1", "nvme2n1"), ("virtio", "vdb", "vdc")])
def test_howto_names_the_disks_as_the_guest_does(built, tmp_path, bus, into, out):
    built.put_image("vm", machine=vm_config(bus, ("bios", "uefi")))
    run(built, tmp_path / "x", "vm")
    text = (tmp_path / "x" / "HOWTO.md").read_text("utf-8")
    assert f"tar -xf /dev/{into}" in text
    assert f"tar -cf /dev/{out}" in text
    assert "UEFI=" in text


def test_evidence_is_that_of_the_very_image(built, tmp_path):
    images = built.store.references()
    built.put_evidence("oci", images[RELEASE], "PASSED")
    built.put_evidence("sif", images[RELEASE], "FAILED")
    run(built, tmp_path / "x")
    assert (tmp_path / "x" / "evidence" / "oci" / "summary.txt").read_text() == "41 passed\n"
    assert not (tmp_path / "x" / "evidence" / "sif").exists()
    assert "- `evidence/oci/summary.txt`: PASSED" in (tmp_path / "x" / "HOWTO.md").read_text("utf-8")
