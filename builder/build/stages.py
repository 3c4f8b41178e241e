"""Build the stages that the store lacks: `os` by dnf in the builder image, the others by `docker build` on top."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import docker.errors
import msgspec

from builder.build.config import chain_config
from builder.core.errors import WorkFailure
from builder.core.host import available_memory
from builder.core.progress import Progress
from builder.engine.engine import Engine, Folder
from builder.lock.model import Lock
from builder.render.context import write_inputs
from builder.render.plan import SCRATCH, Plan, Stage
from builder.store import oci
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox

log = logging.getLogger(__name__)
STAGE_TYPE = "application/vnd.boss-builder.stage.v1"
DIFF_ID = "boss-builder.diff-id"
KEY = "boss-builder.stage.key"
OS_LIMIT = 3600
OS_FOLDER = "/boss-builder/os"
UNPACKED_RATIO = 8
"""More than any RPM unpacks to, as a multiple of its own size."""
SPARE = 256 << 20
LAYERS_LIMIT = 3600
TAIL_LINES = 40


@dataclass(frozen=True)
class BuiltStage:
    """A stage whose layer is in the store; `layer` bears its diff id as an annotation."""

    stage: Stage
    layer: oci.Descriptor
    stored: bool
    """Whether the store had it already."""
    seconds: float

    @property
    def diff_id(self) -> str:
        """Digest of the layer without compression."""
        return self.layer.annotations[DIFF_ID]


class _OsRequest(msgspec.Struct, frozen=True):
    packages: tuple[str, ...]
    repository: str
    folder: str
    epoch: int


class _Layer(msgspec.Struct, frozen=True):
    diff_id: str


class _StageLayers(msgspec.Struct, frozen=True):
    layers: int
    epoch: int


class _LayersRequest(msgspec.Struct, frozen=True):
    archive: str
    skip: int
    stages: tuple[_StageLayers, ...]
    scratch: str


def stored_stage(stage: Stage, store: Store) -> BuiltStage | None:
    """Find a stage's result in the store; None where it has none, or not all of it."""
    descriptor = store.find(stage.reference)
    if descriptor is None:
        return None
    layer = store.manifest(descriptor).layers[0]
    return BuiltStage(stage, layer, stored=True, seconds=0.0) if store.has(layer.digest, layer.size) else None


def build_stages(plan: Plan, store: Store, toolbox: Toolbox, progress: Progress) -> tuple[BuiltStage, ...]:
    """Build what the store lacks; the lowest stage that is missing and all above it, since they stand on it.

    Raises WorkFailure where a stage fails; what was built below it is stored.
    """
    built: list[BuiltStage] = []
    for stage in plan.stages:
        found = stored_stage(stage, store)
        if found is None:
            break
        built.append(found)
    missing = plan.stages[len(built) :]
    if missing and not built:
        built.append(build_os(plan, store, toolbox, progress))
        missing = missing[1:]
    if missing:
        built += _build_on_top(missing, built, store, toolbox, progress)
    return tuple(built)


def build_os(plan: Plan, store: Store, toolbox: Toolbox, progress: Progress) -> BuiltStage:
    """Build the stage `os` and store it."""
    stage = plan.stages[0]
    started = time.monotonic()
    with store.workspace("os") as folder, progress.task("stage os", 0):
        repository = folder / "repository"
        write_repository(plan.lock, store, repository)
        work = folder / "work"
        work.mkdir(mode=0o755)
        guest = "/boss-builder/repository"
        request = _OsRequest(plan.lock.os_packages, guest, OS_FOLDER, stage.epoch)
        answer = toolbox.run(
            "install_os",
            request,
            _Layer,
            work=work,
            folders=[Folder(repository, guest)],
            tmpfs=_memory_for(plan.lock),
            time_limit=OS_LIMIT,
        )
        return _keep(stage, work / "layer.tar.gz", answer, store, time.monotonic() - started)


def _memory_for(lock: Lock) -> dict[str, str]:
    """Let the root grow in memory where that has room for it: dnf then takes half the time. The bytes are the same."""
    need = UNPACKED_RATIO * sum(lock.package(nevra).blob.size for nevra in lock.os_packages) + SPARE
    return {OS_FOLDER: f"exec,suid,dev,size={need}"} if available_memory() > 2 * need else {}


def write_repository(lock: Lock, store: Store, folder: Path) -> None:
    """Lay out the frozen repository: every package of the lock, and the metadata that lists them."""
    (folder / "repodata").mkdir(parents=True)
    for package in lock.packages():
        _link(store, package.blob.digest, folder / package.file_name)
    for name, blob in lock.frozen_repository.items():
        _link(store, blob.digest, folder / "repodata" / name)
    for path in (folder, folder / "repodata"):
        path.chmod(0o755)


