"""A small release in a store, built and validated in every shape, and keys to sign it with."""

from __future__ import annotations

import functools
import gzip
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec

from builder.audit.signing import allowed, artifacts, sshsig, sums
from builder.audit.signing.keys import SigningKey, make, read_private
from builder.audit.signing.sign import Signed, sign
from builder.audit.statements.material import gather, references
from builder.core.digest import Digest
from builder.core.progress import NoProgress
from builder.lock import file as lock_file
from builder.recipe.fields import FileRef
from builder.recipe.model import DirectorySource, ExternalLibrary, TarballSource
from builder.store import oci
from builder.store.shapes import SHAPES, Shape
from builder.store.store import Store
from builder.validation.outcome import (
    EVIDENCE_VERSION,
    Check,
    CheckOutcome,
    Evidence,
    ImageId,
    Suite,
    Totals,
    overall,
)
from builder.validation.results import store_results
from builder.validation.validate import store_evidence
from tests.unit.export.release import RELEASE, Site, blob, frozen, regular, tar

WHO = "librarian@example"
SUITE = Digest.of(b"suite")
CHECKS = (
    Check(name="test_boss.py::test_it_runs", outcome=CheckOutcome.PASSED),
    Check(name="test_disk.py::test_grub", outcome=CheckOutcome.SKIPPED, message="not applicable: no boot loader"),
)
FAILED = Check(name="test_boss.py::test_physics", outcome=CheckOutcome.FAILED, message="1 != 2")
ERROR = Check(name="test_boss.py::test_time", outcome=CheckOutcome.ERROR, message="setup: it hangs")


def primary(licenses: dict[str, str]) -> bytes:
    """A list of packages as createrepo_c writes it: licences by the digest of the package."""
    packages = "".join(
        f'<package type="rpm"><name>x</name><checksum type="sha256" pkgid="YES">{digest.removeprefix("sha256:")}'
        f"</checksum><format><rpm:license>{license_}</rpm:license></format></package>"
        for digest, license_ in licenses.items()
    )
    head = '<metadata xmlns="http://linux.duke.edu/metadata/common" xmlns:rpm="http://linux.duke.edu/metadata/rpm">'
    return f'<?xml version="1.0" encoding="UTF-8"?>{head}{packages}</metadata>'.encode()


def complete(store: Store) -> Site:
    """The release frozen, with libraries and licences."""
    site = frozen(store)
    tarball = TarballSource(url="http://vault.example/lib-2.tar", sha256="0" * 64)
    libraries = (
        ExternalLibrary(name="lib", version="2", source=tarball, install_to="/opt/lib"),
        ExternalLibrary(
            name="geo", version="1.0", source=DirectorySource(path=FileRef("tiny-1.0", "geo")), install_to="/opt/geo"
        ),
    )
    recipe = msgspec.structs.replace(site.lock.recipe, external_library=libraries)
    names = ("MIT", "GPLv2+ and BSD", "Apache-2.0 OR MIT")
    digests = [package.blob.digest for package in site.lock.packages()]
    listing = gzip.compress(primary(dict(zip(digests, names, strict=True))), mtime=0)
    site.lock = msgspec.structs.replace(
        site.lock,
        recipe=recipe,
        frozen_repository=site.lock.frozen_repository | {"0a-primary.xml.gz": blob(store, listing)},
    )
    site.source(
        "external_library.lib", "http://vault.example/lib-2.tar", tar(regular("lib.txt", b"a library")), "tarball"
    )
    site.source("external_library.geo", "tiny-1.0/geo", tar(regular("geo.txt", b"a folder")), "directory")
    keep_lock(site)
    return site


def keep_lock(site: Site) -> None:
    """Keep the lock in the store, as freeze does."""
    data = lock_file.encode(site.lock)
    layers = tuple(
        oci.Descriptor(media_type="application/octet-stream", digest=b.digest, size=b.size, annotations={oci.TITLE: n})
        for n, b in sorted(site.lock.blobs().items())
    )
    config = oci.Descriptor(media_type="application/json", digest=site.store.put(data), size=len(data))
    manifest = oci.Manifest(config=config, layers=layers, artifact_type="application/vnd.boss-builder.inputs.v1")
    site.store.put_manifest(manifest, f"inputs/{RELEASE}")


