"""in-toto Statements, typed.

Source: in-toto/attestation, spec/v1: statement.md, resource_descriptor.md, digest_set.md.
"""

from __future__ import annotations

from typing import Any

import msgspec

from builder.core import documents
from builder.core.digest import Digest
from builder.store import oci

STATEMENT = "https://in-toto.io/Statement/v1"
SHA256 = "sha256"


class ResourceDescriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Something that a statement names: at least by one of name, address and digest (hexadecimal digits)."""

    name: str = ""
    uri: str = ""
    digest: dict[str, str] = {}
    media_type: str = ""
    annotations: dict[str, Any] = {}

    @property
    def sha256(self) -> str:
        """Its digest as OCI writes it; empty where there is none."""
        return f"sha256:{self.digest[SHA256]}" if SHA256 in self.digest else ""


class Statement(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is said (the predicate, of a type) of which bytes (the subject)."""

    type_: str = msgspec.field(name="_type")
    subject: tuple[ResourceDescriptor, ...]
    predicate_type: str
    predicate: Any


def named(name: str, digest: str, *, media_type: str = "", uri: str = "") -> ResourceDescriptor:
    """Name something by its digest as OCI writes it."""
    return ResourceDescriptor(name=name, uri=uri, digest={SHA256: Digest(digest).hex}, media_type=media_type)


def of_blob(name: str, blob: oci.Descriptor) -> ResourceDescriptor:
    """Name a blob of the store."""
    return named(name, blob.digest, media_type=blob.media_type)


def statement(subject: tuple[ResourceDescriptor, ...], predicate_type: str, predicate: Any) -> bytes:
    """Spell a statement; equal ones give equal bytes."""
    return documents.compact(
        Statement(type_=STATEMENT, subject=subject, predicate_type=predicate_type, predicate=predicate)
    )
