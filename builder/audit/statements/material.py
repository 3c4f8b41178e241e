"""What the store has of a release: lock, images, and what the validation said of these very images."""

from __future__ import annotations

from dataclasses import dataclass

from builder.audit.statements import reading
from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.export.images import StoredImage, stored_images
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.lock.notes import all_stand_ins
from builder.store import oci
from builder.store.contents import INPUTS, RESULTS, VALIDATION
from builder.store.shapes import SHAPES, Shape, reference
from builder.store.store import Store
from builder.validation.outcome import Evidence, State

EVIDENCE_FILE = "validation.json"


@dataclass(frozen=True)
class Judgement:
    """What the validation of an image left: its artifact, the artifact's manifest, and the result where it is read."""

    descriptor: oci.Descriptor
    manifest: oci.Manifest
    evidence: Evidence | None
    """None where it is another version's."""


@dataclass(frozen=True)
class Judged:
    """An image, what was said of it, and the artifact of its samples' histograms."""

    image: StoredImage
    judgement: Judgement | None
    results: oci.Descriptor | None

    @property
    def shape(self) -> Shape:
        """The image's shape."""
        return self.image.shape

    @property
    def state(self) -> State:
        """What was found; UNKNOWN where nothing was asked, or the answer can not be read."""
        evidence = self.judgement.evidence if self.judgement else None
        return evidence.state if evidence else State.UNKNOWN


@dataclass(frozen=True)
class Material:
    """Everything that is said of a release is said of this."""

    lock: Lock
    inputs: oci.Descriptor
    """The artifact that names every input; its configuration is the lock."""
    builder_image: oci.Descriptor
    images: tuple[Judged, ...]
    """In the order of SHAPES; `oci` is always there."""

    @property
    def release(self) -> str:
        """Name of the release."""
        return self.lock.recipe.full_name

    @property
    def lock_digest(self) -> Digest:
        """Digest of the lock."""
        return Digest.of(lock_file.encode(self.lock))

    @property
    def oci(self) -> Judged:
        """The OCI image, which all the others hold the same files as."""
        return next(judged for judged in self.images if judged.shape == "oci")

    @property
    def emulated(self) -> tuple[str, ...]:
        """What is only imitated; empty for a real release."""
        return all_stand_ins(self.lock)


def gather(store: Store, release: str) -> Material:
    """Read what a store has of a release. Evidence and results of other images than the present ones are left out.

    Raises InputFailure where there is no lock or no OCI image, or an image was not made from the lock; WorkFailure
    where something is damaged.
    """
    inputs = store.find(f"{INPUTS}/{release}")
    if inputs is None:
        raise InputFailure(
            f"the store {store.path} has no lock of {release}",
            hint=f"boss-builder freeze {release}, or name another store",
        )
    config = reading.manifest(store, inputs).config
    lock = reading.parse(reading.read(store, config), Lock, f"the lock of {release}")
    if Digest.of(lock_file.encode(lock)) != config.digest or lock.recipe.full_name != release:
        raise WorkFailure(
            f"the lock of {release} in the store is not one that this version of the software wrote",
            hint=f"boss-builder freeze {release}",
        )
    for shape in SHAPES:
        image = store.find(reference(release, shape))
        if image is not None:
            reading.manifest(store, image)  # whatever ails it is told as a failure
    images = stored_images(store, lock, ())
    if images[0].shape != "oci":
        raise InputFailure(
            f"the store {store.path} has no oci image of {release}", hint=f"boss-builder build {release}"
        )
    judged = tuple(Judged(one, _judgement(store, release, one), _results(store, release, one)) for one in images)
    for one in judged:
        _check_results(release, one)
    builder = oci.Descriptor(media_type=oci.MANIFEST, digest=lock.builder_image.digest, size=lock.builder_image.size)
    return Material(lock, inputs, builder, judged)


def _of_image(store: Store, name: str, image: StoredImage) -> tuple[oci.Descriptor, oci.Manifest] | None:
    """Find an artifact whose subject is this very image."""
    descriptor = store.find(name)
    if descriptor is None:
        return None
    manifest = reading.manifest(store, descriptor)
    ours = manifest.subject is not None and manifest.subject.digest == image.descriptor.digest
    return (descriptor, manifest) if ours else None


def _judgement(store: Store, release: str, image: StoredImage) -> Judgement | None:
    found = _of_image(store, f"{VALIDATION}/{release}/{image.shape}", image)
    if found is None:
        return None
    descriptor, manifest = found
    file = next((layer for layer in manifest.layers if layer.annotations.get(oci.TITLE) == EVIDENCE_FILE), None)
    return Judgement(descriptor, manifest, _evidence(store, file, image) if file else None)


def _evidence(store: Store, file: oci.Descriptor, image: StoredImage) -> Evidence | None:
    """Read a result; None where it is another version's, or says that it is of another image."""
    data = reading.read(store, file)  # damage is told; another version is not damage
    try:
        evidence = reading.parse(data, Evidence, EVIDENCE_FILE)
    except WorkFailure:
        return None
    return evidence if evidence.image.digest == image.descriptor.digest else None


def _check_results(release: str, judged: Judged) -> None:
    """See that the results that were judged are those that the store has. Raises WorkFailure."""
    evidence = judged.judgement.evidence if judged.judgement else None
    there = judged.results.digest if judged.results else ""
    if evidence is not None and evidence.results and evidence.results != there:
        raise WorkFailure(
            f"the validation of the {judged.shape} image of {release} judged other results than the store has",
            hint=f"boss-builder validate {release} --image {judged.shape}",
        )


def _results(store: Store, release: str, image: StoredImage) -> oci.Descriptor | None:
    found = _of_image(store, f"{RESULTS}/{release}/{image.shape}", image)
    return found[0] if found else None


def references(material: Material) -> dict[str, oci.Descriptor]:
    """Give what a release consists of, by the name of its reference."""
    release = material.release
    found = {f"{INPUTS}/{release}": material.inputs, "builder image": material.builder_image}
    for judged in sorted(material.images, key=lambda one: SHAPES.index(one.shape)):
        found[reference(release, judged.shape)] = judged.image.descriptor
        if judged.judgement is not None:
            found[f"{VALIDATION}/{release}/{judged.shape}"] = judged.judgement.descriptor
        if judged.results is not None:
            found[f"{RESULTS}/{release}/{judged.shape}"] = judged.results
    return found
