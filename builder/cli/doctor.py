"""`boss-builder doctor`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from builder.cli.common import (
    command_options,
    json_option,
    problem_as_json,
    recipes_option,
    show_json,
    store_option,
    store_path,
    variable_option,
)
from builder.core.errors import ExitCode
from builder.store.shapes import SHAPES, Shape

EPILOG = """\b
Examples:
  boss-builder doctor
  boss-builder doctor miniboss-1.0.0
  boss-builder doctor miniboss-1.0.0 --image vm
  boss-builder doctor --json

Exit codes: 0 every shape that was asked for can be started here; 1 one can not, or whether it can is UNKNOWN; 2 a
recipe can not be read."""


@click.command(epilog=EPILOG)
@click.argument("release", required=False)
@click.option(
    "--image",
    "shapes",
    type=click.Choice(SHAPES),
    multiple=True,
    help="Ask about this shape; may be repeated.  [default: all of the recipe]",
)
@recipes_option
@store_option
@variable_option
@json_option
@command_options
def command(
    release: str | None,
    shapes: tuple[Shape, ...],
    recipes: Path,
    store: Path | None,
    variables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Say what this host has and lacks for RELEASE, or for every release of recipes/, and how each shape is started.

    What can be tried is tried: a guest is booted under KVM, a program calls the page [vsyscall], a user namespace is
    made. Nothing is changed, and no network is used. UNKNOWN is never success.
    """
    from builder.doctor.advice import advise
    from builder.doctor.host import examine
    from builder.doctor.releases import needs_of_all, needs_of_one
    from builder.doctor.report import as_json as document
    from builder.doctor.report import lines
    from builder.recipe.variables import from_words
    from builder.store.store import Store

    opened = Store(store_path(store, recipes))
    given = from_words(variables)
    if release is None:
        needs, problems = needs_of_all(recipes, given, os.environ, opened)
    else:
        needs, problems = (needs_of_one(release, recipes, given, os.environ, opened),), ()
    host = examine(opened.path)
    releases = [advise(host, one, shapes) for one in needs]
    if as_json:
        show_json({**document(host, releases), "problems": [problem_as_json(problem) for problem in problems]})
    else:
        for line in lines(host, releases):
            click.echo(line)
        for problem in problems:
            click.echo(str(problem), err=True)
        if not needs and not problems:
            click.echo(f"{recipes} holds no recipes; the host alone was looked at", err=True)
    if not all(one.has_routes for one in releases):
        raise click.exceptions.Exit(ExitCode.FOUND)
    if problems:
        raise click.exceptions.Exit(ExitCode.INPUT)
