"""Write an export: everything that a person needs who has a release's folder and nothing of ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.core.progress import Progress
from builder.export import importable, inputs
from builder.export.archive import image_size, write_image
from builder.export.content import Advance, open_checked
from builder.export.folder import SHA256SUMS, GrowingFolder, new_folder
from builder.export.howto import howto
from builder.export.images import StoredImage, stored_images
from builder.export.names import HOWTO, docker_name, image_file
from builder.export.signatures import NONE, Signatures, write_signatures
from builder.export.texts import write_texts
from builder.lock.model import Lock
from builder.recipe.epoch import release_epoch
from builder.store.shapes import Shape
from builder.store.store import Store


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
    signatures: Signatures = NONE,
) -> Exported:
    """Write the images of a release in the given shapes (none: all that the store has) and what belongs to them.

    `with_inputs` adds the complete package that the release was made from, `signatures` who signed it. `target`
    appears whole or not at all, and two exports of the same store are equal. Raises InputFailure where there is no such
    image, or `target` is not empty or lies in the store; WorkFailure where the store lacks something or something is
    damaged, or there is no room.
    """
    refuse_in_store(target, store)
    images = stored_images(store, lock, shapes)
    epoch = release_epoch(lock.recipe)
    size = sum(_image_size(store, image) for image in images)
    size += sum(source.blob.size for source in lock.sources.values())
    size += inputs.inputs_size(lock, store) if with_inputs else 0
    size += importable.importable_size(lock, store, images, with_inputs=with_inputs)
    with (
        new_folder(target, epoch, size=size) as folder,
        progress.task(f"export {lock.recipe.full_name}", size) as task,
    ):
        evidence = write_texts(lock, store, folder, images, task.advance)
        for image in images:
            _image_file(image, lock, store, folder, task.advance)
        if with_inputs:
            inputs.write_all(lock, store, folder, task.advance)
        write_signatures(signatures, folder)
        importable.write_importable(lock, store, folder, images, task.advance, with_inputs=with_inputs)
        folder.write_text(HOWTO, howto(lock, store, images, evidence, signatures.signers, with_inputs=with_inputs))
    files = [path for path in target.rglob("*") if path.is_file() and not path.is_symlink()]
    return Exported(
        release=lock.recipe.full_name,
        folder=target,
        shapes=tuple(image.shape for image in images),
        files=tuple(sorted(path.relative_to(target).as_posix() for path in files)),
        size=sum(path.stat().st_size for path in files),
        digest=Digest.of((target / SHA256SUMS).read_bytes()),
    )


def refuse_in_store(target: Path, store: Store) -> None:
    """Raise InputFailure where an export would lie in the store."""
    if target.absolute().resolve().is_relative_to(store.path.absolute().resolve()):
        raise InputFailure(f"{target} lies in the store", hint="nothing but blobs belongs there; name another folder")


def _image_size(store: Store, image: StoredImage) -> int:
    return image_size(store, image.descriptor) if image.shape == "oci" else image.main.size


def _image_file(image: StoredImage, lock: Lock, store: Store, folder: GrowingFolder, advance: Advance) -> None:
    name = image_file(lock.recipe.full_name, image.shape)
    if image.shape == "oci":
        with folder.file(name) as sink:
            write_image(store, image.descriptor, sink, advance, name=docker_name(lock.recipe), epoch=folder.epoch)
    else:
        folder.copy(name, open_checked(store, image.main.digest, image.main.size, advance))
