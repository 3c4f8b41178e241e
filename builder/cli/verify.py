"""`boss-builder verify`."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.common import (
    command_options,
    fail,
    json_option,
    progress_for,
    recipes_option,
    show_json,
    store_option,
    store_path,
)

EPILOG = """\b
Examples:
  boss-builder verify
  boss-builder verify --store /archive/images --json

\b
The same without this software:
  cd images/blobs/sha256 && printf '%s\\n' * | sed 's/.*/&  &/' | sha256sum -c --strict --quiet"""


@click.command(epilog=EPILOG)
@recipes_option
@store_option
@json_option
@command_options
def command(recipes: Path, store: Path | None, as_json: bool) -> None:
    """Check every blob of the store against its name, and every reference for completeness. Changes nothing."""
    from builder.core.errors import FoundFailure, InputFailure
    from builder.store.store import Store
    from builder.store.verify import verify

    path = store_path(store, recipes)
    if not (path / "oci-layout").exists():
        raise InputFailure(f"{path} is not a store", hint="name one with --store; boss-builder freeze makes one")
    problems = verify(Store(path), progress_for())
    if problems:
        fail(FoundFailure(*problems), as_json=as_json)
    if as_json:
        show_json({"store": str(path), "problems": []})
    else:
        click.echo(f"{path}: well")