def judge(site: Site, shape: Shape, image: oci.Descriptor, *more: Check, problems: tuple[str, ...] = ()) -> Evidence:
    """Store results and evidence of an image."""
    _, results = store_results(site.store, site.lock, shape, image, {})
    suites = (Suite(name="recipe", digest=str(SUITE), checks=(*CHECKS, *more), problems=problems),)
    evidence = Evidence(
        version=EVIDENCE_VERSION,
        release=RELEASE,
        title="Tiny 1.0",
        image=ImageId(shape=shape, media_type=image.media_type, digest=str(image.digest), size=image.size),
        lock=str(Digest.of(lock_file.encode(site.lock))),
        stands_in_for=(),
        tools={"pytest": "9"},
        state=overall(suites),
        totals=Totals.of(check for suite in suites for check in suite.checks),
        suites=suites,
        results=str(results.digest),
    )
    store_evidence(site.store, evidence, image)
    return evidence


def judged(path: Path) -> Site:
    """The release built and validated in every shape, in a store at `path`."""
    site = complete(Store(path))
    for shape in SHAPES:
        judge(site, shape, site.put_image(shape))
    return site


@functools.cache
def keys() -> tuple[SigningKey, SigningKey]:
    """Two keys, made once."""
    folder = Path(_FOLDER.name)
    for name in ("one", "other"):
        make(folder / name, name)
    return read_private(folder / "one"), read_private(folder / "other")


_FOLDER = tempfile.TemporaryDirectory(prefix="keys-")


@dataclass
class SignedSite:
    """A release that was signed by somebody who may."""

    site: Site
    key: SigningKey
    allowed: Path

    @property
    def store(self) -> Store:
        return self.site.store

    def sign(self, key: SigningKey | None = None, who: str = WHO) -> Signed:
        return sign(self.store, RELEASE, key or self.key, who, NoProgress())

    @property
    def signature(self) -> str:
        return artifacts.signature_reference(RELEASE, self.key.public)

    @property
    def receipt(self) -> str:
        return artifacts.receipt_reference(RELEASE, self.key.public)

    def attestation(self, shape: Shape = "oci") -> str:
        return artifacts.attestation_reference(RELEASE, shape, self.key.public)

    def file(self, reference: str, title: str) -> bytes:
        """A file of an artifact."""
        found = self.store.find(reference)
        assert found is not None, reference
        layers = self.store.manifest(found).layers
        return self.store.read(next(one.digest for one in layers if one.annotations[oci.TITLE] == title))

    def replace(self, reference: str, title: str, data: bytes) -> None:
        """Put another file in the place of one of an artifact, with digests that are right."""
        found = self.store.find(reference)
        assert found is not None
        manifest = self.store.manifest(found)
        layers = tuple(
            msgspec.structs.replace(one, digest=str(self.store.put(data)), size=len(data))
            if one.annotations[oci.TITLE] == title
            else one
            for one in manifest.layers
        )
        self.store.put_manifest(msgspec.structs.replace(manifest, layers=layers), reference)

    def sign_sums(self) -> None:
        """Sign what the store has now, whatever it says: as somebody would who may sign, and lies."""
        material = gather(self.store, RELEASE)
        known = {name: self.store.find(name) for name in artifacts.expected(material, self.key.public)}
        present = references(material) | {name: one for name, one in known.items() if one is not None}
        self.put_sums(sums.spelled(sums.blobs(self.store, present)))

    def put_sums(self, listed: bytes) -> None:
        """Put another list in the place of the signed one, and sign it."""
        self.replace(self.signature, artifacts.SUMS, listed)
        self.replace(self.signature, artifacts.SUMS_SIGNATURE, sshsig.sign(listed, self.key))


def signed(folder: Path) -> SignedSite:
    """The release signed, by somebody whom the store's own list names; a copy of one that is made once."""
    made = _signed_once()
    shutil.copytree(made.site.store.path, folder / "images")
    store = Store(folder / "images")
    return SignedSite(Site(store, made.site.lock), made.key, allowed.default_path(store.path))


@functools.cache
def _signed_once() -> SignedSite:
    site = judged(Path(_FOLDER.name) / "images")
    path = allowed.default_path(site.store.path)
    found = SignedSite(site, keys()[0], path)
    allowed.trust(path, WHO, found.key.public)
    found.sign()
    return found
