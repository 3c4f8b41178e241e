"""`boss-builder export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.common import load_lock, on_release, progress_for, show_json, store_path
from builder.core.progress import amount_text

if TYPE_CHECKING:
    from builder.export.bagit import Bag, Bagged
    from builder.export.export import Exported
    from builder.export.ocfl import Archived
    from builder.export.signatures import Signatures
    from builder.store.shapes import Shape

EPILOG = """\b
Examples:
  boss-builder export miniboss-1.0.0 /media/archive/miniboss-1.0.0
  boss-builder export miniboss-1.0.0 everything --inputs
  boss-builder export miniboss-1.0.0 for-docker --image oci
  boss-builder export miniboss-1.0.0 /media/tape/miniboss-1.0.0 --bagit
  boss-builder export miniboss-1.0.0 /media/tape/miniboss-1.0.0 --bagit --volume-size 700MB
  boss-builder export miniboss-1.0.0 /media/archive/ocfl --ocfl"""


def _volume_size(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """Read a size as a person writes it."""
    from builder.export.volumes import size_in_bytes

    try:
        return None if text is None else size_in_bytes(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


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
@click.option("--bagit", "as_bag", is_flag=True, help="Write a BagIt bag of all that belongs to RELEASE.")
@click.option(
    "--volume-size",
    metavar="SIZE",
    callback=_volume_size,
    help="With --bagit: several bags of at most this size, as 700MB or 4.7GB, each in a folder of DIR.",
)
@click.option("--ocfl", "as_object", is_flag=True, help="Write a version of an object of the OCFL storage root DIR.")
def command(
    release: str,
    folder: Path,
    shapes: tuple[Shape, ...],
    with_inputs: bool,
    as_bag: bool,
    volume_size: int | None,
    as_object: bool,
    recipes: Path,
    store: Path | None,
    variables: tuple[str, ...],
    as_json: bool,
) -> None:
    """Write the images of RELEASE, and all that is known of it, into DIR, for use without boss-builder.

    DIR/HOWTO.md says how to check, load, boot and test each image with plain commands. The same store gives the same
    bytes. For an archive, --bagit and --ocfl write all of the release, as the store keeps it: images, inputs,
    evidence and history; HOWTO.md says how to make ordinary files of it.
    """
    from builder.audit.signing.beside import signatures
    from builder.export.bagit import export_bag, export_volumes
    from builder.export.export import export
    from builder.export.ocfl import export_ocfl
    from builder.store.store import Store

    _check_words(shapes, with_inputs=with_inputs, as_bag=as_bag, volume_size=volume_size, as_object=as_object)
    opened = Store(store_path(store, recipes))
    lock = load_lock(release, recipes, variables, opened)
    progress = progress_for()
    if as_object:
        _show_object(export_ocfl(lock, opened, folder, progress), as_json=as_json)
    elif as_bag and volume_size is not None:
        _show_bags(export_volumes(lock, opened, folder, progress, volume_size=volume_size), as_json=as_json)
    elif as_bag:
        _show_bags(export_bag(lock, opened, folder, progress), as_json=as_json)
    else:
        signed = signatures(opened, lock.recipe.full_name)
        for why in signed.left_out:
            click.echo(f"a signature is left out: {why}", err=True)
        done = export(
            lock, opened, folder, shapes=shapes, with_inputs=with_inputs, progress=progress, signatures=signed
        )
        _show_folder(done, signed, with_inputs=with_inputs, as_json=as_json)


def _check_words(
    shapes: tuple[Shape, ...], *, with_inputs: bool, as_bag: bool, volume_size: int | None, as_object: bool
) -> None:
    if as_bag and as_object:
        raise click.UsageError("--bagit and --ocfl are two forms: name one")
    if volume_size is not None and not as_bag:
        raise click.UsageError("--volume-size goes with --bagit")
    if (as_bag or as_object) and (shapes or with_inputs):
        raise click.UsageError("--bagit and --ocfl hold all images and inputs: leave --image and --inputs out")


def _show_folder(done: Exported, signed: Signatures, *, with_inputs: bool, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "release": done.release,
                "folder": str(done.folder),
                "images": list(done.shapes),
                "inputs": with_inputs,
                "signatures": [{"identity": one.identity, "fingerprint": one.fingerprint} for one in signed.signers],
                "files": list(done.files),
                "size": done.size,
                "digest": str(done.digest),
            }
        )
        return
    what = ", ".join(done.shapes) + (" and inputs" if with_inputs else "")
    click.echo(f"{done.release}: {what} in {done.folder} ({len(done.files)} files, {amount_text(done.size)})")
    for one in signed.signers:
        click.echo(f"signed by {one.identity} with {one.fingerprint}")
    click.echo(f"SHA256SUMS: {done.digest}")
    click.echo(f"next: cd {done.folder} && sha256sum --check --quiet SHA256SUMS; then read HOWTO.md", err=True)


def _show_bags(done: Bagged, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "release": done.release,
                "folder": str(done.folder),
                "images": list(done.shapes),
                "bags": [_bag_as_json(bag) for bag in done.bags],
                "size": sum(bag.size for bag in done.bags),
            }
        )
        return
    size = amount_text(sum(bag.size for bag in done.bags))
    bags = f"{len(done.bags)} bags" if len(done.bags) > 1 else "one bag"
    click.echo(f"{done.release}: {bags} in {done.folder} ({sum(bag.files for bag in done.bags)} files, {size})")
    for bag in done.bags:
        click.echo(f"{bag.folder.name}, {amount_text(bag.size)}, tagmanifest-sha256.txt: {bag.digest}")
    click.echo(f"next: cd {done.bags[0].folder} && sha256sum --check --quiet manifest-sha256.txt", err=True)


def _bag_as_json(bag: Bag) -> dict[str, Any]:
    return {"folder": str(bag.folder), "files": bag.files, "size": bag.size, "digest": str(bag.digest)}


def _show_object(done: Archived, *, as_json: bool) -> None:
    if as_json:
        show_json(
            {
                "release": done.release,
                "folder": str(done.folder),
                "images": list(done.shapes),
                "object": str(done.folder / done.release),
                "version": done.version,
                "new": done.new,
                "files": done.files,
                "size": done.size,
                "digest": str(done.digest),
            }
        )
        return
    what = "added" if done.new else "there already, with all that the store has"
    size = amount_text(done.size)
    click.echo(f"{done.release}: version {done.version} {what}, in {done.folder} ({done.files} files, {size})")
    click.echo(f"inventory.json: {done.digest}")
    click.echo(f"next: cd {done.folder / done.release} && sha256sum --check inventory.json.sha256", err=True)
