"""A small release in a store, in every shape, as building it would leave it."""

from __future__ import annotations

import datetime as dt
import gzip
import io
from dataclasses import dataclass

import msgspec

from builder.core import documents
from builder.core.digest import Digest
from builder.inside.canonical import DIRECTORY, REGULAR, SYMBOLIC_LINK, Content, Entry, write_tar
from builder.lock import file as lock_file
from builder.lock.model import LOCK_VERSION, Blob, Key, Lock, Repository, RpmPackage, Signature, Source, Verdict
from builder.recipe.fields import FileRef
from builder.recipe.images import OciImage, SifImage, VmImage
from builder.recipe.model import Document, Os, Package, Recipe, Release, RpmRepository, RpmSource
from builder.recipe.validation import Validation
from builder.store import oci
from builder.store.shapes import (
    RENDERED,
    SIF_CONFIG,
    SIF_LAYER,
    VM_CONFIG,
    VM_DISK,
    VM_TYPE,
    Shape,
    VmConfig,
    reference,
)
from builder.store.store import Store

RELEASE = "tiny-1.0"
SUITE = "tiny-1.0/validation"


def tar(*contents: Content) -> bytes:
    sink = io.BytesIO()
    write_tar(contents, sink)
    return sink.getvalue()


def regular(path: str, data: bytes = b"", mode: int = 0o644) -> Content:
    return Entry(path.encode(), REGULAR, mode, 0, 0, 0, size=len(data)), lambda: io.BytesIO(data)


def link(path: str, target: str) -> Content:
    return Entry(path.encode(), SYMBOLIC_LINK, 0o777, 0, 0, 0, link=target.encode()), None


def directory(path: str) -> Content:
    return Entry(path.encode(), DIRECTORY, 0o755, 0, 0, 0), None


def blob(store: Store, data: bytes) -> Blob:
    return Blob(digest=str(store.put(data)), size=len(data))


def descriptor(store: Store, kind: str, data: bytes, title: str = "") -> oci.Descriptor:
    annotations = {oci.TITLE: title} if title else {}
    return oci.Descriptor(media_type=kind, digest=store.put(data), size=len(data), annotations=annotations)


def put_oci(store: Store, name: str, annotations: dict[str, str]) -> oci.Descriptor:
    """Store an image of two layers."""
    layers = [tar(directory("etc"), regular("etc/one", b"1")), tar(regular("etc/two", b"2"))]
    config = documents.compact(
        oci.ImageConfig(
            architecture="amd64",
            os="linux",
            created="2020-03-01T00:00:00Z",
            config={},
            rootfs=oci.RootFs(diff_ids=tuple(Digest.of(layer) for layer in layers)),
            history=(),
        )
    )
    manifest = oci.Manifest(
        config=descriptor(store, oci.CONFIG, config),
        layers=tuple(descriptor(store, oci.LAYER_GZIP, gzip.compress(layer, mtime=0)) for layer in layers),
        annotations=annotations,
    )
    return store.put_manifest(manifest, name)


@dataclass
class Site:
    """A store, and the lock of the release in it."""

    store: Store
    lock: Lock

    def source(self, place: str, source: str, data: bytes, kind: str = "file") -> None:
        """Add an input to the lock."""
        added = {place: Source(source=source, blob=blob(self.store, data), kind=kind)}
        self.lock = msgspec.structs.replace(self.lock, sources=self.lock.sources | added)

    def put_image(
        self,
        shape: Shape,
        *,
        subject: oci.Descriptor | None = None,
        lock: Lock | None = None,
        machine: VmConfig | None = None,
    ) -> oci.Descriptor:
        """Store the release's image in a shape, as one that was built from a lock, by default the present one."""
        made_from = lock or self.lock
        annotations = {
            "boss-builder.lock": str(Digest.of(lock_file.encode(made_from))),
            "boss-builder.builder-image": made_from.builder_image.digest,
        }
        if shape == "oci":
            return put_oci(self.store, reference(RELEASE, shape), annotations)
        kind, media_type, suffix = {"sif": (SIF_CONFIG, SIF_LAYER, "sif"), "vm": (VM_CONFIG, VM_DISK, "qcow2")}[shape]
        config = b"{}" if shape == "sif" else documents.compact(machine or vm_config())
        titles = {"sif": ["tiny-1.0.def"], "vm": ["tiny-1.0.xml", "tiny-1.0.sh", "grub.cfg"]}[shape]
        files = [(media_type, f"{RELEASE}.{suffix}", f"the {shape}".encode() * 1000)]
        files += [(RENDERED, title, title.encode()) for title in titles]
        manifest = oci.Manifest(
            config=oci.Descriptor(media_type=kind, digest=self.store.put(config), size=len(config)),
            layers=tuple(descriptor(self.store, m, data, title) for m, title, data in files),
            artifact_type=VM_TYPE if shape == "vm" else None,
            subject=subject or self.store.find(RELEASE),
            annotations=annotations,
        )
        return self.store.put_manifest(manifest, reference(RELEASE, shape))

    def put_evidence(self, shape: Shape, image: oci.Descriptor, state: str) -> None:
        layer = descriptor(self.store, "text/plain", b"41 passed\n", "summary.txt")
        manifest = oci.Manifest(
            config=self.store.put_empty_config(),
            layers=(layer,),
            artifact_type="application/vnd.boss-builder.validation.v1",
            subject=oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size),
            annotations={"boss-builder.validation.state": state},
        )
        self.store.put_manifest(manifest, f"validation/{RELEASE}/{shape}")


