"""What a person reads of a release: all of an export that is neither an image nor an input."""

from __future__ import annotations

from collections.abc import Sequence

from builder.build.build import build_plan
from builder.export.content import Advance, open_checked
from builder.export.folder import FILE_MODE, PROGRAM_MODE, GrowingFolder
from builder.export.howto import Evidence
from builder.export.images import StoredImage
from builder.export.inputs import write_recipes, write_rendered
from builder.export.names import DOCUMENTS, EVIDENCE, LOCK, PACKAGES, RENDERED, document_file
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.store import oci
from builder.store.contents import VALIDATION, VALIDATION_STATE
from builder.store.store import Store

RUNNABLE = {"vm": (".xml", ".sh")}
"""Rendered files that lie beside an image, since they start it, by their suffix."""


def write_texts(
    lock: Lock, store: Store, folder: GrowingFolder, images: Sequence[StoredImage], advance: Advance
) -> tuple[Evidence, ...]:
    """Write lock, recipes, documents, lists of packages, rendered texts and evidence; gives what the evidence says.

    Raises WorkFailure where the store lacks something, or something is damaged.
    """
    folder.write(LOCK, lock_file.encode(lock))
    write_recipes(lock, store, folder, advance)
    write_rendered(build_plan(lock), folder)
    for place, source in lock.sources.items():
        if place.startswith("document."):
            name = f"{DOCUMENTS}/{document_file(place, source)}"
            folder.copy(name, open_checked(store, source.blob.digest, source.blob.size, advance))
    _write_packages(lock, folder, images)
    for image in images:
        _write_rendered(image, store, folder, advance)
    evidence = (_write_evidence(image, lock, store, folder) for image in images)
    return tuple(found for found in evidence if found is not None)


def _write_packages(lock: Lock, folder: GrowingFolder, images: Sequence[StoredImage]) -> None:
    """Write what `rpm -qa` says in each image."""
    for image in images:
        nevras = {*lock.os_packages, *lock.boss_packages, *(lock.vm_packages if image.shape == "vm" else ())}
        packages = map(lock.package, nevras)
        lines = sorted(f"{p.name}-{p.version}-{p.release}.{p.architecture}\n" for p in packages)
        folder.write_text(f"{PACKAGES}/{image.shape}.txt", "".join(lines))


def _write_rendered(image: StoredImage, store: Store, folder: GrowingFolder, advance: Advance) -> None:
    """Write what was rendered for a SIF or a disk; an OCI image has nothing of the kind."""
    for title, layer in image.rendered if image.shape != "oci" else ():
        starts_it = title.endswith(RUNNABLE.get(image.shape, ()))
        place = title if starts_it else f"{RENDERED}/{title}"
        mode = PROGRAM_MODE if title.endswith(".sh") else FILE_MODE
        folder.copy(place, open_checked(store, layer.digest, layer.size, advance), mode)


def _write_evidence(image: StoredImage, lock: Lock, store: Store, folder: GrowingFolder) -> Evidence | None:
    """Write what the validation of this very image said, where the store has it."""
    descriptor = store.find(f"{VALIDATION}/{lock.recipe.full_name}/{image.shape}")
    if descriptor is None:
        return None
    manifest = store.manifest(descriptor)
    if manifest.subject is None or manifest.subject.digest != image.descriptor.digest:
        return None
    for layer in manifest.layers:
        name = f"{EVIDENCE}/{image.shape}/{layer.annotations[oci.TITLE]}"
        folder.copy(name, open_checked(store, layer.digest, layer.size, lambda _: None))
    return Evidence(image.shape, manifest.annotations.get(VALIDATION_STATE, "UNKNOWN"))
