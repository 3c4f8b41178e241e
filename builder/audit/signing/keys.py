"""Signing keys: ed25519, in the files of OpenSSH.

A key's id is the sha256 of its public key as OpenSSH spells it (RFC 4253, section 6.6; RFC 8709), in hexadecimal
digits: `cut -d' ' -f2 KEY.pub | base64 -d | sha256sum`. The fingerprint of `ssh-keygen -l` is the same in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

from builder.core.errors import InputFailure
from builder.core.process import run

ED25519 = "ssh-ed25519"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+@-]*")
SHORT = 12
"""Digits of a key's id in a reference."""
PUBLIC_SIZE = 32
FILE_LIMIT = 1 << 16
TIME_LIMIT = 60.0


@dataclass(frozen=True)
class PublicKey:
    """A public key: the 32 bytes of ed25519, and the comment beside them."""

    raw: bytes
    comment: str = ""

    @cached_property
    def blob(self) -> bytes:
        """As SSH spells it (RFC 8709, section 4)."""
        return _string(ED25519.encode()) + _string(self.raw)

    @property
    def key_id(self) -> str:
        """sha256 of `blob`, in hexadecimal digits."""
        return hashlib.sha256(self.blob).hexdigest()

    @property
    def short(self) -> str:
        """Enough of the id for a reference."""
        return self.key_id[:SHORT]

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it: `SHA256:` and base64."""
        return "SHA256:" + base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")

    @property
    def line(self) -> str:
        """As it stands in a file: kind and base64."""
        return f"{ED25519} {base64.b64encode(self.blob).decode()}"


@dataclass(frozen=True)
class SigningKey:
    """A private key, and the file that `ssh-keygen` reads it from."""

    path: Path
    private: Ed25519PrivateKey
    public: PublicKey


def _string(data: bytes) -> bytes:
    """Spell a string of SSH (RFC 4251, section 5)."""
    return struct.pack(">I", len(data)) + data


def public_from_blob(blob: bytes, comment: str = "") -> PublicKey:
    """Read a public key as SSH spells it. Raises ValueError where it is none, or not of ed25519."""
    head = _string(ED25519.encode()) + struct.pack(">I", PUBLIC_SIZE)
    if not blob.startswith(head) or len(blob) != len(head) + PUBLIC_SIZE:
        raise ValueError("it is no ed25519 key")
    return PublicKey(blob[len(head) :], comment)


def public_from_line(line: str) -> PublicKey:
    """Read `ssh-ed25519 BASE64 COMMENT`. Raises ValueError where it is something else."""
    kind, _, rest = line.strip().partition(" ")
    text, _, comment = rest.strip().partition(" ")
    if kind != ED25519:
        raise ValueError("it does not begin with ssh-ed25519")
    try:
        return public_from_blob(base64.b64decode(text, validate=True), comment.strip())
    except binascii.Error as error:
        raise ValueError(f"it is no base64: {error}") from error


def read_public(path: Path) -> PublicKey:
    """Read a file as `KEY.pub`. Raises InputFailure where it is none."""
    try:
        text = _read(path).decode("ascii")
        Ed25519PublicKey.from_public_bytes((key := public_from_line(text)).raw)
    except ValueError as error:
        raise InputFailure(
            f"{path} is no public key of ed25519: {error}",
            hint="a file as boss-builder key new, or ssh-keygen -t ed25519, writes it; its name ends with .pub",
        ) from error
    return key


def read_private(path: Path) -> SigningKey:
    """Read a private key. Raises InputFailure where it is none, has a passphrase, or is not of ed25519."""
    hint = "boss-builder key new NAME makes one"
    try:
        private = load_ssh_private_key(_read(path), password=None)
    except TypeError as error:
        raise InputFailure(
            f"{path} has a passphrase, which only ssh-keygen could ask for: statements (DSSE) are signed without it",
            hint="neither a passphrase nor an SSH agent is supported: take one that has none, kept on a medium that is "
            f"locked away\nto take it off, on a copy: ssh-keygen -p -N '' -f {path}",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise InputFailure(f"{path} is no private key of OpenSSH: {error}", hint=hint) from error
    if not isinstance(private, Ed25519PrivateKey):
        raise InputFailure(f"{path} is not a key of ed25519, whose signatures are always the same", hint=hint)
    raw = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return SigningKey(path, private, PublicKey(raw))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_LIMIT + 1)
    except OSError as error:
        raise InputFailure(f"the key {path} can not be read: {error.strerror}", hint="boss-builder key list") from error
    if len(data) > FILE_LIMIT:
        raise InputFailure(f"{path} is too long for a key", hint="boss-builder key list")
    return data


def keys_folder(environment: Mapping[str, str]) -> Path:
    """Give the user's own folder of keys. Source: XDG Base Directory Specification 0.8."""
    home = environment.get("XDG_CONFIG_HOME") or str(Path(environment.get("HOME") or "~").expanduser() / ".config")
    return Path(home) / "boss-builder" / "keys"


def check_outside(path: Path, store: Path) -> None:
    """Refuse a private key in the store, which others copy. Raises InputFailure."""
    if path.absolute().resolve().is_relative_to(store.absolute().resolve()):
        raise InputFailure(
            f"{path} lies in the store, which is copied to others: a private key must never be there",
            hint="name a file somewhere else; if it has been there, make a new key",
        )


def make(path: Path, comment: str) -> PublicKey:
    """Make a key with `ssh-keygen`: `path` and, beside it, `path.pub`. Nothing that is there is overwritten.

    Raises InputFailure where one of them is there, HostFailure where there is no `ssh-keygen`.
    """
    beside = path.with_name(path.name + ".pub")
    for there in (path, beside):
        if there.exists() or there.is_symlink():
            raise InputFailure(f"{there} is there already", hint="a key is never overwritten; take another name")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise InputFailure(
            f"{path.parent} can not be made: {error.strerror}", hint="name a file: --key FILE"
        ) from error
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path.absolute()], time_limit=TIME_LIMIT)
    return read_public(beside)


def listed(folder: Path) -> dict[str, PublicKey]:
    """Give the keys of a folder by name; what can not be read is left out."""
    found = {}
    for path in sorted(folder.glob("*.pub")):
        try:
            found[path.stem] = read_public(path)
        except InputFailure:
            continue
    return found
