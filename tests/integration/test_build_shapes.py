"""One root in three shapes: the same files, exactly; and what can go wrong in making them.

The example release is built: its operating system is made of Debian binaries and stands in for an Enterprise Linux.
"""

import io
import json
import shutil
import subprocess
from pathlib import Path

import msgspec
import pytest

from builder.build import job
from builder.build.build import build, builder_image
from builder.core.digest import Digest, digest_stream
from builder.core.errors import InputFailure
from builder.core.progress import NoProgress
from builder.engine.engine import Engine, Folder
from builder.inside.canonical import DIRECTORY, HARD_LINK, REGULAR, SYMBOLIC_LINK, Entry, write_tar
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.render.vm import disk_ids
from builder.store import oci
from builder.store.shapes import VmConfig, reference
from builder.store.store import Store
from builder.store.verify import verify
from builder.toolbox.toolbox import Toolbox, open_toolbox
from tests.integration.spine import MINIBOSS, PROJECT, Ran, Workplace, example_upstream, miniboss

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("shapes")]
ROOT_START = 2 << 20
"""Where the root begins on a disk without an EFI system partition, in bytes."""


@pytest.fixture(scope="module")
def built() -> Workplace:
    return miniboss()


@pytest.fixture(scope="module")
def toolbox(built: Workplace, engine: Engine) -> Toolbox:
    return open_toolbox(built.store, engine, NoProgress(), descriptor=builder_image(lock_of(built)))


def lock_of(work: Workplace) -> Lock:
    lock = lock_file.read(work.lock(MINIBOSS))
    assert lock is not None
    return lock


def blobs(store: Store, shape: str) -> tuple[oci.Manifest, Path]:
    """The manifest of the release in a shape, and the file of its first layer."""
    manifest = store.manifest(store.find(reference(MINIBOSS, shape)))
    return manifest, store.blob_path(manifest.layers[0].digest)


def listing(toolbox: Toolbox, folder: Path) -> dict[str, dict]:
    """List the files of three images in a folder; see `tests.integration.listing`."""
    script = "cd /listed && PYTHONPATH=/project python3 /project/tests/integration/listing.py . "
    done = toolbox.engine.run(
        toolbox.image_id,
        ["/bin/sh", "-c", f"{script} {ROOT_START} > /listed/listing.json"],
        folders=[Folder(folder, "/listed", writable=True), Folder(PROJECT, "/project")],
        time_limit=300,
    )
    assert done.exit_code == 0, done.tail
    return json.loads((folder / "listing.json").read_bytes())


def laid_out(store: Store, folder: Path) -> None:
    manifest, _ = blobs(store, "oci")
    (folder / "oci" / "blobs" / "sha256").mkdir(parents=True)
    descriptor = store.find(MINIBOSS)
    for blob in (descriptor, manifest.config, *manifest.layers):
        (folder / "oci" / "blobs" / "sha256" / Digest(blob.digest).hex).write_bytes(store.read(blob.digest))
    index = {"manifests": [{"digest": descriptor.digest}]}
    (folder / "oci" / "index.json").write_text(json.dumps(index))
    for shape, name in (("sif", "image.sif"), ("vm", "disk.qcow2")):
        (folder / name).write_bytes(blobs(store, shape)[1].read_bytes())


# -- the same files ------------------------------------------------------------------------------------------------

ONLY_IN_SIF = (".singularity.d", ".exec", ".run", ".shell", ".test", "environment", "singularity")
OTHERWISE_IN_SIF = ("etc/hosts", "etc/resolv.conf")
ONLY_IN_VM = (
    "lost+found", "boot/grub", "etc/profile.d/boss-builder.sh", "etc/systemd/system/boss-builder-shell.service",
    "etc/systemd/system/multi-user.target.wants/boss-builder-shell.service",
)  # fmt: skip
OTHERWISE_IN_VM = ("etc/fstab", "var/lib/rpm/rpmdb.sqlite")
OF_THE_KERNEL = ("boot/", "usr/lib/modules/", "usr/share/doc/linux-image-")
"""docs/images.md says the same, for people."""


def within(path: str, tops: tuple[str, ...]) -> bool:
    return any(path == top or path.startswith(f"{top}/") for top in tops)


