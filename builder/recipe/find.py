"""Where a recipe is: by its name under recipes/, or by a path."""

from __future__ import annotations

from pathlib import Path

from builder.core.errors import InputFailure, Problem

FILE_NAME = "recipe.hcl"


def names(recipes: Path) -> list[str]:
    """Give the names of all folders under `recipes` that hold a recipe, sorted; none where there is no such folder."""
    if not recipes.is_dir():
        return []
    return sorted(entry.name for entry in recipes.iterdir() if (entry / FILE_NAME).is_file())


def find(release: str, recipes: Path) -> Path:
    """Give the path of the recipe that `release` names: a folder under `recipes`, or a path to a recipe or its folder.

    Raises InputFailure with the recipes that there are.
    """
    if release and "/" not in release and (recipes / release / FILE_NAME).is_file():
        return recipes / release / FILE_NAME
    path = Path(release)
    if release and path.is_file():
        return path
    if release and (path / FILE_NAME).is_file():
        return path / FILE_NAME
    if release and (path.is_dir() or (recipes / release).is_dir()):
        folder = path if path.is_dir() else recipes / release
        raise InputFailure(Problem(f"{folder} holds no {FILE_NAME}", f"boss-builder init {folder} writes one"))
    raise InputFailure(Problem(f'there is no recipe "{release}"', hint_for(release, recipes)))


def hint_for(name: str, recipes: Path) -> str:
    """Say which recipes there are, the one with the nearest name first."""
    from builder.recipe.evaluate import nearest

    known = names(recipes)
    if not known:
        return f"{recipes} holds no recipes; boss-builder init NAME VERSION writes one"
    near = nearest(name, known)
    listed = f"known: {', '.join(known)}"
    return f'did you mean "{near}"? {listed}' if near else listed
