"""Which releases are asked about, and what each needs: read from recipes, locks and the store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from builder.core.digest import Digest
from builder.core.errors import Failure, Problem
from builder.doctor.needs import Needs, needs_of
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.lock.stored import stored_lock
from builder.recipe.find import FILE_NAME, find, names
from builder.recipe.load import LoadedRecipe, examine_all, load
from builder.store.store import Store


def needs_of_one(
    release: str, recipes: Path, variables: Mapping[str, str], environment: Mapping[str, str], store: Store
) -> Needs:
    """Say what the release needs that a word names; where no such recipe is at hand, by the store's copy of its lock.

    Raises InputFailure where there is neither, or the recipe or its lock is not right.
    """
    if "/" not in release and release not in names(recipes):
        lock = stored_lock(store, release)
        if lock is not None:
            return needs_of(lock.recipe, lock, store)
    loaded = load(find(release, recipes), variables, environment)
    return needs_of(loaded.recipe, present_lock(loaded), store)


def needs_of_all(
    recipes: Path, variables: Mapping[str, str], environment: Mapping[str, str], store: Store
) -> tuple[tuple[Needs, ...], tuple[Problem, ...]]:
    """Say what every release of a folder of recipes needs, and what is wrong with those that can not be read."""
    paths = [recipes / name / FILE_NAME for name in names(recipes)]
    examined, problems = examine_all(paths, variables, environment)
    found = []
    for one in examined:
        if one.loaded is None:
            continue  # a base, or a recipe whose problems are among them all
        try:
            found.append(needs_of(one.loaded.recipe, present_lock(one.loaded), store))
        except Failure as failure:
            problems += failure.problems
    return tuple(found), problems


def present_lock(loaded: LoadedRecipe) -> Lock | None:
    """Read the lock beside a recipe; None where there is none, or it was made from other recipes than there are now.

    Raises InputFailure where it is damaged or of another version.
    """
    lock = lock_file.read(loaded.files[0].with_name(lock_file.NAME))
    if lock is None:
        return None
    then = {folder: blob.digest for folder, blob in lock.recipe_files.items()}
    same = all(then.get(file.parent.name) == Digest.of(file.read_bytes()) for file in loaded.files)
    return lock if same else None
