"""`boss-builder build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.common import load_lock, on_release, progress_for, show_json, store_path, toolbox_opener
from builder.store.shapes import SHAPES

if TYPE_CHECKING:
    from builder.build.build import Built
    from builder.store.shapes import Shape

EPILOG = """\b
Examples:
  boss-builder build miniboss-1.0.0
  boss-builder build miniboss-1.0.0 --image sif
  boss-builder build miniboss-1.0.0 --store /archive/images --json"""


@click.command(epilog=EPILOG)
@on_release
@click.option(
    "--image",
    "shapes",
    type=click.Choice([*SHAPES, "all"]),
    multiple=True,
    help="Build this shape, and oci, which the others are made from; may be repeated.  [default: all of the recipe]",
)
def command(
    release: str,
    recipes: Path,
    store: Path | None,
    variables: tuple[str, ...],
    as_json: bool,
    shapes: tuple[Shape, ...],
) -> None:
    """Build the images of RELEASE from its lock, without a network, and keep them in the store.

    Stages and images that the store has are taken from there; the same lock gives the same bytes.
    """
    from builder.build.build import build
    from builder.doctor.running import build_problems
    from builder.store.store import Store

    progress = progress_for()
    opened = Store(store_path(store, recipes))
    lock = load_lock(release, recipes, variables, opened)

    wanted = None if not shapes or "all" in shapes else shapes
    for problem in build_problems(lock, opened, wanted):
        click.echo(str(problem), err=True)
    built = build(lock, opened, toolbox_opener(opened, progress), progress, wanted)
    if as_json:
        show_json(_as_json(built))
        return
    _show(built)
    click.echo(f"next: boss-builder validate {release}", err=True)


def _as_json(built: Built) -> dict[str, Any]:
    return {
        "release": built.release,
        "images": [
            {
                "shape": image.shape,
                "digest": image.descriptor.digest,
                "size": image.size,
                "stored": image.stored,
                "seconds": round(image.seconds, 3),
            }
            for image in built.images
        ],
        "stages": [
            {"name": s.stage.name, "stored": s.stored, "seconds": round(s.seconds, 3), "diff_id": s.diff_id}
            for s in built.stages
        ],
    }


def _show(built: Built) -> None:
    from builder.core.progress import amount_text

    width = max(len(stage.stage.name) for stage in built.stages)
    for stage in built.stages:
        state = "stored" if stage.stored else f"built in {stage.seconds:.1f} s"
        click.echo(f"  {stage.stage.name:{width}}  {state:16} {stage.diff_id[:19]}")
    click.echo(built.release)
    for image in built.images:
        state = "stored" if image.stored else f"built in {image.seconds:.1f} s"
        click.echo(f"  {image.shape:{width}}  {state:16} {image.descriptor.digest} ({amount_text(image.size)})")
