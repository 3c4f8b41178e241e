"""`boss-builder list`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from builder.cli.common import command_options, json_option, recipes_option, show_json, store_option, store_path
from builder.core.digest import Digest
from builder.core.progress import amount_text
from builder.core.table import columns

if TYPE_CHECKING:
    from builder.store.contents import Artifact, Contents, Validation

EPILOG = """\b
Examples:
  boss-builder list
  boss-builder list --store /media/archive/images
  boss-builder list --json"""


@click.command(epilog=EPILOG)
@recipes_option
@store_option
@json_option
@command_options
def command(recipes: Path, store: Path | None, as_json: bool) -> None:
    """Show what the store holds: images, validations, rebuilds, results, inputs, stages, builder images; and sizes.

    The size of an image or a stage is that of its blobs; what several share is stored, and counted in the total, once.
    """
    from builder.store.contents import blobs, contents
    from builder.store.store import Store

    opened = Store(store_path(store, recipes))
    found = contents(opened)
    if as_json:
        all_blobs = blobs(opened)
        counted = {"blobs": all_blobs.number, "total_size": all_blobs.size}
        show_json({"store": str(opened.path), **msgspec.to_builtins(found), **counted})
        return
    for line in _lines(found):
        click.echo(line)
    all_blobs = blobs(opened)  # last: of many it takes a while
    click.echo(f"{all_blobs.number} blobs, {amount_text(all_blobs.size)} in {opened.path}")
    if not found.images:
        click.echo("no image yet; make one: boss-builder freeze RELEASE, then boss-builder build RELEASE", err=True)


def _lines(found: Contents) -> Iterator[str]:
    yield from _table(
        "images",
        ("release", "shape", "size", "created", "digest"),
        [(i.release, i.shape, amount_text(i.size), i.created, _short(i.digest)) for i in found.images],
    )
    yield from _table(
        "validations",
        ("release", "shape", "state", "of", "digest"),
        [(v.release, v.shape, v.state, _subject(v), _short(v.digest)) for v in found.validations],
    )
    yield from _table(
        "rebuilds",
        ("release", "runs", "latest", "state"),
        [(r.release, str(r.runs), r.latest, r.state) for r in found.rebuilds],
    )
    for title, artifacts in (
        ("results", found.results),
        ("inputs", found.inputs),
        ("stages", found.stages),
        ("builder images", found.builder_images),
    ):
        yield from _table(title, ("name", "files", "size", "digest"), [_artifact(a) for a in artifacts])


def _artifact(artifact: Artifact) -> tuple[str, ...]:
    return artifact.name, str(artifact.files), amount_text(artifact.size), _short(artifact.digest)


def _subject(validation: Validation) -> str:
    return "the present image" if validation.of_present_image else "an older image"


def _short(digest: str) -> str:
    return Digest(digest).short


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if not rows:
        return
    yield title
    yield from (f"  {line}" for line in columns(heads, rows))
    yield ""