def test_the_three_shapes_hold_the_same_files_but_for_what_the_docs_list(built, toolbox, tmp_path):
    laid_out(built.store, tmp_path)
    found = listing(toolbox, tmp_path)
    root, sif, vm = found["oci"], found["sif"], found["vm"]
    assert len(root) > 11000
    assert {p: sif.get(p) for p in root if p not in OTHERWISE_IN_SIF} == {
        p: entry for p, entry in root.items() if p not in OTHERWISE_IN_SIF
    }
    assert {p: vm.get(p) for p in root if p not in OTHERWISE_IN_VM} == {
        p: entry for p, entry in root.items() if p not in OTHERWISE_IN_VM
    }
    assert [p for p in sif.keys() - root.keys() if not within(p, ONLY_IN_SIF)] == []
    added = [p for p in vm.keys() - root.keys() if not within(p, ONLY_IN_VM) and p != "usr/lib/modules"]
    assert [p for p in added if not p.startswith(OF_THE_KERNEL)] == []
    documented = (PROJECT / "docs" / "images.md").read_text("utf-8")
    for path in (*ONLY_IN_SIF, *OTHERWISE_IN_SIF, *ONLY_IN_VM, *OTHERWISE_IN_VM):
        assert f"`/{path}`" in documented


CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")
ODD = [
    (Entry(b"bin", DIRECTORY, 0o755, 0, 0, 1), b""),
    (Entry(b"bin/ping", REGULAR, 0o755, 0, 0, 1, attributes=((b"security.capability", CAPABILITY),)), b"x"),
    (Entry(b"bin/su", REGULAR, 0o4755, 0, 0, 1), b"su"),
    (Entry(b"dev", DIRECTORY, 0o755, 0, 0, 1), b""),
    (Entry(b"etc", DIRECTORY, 0o755, 0, 0, 1), b""),
    (Entry(b"home", DIRECTORY, 0o2775, 4100, 4100, 1), b""),
    (Entry(b"home/" + b"long-name-" * 20, REGULAR, 0o600, 4100, 100, 1), b"long"),
    (Entry("home/größe".encode(), REGULAR, 0o444, 3_000_000, 3_000_000, 1), b"numbers"),
    (Entry(b"home/link", HARD_LINK, 0o4755, 0, 0, 1, link=b"bin/su"), b""),
    (Entry(b"home/many", REGULAR, 0o644, 0, 0, 1), b"\0" * (3 << 20)),
    (Entry(b"home/target", SYMBOLIC_LINK, 0o777, 0, 0, 1, link=b"/" + b"far/" * 60 + b"away"), b""),
    (Entry(b"home/user", REGULAR, 0o644, 0, 0, 1, attributes=((b"user.origin", b"BES\xff"),)), b"attribute"),
    (Entry(b"tmp", DIRECTORY, 0o1777, 0, 0, 1), b""),
]
"""What file systems and archives treat differently: attributes, links, long names, large numbers, holes."""


def test_what_file_systems_treat_differently_is_the_same_in_every_shape(toolbox, make_layer, tmp_path):
    layer = make_layer(tmp_path, ODD)
    work = tmp_path / "work"
    work.mkdir()
    uuids = disk_ids(Digest.of(b"odd"))
    partitions = {"1": uuids.partitions["1"], "14": uuids.partitions["14"], "15": uuids.partitions["15"]}
    request = {
        "layers": [f"/listed/{layer.name}"], "scratch": "/scratch", "epoch": 1, "size": 128 << 20,
        "file_system": "ext4", "features": "none,has_journal,ext_attr,extent,filetype,sparse_super,large_file",
        "uuids": {"disk": uuids.disk, "root": uuids.root, "partitions": partitions}, "uefi": False,
    }  # fmt: skip
    definition = "Bootstrap: oci\nFrom: oci\n"
    (tmp_path / "odd.def").write_text(definition)
    sif = {"definition": "odd.def", "origin": "/listed", "scratch": "/scratch", "epoch": 1}
    for program, asked in (("disk", request), ("sif", sif)):
        (work / "request.json").write_text(json.dumps(asked))
        done = toolbox.engine.run(
            toolbox.image_id,
            ["/bin/sh", "-c", f"cd /listed/work && PYTHONPATH=/project python3 -m builder.inside.{program}"],
            folders=[Folder(tmp_path, "/listed", writable=True), Folder(PROJECT, "/project")],
            time_limit=120,
        )
        assert done.exit_code == 0, done.tail
        assert "refused" not in json.loads((work / "answer.json").read_bytes())
    (work / "disk.qcow2").rename(tmp_path / "disk.qcow2")
    (work / "image.sif").rename(tmp_path / "image.sif")
    found = listing(toolbox, tmp_path)
    assert len(found["oci"]) == len(ODD)
    for shape in ("sif", "vm"):
        assert {path: found[shape].get(path) for path in found["oci"]} == found["oci"]
    assert found["oci"]["bin/ping"][6] == [["security.capability", CAPABILITY.hex()]]
    assert found["oci"]["home/link"] == found["oci"]["bin/su"]


