"""`boss-builder check`: read recipes and report every mistake in them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.common import command_options, json_option, problem_as_json, recipes_option, show_json, variable_option
from builder.core.errors import ExitCode, InputFailure, Problem

if TYPE_CHECKING:
    from builder.recipe.load import Examined

EXAMPLES = """\b
Examples:
  boss-builder check
  boss-builder check miniboss-1.0.0
  boss-builder check boss-7.0.5 --var vault=https://vault.example/sl6
  boss-builder check recipes/el6/recipe.hcl --json"""


@click.command("check", epilog=EXAMPLES)
@click.argument("releases", metavar="[RELEASE]...", nargs=-1)
@recipes_option
@variable_option
@json_option
@command_options
def command(releases: tuple[str, ...], recipes: Path, variables: tuple[str, ...], as_json: bool) -> None:
    """Read recipes, and what they extend, and report every mistake at once.

    RELEASE is a name under recipes/, or a path to a recipe or its folder; without one, all recipes are checked, bases
    included. Variables that must be set before a release is frozen are named. Exit code 0: all well; 2: there are
    mistakes.
    """
    from builder.recipe.find import find, names
    from builder.recipe.load import examine_all
    from builder.recipe.variables import from_words

    values = from_words(variables)
    problems: list[Problem] = []
    paths: list[Path] = []
    for release in releases or names(recipes):
        try:
            paths.append(find(release, recipes))
        except InputFailure as failure:
            problems.extend(failure.problems)
    if not paths and not problems:
        raise InputFailure(f"{recipes} holds no recipes", hint="boss-builder init NAME VERSION writes one")
    examined, found = examine_all(paths, values, os.environ)
    problems.extend(found)
    _show(examined, problems, as_json=as_json)
    if problems:
        raise click.exceptions.Exit(ExitCode.INPUT)


def _show(examined: Sequence[Examined], problems: Sequence[Problem], *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "name": one.name,
                "base": one.is_base,
                "well": not one.problems,
                "to_set": [{"name": v.name, "description": v.description, "example": v.example} for v in one.to_set],
                "placeholders": [str(at) for at in one.placeholders],
            }
            for one in examined
        ]
        show_json({"recipes": rows, "problems": [problem_as_json(problem) for problem in problems]})
        return
    for one in examined:
        if not one.problems:
            click.echo(f"{one.name}: well" + (" (a base)" if one.is_base else ""))
            for line in _to_set(one):
                click.echo(line)
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems:
        click.echo(f"{len(problems)} error{'s' if len(problems) > 1 else ''}; nothing was done.", err=True)


def _to_set(one: Examined) -> Iterator[str]:
    """Say which variables the librarian must set, and what he must write in the place of PLACEHOLDER."""
    if one.to_set:
        count = "a variable has" if len(one.to_set) == 1 else f"{len(one.to_set)} variables have"
        yield f"  {count} only an example, and must be set before it is frozen (--var NAME=VALUE):"
    for variable in one.to_set:
        example = variable.example if isinstance(variable.example, str) else json.dumps(variable.example)
        yield f"    {variable.name}: {variable.description or variable.wanted}; as in {example}"
    if one.placeholders:
        yield "  these are still marked with PLACEHOLDER, and must be written before it is frozen:"
    for at in one.placeholders:
        yield f"    {at}"
