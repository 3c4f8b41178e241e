"""`boss-builder gc`."""

from __future__ import annotations

import time
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
  boss-builder gc --dry-run
  boss-builder gc
  boss-builder gc --grace 168 --json

Exit codes: 0 well, whether or not there was anything; 2 there is no store, or the grace is too short; 4 a manifest is
missing or damaged, or somebody works in the store and the grace is less than a day: nothing was removed."""


@click.command(epilog=EPILOG)
@click.option("--dry-run", is_flag=True, help="Say what would be removed, and remove nothing.")
@click.option(
    "--grace",
    type=click.FloatRange(min=1),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="Keep what was stored in the last HOURS: somebody may be about to refer to it.",
)
@recipes_option
@store_option
@json_option
@command_options
def command(dry_run: bool, grace: float, recipes: Path, store: Path | None, as_json: bool) -> None:
    """Remove the blobs that nothing in the store refers to: old images, stages and inputs that were replaced.

    What a reference reaches stays: manifests, configurations, layers, subjects, locks, builder images, evidence.
    """
    from builder.audit.noting import note_removal
    from builder.core.errors import InputFailure
    from builder.core.progress import amount_text
    from builder.store.garbage import HOUR, find, remove
    from builder.store.store import Store

    opened = Store(store_path(store, recipes))
    if not (opened.path / "oci-layout").exists():
        raise InputFailure(f"{opened.path} is not a store", hint="name one with --store")
    garbage = (find if dry_run else remove)(opened, grace * HOUR, time.time())
    if garbage.blobs and not dry_run:
        note_removal(opened.path, sorted(garbage.blobs), progress_for().say)
    if as_json:
        show_json(
            {
                "store": str(opened.path),
                "dry_run": dry_run,
                "blobs": sorted(garbage.blobs),
                "size": garbage.size,
                "too_young": garbage.young,
                "too_young_size": garbage.young_size,
                "kept": garbage.kept,
            }
        )
        return
    done = "would be removed" if dry_run else "removed"
    click.echo(f"{opened.path}: {len(garbage.blobs)} blobs ({amount_text(garbage.size)}) {done}; {garbage.kept} kept")
    if garbage.young:
        click.echo(
            f"{garbage.young} more ({amount_text(garbage.young_size)}) are younger than {grace:g} hours", err=True
        )