@pytest.fixture
def make_layer():
    """Write a layer, and an OCI layout of nothing else, into a folder."""

    def make(folder: Path, contents: list) -> Path:
        tar = io.BytesIO()
        write_tar(
            [
                (
                    Entry(**{**vars(entry), "size": len(data) if entry.kind == REGULAR else 0}),
                    (lambda data=data: io.BytesIO(data)) if entry.kind == REGULAR else None,
                )
                for entry, data in contents
            ],
            tar,
        )
        (folder / "layer.tar").write_bytes(tar.getvalue())
        subprocess.run(["gzip", "-n", folder / "layer.tar"], check=True)
        layer = folder / "layer.tar.gz"
        store = Store(folder / "oci")
        digest, size = store.put_copy(layer)
        config = json.dumps(
            {
                "architecture": "amd64", "os": "linux", "config": {},
                "rootfs": {"type": "layers", "diff_ids": [Digest.of(tar.getvalue())]},
            }
        ).encode()  # fmt: skip
        described = oci.Descriptor(media_type=oci.CONFIG, digest=store.put(config), size=len(config))
        blob = oci.Descriptor(media_type=oci.LAYER_GZIP, digest=digest, size=size)
        store.put_manifest(oci.Manifest(config=described, layers=(blob,)), "odd")
        return layer

    return make


# -- the same bytes ------------------------------------------------------------------------------------------------


def test_the_bytes_do_not_depend_on_where_the_work_is_done(built, tmp_path, engine, monkeypatch):
    """In memory or on a disk: a host with little memory makes the same images."""
    monkeypatch.setattr(job, "available_memory", lambda: 0)
    work = built.copy(tmp_path / "work", without="image/")
    store = work.store
    made = build(lock_of(work), store, lambda d: open_toolbox(store, engine, NoProgress(), descriptor=d), NoProgress())
    assert [(image.shape, image.stored) for image in made.images] == [("oci", True), ("sif", False), ("vm", False)]
    for image in made.images:
        assert image.descriptor.digest == built.store.find(reference(MINIBOSS, image.shape)).digest
    assert verify(store) == ()


def test_the_disk_is_what_its_configuration_says(built, tmp_path):
    manifest, disk = blobs(built.store, "vm")
    config = built.store.document(manifest.config, VmConfig)
    raw = tmp_path / "raw"
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    assert raw.stat().st_size == config.disk_size == 2 << 30
    assert raw.stat().st_blocks * 512 < 1 << 29  # what is free takes no space
    with raw.open("rb") as stream:
        assert digest_stream(stream)[0] == config.raw_digest
    described = subprocess.run(["qemu-img", "check", disk], check=True, capture_output=True, text=True).stdout
    assert "No errors were found" in described


def test_a_rendered_file_that_changed_makes_no_new_disk(built, tmp_path):
    """The title of a release stands in its libvirt domain, not on its disk."""
    work = changed(built, tmp_path, MINIBOSS, '"miniboss 1.0.0"', '"miniboss, the toy"')
    ran = work.run("build", MINIBOSS, "--json")
    assert ran.code == 0, ran.err
    assert {image["shape"]: image["stored"] for image in ran.json["images"]}["vm"] is True
    manifest, disk = blobs(work.store, "vm")
    assert disk.name == blobs(built.store, "vm")[1].name
    domain = work.store.read(manifest.layers[1].digest).decode()
    assert "<title>miniboss, the toy</title>" in domain


# -- what goes wrong -------------------------------------------------------------------------------------------------


