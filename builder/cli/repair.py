"""`boss-builder repair`."""

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
  boss-builder repair --from /media/archive/images
  boss-builder repair --from oci://127.0.0.1:5000/miniboss

Exit codes: 0 the store is whole; 1 the copy lacks, or has damaged, something that is damaged here; 2 there is no store,
or the copy can not be used; 4 the store can not be written, or the copy can not be reached."""


@click.command(epilog=EPILOG)
@click.option("--from", "copy", required=True, metavar="SOURCE", help="A copy: a folder, or oci://HOST/NAME.")
@recipes_option
@store_option
@json_option
@command_options
def command(copy: str, recipes: Path, store: Path | None, as_json: bool) -> None:
    """Fetch from a copy what is damaged or missing in the store, and nothing else.

    What is damaged is never deleted: it is kept under quarantine/ in the store.
    """
    from builder.audit.copies.find import open_source
    from builder.audit.copies.repair import repair
    from builder.audit.noting import noting
    from builder.core.errors import ExitCode, InputFailure
    from builder.store.store import Store

    opened = Store(store_path(store, recipes))
    if not (opened.path / "blobs").is_dir():
        raise InputFailure(f"{opened.path} is not a store", hint="boss-builder import SOURCE makes one from a copy")
    progress = progress_for()
    note = noting(opened.path, progress.say)
    done = repair(opened, open_source(copy), datetime.now(UTC), progress, note)
    if as_json:
        show_json(
            {
                "store": str(opened.path),
                "restored": list(done.restored),
                "cleared": list(done.cleared),
                "quarantined": [str(path) for path in done.quarantined],
                "problems": [problem_as_json(problem) for problem in done.problems],
            }
        )
    else:
        for path in done.quarantined:
            click.echo(f"kept aside: {path}")
        for digest in done.cleared:
            click.echo(f"nothing needs it: {digest}, which was damaged, is out of the way")
        for problem in done.problems:
            click.echo(str(problem), err=True)
        state = f"{len(done.problems)} blobs can not be had" if done.problems else "well"
        click.echo(f"{opened.path}: {len(done.restored)} restored; {state}")
    if done.problems:
        raise click.exceptions.Exit(ExitCode.FOUND)
