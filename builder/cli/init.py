"""`boss-builder init`: write a commented recipe to start from."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from builder.cli.common import command_options, recipes_option

EXAMPLES = """\b
Examples:
  boss-builder init boss 7.0.5
  boss-builder init recipes/boss-7.0.5
  boss-builder init boss 7.2.0 --extends el7
  boss-builder init --recipes my-recipes boss 7.0.5"""


@click.command("init", epilog=EXAMPLES)
@click.argument("name", metavar="NAME|PATH")
@click.argument("version", required=False)
@click.option("--extends", metavar="RECIPE", help="The base or release beside the new folder that it builds on.")
@recipes_option
@command_options
def command(name: str, version: str | None, extends: str | None, recipes: Path) -> None:
    """Write a new folder with a commented recipe and the files that it names; print their names.

    With NAME and VERSION the folder is recipes/NAME-VERSION; with PATH it is that one, named NAME-VERSION itself. With
    --extends the recipe has only what RECIPE leaves to it: its release, and a block for each variable that must be set.
    Nothing is overwritten. The recipe passes `check` at once; what must be replaced is marked PLACEHOLDER.
    """
    from builder.recipe.start import name_and_version, start

    if version is None:
        folder = Path(name)
        name, version = name_and_version(folder.absolute().name)
    else:
        folder = recipes / f"{name}-{version}"
    for path in start(folder, name, version, datetime.now(tz=UTC).date(), extends):
        click.echo(str(path))
    click.echo(f"next: replace what is marked PLACEHOLDER, then boss-builder check {folder}", err=True)
