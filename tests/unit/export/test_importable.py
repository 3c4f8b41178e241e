"""A plain export is a copy too: import takes it back, and what is hostile or damaged in it changes no reference."""

import datetime as dt
import io
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from builder.audit.copies.bring_in import bring_in
from builder.audit.copies.find import open_source, opened_source
from builder.audit.copies.place import Folder
from builder.build.build import build_plan
from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.core.progress import NoProgress
from builder.export.export import export
from builder.export.folder import SHA256SUMS
from builder.inside import canonical
from builder.inside.canonical import Content, Entry
from builder.lock import file as lock_file
from builder.store import oci
from builder.store.contents import STAGE
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.export.archives import build, files, put_artifact
from tests.unit.export.release import RELEASE, Site, descriptor, frozen, regular, tar

NOW = dt.datetime(2040, 1, 1, tzinfo=dt.UTC)
IMAGES = {RELEASE, f"image/{RELEASE}/sif", f"image/{RELEASE}/vm"}
EVIDENCE = {f"validation/{RELEASE}/oci", f"results/{RELEASE}/oci", f"receipt/{RELEASE}/0123"}


@pytest.fixture(scope="module")
def release(tmp_path_factory) -> Site:
    """A release with evidence, a history of rebuilds, and a stage whose layer the image has; it stays as it is."""
    site = frozen(Store(tmp_path_factory.mktemp("release") / "images"))
    build(site)
    store = site.store
    image = store.references()[RELEASE]
    site.put_evidence("oci", image, "PASSED")
    for name in (f"results/{RELEASE}/oci", f"receipt/{RELEASE}/0123", f"rebuild/{RELEASE}", "results/other-1.0/oci"):
        put_artifact(store, name, name.encode() * 2_000)
    layer = store.manifest(image).layers[0]
    other = descriptor(store, "x", b"not in the image")
    for name, one in ((os_stage(site), layer), (vm_stage(site), other), (f"{STAGE}/os/of-an-older-day", layer)):
        config = descriptor(store, "application/vnd.test", name.encode())
        store.put_manifest(oci.Manifest(config=config, layers=(one,)), name)
    return site


def os_stage(site: Site) -> str:
    return build_plan(site.lock).stages[0].reference


def vm_stage(site: Site) -> str:
    planned = build_plan(site.lock).vm
    assert planned
    return planned.reference


@pytest.fixture(scope="module")
def exported(release, tmp_path_factory) -> Path:
    """An export that stays as it is."""
    return write(release, tmp_path_factory.mktemp("export") / "x")


@pytest.fixture
def copied(exported, tmp_path) -> Path:
    """An export to change."""
    return Path(shutil.copytree(exported, tmp_path / "x"))


def write(site: Site, target: Path, *shapes, with_inputs: bool = False) -> Path:
    export(site.lock, site.store, target, shapes=shapes, with_inputs=with_inputs, progress=NoProgress())
    return target


def take(source: Path, target: Store) -> None:
    with opened_source(str(source), target, NoProgress()) as opened:
        bring_in(opened, Folder(target, NOW), (), NoProgress())


