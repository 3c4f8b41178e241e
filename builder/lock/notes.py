"""What a frozen release only imitates: every report and every image says so."""

from __future__ import annotations

from collections.abc import Iterator

from builder.lock.model import Lock
from builder.recipe.notes import recipe_stand_ins, reference_stand_ins

STAND_IN = "stand-in upstream"
"""What the metadata of a repository says that is in the place of the real one."""


def stand_ins(lock: Lock) -> Iterator[str]:
    """Say, a sentence each, what of a release stands in for what: by its recipe, or by what it was frozen from."""
    yield from recipe_stand_ins(lock.recipe)
    repositories = [repository.name for repository in lock.repositories if repository.content == STAND_IN]
    if repositories:
        yield f"{lock.recipe.full_name} was frozen from a {STAND_IN} (repositories {', '.join(repositories)})"


def all_stand_ins(lock: Lock) -> tuple[str, ...]:
    """Say the same, and which references of the validation stand in for what."""
    return (*stand_ins(lock), *reference_stand_ins(lock.recipe))
