"""`boss-builder build`."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.common import load_lock, on_release, progress_for, show_json, store_path, toolbox_opener

EPILOG = """\b
Examples:
  boss-builder build miniboss-1.0.0
  boss-builder build miniboss-1.0.0 --store /archive/images --json"""


@click.command(epilog=EPILOG)
@on_release
def command(
    release: str,
    recipes: Path,
    store: Path | None,
    variables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Build the image of RELEASE from its lock, without a network, and keep it in the store.

    Stages that the store has are taken from there; the same lock gives the same bytes.
    """
    from builder.build.build import build
    from builder.core.progress import amount_text
    from builder.store.store import Store

    progress = progress_for()
    opened = Store(store_path(store, recipes))
    lock = load_lock(release, recipes, variables, opened)

    built = build(lock, opened, toolbox_opener(opened, progress), progress)
    if as_json:
        show_json(
            {
                "release": built.release,
                "digest": built.descriptor.digest,
                "size": built.size,
                "stages": [
                    {"name": s.stage.name, "stored": s.stored, "seconds": round(s.seconds, 3), "diff_id": s.diff_id}
                    for s in built.stages
                ],
            }
        )
        return
    width = max(len(stage.stage.name) for stage in built.stages)
    for stage in built.stages:
        state = "stored" if stage.stored else f"built in {stage.seconds:.1f} s"
        click.echo(f"  {stage.stage.name:{width}}  {state:16} {stage.diff_id[:19]}")
    click.echo(f"{built.release}: {built.descriptor.digest} ({amount_text(built.size)})")
    click.echo(f"next: boss-builder validate {release}", err=True)
