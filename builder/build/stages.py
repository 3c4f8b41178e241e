"""Build the stages that the store lacks, each once, however many builds want it at a time."""

from __future__ import annotations

from collections.abc import Sequence

from builder.build.docker_stages import build_on_top
from builder.build.job import Job
from builder.build.kept import BuiltStage, stored_stage
from builder.build.os_stage import build_os
from builder.render.plan import Stage
from builder.store.store import Store


def build_stages(stages: Sequence[Stage], job: Job) -> tuple[BuiltStage, ...]:
    """Build what the store lacks: the lowest stage that is missing and all above it, since they stand on it.

    `stages` are in their order, `os` first. A stage that another process builds in the same store is waited for, not
    built again: releases that are built side by side share what they have in common.

    Raises WorkFailure where a stage fails; those below it are stored.
    """
    toolbox = job.open_toolbox()
    built = _found(stages, job.store)
    if not built:
        with job.store.exclusively(stages[0].key.hex):
            built = _found(stages, job.store)
            if not built:
                built.append(
                    build_os(
                        stages[0], job.lock, job.store, toolbox, job.progress, time_limit=job.time_limit
                    )
                )  # fmt: skip
    while len(built) < len(stages):
        with job.store.exclusively(stages[len(built)].key.hex):
            before, built = len(built), _found(stages, job.store, built)
            if len(built) == before:
                missing = stages[before:]
                built += build_on_top(missing, built, job.store, toolbox, job.progress, time_limit=job.time_limit)
    return tuple(built)


def _found(stages: Sequence[Stage], store: Store, known: Sequence[BuiltStage] = ()) -> list[BuiltStage]:
    """Give the stages that the store has, from the lowest on; those `known` already stay as they are."""
    found = list(known)
    for stage in stages[len(found) :]:
        stored = stored_stage(stage, store)
        if stored is None:
            break
        found.append(stored)
    return found
