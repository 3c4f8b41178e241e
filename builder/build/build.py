"""Build a release's image from its lock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from builder.build.config import image_annotations, image_config
from builder.build.kept import BuiltStage, stored_stage
from builder.build.stages import build_stages
from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.core.progress import Progress
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.recipe.load import LoadedRecipe
from builder.render.plan import Plan, plan
from builder.store import oci
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox, programs_digest


@dataclass(frozen=True)
class Built:
    """An image in the store, and the stages that it is made of."""

    release: str
    descriptor: oci.Descriptor
    size: int
    """Bytes of its layers as they are stored."""
    stages: tuple[BuiltStage, ...]


def locked(loaded: LoadedRecipe) -> Lock:
    """Read the lock of a recipe. Raises InputFailure where there is none, or the recipe changed after it."""
    path = loaded.files[0].with_name(lock_file.NAME)
    release = loaded.recipe.full_name
    lock = lock_file.read(path)
    if lock is None:
        raise InputFailure(f"{release} is not frozen: there is no {path}", hint=f"boss-builder freeze {release}")
    for file in loaded.files:
        then = lock.recipe_files.get(file.parent.name)
        if then is None or then.digest != Digest.of(file.read_bytes()):
            raise InputFailure(
                f"{file} changed after it was frozen", hint=f"see what changes: boss-builder freeze {release}"
            )
    return lock


def build_plan(lock: Lock) -> Plan:
    """Plan the stages of a lock for the programs of this version."""
    return plan(lock, programs_digest())


def build(lock: Lock, store: Store, open_toolbox: Callable[[oci.Descriptor], Toolbox], progress: Progress) -> Built:
    """Build the OCI image of a lock, or find it built; every stage that the store has is taken from there.

    `open_toolbox` opens the builder image that the lock names; it is called only when a stage must be built.
    Raises WorkFailure where a stage fails, HostFailure where no engine answers.
    """
    planned = build_plan(lock)
    found = [stored_stage(stage, store) for stage in planned.stages]
    stages = tuple(s for s in found if s is not None)
    if len(stages) < len(planned.stages):
        stages = build_stages(planned, store, open_toolbox(builder_image(lock)), progress)
    data = lock_file.encode(lock)
    digest = Digest.of(data)
    config = image_config(lock, digest, [(s.stage.name, s.diff_id) for s in stages])
    manifest = oci.Manifest(
        config=oci.Descriptor(media_type=oci.CONFIG, digest=store.put(config), size=len(config)),
        layers=tuple(s.layer for s in stages),
        annotations=image_annotations(lock, digest),
    )
    release = lock.recipe.full_name
    descriptor = store.put_manifest(manifest, release)
    return Built(release, descriptor, sum(layer.size for layer in manifest.layers), stages)


def builder_image(lock: Lock) -> oci.Descriptor:
    """Describe the builder image that a lock names."""
    return oci.Descriptor(media_type=oci.MANIFEST, digest=lock.builder_image.digest, size=lock.builder_image.size)
