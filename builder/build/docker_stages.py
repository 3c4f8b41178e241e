"""The stages above `os`: `docker build` on top of what lies below, then canonical form, one layer a stage."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import docker.errors
import msgspec

from builder.build.config import chain_config
from builder.build.kept import BuiltStage, Layer, keep
from builder.core.errors import Failure, TimeLimitFailure, WorkFailure
from builder.core.progress import Progress
from builder.engine.engine import Engine
from builder.engine.engine import failure as engine_failure
from builder.render.context import write_inputs
from builder.render.plan import SCRATCH, Stage
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox

log = logging.getLogger(__name__)
TAIL_LINES = 40


@dataclass(frozen=True)
class _Made:
    """A stage that the engine built: the image that it led to, its number of layers, its time in seconds."""

    stage: Stage
    image: str
    layers: int
    seconds: float


class _StageLayers(msgspec.Struct, frozen=True):
    layers: int
    epoch: int


class _Request(msgspec.Struct, frozen=True):
    archive: str
    skip: int
    stages: tuple[_StageLayers, ...]
    scratch: str


def build_on_top(
    stages: Sequence[Stage],
    below: Sequence[BuiltStage],
    store: Store,
    toolbox: Toolbox,
    progress: Progress,
    *,
    time_limit: float,
) -> tuple[BuiltStage, ...]:
    """Build stages on top of stored ones, and store each; each may take `time_limit` seconds.

    Raises WorkFailure where a stage fails; those before it are stored by then.
    """
    engine = toolbox.engine
    top = below[-1].stage
    with progress.task(f"load {top.name} into the engine"):
        tag = f"boss-builder/stage:{top.key.hex[:24]}"
        base = engine.load_layers(store, chain_config([b.diff_id for b in below]), [b.layer for b in below], tag)
    made: list[_Made] = []
    failure: Failure | None = None
    with store.workspace("stages") as folder:
        try:
            for stage in stages:
                try:
                    under = made[-1].image if made else base
                    if made:
                        # layers bear whole seconds: what a stage changes must not bear the one in which that below
                        # ended; a stored stage bears its own epoch
                        time.sleep(1 - time.time() % 1)
                    made.append(
                        _make(
                            stage, under, store=store, folder=folder, engine=engine, progress=progress,
                            time_limit=time_limit,
                        )
                    )  # fmt: skip
                except Failure as error:
                    failure = error
                    break
            built: tuple[BuiltStage, ...] = ()
            if made:
                built = _store(
                    made, len(below), store=store, toolbox=toolbox, folder=folder, progress=progress,
                    time_limit=time_limit,
                )  # fmt: skip
        finally:
            for extra in reversed(made):
                _remove_image(engine, extra.image)
            engine.remove_own_leftovers()
    if failure is not None:
        raise failure
    return built


def _make(
    stage: Stage,
    base: str,
    *,
    store: Store,
    folder: Path,
    engine: Engine,
    progress: Progress,
    time_limit: float,
) -> _Made:
    started = time.monotonic()
    with progress.task(f"stage {stage.name}"):
        image = _docker_build(engine, stage, base, store, folder, time_limit=time_limit)
        layers = _layer_count(engine, image) - _layer_count(engine, base)
    return _Made(stage, image, layers, time.monotonic() - started)


def _store(
    made: Sequence[_Made],
    skip: int,
    *,
    store: Store,
    toolbox: Toolbox,
    folder: Path,
    progress: Progress,
    time_limit: float,
) -> tuple[BuiltStage, ...]:
    """Bring the layers of built stages into canonical form and store them; `skip` layers lie below the first."""
    work = folder / "work"
    work.mkdir(mode=0o755)
    with progress.task("bring the layers into canonical form"):
        saved = work / "saved.tar"
        try:
            with saved.open("xb") as sink:
                for chunk in toolbox.engine.client.images.get(made[-1].image).save():
                    sink.write(chunk)
        except docker.errors.APIError as error:
            raise WorkFailure(f"the Docker Engine did not save the built image: {error.explanation}") from error
        request = _Request(
            archive=saved.name,
            skip=skip,
            stages=tuple(_StageLayers(m.layers, m.stage.epoch) for m in made),
            scratch=SCRATCH.lstrip("/"),
        )
        layers = toolbox.run("layers", request, tuple[Layer, ...], work=work, time_limit=time_limit)
    return tuple(
        keep(m.stage, work / f"layer-{number}.tar.gz", layer, store, m.seconds)
        for number, (m, layer) in enumerate(zip(made, layers, strict=True))
    )


def _layer_count(engine: Engine, image: str) -> int:
    layers: list[str] = engine.client.images.get(image).attrs["RootFS"].get("Layers") or []
    return len(layers)


def _docker_build(engine: Engine, stage: Stage, base: str, store: Store, folder: Path, *, time_limit: float) -> str:
    """Run one stage's instructions on the classic builder, without a network or a cache; gives the image's id."""
    context = folder / f"context-{stage.name}"
    context.mkdir()
    write_inputs(stage, store, context)
    (context / "Dockerfile").write_text(f"FROM {base}\n{engine.ownership_label()}\n{stage.instructions}", "utf-8")
    lines: list[str] = []
    image = ""
    try:
        for message in engine.build(context, time_limit=time_limit):
            if "stream" in message:
                lines += message["stream"].splitlines()
                log.info("%s", message["stream"].rstrip())
            if "error" in message:
                tail = "\n".join(line for line in lines[-TAIL_LINES:] if line.strip())
                raise engine_failure(f"the stage {stage.name} failed: {message['error']}", tail)
            image = message.get("aux", {}).get("ID", image)
    except TimeLimitFailure as stopped:
        tail = "\n".join(line for line in lines[-TAIL_LINES:] if line.strip())
        raise TimeLimitFailure(f"the stage {stage.name} failed: {stopped}", hint=tail) from stopped
    except docker.errors.APIError as error:
        raise engine_failure(f"the Docker Engine did not build {stage.name}: {error.explanation}") from error
    return image


def _remove_image(engine: Engine, image: str) -> None:
    try:
        engine.client.images.remove(image, force=True)
    except docker.errors.APIError as error:
        log.info("the intermediate image %s stays: %s", image[:19], error.explanation)
