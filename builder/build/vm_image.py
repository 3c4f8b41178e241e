"""A root, and what a machine of its own has on top, as a bootable disk."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from builder.build.job import SCRATCH, BuiltImage, Job, key, scratch_memory
from builder.build.kept import BuiltStage
from builder.core import documents
from builder.engine.engine import Folder
from builder.lock.model import Lock
from builder.recipe.epoch import release_epoch
from builder.recipe.images import VmImage
from builder.render.vm import CONSOLE, SHELL, DiskIds, disk_ids, domain, file_system, firmware, start_script
from builder.store import oci
from builder.store.shapes import VM_CONFIG, VM_DISK, VM_TYPE, VmConfig
from builder.toolbox.toolbox import DISK_PROGRAMS, programs_digest

LAYERS = "/boss-builder/layers"
SHAPE: Final = "vm"


class _Request(msgspec.Struct, frozen=True):
    layers: tuple[str, ...]
    scratch: str
    epoch: int
    size: int
    file_system: str
    features: str
    uuids: DiskIds
    uefi: bool


class _Answer(msgspec.Struct, frozen=True):
    raw_digest: str


def build_vm(job: Job, image: oci.Descriptor, stages: Sequence[BuiltStage]) -> BuiltImage:
    """Build the disk of a release from its stages, `vm` the last of them, or find it built.

    `image` is the OCI image that holds the same root. Raises InputFailure where the root does not fit on the disk,
    WorkFailure where a tool fails.
    """
    recipe, store = job.lock.recipe, job.store
    asked = recipe.image_of("vm")
    if asked is None:
        raise ValueError(f"{job.release} asks for no virtual machine")
    root, own = stages[-2], stages[-1]
    ids = disk_ids(root.stage.key)
    chosen = file_system(recipe)
    request = _Request(
        layers=tuple(f"{LAYERS}/{number}.tar.gz" for number in range(len(stages))),
        scratch=SCRATCH,
        epoch=release_epoch(recipe),
        size=asked.disk_bytes,
        file_system=chosen.kind,
        features=chosen.features,
        uuids=ids,
        uefi=asked.uefi,
    )
    made_from = key(
        SHAPE, own.stage.key, [s.diff_id for s in stages], request, programs_digest(DISK_PROGRAMS),
        job.lock.builder_image.digest,
    )  # fmt: skip
    found = job.find(SHAPE, made_from)
    started = time.monotonic()
    if found:
        layer, raw_digest = found.layers[0], store.document(found.config, VmConfig).raw_digest
    else:
        layer, raw_digest = _build(job, request, stages)
    config = _config(job.lock, asked, raw_digest)
    data = documents.compact(config)
    files = {
        f"{job.release}.xml": domain(recipe, config, ids),
        f"{job.release}.sh": start_script(recipe, config),
    }
    manifest = oci.Manifest(
        config=oci.Descriptor(media_type=VM_CONFIG, digest=store.put(data), size=len(data)),
        layers=(layer, *job.put_rendered(files)),
        artifact_type=VM_TYPE,
        subject=oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size),
        annotations=job.annotations(SHAPE, made_from),
    )
    seconds = 0.0 if found else time.monotonic() - started
    return job.put(SHAPE, manifest, stored=found is not None, seconds=seconds)


def _config(lock: Lock, asked: VmImage, raw_digest: str) -> VmConfig:
    return VmConfig(
        architecture=lock.recipe.os.architecture,
        memory=asked.memory_bytes,
        processors=asked.processors,
        disk_bus=asked.disk_bus,
        disk_size=asked.disk_bytes,
        raw_digest=raw_digest,
        firmware=firmware(asked),
        console=CONSOLE,
        shell=SHELL,
    )


def _build(job: Job, request: _Request, stages: Sequence[BuiltStage]) -> tuple[oci.Descriptor, str]:
    store = job.store
    toolbox = job.open_toolbox()
    with store.workspace(SHAPE) as folder, job.progress.task("image vm"):
        place = folder / "layers"
        place.mkdir()
        for name, stage in zip(request.layers, stages, strict=True):
            (place / Path(name).name).hardlink_to(store.checked_path(stage.layer.digest))
        work = folder / "work"
        work.mkdir(mode=0o755)
        memory = scratch_memory([stage.layer for stage in stages])
        answer = toolbox.run(
            "disk",
            request if memory else msgspec.structs.replace(request, scratch="scratch"),
            _Answer,
            work=work,
            folders=[Folder(place, LAYERS)],
            tmpfs=memory,
            time_limit=job.time_limit,
        )
        digest, size = store.put_file(work / "disk.qcow2")
        title = {oci.TITLE: f"{job.release}.qcow2"}
        return oci.Descriptor(media_type=VM_DISK, digest=digest, size=size, annotations=title), answer.raw_digest
