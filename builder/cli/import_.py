"""`boss-builder import`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from builder.cli.common import (
    command_options,
    json_option,
    progress_for,
    recipes_option,
    show_json,
    store_option,
    store_path,
)

EPILOG = """\b
Examples:
  boss-builder import /media/tape/miniboss-1.0.0
  boss-builder import miniboss-1.0.0.tar.gz --store /srv/archive/images
  boss-builder import /media/tape/volumes
  boss-builder import /media/one/volume-001 /media/two/volume-002.tar
  boss-builder import oci://127.0.0.1:5000/miniboss --release miniboss-1.0.0

Exit codes: 0 all of it is in the store; 2 SOURCE is damaged, incomplete, hostile or nothing that can be imported: no
reference changed; 4 the store can not be written, or SOURCE can not be reached."""


@click.command("import", epilog=EPILOG)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE ...")
@click.option("--release", "releases", multiple=True, metavar="RELEASE", help="Only this release; may be repeated.")
@recipes_option
@store_option
@json_option
@command_options
def command(
    sources: tuple[str, ...], releases: tuple[str, ...], recipes: Path, store: Path | None, as_json: bool
) -> None:
    """Take SOURCE into the store: a bag, its tar or tar.gz, an OCI image layout, an OCFL object, or oci://HOST/NAME.

    A bag in several volumes is taken as it is: name the folder that they lie in, or all of them. The
    store may be empty, new or in use. Everything is checked; references appear when all that they reach is there.
    """
    from builder.audit.copies.bring_in import bring_in
    from builder.audit.copies.find import opened_source
    from builder.audit.copies.place import Folder
    from builder.audit.noting import noting
    from builder.core.progress import amount_text
    from builder.store.store import Store

    target = Store(store_path(store, recipes))
    progress = progress_for()
    with opened_source(sources[0], target, progress, sources[1:]) as opened:
        note = noting(target.path, progress.say)
        done = bring_in(opened, Folder(target, datetime.now(UTC)), releases, progress, note)
    if as_json:
        show_json(
            {
                "store": str(target.path),
                "sources": list(sources),
                "references": list(done.references),
                "copied_blobs": done.copied,
                "copied_bytes": done.copied_size,
                "present_blobs": done.present,
            }
        )
        return
    click.echo(
        f"{target.path}: {len(done.references)} references; {done.copied} blobs copied "
        f"({amount_text(done.copied_size)}), {done.present} were there"
    )
    click.echo("next: boss-builder list", err=True)
