"""Write an export: everything that a person needs who has a release's folder and nothing of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.build.build import build_plan
from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.core.progress import Progress
from builder.export import inputs
from builder.export.archive import image_size, write_image
from builder.export.content import Advance, open_checked
from builder.export.folder import PROGRAM_MODE, SHA256SUMS, GrowingFolder, new_folder
from builder.export.howto import Evidence, howto
from builder.export.images import StoredImage, stored_images
from builder.export.names import (
    DOCUMENTS,
    EVIDENCE,
    HOWTO,
    LOCK,
    PACKAGES,
    RENDERED,
    docker_name,
    document_file,
    image_file,
)  # fmt: skip
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.recipe.epoch import release_epoch
from builder.store import oci
from builder.store.contents import VALIDATION, VALIDATION_STATE
from builder.store.shapes import Shape
from builder.store.store import Store

RUNNABLE = {"vm": (".xml", ".sh")}
"""Rendered files that lie beside an image, since they start it, by their suffix."""


@dataclass(frozen=True)
class Exported:
    """An export that was written: its files, in the order of their names, and their size in bytes.

    `digest` is that of SHA256SUMS: who knows it knows every file.
    """

    release: str
    folder: Path
    shapes: tuple[Shape, ...]
    files: tuple[str, ...]
    size: int
    digest: Digest


def export(
    lock: Lock,
    store: Store,
    target: Path,
    *,
    shapes: Sequence[Shape],
    with_inputs: bool,
    progress: Progress,
) -> Exported:
    """Write the images of a release in the given shapes (none: all that the store has) and what belongs to them.

    `with_inputs` adds the complete package that the release was made from. `target` appears whole or not at all, and
    two exports of the same store are equal. Raises InputFailure where there is no such image, or `target` is not empty
    or lies in the store; WorkFailure where the store lacks something or something is damaged, or there is no room.
    """
    if target.absolute().resolve().is_relative_to(store.path.absolute().resolve()):
        raise InputFailure(f"{target} lies in the store", hint="nothing but blobs belongs there; name another folder")
    images = stored_images(store, lock, shapes)
    epoch = release_epoch(lock.recipe)
    size = sum(_image_size(store, image) for image in images)
    size += sum(source.blob.size for source in lock.sources.values())
    size += inputs.inputs_size(lock, store) if with_inputs else 0
    with (
        new_folder(target, epoch, size=size) as folder,
        progress.task(f"export {lock.recipe.full_name}", size) as task,
    ):
        _write(lock, store, folder, images, task.advance)
        if with_inputs:
            inputs.write_all(lock, store, folder, task.advance)
        evidence = [found for image in images if (found := _write_evidence(image, lock, store, folder)) is not None]
        folder.write_text(HOWTO, howto(lock, store, images, tuple(evidence), with_inputs=with_inputs))
    files = [path for path in target.rglob("*") if path.is_file() and not path.is_symlink()]
    return Exported(
        release=lock.recipe.full_name,
        folder=target,
        shapes=tuple(image.shape for image in images),
        files=tuple(sorted(path.relative_to(target).as_posix() for path in files)),
        size=sum(path.stat().st_size for path in files),
        digest=Digest.of((target / SHA256SUMS).read_bytes()),
    )


def _image_size(store: Store, image: StoredImage) -> int:
    return image_size(store, image.descriptor) if image.shape == "oci" else image.main.size


def _write(
    lock: Lock, store: Store, folder: GrowingFolder, images: Sequence[StoredImage], advance: Callable[[int], None]
) -> None:
    folder.write(LOCK, lock_file.encode(lock))
    inputs.write_recipes(lock, store, folder, advance)
    inputs.write_rendered(build_plan(lock), folder)
    for place, source in lock.sources.items():
        if place.startswith("document."):
            name = f"{DOCUMENTS}/{document_file(place, source)}"
            folder.copy(name, open_checked(store, source.blob.digest, source.blob.size, advance))
    _write_packages(lock, folder, images)
    for image in images:
        _write_image(image, lock, store, folder, advance)


def _write_packages(lock: Lock, folder: GrowingFolder, images: Sequence[StoredImage]) -> None:
    """Write what `rpm -qa` says in each image."""
    for image in images:
        nevras = {*lock.os_packages, *lock.boss_packages, *(lock.vm_packages if image.shape == "vm" else ())}
        packages = map(lock.package, nevras)
        lines = sorted(f"{p.name}-{p.version}-{p.release}.{p.architecture}\n" for p in packages)
        folder.write_text(f"{PACKAGES}/{image.shape}.txt", "".join(lines))


def _write_image(image: StoredImage, lock: Lock, store: Store, folder: GrowingFolder, advance: Advance) -> None:
    name = image_file(lock.recipe.full_name, image.shape)
    if image.shape == "oci":
        with folder.file(name) as sink:
            write_image(store, image.descriptor, sink, advance, name=docker_name(lock.recipe), epoch=folder.epoch)
        return
    folder.copy(name, open_checked(store, image.main.digest, image.main.size, advance))
    for title, layer in image.rendered:
        starts_it = title.endswith(RUNNABLE.get(image.shape, ()))
        place = title if starts_it else f"{RENDERED}/{title}"
        mode = PROGRAM_MODE if title.endswith(".sh") else 0o644
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
