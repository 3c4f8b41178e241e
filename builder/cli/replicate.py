"""`boss-builder replicate`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from builder.cli.common import (
    command_options,
    json_option,
    problem_as_json,
    progress_for,
    recipes_option,
    show_json,
    store_option,
    store_path,
)

EPILOG = """\b
Examples:
  boss-builder replicate /media/archive/images
  boss-builder replicate /media/archive/images miniboss-1.0.0
  boss-builder replicate oci://127.0.0.1:5000/miniboss

Exit codes: 0 the target has all of it; 1 something is damaged here and was left out; 2 no such release, or TARGET is
nothing to copy to; 4 the target fails, or is full: what it has is whole, and the next run goes on from there."""


@click.command(epilog=EPILOG)
@click.argument("target")
@click.argument("releases", nargs=-1, metavar="[RELEASE ...]")
@click.option("--thorough", is_flag=True, help="Read also what the target has already, and put right what is damaged.")
@recipes_option
@store_option
@json_option
@command_options
def command(
    target: str, releases: tuple[str, ...], thorough: bool, recipes: Path, store: Path | None, as_json: bool
) -> None:
    """Copy the store, or the RELEASEs that are named, to TARGET: a folder, or a registry (oci://HOST/NAME).

    Only what the target lacks is copied, and read back from it. The target is complete at every moment, and can be
    used as a store; nothing that it has besides is touched.
    """
    from builder.audit.copies.copy import replicate
    from builder.audit.copies.find import open_store, open_target
    from builder.audit.noting import noting
    from builder.core.errors import ExitCode
    from builder.core.progress import amount_text

    source = open_store(store_path(store, recipes))
    opened = open_target(target, source.top, datetime.now(UTC))
    progress = progress_for()
    note = noting(source.top, progress.say)
    done = replicate(source, opened, releases, progress, thorough=thorough, note=note)
    if as_json:
        show_json(
            {
                "store": source.name,
                "target": opened.name,
                "references": list(done.references),
                "copied_blobs": done.copied,
                "copied_bytes": done.copied_size,
                "present_blobs": done.present,
                "problems": [problem_as_json(problem) for problem in done.problems],
            }
        )
    else:
        click.echo(
            f"{opened.name}: {len(done.references)} references; {done.copied} blobs copied "
            f"({amount_text(done.copied_size)}), {done.present} were there"
        )
        for problem in done.problems:
            click.echo(str(problem), err=True)
    if done.problems:
        raise click.exceptions.Exit(ExitCode.FOUND)
