"""`boss-builder schema`: print the JSON Schema of a recipe."""

from __future__ import annotations

import click

from builder.cli.common import command_options, show_json

EXAMPLES = """\b
Examples:
  boss-builder schema
  boss-builder schema > recipe.schema.json"""


@click.command("schema", epilog=EXAMPLES)
@command_options
def command() -> None:
    """Print the JSON Schema (2020-12) of a recipe, as HCL's JSON syntax writes it.

    Made from the same description of the language that `check` uses.
    """
    from builder.recipe.schema import schema

    show_json(schema())
