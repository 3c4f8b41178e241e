"""`boss-builder export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.common import load_lock, on_release, progress_for, show_json, store_path

if TYPE_CHECKING:
    from builder.store.shapes import Shape

EPILOG = """\b
Examples:
  boss-builder export miniboss-1.0.0 /media/archive/miniboss-1.0.0
  boss-builder export miniboss-1.0.0 everything --inputs
  boss-builder export miniboss-1.0.0 for-docker --image oci"""


@click.command(epilog=EPILOG)
@on_release
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--image",
    "shapes",
    type=click.Choice(["oci", "sif", "vm"]),
    multiple=True,
    help="A shape to export; may be given several times.  [default: all that the store has]",
)
@click.option("--inputs", "with_inputs", is_flag=True, help="Add everything that the release was made from.")
def command(
    release: str,
    folder: Path,
    shapes: tuple[Shape, ...],
    with_inputs: bool,
    recipes: Path,
    store: Path | None,
    variables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the images of RELEASE, and all that is known of it, into DIR, for use without boss-builder.

    DIR/HOWTO.md says how to check, load, boot and test each image with plain commands. The same store gives the same
    bytes.
    """
    from builder.core.progress import amount_text
    from builder.export.export import export
    from builder.store.store import Store

    opened = Store(store_path(store, recipes))
    lock = load_lock(release, recipes, variables, opened)
    done = export(lock, opened, folder, shapes=shapes, with_inputs=with_inputs, progress=progress_for())
    if as_json:
        show_json(
            {
                "release": done.release,
                "folder": str(done.folder),
                "images": list(done.shapes),
                "inputs": with_inputs,
                "files": list(done.files),
                "size": done.size,
                "digest": str(done.digest),
            }
        )
        return
    what = ", ".join(done.shapes) + (" and inputs" if with_inputs else "")
    click.echo(f"{done.release}: {what} in {folder} ({len(done.files)} files, {amount_text(done.size)})")
    click.echo(f"SHA256SUMS: {done.digest}")
    click.echo(f"next: cd {folder} && sha256sum --check --quiet SHA256SUMS; then read HOWTO.md", err=True)
