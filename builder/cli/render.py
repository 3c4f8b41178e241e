"""`boss-builder render`."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.common import load_lock, on_release, progress_for, show_json, store_path, toolbox_opener

EPILOG = """\b
Examples:
  boss-builder render miniboss-1.0.0 context
  cd context && docker build --network none --tag miniboss:1.0.0 ."""


@click.command(epilog=EPILOG)
@on_release
@click.argument("folder", type=click.Path(path_type=Path))
def command(
    release: str,
    folder: Path,
    recipes: Path,
    store: Path | None,
    variables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the Dockerfile of RELEASE and all that it needs into FOLDER, without building.

    In FOLDER, a plain `docker build --network none .` makes the same root as `boss-builder build`.
    """
    from builder.build.context import write_context
    from builder.store.store import Store

    progress = progress_for()
    opened = Store(store_path(store, recipes))
    lock = load_lock(release, recipes, variables, opened)

    write_context(lock, opened, folder, toolbox_opener(opened, progress), progress)
    files = sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())
    if as_json:
        show_json({"release": lock.recipe.full_name, "folder": str(folder), "files": files})
    else:
        click.echo(f"{lock.recipe.full_name}: {len(files)} files in {folder}")
        click.echo(f"next: cd {folder} && docker build --network none .", err=True)
