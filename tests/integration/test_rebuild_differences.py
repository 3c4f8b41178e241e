"""Apptainer images and disks compared in the builder image: small real ones, with one change each.

The images are put together by the tools that a build uses. The changes are made by other tools than those that look
for them: dd, debugfs, sfdisk, mksquashfs.
"""

import gzip
import io
import random
import struct
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from builder.core import documents
from builder.core.digest import Digest, digest_stream
from builder.core.errors import Failure, InputFailure
from builder.core.progress import NoProgress
from builder.engine.engine import Engine, Folder
from builder.inside import ext, listing
from builder.inside.canonical import (
    CHARACTER,
    DIRECTORY,
    FIFO,
    HARD_LINK,
    REGULAR,
    SYMBOLIC_LINK,
    Entry,
    write_tar,
)
from builder.inside.listing import File, read_listing
from builder.rebuild.differences import Comparison, ImageAt, compare_images
from builder.rebuild.differences.layers import Layer, flatten, list_layer
from builder.rebuild.taxonomy import Cause
from builder.store import oci
from builder.store.shapes import RENDERED, SIF_CONFIG, SIF_LAYER, VM_CONFIG, VM_DISK, VM_TYPE, VmConfig
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox, open_toolbox
from tests.integration.spine import new_store

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("differences")]
DAY = 1_600_000_000
SIZE = 128 << 20
ROOT_START = 66 << 20
UUID = "7a5e1b2c-0000-4000-8000-{:012d}"
LINUX_2_6 = "none,has_journal,ext_attr,extent,filetype,sparse_super,large_file,dir_index"
LINUX_2_4 = "none,has_journal,ext_attr,filetype,sparse_super,large_file,dir_index"
CAPABILITY = bytes.fromhex("0100000200200000000000000000000000000000")

Tree = dict[bytes, tuple[Entry, bytes]]


def entry(path: bytes, kind: bytes = REGULAR, mode: int = 0o644, **more) -> tuple[bytes, Entry]:
    return path, Entry(path, kind, mode, more.pop("uid", 0), more.pop("gid", 0), more.pop("mtime", DAY), **more)


TREE: Tree = {
    path: (made, data)
    for (path, made), data in (
        (entry(b"bin", DIRECTORY, 0o755), b""),
        (entry(b"bin/ping", mode=0o755, attributes=((b"security.capability", CAPABILITY),)), b"ping"),
        (entry(b"bin/su", mode=0o4755), b"su" * 5000),
        (entry(b"dev", DIRECTORY, 0o755), b""),
        (entry(b"dev/null", CHARACTER, 0o666, device=(1, 3)), b""),
        (entry(b"dev/odd", CHARACTER, 0o666, device=(300, 70000)), b""),
        (entry(b"etc", DIRECTORY, 0o755), b""),
        (entry(b"etc/made"), b"made on Wed Nov 25 15:36:14 UTC 2026\n"),
        (entry(b"etc/pipe", FIFO, 0o600), b""),
        (entry(b"home", DIRECTORY, 0o2775, uid=4100, gid=4100), b""),
        (entry(b"home/" + b"long-name-" * 20, mode=0o600, uid=4100, gid=100), b"long"),
        (entry("home/größe".encode(), mode=0o444, uid=3_000_000, gid=3_000_000), b"numbers"),
        (entry(b'home/a "b\\c'), b"odd name"),
        (entry(b"home/link", HARD_LINK, 0o4755, link=b"bin/su"), b""),
        (entry(b"home/large"), bytes(range(251)) * 30000),
        (entry(b"home/holes"), b"\0" * (3 << 20) + b"end"),
        (entry(b"home/target", SYMBOLIC_LINK, 0o777, link=b"/" + b"far/" * 60 + b"away"), b""),
        (entry(b"home/short", SYMBOLIC_LINK, 0o777, link=b"large"), b""),
        (entry(b"home/user", attributes=((b"user.origin", b'BES\xff\n\\ "x"'),)), b"attribute"),
        (entry(b"many", DIRECTORY, 0o755), b""),
        *((entry(b"many/%04d-%s" % (number, b"x" * 40)), b"%d" % number) for number in range(600)),
        (entry(b"tmp", DIRECTORY, 0o1777), b""),
    )
}
"""What file systems keep in different ways: attributes, links, long and odd names, large numbers, holes, devices."""
NOT_ON_DISKS: Tree = {
    path: (made, data)
    for (path, made), data in (
        (entry(b"home/caf\xe9"), b"no UTF-8"),
        (entry(b"home/new\nline"), b"two lines"),
        (entry(b"home/new\nlink", HARD_LINK, link=b"home/new\nline"), b""),
    )
}
"""mke2fs takes no such names from a tar."""


