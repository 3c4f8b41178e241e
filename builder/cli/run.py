"""`boss-builder run`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from builder.cli.common import (
    command_options,
    progress_for,
    recipes_option,
    release_argument,
    store_option,
    store_path,
)
from builder.store.shapes import SHAPES, Shape

EPILOG = """\b
Examples:
  boss-builder run miniboss-1.0.0
  boss-builder run miniboss-1.0.0 -- boss.exe
  boss-builder run miniboss-1.0.0 --bind .:/job -- boss.exe jobOptions.txt
  boss-builder run miniboss-1.0.0 --as vm --bind results:/results --bind data:/data:ro -- boss.exe /data/job.txt
  echo "2 + 2" | boss-builder run miniboss-1.0.0 -- python3 -
  boss-builder run miniboss-1.0.0 --store /media/archive/images"""


@click.command(epilog=EPILOG)
@release_argument
@click.argument("words", nargs=-1, metavar="[-- COMMAND...]", type=click.UNPROCESSED)
@click.option(
    "--as",
    "wanted",
    type=click.Choice(SHAPES),
    default=None,
    help="The shape to start.  [default: one that this host can start]",
)
@click.option(
    "--bind",
    "binds",
    multiple=True,
    metavar="HOST:GUEST[:ro]",
    help="Let COMMAND see a file or folder of yours as GUEST, and change it unless `ro` is there.",
)
@recipes_option
@store_option
@command_options
def command(
    release: str,
    words: tuple[str, ...],
    wanted: Shape | None,
    binds: tuple[str, ...],
    recipes: Path,
    store: Path | None,
) -> None:
    """Boot the image of RELEASE with networking off and open a shell in it, or run COMMAND.

    COMMAND is found after a login shell has read its profile; the exit code is the command's. It starts in the first
    folder that is bound. What is written elsewhere goes when it ends. The store suffices: no recipe is needed.
    """
    from builder.boot.binds import parse_binds
    from builder.boot.boot import open_session
    from builder.boot.choose import Choice, choose, look
    from builder.boot.images import find_image, release_images
    from builder.boot.session import login_words
    from builder.doctor.needs import system_in_image
    from builder.doctor.running import barred_shapes, explained
    from builder.store.store import Store

    parsed = parse_binds(binds)
    opened = Store(store_path(store, recipes))
    name = _release_name(release)
    built = release_images(opened, name)
    system = system_in_image(opened, next(iter(built.values())))
    barred = barred_shapes(system)
    choice = Choice(wanted, "as asked for") if wanted else choose(look(), built, barred)
    image = find_image(opened, name, choice.shape)
    if choice.shape in barred:
        click.echo(barred[choice.shape], err=True)
    click.echo(
        f"booting {name} ({image.digest[:19]}) as {choice.shape}: {choice.reason}; "
        "networking is off, changes are not kept" + (" but in what is bound" if parsed else ""),
        err=True,
    )
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    with open_session(
        opened, choice.shape, image, login_words(words), binds=parsed, progress=progress_for()
    ) as session:
        code = session.run_on_terminal() if terminal else session.run_piped(sys.stdin.buffer)
    problem = explained(code, name, system, choice.shape)
    if problem:
        click.echo(str(problem), err=True)
    raise click.exceptions.Exit(code)


def _release_name(release: str) -> str:
    """Name of the release that a word means: a name, or the path of a recipe or of its folder."""
    path = Path(release)
    if "/" not in release and release not in (".", "..") and path.suffix != ".hcl":
        return release
    folder = path.resolve()
    return folder.parent.name if folder.suffix == ".hcl" else folder.name
