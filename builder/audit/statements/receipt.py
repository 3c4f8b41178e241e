"""The receipt: one statement that binds recipe, lock, builder image, images in every shape, and what was found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from builder import __version__
from builder.audit.statements.material import EVIDENCE_FILE, Judged, Material
from builder.audit.statements.provenance import subject
from builder.audit.statements.statement import statement
from builder.store import oci
from builder.store.shapes import Shape, reference
from builder.validation.outcome import State, Totals, overall

PREDICATE = "urn:boss-builder:receipt:v1"


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Base of the records. Digests are as OCI writes them."""


class Validated(_Record, frozen=True):
    """What was found of an image: the validation's artifact, `validation.json` in it, the results that it judged."""

    artifact: str
    evidence: str
    results: str
    """Digest of the artifact that holds the samples' histograms; empty where there is none."""
    state: State
    totals: Totals


class ReceivedImage(_Record, frozen=True):
    """An image: its manifest, and the file that people have of it (of an OCI image its configuration, the id)."""

    shape: Shape
    reference: str
    manifest: str
    file: str
    state: State
    """UNKNOWN where it was never validated, or what was found can not be read."""
    validation: Validated | None


class Receipt(_Record, frozen=True, kw_only=True):
    """What a release is."""

    version: Literal[1] = 1
    release: str
    title: str
    date: str
    """Of the release."""
    recipe: dict[str, str]
    """Every recipe.hcl, by its folder's name under recipes/."""
    lock: str
    builder_image: str
    images: tuple[ReceivedImage, ...]
    state: State
    """FAILED where any image failed, PASSED where all passed, else UNKNOWN."""
    emulated: tuple[str, ...]
    """What is only imitated; empty for a real release."""
    software: dict[str, str]
    """What wrote the receipt."""


def receipt(material: Material) -> Receipt:
    """Say what a release is."""
    release = material.lock.recipe.release
    images = tuple(_image(material, judged) for judged in material.images)
    evidences = [j.judgement.evidence for j in material.images if j.judgement and j.judgement.evidence]
    whole = len(evidences) == len(images)
    state = overall(evidences)
    return Receipt(
        release=material.release,
        title=release.title,
        date=release.date.isoformat(),
        recipe={folder: blob.digest for folder, blob in sorted(material.lock.recipe_files.items())},
        lock=str(material.lock_digest),
        builder_image=material.builder_image.digest,
        images=images,
        state=state if whole or state is State.FAILED else State.UNKNOWN,
        emulated=material.emulated,
        software={"boss-builder": __version__},
    )


def _image(material: Material, judged: Judged) -> ReceivedImage:
    image = judged.image
    file = image.manifest.config if image.shape == "oci" else image.main
    return ReceivedImage(
        shape=image.shape,
        reference=reference(material.release, image.shape),
        manifest=image.descriptor.digest,
        file=file.digest,
        state=judged.state,
        validation=_validated(judged),
    )


def _validated(judged: Judged) -> Validated | None:
    if judged.judgement is None or judged.judgement.evidence is None:
        return None
    found = judged.judgement
    evidence = judged.judgement.evidence
    file = next(layer for layer in found.manifest.layers if layer.annotations.get(oci.TITLE) == EVIDENCE_FILE)
    return Validated(
        artifact=found.descriptor.digest,
        evidence=file.digest,
        results=evidence.results,
        state=evidence.state,
        totals=evidence.totals,
    )


def spelled(material: Material) -> bytes:
    """Spell the receipt of a release as a statement on all of its images."""
    subjects = tuple(one for judged in material.images for one in subject(material, judged))
    return statement(subjects, PREDICATE, receipt(material))


def differences(signed: Receipt, present: Receipt) -> Iterator[str]:
    """Say in which parts a receipt differs from what the release is now; what wrote it does not count."""
    now = {image.shape: image for image in present.images}
    then = {image.shape: image for image in signed.images}
    for name in ("release", "title", "date", "recipe", "lock", "builder_image", "state", "emulated"):
        if getattr(signed, name) != getattr(present, name):
            yield f"its {name.replace('_', ' ')} is not that of the store"
    for shape in dict.fromkeys((*then, *now)):
        if shape not in now:
            yield f"it names a {shape} image, which the store does not have"
        elif shape not in then:
            yield f"it does not name the {shape} image"
        elif then[shape].manifest != now[shape].manifest or then[shape].file != now[shape].file:
            yield f"its {shape} image is not that of the store"
        elif then[shape] != now[shape]:
            yield f"what it says of the validation of the {shape} image is not what the store says"