def changed(built: Workplace, tmp_path: Path, recipe: str, before: str, after: str) -> Workplace:
    """A copy of the release with another word in a recipe, frozen again."""
    work = built.copy(tmp_path / "work")
    path = work.recipes / recipe / "recipe.hcl"
    text = path.read_text()
    assert text.count(before) == 1
    path.write_text(text.replace(before, after))
    ran = work.run("freeze", MINIBOSS)
    assert ran.code == 0, ran.err
    return work


def refused(ran: Ran, code: int, *said: str) -> None:
    assert ran.code == code, ran.err
    for words in said:
        assert words in ran.err
    assert "Traceback" not in ran.err


def test_a_disk_smaller_than_its_files_is_refused_and_the_other_shapes_are_made(built, tmp_path):
    work = changed(built, tmp_path, "tinyel-1", '"2GiB"', '"300MiB"')
    refused(work.run("build", MINIBOSS), 2, "the disk has room for 297 MiB", "need about", 'image "vm" { disk')
    lock = Digest.of(work.lock(MINIBOSS).read_bytes())
    for shape in ("oci", "sif"):
        assert blobs(work.store, shape)[0].annotations["boss-builder.lock"] == lock
    assert verify(work.store) == ()


def test_a_root_without_a_kernel_is_refused_and_the_other_shapes_are_made(built, tmp_path):
    with example_upstream() as upstream:  # other packages are resolved anew
        moved = Workplace(built.folder, {"upstream": upstream})
        work = changed(moved, tmp_path, "tinyel-1", '"linux-image-cloud-amd64"', "")
    refused(work.run("build", MINIBOSS), 4, "the stage vm failed", "the root has no kernel", "packages = [")
    lock = Digest.of(work.lock(MINIBOSS).read_bytes())
    for shape in ("oci", "sif"):
        assert blobs(work.store, shape)[0].annotations["boss-builder.lock"] == lock
    ran = work.run("build", MINIBOSS, "--image", "sif", "--json")
    assert ran.code == 0, ran.err
    assert [image["stored"] for image in ran.json["images"]] == [True, True]


@pytest.mark.parametrize("shape", ["sif", "vm"])
def test_without_space_for_an_image_nothing_is_left_half_written(built, tmp_path, shape):
    place = tmp_path / "small"
    place.mkdir()
    lock = lock_of(built)
    needed = {blob.digest for blob in (*lock.blobs().values(), lock.builder_image)}
    for name, descriptor in built.store.references().items():
        if name.startswith(("stage/", "inputs/", "builder/")) or name == MINIBOSS:
            manifest = built.store.manifest(descriptor)
            needed |= {descriptor.digest, manifest.config.digest, *(layer.digest for layer in manifest.layers)}
    size = sum(built.store.blob_path(digest).stat().st_size for digest in needed)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size + (30 << 20)}", "tmpfs", place], check=True)
    try:
        work = Workplace(place, built.variables)
        shutil.copytree(built.recipes, work.recipes)
        (place / "images" / "blobs" / "sha256").mkdir(parents=True)
        for digest in needed:
            shutil.copy2(built.store.blob_path(digest), work.store.blob_path(digest))
        for name in ("index.json", "oci-layout"):
            shutil.copy2(built.folder / "images" / name, place / "images" / name)
        for name in work.store.references("image/"):
            work.store.remove_reference(name)
        refused(work.run("build", MINIBOSS, "--image", shape), 4, "o space left on device", "free some space")
        assert verify(work.store) == ()
        assert work.store.references("image/") == {}
        assert list((place / "images" / "tmp").iterdir()) == []
    finally:
        subprocess.run(["umount", place], check=True)


def test_a_shape_that_the_recipe_does_not_ask_for_is_refused(built, tmp_path):
    work = built.copy(tmp_path / "work")
    lock = lock_of(work)
    ran = work.run("build", MINIBOSS, "--image", "tape")
    assert (ran.code, "tape" in ran.err) == (2, True)
    with pytest.raises(InputFailure, match="asks for no image 'vm'"):
        build(only_oci(lock), work.store, lambda _: pytest.fail("nothing is built"), NoProgress(), ("vm",))


def only_oci(lock: Lock) -> Lock:
    recipe = msgspec.structs.replace(lock.recipe, image=(lock.recipe.image_of("oci"),))
    return msgspec.structs.replace(lock, recipe=recipe)
