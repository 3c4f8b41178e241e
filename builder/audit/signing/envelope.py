"""DSSE envelopes: statements, signed with the same ed25519 key as SHA256SUMS.

Source: secure-systems-lab/dsse, envelope.md and protocol.md. What is signed begins with `DSSEv1`, and what `ssh-keygen`
signs with `SSHSIG`, so that neither signature can be taken for the other. `keyid` is the key's id of `keys`.
"""

from __future__ import annotations

from typing import Any

import msgspec
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import FormatError, VerificationError
from securesystemslib.signer import CryptoSigner, SSlibKey  # type: ignore[attr-defined]

from builder.audit.signing.keys import PublicKey, SigningKey
from builder.audit.statements.reading import parse
from builder.core import documents
from builder.core.errors import WorkFailure

PAYLOAD_TYPE = "application/vnd.in-toto+json"
MEDIA_TYPE = "application/vnd.dsse.envelope.v1+json"


class _Signature(msgspec.Struct, frozen=True):
    keyid: str
    sig: str


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    payload: str
    payload_type: str
    signatures: tuple[_Signature, ...]


def public_key(key: PublicKey) -> SSlibKey:
    """Give a key as securesystemslib has it."""
    return SSlibKey(key.key_id, "ed25519", "ed25519", {"public": key.raw.hex()})


def seal(payload: bytes, key: SigningKey) -> bytes:
    """Sign a payload; gives the envelope as JSON. The same payload and key give the same bytes."""
    envelope = Envelope(payload, PAYLOAD_TYPE, {})
    envelope.sign(CryptoSigner(key.private, public_key(key.public)))
    return documents.readable(envelope.to_dict())


def opened(data: bytes, key: PublicKey) -> bytes:
    """Check an envelope; gives its payload. Raises WorkFailure where it is none, or not signed by this key."""
    found = parse(data, _Envelope, "the envelope")
    if found.payload_type != PAYLOAD_TYPE:
        raise WorkFailure(f"the envelope holds {found.payload_type!r}, not {PAYLOAD_TYPE}")
    document: dict[str, Any] = msgspec.to_builtins(found)
    document |= {"payloadType": document.pop("payload_type", found.payload_type)}
    try:
        envelope = Envelope.from_dict(document)
        envelope.verify([public_key(key)], 1)
    except VerificationError as error:
        raise WorkFailure(f"the signature in the envelope is not one of {key.fingerprint} over its payload") from error
    except (ValueError, KeyError, TypeError, FormatError) as error:
        raise WorkFailure(f"the envelope is not what it should be: {error}") from error
    payload: bytes = envelope.payload
    return payload