def vm_config(bus: str = "nvme", firmware: tuple[str, ...] = ("bios",)) -> VmConfig:
    return VmConfig(  # noqa: S604 - its shell is the name of a port
        architecture="x86_64",
        memory=1 << 30,
        processors=2,
        disk_bus=bus,
        disk_size=4 << 30,
        raw_digest=str(Digest.of(b"raw")),
        firmware=firmware,
        console="ttyS0",
        shell="ttyS1",
    )


RECIPE = Recipe(
    release=Release(name="tiny", version="1.0", title="Tiny 1.0", date=dt.date(2020, 3, 1), license="MIT"),
    os=Os(
        family="tiny",
        version="1",
        architecture="x86_64",
        packages=("shell",),
        rpm_repository=(RpmRepository(name="os", url="http://vault.example/os"),),
        stands_in_for="an Enterprise Linux",
    ),
    package=Package(name="boss", source=RpmSource(url="http://vault.example/boss", packages=("boss",))),
    document=(Document(name="notes", title="Notes", file=FileRef("tiny-1.0", "documents/notes.md")),),
    image=(OciImage(), SifImage(), VmImage(packages=("kernel",))),
    validation=Validation(suite=FileRef("tiny-1.0", "validation")),
)


def frozen(store: Store) -> Site:
    """A store with all inputs of the release, and no image yet."""
    names = ("shell", "boss", "kernel")
    packages = tuple(
        RpmPackage(
            name=name,
            epoch=0,
            version="1",
            release="1",
            architecture="noarch",
            location=f"Packages/{name}-1-1.noarch.rpm",
            blob=blob(store, f"package {name}".encode()),
            signature=Signature(verdict=Verdict.GOOD, key_id="0123456789abcdef"),
        )
        for name in names
    )
    repository = Repository(
        name="os",
        url="http://vault.example/os",
        revision="1",
        metadata={"repodata/repomd.xml": blob(store, b"upstream")},
        signature=Signature(verdict=Verdict.UNSIGNED),
        keys=(
            Key(source="base/keys/KEY", fingerprint="A" * 40, blob=blob(store, b"a key beside the recipe")),
            Key(source="http://vault.example/KEY", fingerprint="B" * 40, blob=blob(store, b"a key from the vault")),
        ),
        packages=packages,
    )
    builder = put_oci(store, "builder/one", {})
    lock = Lock(
        version=LOCK_VERSION,
        recipe=RECIPE,
        recipe_files={"tiny-1.0": blob(store, b"the recipe"), "base": blob(store, b"the base")},
        builder_image=Blob(digest=str(builder.digest), size=builder.size),
        repositories=(repository,),
        os_packages=("shell-0:1-1.noarch",),
        boss_packages=("boss-0:1-1.noarch",),
        vm_packages=("kernel-0:1-1.noarch",),
        frozen_repository={"repomd.xml": blob(store, b"frozen")},
        sources={},
    )
    site = Site(store, lock)
    site.source("document.notes", "tiny-1.0/documents/notes.md", b"notes")
    suite = tar(regular("test_it.py", b"def test_it(host): pass\n"))
    site.source("validation.suite", SUITE, suite, "directory")
    return site
