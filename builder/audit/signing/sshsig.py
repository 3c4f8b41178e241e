"""Signatures as OpenSSH makes and checks them, by `ssh-keygen -Y`.

Source: openssh-portable, PROTOCOL.sshsig; ssh-keygen(1).
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Sequence
from pathlib import Path

from builder.audit.signing.allowed import NAMESPACE
from builder.audit.signing.keys import TIME_LIMIT, PublicKey, SigningKey, public_from_blob
from builder.core.errors import InputFailure, WorkFailure
from builder.core.process import run

BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"
MAGIC = b"SSHSIG\x00\x00\x00\x01"
LENGTH = 4


def sign(data: bytes, key: SigningKey) -> bytes:
    """Sign some bytes. Raises InputFailure where `ssh-keygen` refuses the key, HostFailure where it is not there."""
    done = run(
        ["ssh-keygen", "-Y", "sign", "-f", key.path.absolute(), "-n", NAMESPACE],
        time_limit=TIME_LIMIT,
        stdin=data,
        check=False,
    )
    if done.returncode != 0:
        raise InputFailure(f"ssh-keygen does not sign with {key.path}", hint=done.stderr.strip())
    return done.stdout.encode()


def verify(data: bytes, signature: bytes, identity: str, allowed_signers: Path) -> str:
    """Check a signature as `ssh-keygen -Y verify` does, today; gives why it is not good, or nothing.

    Raises HostFailure where there is no `ssh-keygen`.
    """
    return _reason(
        ["-Y", "verify", "-f", allowed_signers.absolute(), "-I", identity],
        data,
        signature,
        otherwise=f"ssh-keygen does not say why; is the key that of {identity}?",
    )


def check(data: bytes, signature: bytes) -> str:
    """Check a signature by the key that it names itself, whoever's it is; gives why it is not good, or nothing.

    Raises HostFailure where there is no `ssh-keygen`.
    """
    return _reason(["-Y", "check-novalidate"], data, signature, otherwise="ssh-keygen does not say why")


def _reason(words: Sequence[str | Path], data: bytes, signature: bytes, *, otherwise: str) -> str:
    with tempfile.TemporaryDirectory(prefix="boss-builder-") as folder:
        file = Path(folder) / "signature"
        file.write_bytes(signature)
        done = run(["ssh-keygen", *words, "-n", NAMESPACE, "-s", file], time_limit=TIME_LIMIT, stdin=data, check=False)
    if done.returncode == 0:
        return ""
    lines = [line.strip() for line in f"{done.stderr}\n{done.stdout}".splitlines()]
    reasons = [line for line in dict.fromkeys(lines) if line and line != "Could not verify signature."]
    return "; ".join(reasons) or otherwise


def signed_by(signature: bytes) -> PublicKey:
    """Give the key that a signature says it was made with. Raises WorkFailure where it is no signature of ed25519."""
    try:
        return _key(signature.decode("ascii").strip())
    except ValueError as error:  # binascii's among them
        raise WorkFailure(f"it is no signature of OpenSSH: {error}", hint="sign again: boss-builder sign") from error


def _key(text: str) -> PublicKey:
    """Read the key of an armoured signature. Raises ValueError where it is none."""
    if not text.startswith(BEGIN) or not text.endswith(END):
        raise ValueError("it does not begin and end as one")
    blob = base64.b64decode("".join(text[len(BEGIN) : -len(END)].split()), validate=True)
    if not blob.startswith(MAGIC):
        raise ValueError("it is of another kind")
    rest = blob[len(MAGIC) :]
    return public_from_blob(rest[LENGTH : LENGTH + int.from_bytes(rest[:LENGTH], "big")])
