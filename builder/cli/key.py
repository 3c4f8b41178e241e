"""`boss-builder key`: keys to sign with, and the list of those who may."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.common import command_options, json_option, recipes_option, show_json, store_option, store_path
from builder.core.errors import InputFailure

if TYPE_CHECKING:
    from builder.audit.signing.allowed import Signer
    from builder.audit.signing.keys import PublicKey

EXAMPLES = """\b
Examples:
  boss-builder key new archive
  boss-builder key trust librarian@example ~/.config/boss-builder/keys/archive.pub
  boss-builder key list"""

allowed_option = click.option(
    "--allowed-signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The list of those who may sign.  [default: audit/allowed_signers in the store]",
)


@click.group("key", epilog=EXAMPLES)
def command() -> None:
    """Make keys to sign with, and keep the list of those who may sign.

    Keys are ed25519, in OpenSSH's own files, and so is the list: whoever has ssh-keygen can check a signature.
    """


@command.command(
    "new", epilog="\b\nExamples:\n  boss-builder key new archive\n  boss-builder key new archive --key FILE"
)
@click.argument("name")
@click.option("--key", "key_file", type=click.Path(path_type=Path), metavar="FILE", help="Where the private key goes.")
@recipes_option
@store_option
@json_option
@command_options
def new(name: str, key_file: Path | None, recipes: Path, store: Path | None, as_json: bool) -> None:
    """Make the key NAME: a private key that only you can read, and beside it FILE.pub. Nothing is overwritten."""
    from builder.audit.signing.keys import NAME, check_outside, keys_folder, make

    if not NAME.fullmatch(name):
        raise InputFailure(
            f"{name!r} can not be the name of a key", hint="letters, digits and . _ + - @, the first a letter or digit"
        )
    path = key_file if key_file is not None else keys_folder(os.environ) / name
    check_outside(path, store_path(store, recipes))
    key = make(path, name)
    if as_json:
        show_json({"key": str(path), **_as_json(key)})
        return
    click.echo(f"{path}: {key.fingerprint}")
    click.echo(
        f"next: boss-builder key trust IDENTITY {path}.pub, and keep {path} where nobody else can read it", err=True
    )


@command.command("list", epilog="\b\nExamples:\n  boss-builder key list")
@allowed_option
@recipes_option
@store_option
@json_option
@command_options
def list_(allowed_signers: Path | None, recipes: Path, store: Path | None, as_json: bool) -> None:
    """List your own keys, and those who may sign."""
    from builder.audit.signing import allowed
    from builder.audit.signing.keys import keys_folder, listed

    path = _allowed_path(allowed_signers, recipes, store)
    folder = keys_folder(os.environ)
    own, signers = listed(folder), allowed.signers(path)
    if as_json:
        show_json(
            {
                "keys": {name: _as_json(key) for name, key in own.items()},
                "allowed_signers": str(path),
                "signers": [_signer_as_json(signer) for signer in signers],
            }
        )
        return
    click.echo(f"your keys, in {folder}:" if own else f"no key in {folder}")
    for name, key in own.items():
        click.echo(f"  {name}  {key.fingerprint}")
    click.echo(f"may sign, by {path}:" if signers else f"nobody may sign: {path} names no key")
    for signer in signers:
        click.echo(f"  {signer.principals}  {signer.key.fingerprint}  {signer.options}".rstrip())


@command.command("show", epilog="\b\nExamples:\n  boss-builder key show archive\n  boss-builder key show archive.pub")
@click.argument("key_name", metavar="NAME|FILE.pub")
@allowed_option
@recipes_option
@store_option
@json_option
@command_options
def show(key_name: str, allowed_signers: Path | None, recipes: Path, store: Path | None, as_json: bool) -> None:
    """Show a public key: its line, its fingerprint, its id, and who may sign with it."""
    from builder.audit.signing import allowed
    from builder.audit.signing.keys import keys_folder, read_public

    is_file = "/" in key_name or key_name.endswith(".pub")
    key = read_public(Path(key_name) if is_file else keys_folder(os.environ) / f"{key_name}.pub")
    path = _allowed_path(allowed_signers, recipes, store)
    who = [signer for signer in allowed.signers(path) if signer.key.raw == key.raw]
    if as_json:
        show_json({**_as_json(key), "signers": [_signer_as_json(signer) for signer in who]})
        return
    click.echo(f"{key.line} {key.comment}".rstrip())
    click.echo(f"fingerprint  {key.fingerprint}")
    click.echo(f"key id       {key.key_id}")
    for signer in who:
        click.echo(f"may sign as  {signer.principals} {signer.options}".rstrip())
    if not who:
        click.echo(f"may not sign: {path} does not name it")


@command.command("trust", epilog="\b\nExamples:\n  boss-builder key trust librarian@example archive.pub")
@click.argument("identity")
@click.argument("key_file", metavar="FILE.pub", type=click.Path(path_type=Path))
@allowed_option
@recipes_option
@store_option
@json_option
@command_options
def trust(
    identity: str, key_file: Path, allowed_signers: Path | None, recipes: Path, store: Path | None, as_json: bool
) -> None:
    """Let IDENTITY sign with a key. Compare its fingerprint with what its owner tells you by another way first."""
    from builder.audit.signing import allowed
    from builder.audit.signing.keys import read_public

    key = read_public(key_file)
    path = _allowed_path(allowed_signers, recipes, store)
    changed = allowed.trust(path, identity, key)
    if as_json:
        show_json({"identity": identity, "allowed_signers": str(path), "changed": changed, **_as_json(key)})
        return
    click.echo(f"{identity} {'may' if changed else 'might already'} sign with {key.fingerprint}: {path}")


@command.command("untrust", epilog="\b\nExamples:\n  boss-builder key untrust librarian@example archive.pub")
@click.argument("identity")
@click.argument("key_file", metavar="[FILE.pub]", required=False, type=click.Path(path_type=Path))
@allowed_option
@recipes_option
@store_option
@json_option
@command_options
def untrust(
    identity: str, key_file: Path | None, allowed_signers: Path | None, recipes: Path, store: Path | None, as_json: bool
) -> None:
    """Take the right to sign from IDENTITY: with one key, or with all. Signatures stay, and count for nothing."""
    from builder.audit.signing import allowed
    from builder.audit.signing.keys import read_public

    path = _allowed_path(allowed_signers, recipes, store)
    gone = allowed.untrust(path, identity, read_public(key_file) if key_file is not None else None)
    if as_json:
        show_json({"allowed_signers": str(path), "removed": [_signer_as_json(signer) for signer in gone]})
        return
    for signer in gone:
        click.echo(f"{signer.principals} may no longer sign with {signer.key.fingerprint}: {path}")


def _allowed_path(allowed_signers: Path | None, recipes: Path, store: Path | None) -> Path:
    from builder.audit.signing.allowed import default_path

    return allowed_signers if allowed_signers is not None else default_path(store_path(store, recipes))


def _as_json(key: PublicKey) -> dict[str, Any]:
    return {"public": key.line, "comment": key.comment, "fingerprint": key.fingerprint, "key_id": key.key_id}


def _signer_as_json(signer: Signer) -> dict[str, Any]:
    return {"identity": signer.principals, "options": signer.options, **_as_json(signer.key)}
