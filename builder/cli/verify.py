"""`boss-builder verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.common import (
    command_options,
    fail,
    json_option,
    load_release,
    progress_for,
    recipes_option,
    show_json,
    store_option,
    store_path,
)

if TYPE_CHECKING:
    from builder.audit.signing.check import Examined, Signature
    from builder.store.store import Store

EPILOG = """\b
Examples:
  boss-builder verify
  boss-builder verify miniboss-1.0.0
  boss-builder verify miniboss-1.0.0 --allowed-signers signers-from-the-library
  boss-builder verify --store /archive/images --json

\b
The same without this software:
  cd images/blobs/sha256 && printf '%s\\n' * | sed 's/.*/&  &/' | sha256sum -c --strict --quiet"""


@click.command(epilog=EPILOG)
@click.argument("release", required=False)
@click.option(
    "--allowed-signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who may sign RELEASE.  [default: audit/allowed_signers in the store]",
)
@recipes_option
@store_option
@json_option
@command_options
def command(
    release: str | None, allowed_signers: Path | None, recipes: Path, store: Path | None, as_json: bool
) -> None:
    """Check every blob of the store against its name, and every reference for completeness. Changes nothing.

    With RELEASE also who signed it: whether the signatures are good, whether those may sign who did, and whether what
    they signed is what the store has.
    """
    from builder.core.errors import FoundFailure, InputFailure
    from builder.store.store import Store
    from builder.store.verify import verify

    path = store_path(store, recipes)
    if not (path / "oci-layout").exists():
        raise InputFailure(f"{path} is not a store", hint="name one with --store; boss-builder freeze makes one")
    if allowed_signers is not None and release is None:
        raise InputFailure(
            "--allowed-signers needs a RELEASE, whose signatures are checked", hint="boss-builder verify RELEASE"
        )
    opened = Store(path)
    problems = verify(opened, progress_for())
    name = load_release(release, recipes, ()).recipe.full_name if release and "/" in release else release
    examined = _examine(opened, name, allowed_signers) if name else None
    if examined is not None:
        problems += examined.problems
    if problems:
        fail(FoundFailure(*problems), as_json=as_json)
    if as_json:
        show_json({"store": str(path), "problems": []} | (_as_json(name, examined) if examined else {}))
        return
    click.echo(f"{path}: well")
    if examined is not None:
        for signature in examined.good:
            click.echo(f"{name}: signed by {signature.identity} with {signature.key.fingerprint}")
        for signature in examined.strangers:
            click.echo(
                f"{signature.reference}: not counted: nobody is trusted for {signature.key.fingerprint}", err=True
            )


def _examine(store: Store, release: str, allowed_signers: Path | None) -> Examined:
    from builder.audit.signing.allowed import default_path
    from builder.audit.signing.check import examine

    return examine(store, release, allowed_signers if allowed_signers is not None else default_path(store.path))


def _as_json(release: str | None, examined: Examined) -> dict[str, object]:
    return {
        "release": release,
        "signatures": [_signature(one) for one in examined.good],
        "not_counted": [_signature(one) for one in examined.strangers],
    }


def _signature(signature: Signature) -> dict[str, str]:
    return {
        "reference": signature.reference,
        "identity": signature.identity,
        "fingerprint": signature.key.fingerprint,
    }
