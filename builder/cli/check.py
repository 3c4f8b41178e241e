"""`boss-builder check`: read recipes and report every mistake in them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from builder.cli.common import command_options, json_option, problem_as_json, recipes_option, show_json, variable_option
from builder.core.errors import ExitCode, InputFailure, Problem

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
def command(releases: tuple[str, ...], recipes: Path, variables: tuple[str, ...], as_json: bool) -> None:  # noqa: FBT001 - click
    """Read recipes, and what they extend, and report every mistake at once.

    RELEASE is a name under recipes/, or a path to a recipe or its folder; without one, all recipes are checked, bases
    included. Exit code 0: all well; 2: there are mistakes.
    """
    from builder.recipe.find import find, names
    from builder.recipe.load import Examined, examine
    from builder.recipe.variables import from_words

    values = from_words(variables)
    problems: list[Problem] = []
    examined: list[Examined] = []
    chosen = releases or tuple(names(recipes))
    if not chosen:
        raise InputFailure(f"{recipes} holds no recipes", hint="boss-builder init NAME VERSION writes one")
    for release in chosen:
        try:
            examined.append(examine(find(release, recipes), values, os.environ))
        except InputFailure as failure:
            problems.extend(failure.problems)
    # A variable that one of several recipes declares is not unknown.
    declared = {name for one in examined for name in one.variables}
    for one in examined[:1]:
        problems.extend(one.unknown_variables({name: value for name, value in values.items() if name not in declared}))
    problems.extend(problem for one in examined for problem in one.problems)
    problems = list(dict.fromkeys(problems))
    if as_json:
        rows = [{"name": one.name, "base": one.is_base, "well": not one.problems} for one in examined]
        show_json({"recipes": rows, "problems": [problem_as_json(problem) for problem in problems]})
    else:
        for one in examined:
            if not one.problems:
                click.echo(f"{one.name}: well" + (" (a base)" if one.is_base else ""))
        for problem in problems:
            click.echo(str(problem), err=True)
        if problems:
            click.echo(f"{len(problems)} error{'s' if len(problems) > 1 else ''}; nothing was done.", err=True)
    if problems:
        raise click.exceptions.Exit(ExitCode.INPUT)