def changed(path: bytes, data: bytes | None = None, **attributes) -> Tree:
    """The tree with another content, or other attributes, of one path."""
    before, old = (TREE | NOT_ON_DISKS)[path]
    return TREE | {path: (replace(before, **attributes), old if data is None else data)}


def tar_of(tree: Tree) -> bytes:
    sink = io.BytesIO()
    write_tar(
        [
            (
                replace(made, size=len(data) if made.kind == REGULAR else 0),
                (lambda data=data: io.BytesIO(data)) if made.kind == REGULAR else None,
            )
            for _, (made, data) in sorted(tree.items())
        ],
        sink,
    )
    return sink.getvalue()


@pytest.fixture(scope="module")
def toolbox(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Toolbox:
    return open_toolbox(Store(new_store(tmp_path_factory.mktemp("builder") / "images")), engine, NoProgress())


@pytest.fixture(autouse=True)
def no_diffoscope(monkeypatch):
    """Whether this host has diffoscope or not, the same is found: it only adds words."""
    monkeypatch.setattr("builder.rebuild.differences.pairs.shutil.which", lambda _: None)


def in_builder(toolbox: Toolbox, folder: Path, script: str) -> None:
    """Run a shell script in the builder image, in a folder of the host."""
    done = toolbox.engine.run(
        toolbox.image_id,
        ["/bin/sh", "-euxc", f"cd /folder\n{script}"],
        folders=[Folder(folder, "/folder", writable=True)],
        time_limit=300,
    )
    assert done.exit_code == 0, done.tail


def found(comparison: Comparison) -> set[tuple[str, str, str]]:
    return {(d.part, d.path, d.field) for d in comparison.differences}


# -- Apptainer images -------------------------------------------------------------------------------------------------

DEFINITION = "Bootstrap: oci\nFrom: toy\n"


@dataclass(frozen=True)
class Sif:
    """How an Apptainer image is made."""

    tree: tuple[tuple[bytes, tuple[Entry, bytes]], ...] = tuple((TREE | NOT_ON_DISKS).items())
    options: str = "-comp zstd"
    definition: str = DEFINITION
    with_root: bool = True
    epoch: int = DAY
    header: bytes = bytes(16)
    """The UUID."""


def make_sif(toolbox: Toolbox, folder: Path, sif: Sif) -> Path:
    folder.mkdir()
    (folder / "root.tar").write_bytes(tar_of(dict(sif.tree)))
    (folder / "toy.def").write_text(sif.definition)
    add = "apptainer sif add --groupid 1 --datatype"
    root = f"{add} 4 --parttype 2 --partfs 1 --partarch 2 --filename root image.sif root.squashfs"
    in_builder(
        toolbox,
        folder,
        f"""
        export SOURCE_DATE_EPOCH={sif.epoch}
        mksquashfs - root.squashfs -tar -noappend -quiet -no-progress {sif.options} < root.tar
        apptainer sif new image.sif
        {add} 1 image.sif toy.def
        {root if sif.with_root else ""}
        """,
    )
    image = folder / "image.sif"
    with image.open("r+b") as file:  # as the build does
        file.seek(80)
        free, total, place, _ = struct.unpack("<4q", file.read(32))
        file.seek(48)
        file.write(sif.header + struct.pack("<qq", DAY, DAY))
        for number in range(total - free):
            file.seek(place + 585 * number + 41)
            file.write(struct.pack("<qq", DAY, DAY))
    return image


def kept_sif(folder: Path, image: Path) -> ImageAt:
    store = Store(folder)
    digest, size = store.put_copy(image)
    manifest = oci.Manifest(
        config=oci.Descriptor(media_type=SIF_CONFIG, digest=store.put(oci.EMPTY_DATA), size=len(oci.EMPTY_DATA)),
        layers=(oci.Descriptor(media_type=SIF_LAYER, digest=digest, size=size, annotations={oci.TITLE: "toy.sif"}),),
    )
    return ImageAt(store, store.put_manifest(manifest, "image/toy/sif"))


@pytest.fixture(scope="module")
def sif(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> ImageAt:
    folder = tmp_path_factory.mktemp("sif")
    return kept_sif(folder / "images", make_sif(toolbox, folder / "made", Sif()))


def tree(changed_tree: Tree) -> Sif:
    return Sif(tree=tuple((NOT_ON_DISKS | changed_tree).items()))


SIFS: dict[str, tuple[Sif, Cause, set[tuple[str, str, str]]]] = {
    "another uuid": (Sif(header=b"u" * 16), Cause.CONTENT_IDENTICAL, {("sif header", "", "id")}),
    "another compression": (
        Sif(options="-comp gzip -noX"),
        Cause.CONTENT_IDENTICAL,
        {("squashfs", "", "compression")},
    ),
    "made at another time": (
        Sif(epoch=DAY + 9),
        Cause.METADATA_ONLY,
        {("squashfs", "", "made"), ("root", "/", "mtime")},
    ),
    "a time of a file": (
        tree(changed(b"etc/made", mtime=DAY - 1)),
        Cause.METADATA_ONLY,
        {("root", "/etc/made", "mtime")},
    ),
    "mode": (tree(changed(b"bin/ping", mode=0o700)), Cause.METADATA_ONLY, {("root", "/bin/ping", "mode")}),
    "extended attribute": (
        tree(changed(b"home/user", attributes=((b"user.origin", b"BES"),))),
        Cause.METADATA_ONLY,
        {("root", "/home/user", "attribute user.origin")},
    ),
    "a date in a file": (
        tree(changed(b"etc/made", data=b"made on Thu Dec  3 05:01:02 UTC 2026\n")),
        Cause.CONTENT_DIFFERS,
        {("root", "/etc/made", "content")},
    ),
    "a file of no UTF-8 name": (
        tree(changed(b"home/caf\xe9", data=b"other")),
        Cause.CONTENT_DIFFERS,
        {("root", "/home/caf\\xe9", "content")},
    ),
    "a file lost": (
        tree({path: item for path, item in TREE.items() if path != b"etc/pipe"}),
        Cause.CONTENT_DIFFERS,
        {("root", "/etc/pipe", "path")},
    ),
    "another definition": (
        Sif(definition=DEFINITION + "%labels\n"),
        Cause.CONTENT_DIFFERS,
        {("sif definition", "", "content")},
    ),
    "without its root": (Sif(with_root=False), Cause.MISSING_OUTPUT, {("sif partition", "", "part")}),
}


@pytest.mark.parametrize("name", SIFS)
def test_an_apptainer_image_with_one_change_comes_out_as_its_class(name, toolbox, sif, tmp_path):
    made, cause, expected = SIFS[name]
    rebuilt = kept_sif(tmp_path / "images", make_sif(toolbox, tmp_path / "made", made))
    comparison = compare_images("sif", sif, rebuilt, lambda: toolbox, NoProgress())
    assert comparison.cause is cause
    assert expected <= found(comparison)
    files = {where for where in found(comparison) if where[0] == "root"}
    assert files == {where for where in expected if where[0] == "root"}
    assert list((tmp_path / "images" / "tmp").iterdir()) == []


def test_what_differs_in_a_file_of_an_apptainer_image_is_shown(toolbox, sif, tmp_path):
    rebuilt = kept_sif(tmp_path / "images", make_sif(toolbox, tmp_path / "made", SIFS["a date in a file"][0]))
    comparison = compare_images("sif", sif, rebuilt, lambda: toolbox, NoProgress())
    (difference,) = [d for d in comparison.differences if d.part == "root"]
    assert difference.kind == "time"
    assert "-made on Wed Nov 25 15:36:14 UTC 2026" in difference.detail


def test_an_apptainer_image_that_is_none_is_a_clear_failure(toolbox, sif, tmp_path):
    (tmp_path / "image.sif").write_bytes(b"no image")
    with pytest.raises(Failure, match="it is no SIF"):
        compare_images("sif", sif, kept_sif(tmp_path / "images", tmp_path / "image.sif"), lambda: toolbox, NoProgress())


def test_a_link_that_imitates_a_line_of_the_list_is_found_out(toolbox, sif, tmp_path):
    """Unsquashfs prints where links point as it is; one with a newline could hide what is there, or feign more."""
    feigned = b"x\nforged R 1600000000 644 0 0 0 0 0"
    link = entry(b"etc/link", SYMBOLIC_LINK, 0o777, link=feigned)
    made = make_sif(toolbox, tmp_path / "made", tree(TREE | {link[0]: (link[1], b"")}))
    with pytest.raises(InputFailure, match="the rebuilt image can not be read"):
        compare_images("sif", sif, kept_sif(tmp_path / "images", made), lambda: toolbox, NoProgress())


# -- disks ------------------------------------------------------------------------------------------------------------


class DiskRequest(msgspec.Struct, frozen=True):
    layers: tuple[str, ...]
    scratch: str
    epoch: int
    size: int
    file_system: str
    features: str
    uuids: dict[str, object]
    uefi: bool


class DiskAnswer(msgspec.Struct, frozen=True):
    raw_digest: str


CONFIG = VmConfig(  # noqa: S604 - the shell is a serial port
    architecture="x86_64",
    memory=256 << 20,
    processors=2,
    disk_bus="nvme",
    disk_size=SIZE + ROOT_START,
    raw_digest="",
    firmware=("bios", "uefi"),
    console="ttyS0",
    shell="ttyS1",
)
RENDERED_FILES = {"toy.xml": "<domain/>\n", "toy.sh": "qemu\n"}


def make_disk(
    toolbox: Toolbox, folder: Path, changed_tree: Tree = TREE, kind: str = "ext4", features: str = LINUX_2_6
) -> Path:
    folder.mkdir()
    (folder / "0.tar.gz").write_bytes(gzip.compress(tar_of(changed_tree), 1, mtime=0))
    request = DiskRequest(
        layers=("0.tar.gz",), scratch="scratch", epoch=DAY, size=CONFIG.disk_size, file_system=kind, features=features,
        uuids={
            "disk": UUID.format(0),
            "root": UUID.format(99),
            "partitions": {str(number): UUID.format(number) for number in (1, 14, 15)},
        },
        uefi=True,
    )  # fmt: skip
    toolbox.run("disk", request, DiskAnswer, work=folder, time_limit=300)
    return folder / "disk.qcow2"


def raw_digest(disk: Path) -> str:
    raw = disk.with_name("for-the-digest.raw")
    subprocess.run(["qemu-img", "convert", "-O", "raw", disk, raw], check=True)
    with raw.open("rb") as stream:
        digest, _ = digest_stream(stream)
    raw.unlink()
    return digest


def kept_disk(
    folder: Path, disk: Path, config: VmConfig = CONFIG, rendered: dict[str, str] = RENDERED_FILES
) -> ImageAt:
    store = Store(folder)
    digest, size = store.put_copy(disk)
    data = documents.compact(msgspec.structs.replace(config, raw_digest=raw_digest(disk)))
    texts = [
        oci.Descriptor(
            media_type=RENDERED, digest=store.put(text.encode()), size=len(text), annotations={oci.TITLE: name}
        )
        for name, text in rendered.items()
    ]
    manifest = oci.Manifest(
        config=oci.Descriptor(media_type=VM_CONFIG, digest=store.put(data), size=len(data)),
        layers=(oci.Descriptor(media_type=VM_DISK, digest=digest, size=size), *texts),
        artifact_type=VM_TYPE,
    )
    return ImageAt(store, store.put_manifest(manifest, "image/toy/vm"))


@pytest.fixture(scope="module")
def disk(toolbox: Toolbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_disk(toolbox, tmp_path_factory.mktemp("vm") / "made")


@pytest.fixture(scope="module")
def vm(disk: Path) -> ImageAt:
    return kept_disk(disk.parent / "images", disk)


ROOT = f'"raw?offset={ROOT_START}"'


def debugfs(*commands: str) -> str:
    return "".join(f"debugfs -w -R '{command}' {ROOT}\n" for command in commands)


def poke(offset: int) -> str:
    return f"printf '\\252' | dd of=raw bs=1 seek={offset} conv=notrunc status=none"


DISKS: dict[str, tuple[str, Cause, set[tuple[str, str, str]]]] = {
    "another uuid": (
        debugfs("set_super_value uuid 11111111-2222-3333-4444-555555555555"),
        Cause.CONTENT_IDENTICAL,
        {("file system", "", "uuid")},
    ),
    "another hash seed": (
        debugfs("set_super_value hash_seed 11111111-2222-3333-4444-555555555555"),
        Cause.CONTENT_IDENTICAL,
        {("file system", "", "hash seed")},
    ),
    "made at another time": (
        debugfs("set_super_value mkfs_time 20200102"),
        Cause.CONTENT_IDENTICAL,
        {("file system", "", "made")},
    ),
    "ids of the partition table": (
        "sfdisk --disk-id raw {0} && sfdisk --part-uuid raw 1 {0}".format("11111111-2222-3333-4444-555555555555"),
        Cause.CONTENT_IDENTICAL,
        {("partition table", "", "disk id"), ("partition table", "", "partition 1 id")},
    ),
    "a partition lacking": ("sfdisk --delete raw 15", Cause.MISSING_OUTPUT, {("partition table", "", "partition 15")}),
    "a byte of the boot code": (poke(100), Cause.CONTENT_DIFFERS, {("boot area", "", "content")}),
    "a byte before the first partition": (poke(500_000), Cause.CONTENT_DIFFERS, {("boot area", "", "content")}),
    "a byte of GRUB": (poke((1 << 20) + 2000), Cause.CONTENT_DIFFERS, {("partition 14", "", "content")}),
    "the volume id": (poke((2 << 20) + 39), Cause.CONTENT_IDENTICAL, {("partition 15", "", "volume id")}),
    "a byte of the EFI partition": (poke((40 << 20) + 7), Cause.CONTENT_DIFFERS, {("partition 15", "", "content")}),
    "a free byte": (poke(ROOT_START + SIZE - (2 << 20)), Cause.CONTENT_IDENTICAL, {("file system", "", "layout")}),
    "a time": (
        debugfs("sif /etc/made mtime @1600000007"),
        Cause.METADATA_ONLY,
        {("root", "/etc/made", "mtime")},
    ),
    "a time that nobody looks at": (
        debugfs("sif /etc/made crtime @1600000007"),
        Cause.METADATA_ONLY,
        {("root", "/etc/made", "crtime")},
    ),
    "mode": (debugfs("sif /bin/ping mode 0100700"), Cause.METADATA_ONLY, {("root", "/bin/ping", "mode")}),
    "owner": (debugfs("sif /bin/ping uid 7"), Cause.METADATA_ONLY, {("root", "/bin/ping", "owner")}),
    "extended attribute": (
        debugfs("ea_rm /bin/ping security.capability"),
        Cause.METADATA_ONLY,
        {("root", "/bin/ping", "attribute security.capability")},
    ),
    "a file lost": (debugfs("unlink /etc/pipe"), Cause.CONTENT_DIFFERS, {("root", "/etc/pipe", "path")}),
    "a file added": (
        "echo new > new\n" + debugfs("write new etc/new"),
        Cause.CONTENT_DIFFERS,
        {("root", "/etc/new", "path")},
    ),
}


@pytest.mark.parametrize("name", DISKS)
def test_a_disk_with_one_change_comes_out_as_its_class(name, toolbox, disk, vm, tmp_path):
    script, cause, expected = DISKS[name]
    rebuilt = kept_disk(tmp_path / "images", altered(toolbox, tmp_path, disk, script))
    comparison = compare_images("vm", vm, rebuilt, lambda: toolbox, NoProgress())
    assert comparison.cause is cause
    assert expected <= found(comparison)
    assert list((tmp_path / "images" / "tmp").iterdir()) == []


def altered(toolbox: Toolbox, folder: Path, disk: Path, script: str) -> Path:
    """A copy of a disk on which a script has worked."""
    work = folder / "altered"
    work.mkdir()
    (work / "before").write_bytes(disk.read_bytes())
    in_builder(
        toolbox,
        work,
        f"export SOURCE_DATE_EPOCH={DAY}\nqemu-img convert -O raw before raw\n{script}\n"
        "qemu-img convert -f raw -O qcow2 -c raw disk.qcow2\nrm raw",
    )
    return work / "disk.qcow2"


def test_a_disk_of_the_same_bytes_packed_otherwise_is_the_same_content(toolbox, disk, vm, tmp_path):
    in_builder(toolbox, disk.parent, "qemu-img convert -O qcow2 disk.qcow2 plain.qcow2")
    rebuilt = kept_disk(tmp_path / "images", disk.with_name("plain.qcow2"))
    comparison = compare_images("vm", vm, rebuilt, lambda: pytest.fail("nothing is unpacked"), NoProgress())
    assert (comparison.cause, found(comparison)) == (Cause.CONTENT_IDENTICAL, {("qcow2", "", "compression")})


def test_what_differs_in_files_of_a_disk_is_shown(toolbox, vm, tmp_path):
    data = bytearray(TREE[b"home/large"][1])
    data[5_000_000] ^= 1
    other = changed(b"home/large", data=bytes(data)) | {
        b"etc/made": (TREE[b"etc/made"][0], b"made on Thu Dec  3 05:01:02 UTC 2026\n"),
        b"bin/su": (TREE[b"bin/su"][0], b"us" * 5000),
    }
    rebuilt = kept_disk(tmp_path / "images", make_disk(toolbox, tmp_path / "made", other))
    comparison = compare_images("vm", vm, rebuilt, lambda: toolbox, NoProgress())
    assert comparison.cause is Cause.CONTENT_DIFFERS
    contents = {d.path: d for d in comparison.differences if d.part == "root"}
    assert contents.keys() == {"/bin/su", "/etc/made", "/home/large", "/home/link"}
    assert "first at byte 5000000, 1 bytes differ" in contents["/home/large"].detail
    assert contents["/etc/made"].kind == "time"
    assert contents["/home/link"].detail == contents["/bin/su"].detail


@pytest.mark.parametrize(
    ("made", "cause", "expected"),
    [
        ({"config": msgspec.structs.replace(CONFIG, memory=1 << 30)}, Cause.CONTENT_DIFFERS, ("config", "", "memory")),
        ({"rendered": RENDERED_FILES | {"toy.xml": "<other/>\n"}}, Cause.CONTENT_DIFFERS,
         ("rendered file", "toy.xml", "content")),
        ({"rendered": {"toy.xml": "<domain/>\n"}}, Cause.MISSING_OUTPUT, ("rendered file", "toy.sh", "path")),
    ],
)  # fmt: skip
def test_what_lies_beside_a_disk_is_compared(made, cause, expected, disk, vm, tmp_path):
    rebuilt = kept_disk(tmp_path / "images", disk, **made)
    comparison = compare_images("vm", vm, rebuilt, lambda: pytest.fail("nothing is unpacked"), NoProgress())
    assert (comparison.cause, found(comparison)) == (cause, {expected})


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (
            f"dd if=/dev/zero of=raw bs=1 seek={ROOT_START + 1024} count=1024 conv=notrunc",
            "there is no ext file system",
        ),
        ("dd if=/dev/zero of=raw bs=1M count=1 conv=notrunc", "no GUID partition table"),
        ("truncate -s 70M raw", "after the end of the disk"),
    ],
)
def test_a_damaged_disk_is_a_clear_failure(script, said, toolbox, disk, vm, tmp_path):
    rebuilt = kept_disk(tmp_path / "images", altered(toolbox, tmp_path, disk, script))
    with pytest.raises(InputFailure, match=f"the rebuilt image can not be read: .*{said}"):
        compare_images("vm", vm, rebuilt, lambda: toolbox, NoProgress())


def test_a_disk_that_refers_to_other_files_is_refused(toolbox, vm, disk, tmp_path):
    subprocess.run(
        ["qemu-img", "create", "-q", "-f", "qcow2", "-b", disk, "-F", "qcow2", tmp_path / "on-top.qcow2"], check=True
    )
    rebuilt = kept_disk(tmp_path / "images", tmp_path / "on-top.qcow2", msgspec.structs.replace(CONFIG, memory=1))
    manifest = rebuilt.store.manifest(rebuilt.descriptor)
    data = documents.compact(msgspec.structs.replace(CONFIG, raw_digest=Digest.of(b"")))
    other = msgspec.structs.replace(
        manifest, config=oci.Descriptor(media_type=VM_CONFIG, digest=rebuilt.store.put(data), size=len(data))
    )
    at = ImageAt(rebuilt.store, rebuilt.store.put_manifest(other, "image/toy/vm"))
    with pytest.raises(InputFailure, match="made of more files than one"):
        compare_images("vm", vm, at, lambda: toolbox, NoProgress())


# -- the lists --------------------------------------------------------------------------------------------------------


class _Silent:
    def advance(self, amount: int) -> None:
        pass


def of_layer(folder: Path, packed: Tree) -> dict[bytes, File]:
    """A tree as it is listed from an OCI layer."""
    store, tar = Store(folder), tar_of(packed)
    blob = oci.Descriptor(media_type=oci.LAYER, digest=store.put(tar), size=len(tar))
    files = flatten([list_layer(store, Layer("toy", Digest.of(tar), blob), _Silent())])
    return {file.path: plain(file) for file in files}


def plain(file: File) -> File:
    """A file without what only one kind of container tells of it."""
    return replace(file, times=file.times[:1], spelling="", layer="", member=b"")


def lists(toolbox: Toolbox, folder: Path, shape: str, image: Path, offset: int) -> dict[bytes, File]:
    class Request(msgspec.Struct):
        shape: str
        images: dict[str, dict[str, object]]
        pairs: int = 0
        largest: int = 0

    class Answer(msgspec.Struct):
        taken: list[object]

    folder.mkdir()
    asked = {"path": "/image", "offset": offset}
    request = Request(shape, {"stored": asked, "rebuilt": asked})
    toolbox.run(
        "list_images", request, Answer, work=folder, folders=[Folder(image, "/image")], time_limit=300
    )  # fmt: skip
    return {file.path: plain(file) for file in read_listing(folder / "stored.listing")}


MakesImage = Callable[[Toolbox, Path], Path]


@pytest.mark.parametrize(
    ("shape", "make", "packed"),
    [
        (
            "sif",
            lambda toolbox, folder: make_sif(toolbox, folder, Sif()).with_name("root.squashfs"),
            TREE | NOT_ON_DISKS,
        ),
        ("vm", make_disk, TREE),
        ("vm", lambda toolbox, folder: make_disk(toolbox, folder, TREE, "ext3", LINUX_2_4), TREE),
    ],
    ids=["squashfs", "ext4", "ext3"],
)
def test_the_same_tree_gives_the_same_list_in_every_shape(
    shape: str, make: MakesImage, packed: Tree, toolbox: Toolbox, tmp_path: Path
):
    expected = of_layer(tmp_path / "images", packed)
    listed = lists(toolbox, tmp_path / "listed", shape, make(toolbox, tmp_path / "made"), 0)
    assert {path: listed.get(path) for path in expected} == expected
    assert listed.keys() - expected.keys() <= {b"", b"lost+found"}
    assert listed[b"home/link"].leader == b"bin/su"
    assert listed[b""].kind == listing.FOLDER


@pytest.mark.parametrize("features", ["", "-O ^extents,^64bit"], ids=["extents", "block map"])
def test_a_damaged_file_system_is_refused_or_read_and_breaks_nothing(features, toolbox, tmp_path, monkeypatch):
    """A thousand file systems, each with some bytes spoilt where the structures lie."""
    monkeypatch.setattr(ext, "FILE_LIMIT", 1 << 26)
    in_builder(
        toolbox,
        tmp_path,
        "mkdir -p tree/folder\necho hello > tree/folder/file\nln -s file tree/folder/link\nseq 20000 > tree/large\n"
        f"mke2fs -q -t ext4 {features} -d tree image 4M",
    )
    image = (tmp_path / "image").read_bytes()
    structures = [at for at in range(0, len(image), 16) if image[at : at + 16] != bytes(16)]
    chance = random.Random(7)
    refused = 0
    for _ in range(1000):
        spoilt = bytearray(image)
        for _ in range(chance.choice([1, 3, 20])):
            spoilt[chance.choice(structures) + chance.randrange(16)] = chance.choice([0, 1, 0x7F, 0xFF])
        try:
            assert len(ext.Ext(io.BytesIO(spoilt), 0).files()) > 0
        except (ValueError, struct.error, IndexError):
            refused += 1
    assert 0 < refused < 1000
