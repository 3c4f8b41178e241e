"""A root as an Apptainer image: apptainer builds it from its rendered definition, in the builder image."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import msgspec

from builder.build.job import SCRATCH, BuiltImage, Job, key, scratch_memory
from builder.core import documents
from builder.engine.engine import Folder
from builder.recipe.epoch import release_epoch
from builder.render.sif import definition, origin
from builder.store import oci
from builder.store.shapes import SIF_CONFIG, SIF_LAYER
from builder.store.store import Store
from builder.toolbox.toolbox import SIF_PROGRAMS, programs_digest

ORIGIN = "/boss-builder/origin"
SHAPE: Final = "sif"


class _Request(msgspec.Struct, frozen=True):
    definition: str
    origin: str
    scratch: str
    epoch: int


class _Answer(msgspec.Struct, frozen=True):
    pass


def build_sif(job: Job, image: oci.Descriptor) -> BuiltImage:
    """Build the Apptainer image of a release from its OCI image, or find it built.

    Raises WorkFailure where apptainer or mksquashfs fails.
    """
    text = definition(job.lock, job.lock_digest)
    made_from = key(SHAPE, image.digest, text, programs_digest(SIF_PROGRAMS), job.lock.builder_image.digest)
    found = job.find(SHAPE, made_from)
    started = time.monotonic()
    layer = found.layers[0] if found else _build(job, image, text)
    manifest = oci.Manifest(
        config=oci.Descriptor(media_type=SIF_CONFIG, digest=job.store.put(oci.EMPTY_DATA), size=len(oci.EMPTY_DATA)),
        layers=(layer, *job.put_rendered({f"{job.release}.def": text})),
        subject=oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size),
        annotations=job.annotations(SHAPE, made_from),
    )
    seconds = 0.0 if found else time.monotonic() - started
    return job.put(SHAPE, manifest, stored=found is not None, seconds=seconds)


def _build(job: Job, image: oci.Descriptor, text: str) -> oci.Descriptor:
    store = job.store
    toolbox = job.open_toolbox()
    with store.workspace(SHAPE) as folder, job.progress.task("image sif"):
        place = folder / "origin"
        write_layout(store, image, place / origin(job.release))
        (place / f"{job.release}.def").write_text(text, "utf-8")
        work = folder / "work"
        work.mkdir(mode=0o755)
        memory = scratch_memory(store.manifest(image).layers)
        toolbox.run(
            SHAPE,
            _Request(
                definition=f"{job.release}.def",
                origin=ORIGIN,
                scratch=SCRATCH if memory else "scratch",
                epoch=release_epoch(job.lock.recipe),
            ),
            _Answer,
            work=work,
            folders=[Folder(place, ORIGIN)],
            tmpfs=memory,
            time_limit=job.time_limit,
        )
        digest, size = store.put_file(work / "image.sif")
        title = {oci.TITLE: f"{job.release}.sif"}
        return oci.Descriptor(media_type=SIF_LAYER, digest=digest, size=size, annotations=title)


def write_layout(store: Store, image: oci.Descriptor, folder: Path) -> None:
    """Lay out one image of a store as an OCI layout of its own; its files are second names of the store's blobs.

    Raises WorkFailure where a blob is missing or damaged.
    """
    manifest = store.manifest(image)
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in (image, manifest.config, *manifest.layers):
        (blobs / blob.checked_digest.hex).hardlink_to(store.checked_path(blob.digest))
    plain = oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size)
    (folder / "index.json").write_bytes(documents.compact(oci.Index(manifests=(plain,))))
    (folder / "oci-layout").write_bytes(documents.compact({"imageLayoutVersion": oci.LAYOUT_VERSION}))
