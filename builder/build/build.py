"""Build a release's images from its lock."""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass

from builder.build.config import image_annotations, image_config
from builder.build.job import TIME_LIMIT, BuiltImage, Job
from builder.build.kept import BuiltStage, stored_stage
from builder.build.sif_image import build_sif
from builder.build.stages import build_stages
from builder.build.vm_image import build_vm
from builder.core.digest import Digest
from builder.core.errors import Failure, InputFailure, Problem
from builder.core.progress import Progress
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.recipe.load import LoadedRecipe
from builder.render.plan import Plan, Stage, plan
from builder.store import oci
from builder.store.shapes import Shape
from builder.store.store import Store
from builder.toolbox.toolbox import LAYER_PROGRAMS, Toolbox, programs_digest


@dataclass(frozen=True)
class Built:
    """The images of a release in the store, and the stages that they are made of."""

    release: str
    images: tuple[BuiltImage, ...]
    """One a shape that was asked for, `oci` always and first."""
    stages: tuple[BuiltStage, ...]


def locked(loaded: LoadedRecipe) -> Lock:
    """Read the lock of a recipe. Raises InputFailure where there is none, or the recipe changed after it."""
    path = loaded.files[0].with_name(lock_file.NAME)
    release = loaded.recipe.full_name
    lock = lock_file.read(path)
    if lock is None:
        missing = Problem(f"{release} is not frozen: there is no {path}", f"boss-builder freeze {release}")
        raise InputFailure(missing, *loaded.unset())
    for file in loaded.files:
        then = lock.recipe_files.get(file.parent.name)
        if then is None or then.digest != Digest.of(file.read_bytes()):
            raise InputFailure(
                f"{file} changed after it was frozen", hint=f"see what changes: boss-builder freeze {release}"
            )
    return lock


def build_plan(lock: Lock) -> Plan:
    """Plan the stages of a lock for the programs of this version."""
    return plan(lock, programs_digest(LAYER_PROGRAMS))


def build(
    lock: Lock,
    store: Store,
    open_toolbox: Callable[[oci.Descriptor], Toolbox],
    progress: Progress,
    shapes: Collection[Shape] | None = None,
    *,
    time_limit: float = TIME_LIMIT,
) -> Built:
    """Build the images of a lock, or find them built; every stage and image that the store has is taken from there.

    `shapes` are those wanted, by default all that the recipe asks for; `oci` is built always, as the others are made
    from it. `open_toolbox` opens the builder image that the lock names; it is called only when something must be
    built. Each stage and each image may take `time_limit` seconds. Raises InputFailure where the recipe does not ask
    for a shape that is wanted, WorkFailure where a stage or an image fails, HostFailure where no engine answers; images
    that do not need what failed are built all the same.
    """
    wanted = _wanted(lock, shapes)
    lock_digest = Digest.of(lock_file.encode(lock))
    opener = functools.cache(lambda: open_toolbox(builder_image(lock)))
    job = Job(lock, lock_digest, store, opener, progress, time_limit)
    planned = build_plan(lock)
    own = (planned.vm,) if planned.vm is not None and "vm" in wanted else ()
    failures: list[Failure] = []
    try:
        stages = _stages((*planned.stages, *own), job)
    except Failure as failure:
        if not own or any(stored_stage(stage, store) is None for stage in planned.stages):
            raise
        failures.append(failure)
        stages = _stages(planned.stages, job)
    images = [_oci(job, stages[: len(planned.stages)])]
    image = images[0].descriptor
    for shape in wanted:
        try:
            if shape == "sif":
                images.append(build_sif(job, image))
            if shape == "vm" and len(stages) > len(planned.stages):
                images.append(build_vm(job, image, stages))
        except Failure as failure:
            failures.append(failure)
    if failures:
        raise type(failures[0])(*(problem for failure in failures for problem in failure.problems))
    return Built(job.release, tuple(images), stages)


def _wanted(lock: Lock, shapes: Collection[Shape] | None) -> tuple[Shape, ...]:
    asked = lock.recipe.shapes
    extra = sorted(set(shapes or ()) - set(asked))
    if extra:
        raise InputFailure(
            f"the recipe of {lock.recipe.full_name} asks for no image {extra[0]!r}",
            hint=f'it asks for {", ".join(asked)}; add a block: image "{extra[0]}" {{}}, then boss-builder freeze',
        )
    return asked if shapes is None else tuple(shape for shape in asked if shape in shapes)


def _stages(stages: tuple[Stage, ...], job: Job) -> tuple[BuiltStage, ...]:
    found = [stored_stage(stage, job.store) for stage in stages]
    if all(found):
        return tuple(s for s in found if s is not None)
    return build_stages(stages, job)


def _oci(job: Job, stages: tuple[BuiltStage, ...]) -> BuiltImage:
    config = image_config(job.lock, job.lock_digest, [(s.stage.name, s.diff_id) for s in stages])
    manifest = oci.Manifest(
        config=oci.Descriptor(media_type=oci.CONFIG, digest=job.store.put(config), size=len(config)),
        layers=tuple(s.layer for s in stages),
        annotations=image_annotations(job.lock, job.lock_digest),
    )
    stored, seconds = all(s.stored for s in stages), sum(s.seconds for s in stages)
    return job.put("oci", manifest, stored=stored, seconds=seconds)


def builder_image(lock: Lock) -> oci.Descriptor:
    """Describe the builder image that a lock names."""
    return oci.Descriptor(media_type=oci.MANIFEST, digest=lock.builder_image.digest, size=lock.builder_image.size)
