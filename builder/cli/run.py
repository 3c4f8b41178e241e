"""`boss-builder run`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from builder.cli.common import command_options, recipes_option, release_argument, store_option, store_path

EPILOG = """\b
Examples:
  boss-builder run miniboss-1.0.0
  boss-builder run miniboss-1.0.0 -- boss.exe
  echo "2 + 2" | boss-builder run miniboss-1.0.0 -- python3 -
  boss-builder run miniboss-1.0.0 --store /media/archive/images"""


@click.command(epilog=EPILOG)
@release_argument
@click.argument("words", nargs=-1, metavar="[-- COMMAND...]", type=click.UNPROCESSED)
@recipes_option
@store_option
@command_options
def command(release: str, words: tuple[str, ...], recipes: Path, store: Path | None) -> None:
    """Boot the image of RELEASE with networking off and open a shell in it, or run COMMAND.

    COMMAND is found after a login shell has read its profile; the exit code is the command's. What is written inside
    goes when it ends. The store suffices: no recipe is needed.
    """
    from builder.boot import attached
    from builder.boot.images import find_image
    from builder.engine.engine import connect
    from builder.store.store import Store

    opened = Store(store_path(store, recipes))
    name = _release_name(release)
    image = find_image(opened, name)
    engine = connect()
    click.echo(f"booting {name} ({image.digest[:19]}) in Docker; networking is off, changes are not kept", err=True)
    image_id = attached.load(engine, opened, image)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    client = attached.terminal_client(os.environ) if terminal else None
    if client is not None:
        attached.become_terminal_client(client, image_id, words)
    if terminal:
        click.echo("the program docker is not installed: lines are sent as they are, without a terminal", err=True)
    raise click.exceptions.Exit(attached.run_piped(engine, image_id, words, sys.stdin.buffer))


def _release_name(release: str) -> str:
    """Name of the release that a word means: a name, or the path of a recipe or of its folder."""
    path = Path(release)
    if "/" not in release and release not in (".", "..") and path.suffix != ".hcl":
        return release
    folder = path.resolve()
    return folder.parent.name if folder.suffix == ".hcl" else folder.name
