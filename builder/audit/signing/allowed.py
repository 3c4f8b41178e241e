"""Who may sign: a file in OpenSSH's own format, so that `ssh-keygen -Y verify` reads it as it is.

Source: ssh-keygen(1), "ALLOWED SIGNERS". Here it is only listed and edited; who may do what is decided by ssh-keygen.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.audit.signing.keys import ED25519, PublicKey, public_from_line
from builder.core.errors import InputFailure
from builder.core.files import write_atomically

NAMESPACE = "boss-builder"
IDENTITY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")
KEY = re.compile(rf"(?:^|\s)({ED25519}\s+[A-Za-z0-9+/=]+(?:\s.*)?)$")
LIMIT = 4 << 20


@dataclass(frozen=True)
class Signer:
    """A line: whom it is about, its options as they stand there, and the key."""

    principals: str
    options: str
    key: PublicKey


def default_path(store: Path) -> Path:
    """Where a store has the file."""
    return store / "audit" / "allowed_signers"


def check_identity(identity: str) -> None:
    """Refuse what is no plain name. Raises InputFailure."""
    if not IDENTITY.fullmatch(identity):
        raise InputFailure(
            f"{identity!r} can not be an identity",
            hint="letters, digits and . _ + - @, the first a letter or digit, as in librarian@example",
        )


def parse(text: str) -> tuple[Signer, ...]:
    """Give the signers with an ed25519 key; other lines are left to ssh-keygen."""
    return tuple(signer for line in text.splitlines() if (signer := _signer(line)) is not None)


def _signer(line: str) -> Signer | None:
    principals, rest = [*line.split(maxsplit=1), "", ""][:2]
    found = KEY.search(rest)
    if not principals or principals.startswith("#") or found is None:
        return None
    try:
        return Signer(principals, rest[: found.start()].strip(), public_from_line(found[1]))
    except ValueError:
        return None


def lines_of(text: str, keys: Collection[bytes]) -> str:
    """Give the lines of a list that are about some keys, as they stand there."""
    found = ((line, _signer(line)) for line in text.splitlines())
    return "".join(f"{line}\n" for line, signer in found if signer is not None and signer.key.raw in keys)


def read(path: Path) -> str:
    """Read the file; where there is none it is empty. Raises InputFailure where it can not be read."""
    try:
        with path.open("rb") as stream:
            return stream.read(LIMIT).decode("utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise InputFailure(f"{path} can not be read: {error}", hint="name another with --allowed-signers") from error


def signers(path: Path) -> tuple[Signer, ...]:
    """Give the signers of the file, none where there is no file."""
    return parse(read(path))


def trust(path: Path, identity: str, key: PublicKey) -> bool:
    """Let somebody sign with a key; gives whether the file changed. Other lines stay as they are."""
    check_identity(identity)
    text = read(path)
    if any(s.principals == identity and s.key.raw == key.raw for s in parse(text)):
        return False
    comment = f" {key.comment}" if key.comment.isprintable() and key.comment else ""
    line = f'{identity} namespaces="{NAMESPACE}" {key.line}{comment}\n'
    _write(path, (text if not text or text.endswith("\n") else text + "\n") + line)
    return True


def untrust(path: Path, identity: str, key: PublicKey | None = None) -> tuple[Signer, ...]:
    """Take out the lines of somebody, or those with one key; gives them. Raises InputFailure where there is none."""
    kept, gone = _split(read(path).splitlines(keepends=True), identity, key)
    if not gone:
        raise InputFailure(f"{path} does not trust {identity}", hint="boss-builder key list shows whom it trusts")
    _write(path, "".join(kept))
    return tuple(gone)


def _split(lines: Sequence[str], identity: str, key: PublicKey | None) -> tuple[list[str], list[Signer]]:
    kept: list[str] = []
    gone: list[Signer] = []
    for line in lines:
        signer = _signer(line)
        if signer is not None and signer.principals == identity and (key is None or signer.key.raw == key.raw):
            gone.append(signer)
        else:
            kept.append(line)
    return kept, gone


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        raise InputFailure(
            f"{path} can not be written: {error.strerror}", hint="name another with --allowed-signers"
        ) from error
