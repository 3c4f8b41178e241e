"""Build the stages that the store lacks."""

from __future__ import annotations

from collections.abc import Sequence

from builder.build.docker_stages import build_on_top
from builder.build.kept import BuiltStage, stored_stage
from builder.build.os_stage import build_os
from builder.core.progress import Progress
from builder.lock.model import Lock
from builder.render.plan import Stage
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox


def build_stages(
    stages: Sequence[Stage], lock: Lock, store: Store, toolbox: Toolbox, progress: Progress
) -> tuple[BuiltStage, ...]:
    """Build what the store lacks: the lowest stage that is missing and all above it, since they stand on it.

    `stages` are in their order, `os` first.

    Raises WorkFailure where a stage fails; those below it are stored.
    """
    built: list[BuiltStage] = []
    for stage in stages:
        found = stored_stage(stage, store)
        if found is None:
            break
        built.append(found)
    if not built:
        built.append(build_os(stages[0], lock, store, toolbox, progress))
    missing = stages[len(built) :]
    return (*built, *build_on_top(missing, built, store, toolbox, progress)) if missing else tuple(built)
