"""`boss-builder show`: print a recipe as it is understood."""

from __future__ import annotations

import os
from pathlib import Path

import click

from builder.cli.common import (
    command_options,
    json_option,
    recipes_option,
    release_argument,
    show_json,
    variable_option,
)

EXAMPLES = """\b
Examples:
  boss-builder show miniboss-1.0.0
  boss-builder show boss-7.0.5 --var vault=https://vault.example/sl6
  boss-builder show miniboss-1.0.0 --json"""


@click.command("show", epilog=EXAMPLES)
@release_argument
@recipes_option
@variable_option
@json_option
@command_options
def command(release: str, recipes: Path, variables: tuple[str, ...], as_json: bool) -> None:
    """Print a release's recipe as it is understood: evaluated, with what it inherits and every default.

    RELEASE is a name under recipes/, or a path to a recipe or its folder. The text is HCL; a path of a recipe that this
    one extends is marked with a comment, and so is a value for which only an example stands. Documents (release notes,
    papers) are listed with the rest; the components that BOSS was built with, and where that is known from, in a table.
    """
    from builder.recipe.find import find
    from builder.recipe.load import load
    from builder.recipe.show import as_document, as_text
    from builder.recipe.variables import from_words

    loaded = load(find(release, recipes), from_words(variables), os.environ)
    if as_json:
        show_json(as_document(loaded))
    else:
        click.echo(as_text(loaded), nl=False)
