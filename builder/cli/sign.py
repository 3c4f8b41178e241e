"""`boss-builder sign`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from builder.cli.common import (
    command_options,
    json_option,
    load_release,
    progress_for,
    recipes_option,
    release_argument,
    show_json,
    store_option,
    store_path,
)

EPILOG = """\b
Examples:
  boss-builder sign miniboss-1.0.0 --key ~/keys/archive --identity librarian@example
  boss-builder sign miniboss-1.0.0 --key ~/keys/archive --identity librarian@example --json

\b
The check, without this software, in the folder of the store:
  ssh-keygen -Y verify -f audit/allowed_signers -I librarian@example -s SHA256SUMS.sig -n boss-builder < SHA256SUMS"""


@click.command(epilog=EPILOG)
@release_argument
@click.option("--key", "key_file", type=click.Path(path_type=Path), required=True, help="The private key (ed25519).")
@click.option("--identity", required=True, metavar="WHO", help="Who signs, as the list of signers names you.")
@recipes_option
@store_option
@json_option
@command_options
def command(release: str, key_file: Path, identity: str, recipes: Path, store: Path | None, as_json: bool) -> None:
    """Sign RELEASE as the store has it: every blob, how the images were made, what was found of them, and a receipt.

    Every blob is read first. Signing again with the same key stores the same bytes. That it was signed is logged, and
    the head of the log is signed too: who writes another log later is found by audit.
    """
    from builder.audit.signing.keys import read_private
    from builder.audit.signing.release import vouch
    from builder.store.store import Store

    name = load_release(release, recipes, ()).recipe.full_name if "/" in release else release
    vouched = vouch(
        Store(store_path(store, recipes)),
        name,
        read_private(key_file),
        identity,
        progress=progress_for(),
        clock=lambda: datetime.now(UTC),
    )
    done, head = vouched.signed, vouched.head
    if as_json:
        show_json(
            {
                "release": name,
                "identity": done.identity,
                "key_id": done.key.key_id,
                "fingerprint": done.key.fingerprint,
                "references": list(done.references),
                "blobs": done.blobs,
                "digest": done.digest,
                "receipt": msgspec.to_builtins(done.receipt),
                "head": None if head is None else {"file": vouched.place, **msgspec.to_builtins(head)},
                "not_logged": vouched.not_logged,
            }
        )
        return
    click.echo(f"{name}: signed by {done.identity} with {done.key.fingerprint} ({done.blobs} blobs)")
    for image in done.receipt.images:
        found = f"{image.validation.totals}" if image.validation else "not validated"
        click.echo(f"  {image.shape}: {image.state} ({found})")
    for text in done.receipt.emulated:
        click.echo(f"  emulated, not the real thing: {text}")
    click.echo(f"SHA256SUMS: {done.digest}")
    if head is not None:
        click.echo(f"log: {head.count} lines signed, in {vouched.place}")
    else:
        click.echo(f"NOT LOGGED, and the log's head is not signed: {vouched.not_logged}", err=True)
    click.echo(f"next: boss-builder verify {name}", err=True)