def packed(folder: Path) -> Path:
    """Make a tar of a folder, beside it."""
    path = folder.with_name(f"{folder.name}.tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


@pytest.mark.parametrize("form", [lambda folder: folder, packed], ids=["a folder", "a tar.gz"])
def test_an_export_gives_images_and_evidence_back(release, copied, tmp_path, form):
    back = Store(tmp_path / "back")
    take(form(copied), back)
    assert verify(back) == ()
    assert back.references() == {name: release.store.find(name) for name in IMAGES | EVIDENCE}
    assert back.read(Digest.of(lock_file.encode(release.lock)))
    for name, found in back.references().items():
        assert back.read(found.digest) == release.store.read(release.store.find(name).digest)


def test_an_export_with_inputs_gives_all_back_that_a_build_needs(release, tmp_path):
    back = Store(tmp_path / "back")
    take(write(release, tmp_path / "x", with_inputs=True), back)
    names = IMAGES | EVIDENCE | {f"inputs/{RELEASE}", "builder/one", os_stage(release)}
    assert verify(back) == ()
    assert back.references() == {name: release.store.find(name) for name in names}
    write(Site(back, release.lock), tmp_path / "again", with_inputs=True)
    ours, theirs = files(tmp_path / "x"), files(tmp_path / "again")
    assert ours == theirs


def test_only_what_was_exported_comes_with_its_evidence(release, tmp_path):
    back = Store(tmp_path / "back")
    take(write(release, tmp_path / "x", "vm"), back)
    assert set(back.references()) == {f"image/{RELEASE}/vm", f"results/{RELEASE}/oci", f"receipt/{RELEASE}/0123"}
    assert verify(back) == ()


def test_no_blob_lies_in_an_export_twice(release, tmp_path):
    folder = write(release, tmp_path / "x", with_inputs=True)
    blobs = {path.name for path in (folder / "layout/blobs/sha256").iterdir()}
    others = {Digest.of(data).hex for name, data in files(folder).items() if not name.startswith("layout/")}
    for archive in (folder / f"{RELEASE}.oci.tar", folder / "inputs/builder-image.tar"):
        with tarfile.open(archive) as opened:
            others |= {Path(name).name for name in opened.getnames()}
    assert blobs.isdisjoint(others)
    assert sum(path.stat().st_size for path in (folder / "layout/blobs").rglob("*") if path.is_file()) < 200_000


def test_a_file_with_a_name_that_is_spelled_otherwise_does_not_stand_for_a_blob(site, tmp_path):
    entry = Entry(b"caf\xe9", canonical.REGULAR, 0o644, 0, 0, 0, size=500)
    latin: Content = (entry, lambda: io.BytesIO(b"odder" * 100))
    data = tar(regular("a\\b", b"odd" * 100), latin)
    site.source("external_library.odd", f"{RELEASE}/libraries/odd", data, "directory")
    build(site)
    for content in (b"odd" * 100, b"odder" * 100):
        put_artifact(site.store, f"results/{RELEASE}/{len(content)}", content)
    back = Store(tmp_path / "back")
    take(write(site, tmp_path / "x"), back)
    assert back.read(Digest.of(b"odd" * 100))
    assert back.read(Digest.of(b"odder" * 100))


# -- hostile and damaged ----------------------------------------------------------------------------------------------

ARCHIVE = f"{RELEASE}.oci.tar"
ZERO = "0" * 64


def listing(name: str):
    """List one more file."""

    def harm(folder: Path) -> None:
        with (folder / SHA256SUMS).open("ab") as stream:
            stream.write(f"{ZERO}  {name}\n".encode())

    return harm


def flip(name: str, at: int = -1):
    def harm(folder: Path) -> None:
        data = bytearray((folder / name).read_bytes())
        data[at if at >= 0 else len(data) // 2] ^= 1
        (folder / name).write_bytes(data)

    return harm


def archive(*members: tuple[str, bytes, bytes, int]):
    """Put another archive in the place of the image's: names, types, data, and sizes that are declared."""

    def harm(folder: Path) -> None:
        sink = io.BytesIO()
        for name, kind, data, size in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, size, "/etc/passwd"
            sink.write(info.tobuf(tarfile.GNU_FORMAT) + data + b"\0" * (-len(data) % 512))
        (folder / ARCHIVE).write_bytes(sink.getvalue() + b"\0" * 1024)

    return harm


def linked(name: str):
    """Put a link in the place of a file or folder."""

    def harm(folder: Path) -> None:
        (folder / name).rename(folder.with_name("outside"))
        (folder / name).symlink_to(folder.with_name("outside"))

    return harm


def piped(name: str):
    def harm(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return harm


REGULAR, LINK = tarfile.REGTYPE, tarfile.SYMTYPE
HARMS = {
    "a name that leads out": (listing("../../etc/passwd"), "leads elsewhere"),
    "an absolute name": (listing("/etc/passwd"), "leads elsewhere"),
    "a name twice": (listing(ARCHIVE), "twice"),
    "a line that is none": (lambda folder: (folder / SHA256SUMS).write_text("x\n"), "a line that is none"),
    "a line without end": (lambda folder: (folder / SHA256SUMS).write_bytes(b"0" * (1 << 20)), "a line that is none"),
    "a damaged disk": (flip(f"{RELEASE}.qcow2"), "is damaged in"),
    "a damaged layer": (flip(ARCHIVE, 1600), "is damaged in|damaged|no tar"),
    "a damaged manifest": (
        lambda folder: [flip(f"layout/blobs/sha256/{path.name}")(folder)
                        for path in (folder / "layout/blobs/sha256").iterdir()],
        "is damaged in"),
    "a lying list": (
        lambda folder: (folder / SHA256SUMS).write_text(
            (folder / SHA256SUMS).read_text().replace("tiny-1.0.qcow2", "tiny-1.0.sif.")
        ),
        "missing|gone"),
    "no archive": (lambda folder: (folder / ARCHIVE).unlink(), "missing"),
    "no disk": (lambda folder: (folder / f"{RELEASE}.qcow2").unlink(), "missing"),
    "an archive that is a link": (linked(ARCHIVE), "can not be read"),
    "an archive that is a pipe": (piped(ARCHIVE), "no ordinary file|can not be read"),
    "a disk that is a link": (linked(f"{RELEASE}.qcow2"), "can not be read"),
    "a disk that is a pipe": (piped(f"{RELEASE}.qcow2"), "no ordinary file"),
    "a layout that is a link": (linked("layout"), "leads through a link"),
    "blobs that are a link": (linked("layout/blobs"), "is a link"),
    "evidence that is a link": (linked("evidence/oci"), "leads through a link"),
    "a list that is a link": (linked(SHA256SUMS), "can not be read"),
    "an archive that is cut short": (lambda folder: os.truncate(folder / ARCHIVE, 2000), "no tar|cut short|missing"),
    "an archive of noise": (lambda folder: (folder / ARCHIVE).write_bytes(b"noise" * 9999), "is no tar"),
    "a blob twice": (
        archive((f"blobs/sha256/{ZERO}", REGULAR, b"1", 1), (f"blobs/sha256/{ZERO}", REGULAR, b"2", 1)), "there twice"),
    "a blob that is a link": (archive((f"blobs/sha256/{ZERO}", LINK, b"", 0)), "is a link"),
    "a blob that is a device": (archive((f"blobs/sha256/{ZERO}", tarfile.CHRTYPE, b"", 0)), "is a link, a device"),
    "a blob beyond the end": (archive((f"blobs/sha256/{ZERO}", REGULAR, b"1", 1 << 50)), "cut short|no tar"),
    "a long header": (archive(("././@LongLink", tarfile.GNUTYPE_LONGNAME, b"a" * 10, 1 << 40)), "a header of"),
    "another layout": (lambda folder: (folder / "layout/oci-layout").write_text('{"imageLayoutVersion": "9"}'), "'9'"),
    "a deep index": (lambda folder: (folder / "layout/index.json").write_text("[" * 10**5), "nested|not what it"),
    "no index": (lambda folder: (folder / "layout/index.json").unlink(), "no index.json"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMS)
def test_an_export_that_is_hostile_or_damaged_changes_no_reference_and_says_why(copied, tmp_path, harm):
    change, said = HARMS[harm]
    change(copied)
    back = Store(tmp_path / "back")
    before = {path for path in tmp_path.rglob("*") if back.path not in path.parents}
    with pytest.raises(InputFailure, match=said):
        take(copied, back)
    assert back.references() == {}
    assert verify(back) == ()
    assert {path for path in tmp_path.rglob("*") if path != back.path and back.path not in path.parents} == before


def test_an_export_is_a_copy_to_repair_from(release, exported):
    disk = release.store.manifest(release.store.find(f"image/{RELEASE}/vm")).layers[0]
    source = open_source(str(exported))
    with source.pieces(disk.digest, disk.size) as pieces:
        assert Digest.of(b"".join(pieces)) == disk.digest
    layer = release.store.manifest(release.store.find(RELEASE)).layers[0]
    with source.pieces(layer.digest, layer.size) as pieces:
        assert Digest.of(b"".join(pieces)) == layer.digest


def test_an_export_of_an_earlier_day_says_what_it_lacks(copied, tmp_path):
    shutil.rmtree(copied / "layout")
    with pytest.raises(InputFailure, match="has no oci-layout"):
        take(copied, Store(tmp_path / "back"))
