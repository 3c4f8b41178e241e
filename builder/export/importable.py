"""What makes an export a copy that `boss-builder import` takes: manifests and references, in a small folder.

`layout/` is an OCI image layout but for the blobs that the export has as files of their own, or in the archives of its
images: these are found by their digest. So nothing lies in an export twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from builder.build.build import build_plan, builder_image
from builder.core import documents
from builder.core.digest import Digest
from builder.export.archive import image_blobs
from builder.export.content import Advance, open_checked
from builder.export.folder import GrowingFolder
from builder.export.images import StoredImage
from builder.export.layout import INDEX, LAYOUT, blob_name, is_of
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.store import oci
from builder.store.contents import BUILDER, INPUTS, REBUILD, STAGE
from builder.store.shapes import SHAPES, reference
from builder.store.store import Store

FOLDER = "layout"


def write_importable(
    lock: Lock,
    store: Store,
    folder: GrowingFolder,
    images: Sequence[StoredImage],
    advance: Advance,
    *,
    with_inputs: bool,
) -> None:
    """Write `layout/` into an export that has all else: references, and the blobs that no other file of it is.

    There are the images, and what is known of them; `with_inputs` adds the inputs, the builder image, and the stages
    that the images hold. Raises WorkFailure where a blob is missing or damaged.
    """
    at_hand = {Digest.from_hex(sha256) for name, (sha256, _) in folder.sums().items() if _is_plain(name)}
    for image in images:
        at_hand |= _in_archive(image.descriptor, image.manifest) if image.shape == "oci" else set()
    if with_inputs:
        builder = builder_image(lock)
        at_hand |= _in_archive(builder, store.manifest(builder))
    chosen = dict(_chosen(lock, store, images, at_hand, with_inputs=with_inputs))
    layout = folder.below(FOLDER)
    layout.write(LAYOUT, documents.compact({"imageLayoutVersion": oci.LAYOUT_VERSION}))
    layout.write(INDEX, documents.readable(oci.Index(manifests=tuple(chosen[name] for name in sorted(chosen)))))
    for digest, size in sorted(_blobs(store, chosen).items()):
        if digest not in at_hand:
            layout.copy(blob_name(digest), open_checked(store, digest, size, advance))


def importable_size(lock: Lock, store: Store, images: Sequence[StoredImage], *, with_inputs: bool) -> int:
    """Give about how many bytes `write_importable` writes. Raises as it does."""
    known = {blob.digest for image in images for blob in image_blobs(image.descriptor, image.manifest).values()}
    known |= {blob.digest for blob in lock.blobs().values()}
    chosen = dict(_chosen(lock, store, images, set(), with_inputs=False))
    folders = sum(source.blob.size for source in lock.sources.values()) if with_inputs else 0
    return folders + sum(size for digest, size in _blobs(store, chosen).items() if digest not in known)


def _is_plain(name: str) -> bool:
    """Whether the list of checksums spells a name as it is, so that a file is found by it."""
    return name.isprintable() and "\\" not in name


def _in_archive(descriptor: oci.Descriptor, manifest: oci.Manifest) -> set[Digest]:
    return {Digest(digest) for digest in image_blobs(descriptor, manifest)}


def _chosen(
    lock: Lock, store: Store, images: Sequence[StoredImage], at_hand: set[Digest], *, with_inputs: bool
) -> Iterator[tuple[str, oci.Descriptor]]:
    """Choose the references that an export can give back, by name."""
    release = lock.recipe.full_name
    exported = {image.descriptor.digest for image in images}
    builder, digest = builder_image(lock).digest, Digest.of(lock_file.encode(lock))
    shapes = {reference(release, shape) for shape in SHAPES}
    planned = build_plan(lock)
    stages = {stage.reference for stage in (*planned.stages, *([planned.vm] if planned.vm else ()))}
    for name, descriptor in store.references().items():
        kind = name.partition("/")[0]
        if name in shapes:
            wanted = descriptor.digest in exported
        elif kind == INPUTS:
            wanted = with_inputs and is_of(name, release) and store.manifest(descriptor).config.digest == digest
        elif kind == BUILDER:
            wanted = with_inputs and descriptor.digest == builder
        elif kind == STAGE:
            wanted = with_inputs and name in stages and at_hand.issuperset(_layers(store, descriptor))
        elif is_of(name, release) and kind != REBUILD:
            subject = store.manifest(descriptor).subject
            wanted = subject is None or subject.digest in exported
        else:
            wanted = False
        if wanted:
            yield name, descriptor


def _layers(store: Store, descriptor: oci.Descriptor) -> tuple[Digest, ...]:
    return tuple(layer.checked_digest for layer in store.manifest(descriptor).layers)


def _blobs(store: Store, references: Mapping[str, oci.Descriptor]) -> dict[Digest, int]:
    """Give all blobs that references name, with their sizes in bytes."""
    found: dict[Digest, int] = {}
    for descriptor in references.values():
        manifest = store.manifest(descriptor)
        found |= {blob.checked_digest: blob.size for blob in (descriptor, manifest.config, *manifest.layers)}
    return found
