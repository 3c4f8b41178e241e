"""What a release only imitates: every report and every image says so."""

from __future__ import annotations

from collections.abc import Iterator

from builder.recipe.model import Recipe


def recipe_stand_ins(recipe: Recipe) -> Iterator[str]:
    """Say, a sentence each, which parts of a release stand in for what."""
    if recipe.os.stands_in_for:
        yield f"the operating system {recipe.os.family} {recipe.os.version} stands in for {recipe.os.stands_in_for}"
    if recipe.package.stands_in_for:
        yield f"the package of {recipe.full_name} stands in for {recipe.package.stands_in_for}"


def reference_stand_ins(recipe: Recipe) -> Iterator[str]:
    """Say which references of the validation stand in for what: nothing of an image, all of what judges it."""
    for reference in recipe.validation.reference if recipe.validation else ():
        if reference.stands_in_for:
            yield f"{reference.title} stands in for {reference.stands_in_for}"