def _link(store: Store, digest: str, target: Path) -> None:
    """Give a blob a second name; it is read-only, and the folder is mounted read-only besides."""
    try:
        target.hardlink_to(store.blob_path(digest))
    except FileNotFoundError:
        raise WorkFailure(
            f"the input {digest} ({target.name}) is missing from the store",
            hint="boss-builder freeze RELEASE fetches it again",
        ) from None


def _keep(stage: Stage, path: Path, layer: _Layer, store: Store, seconds: float) -> BuiltStage:
    digest, size = store.put_file(path)
    descriptor = oci.Descriptor(
        media_type=oci.LAYER_GZIP,
        digest=digest,
        size=size,
        annotations={DIFF_ID: layer.diff_id},
    )
    manifest = oci.Manifest(
        config=store.put_empty_config(), layers=(descriptor,), artifact_type=STAGE_TYPE, annotations={KEY: stage.key}
    )
    store.put_manifest(manifest, stage.reference)
    return BuiltStage(stage, descriptor, stored=False, seconds=seconds)


def _build_on_top(
    stages: Sequence[Stage], below: Sequence[BuiltStage], store: Store, toolbox: Toolbox, progress: Progress
) -> Iterator[BuiltStage]:
    """Build stages with the Docker Engine on top of stored ones, and bring their layers into canonical form."""
    engine = toolbox.engine
    config = chain_config([b.diff_id for b in below])
    with progress.task(f"load {below[-1].stage.name} into the engine"):
        base = engine.load_layers(
            store, config, [b.layer for b in below], f"boss-builder/stage:{below[-1].stage.key.hex[:24]}"
        )
    with store.workspace("stages") as folder:
        image, made, counts, times = base, [], [], []
        try:
            for stage in stages:
                started = time.monotonic()
                with progress.task(f"stage {stage.name}"):
                    before = _layer_count(engine, image)
                    image = _docker_build(engine, stage, image, store, folder)
                    made.append(image)
                    counts.append(_layer_count(engine, image) - before)
                times.append(time.monotonic() - started)
            work = folder / "work"
            work.mkdir(mode=0o755)
            with progress.task("bring the layers into canonical form"):
                counted = list(zip(stages, counts, strict=True))
                layers = _canonical_layers(image, counted, skip=len(below), work=work, toolbox=toolbox)
        finally:
            for extra in reversed(made):
                _remove_image(engine, extra)
        for number, (stage, layer) in enumerate(zip(stages, layers, strict=True)):
            yield _keep(stage, work / f"layer-{number}.tar.gz", layer, store, times[number])


def _canonical_layers(
    image: str, stages: Sequence[tuple[Stage, int]], *, skip: int, work: Path, toolbox: Toolbox
) -> tuple[_Layer, ...]:
    """Save an image and bring its stages, each with its number of layers, into canonical form."""
    saved = work / "saved.tar"
    try:
        with saved.open("xb") as sink:
            for chunk in toolbox.engine.client.images.get(image).save():
                sink.write(chunk)
    except docker.errors.APIError as error:
        raise WorkFailure(f"the Docker Engine did not save the built image: {error.explanation}") from error
    request = _LayersRequest(
        archive=saved.name,
        skip=skip,
        stages=tuple(_StageLayers(count, stage.epoch) for stage, count in stages),
        scratch=SCRATCH.lstrip("/"),
    )
    return toolbox.run("layers", request, tuple[_Layer, ...], work=work, time_limit=LAYERS_LIMIT)


def _layer_count(engine: Engine, image: str) -> int:
    layers: list[str] = engine.client.images.get(image).attrs["RootFS"].get("Layers") or []
    return len(layers)


def _docker_build(engine: Engine, stage: Stage, base: str, store: Store, folder: Path) -> str:
    """Run one stage's instructions on the classic builder, without a network or a cache; gives the image's id."""
    context = folder / f"context-{stage.name}"
    context.mkdir()
    write_inputs(stage, store, context)
    (context / "Dockerfile").write_text(f"FROM {base}\n{stage.instructions}", "utf-8")
    lines: list[str] = []
    try:
        for message in engine.build(context):
            if "stream" in message:
                lines += message["stream"].splitlines()
                log.info("%s", message["stream"].rstrip())
            if "error" in message:
                tail = "\n".join(line for line in lines[-TAIL_LINES:] if line.strip())
                raise WorkFailure(f"the stage {stage.name} failed: {message['error']}", hint=tail)
            if "aux" in message and "ID" in message["aux"]:
                image: str = message["aux"]["ID"]
    except docker.errors.APIError as error:
        raise WorkFailure(f"the Docker Engine did not build {stage.name}: {error.explanation}") from error
    return image


def _remove_image(engine: Engine, image: str) -> None:
    try:
        engine.client.images.remove(image, force=True)
    except docker.errors.APIError as error:
        log.info("the intermediate image %s stays: %s", image[:19], error.explanation)
