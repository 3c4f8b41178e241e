"""`boss-builder freeze`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from builder.cli.common import load_release, on_release, progress_for, show_json, store_path, toolbox_opener
from builder.cli.places import cvmfs_option, mirror_option, places_for

EPILOG = """\b
Examples:
  boss-builder freeze miniboss-1.0.0
  boss-builder freeze miniboss-1.0.0 --update
  boss-builder freeze boss-7.0.5 --var vault=http://vault.example.org/sl
  boss-builder freeze boss-7.0.5 --mirror http://vault.example.org/sl=/srv/staged/sl"""


@click.command(epilog=EPILOG)
@on_release
@click.option("--update", is_flag=True, help="Take what upstream has today, and print what changed.")
@click.option(
    "--builder-image",
    metavar="NAME@sha256:DIGEST",
    envvar="BOSS_BUILDER_IMAGE",
    help="Take this container image as the builder image instead of making one with mmdebstrap.",
)
@mirror_option
@cvmfs_option
def command(
    release: str,
    update: bool,
    builder_image: str | None,
    mirrors: tuple[str, ...],
    cvmfs: Path | None,
    recipes: Path,
    store: Path | None,
    variables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Fetch and check every input of RELEASE, keep it in the store, and write its lock.

    Again with nothing changed, nothing is fetched and the lock stays byte for byte. This is the only command that
    uses the network.
    """
    from builder.core.progress import amount_text
    from builder.freeze.freeze import freeze
    from builder.store.store import Store

    places = places_for(mirrors, cvmfs)
    progress = progress_for()
    loaded = load_release(release, recipes, variables)
    opened = Store(store_path(store, recipes))

    if builder_image is not None:
        from builder.toolbox.image import check_pinned

        check_pinned(builder_image)
        if not update:
            progress.say("a lock that still fits keeps its builder image; --update takes the one that you name")
    frozen = freeze(
        loaded,
        opened,
        toolbox_opener(opened, progress, builder_image),
        progress,
        os.environ,
        update=update,
        places=places,
    )
    lock = frozen.lock
    if as_json:
        show_json(
            {
                "release": lock.recipe.full_name,
                "lock": str(frozen.lock_path),
                "lock_changed": frozen.lock_changed,
                "changes": list(frozen.changes),
                "packages": len(lock.packages()),
                "sources": sorted(lock.sources),
                "fetched_files": frozen.fetched_files,
                "fetched_bytes": frozen.fetched_bytes,
            }
        )
        return
    for line in frozen.changes:
        click.echo(f"  {line}")
    fetched = f"{frozen.fetched_files} files fetched ({amount_text(frozen.fetched_bytes)})"
    state = "lock written" if frozen.lock_changed else "lock unchanged"
    click.echo(
        f"{lock.recipe.full_name}: {len(lock.packages())} RPMs, {len(lock.sources)} other inputs; {fetched}; {state}"
    )
    click.echo(f"next: boss-builder build {release}", err=True)
