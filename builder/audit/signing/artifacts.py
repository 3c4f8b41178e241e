"""How the store keeps signatures and statements: artifacts whose subject is the image that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from builder.audit import crate, sbom
from builder.audit.signing import envelope
from builder.audit.signing.keys import PublicKey
from builder.audit.statements.material import Material
from builder.core import documents
from builder.store import oci
from builder.store.shapes import Shape
from builder.store.store import Store

SIGNATURE_TYPE = "application/vnd.boss-builder.signature.v1"
SIGNATURE_CONFIG = "application/vnd.boss-builder.signature.config.v1+json"
ATTESTATION_TYPE = "application/vnd.in-toto+json"
RECEIPT_TYPE = "application/vnd.boss-builder.receipt.v1"
CRATE_TYPE = "application/vnd.boss-builder.crate.v1"
SIGNATURE, ATTESTATION, RECEIPT, SBOM, CRATE = "signature", "attestation", "receipt", "sbom", "crate"

SUMS, SUMS_SIGNATURE = "SHA256SUMS", "SHA256SUMS.sig"
RECEIPT_FILE, PROVENANCE_FILE, RESULT_FILE = "receipt.dsse.json", "provenance.dsse.json", "test-result.dsse.json"
SBOM_FILE = "sbom.cdx.json"
MEDIA_TYPES = {
    SUMS: "text/plain",
    SUMS_SIGNATURE: "application/vnd.boss-builder.sshsig.v1",
    RECEIPT_FILE: envelope.MEDIA_TYPE,
    PROVENANCE_FILE: envelope.MEDIA_TYPE,
    RESULT_FILE: envelope.MEDIA_TYPE,
    SBOM_FILE: sbom.MEDIA_TYPE,
    crate.NAME: crate.MEDIA_TYPE,
}


class SignatureConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Configuration of a signature: who says that he signed, and the id and the fingerprint of the key."""

    version: int = 1
    release: str
    identity: str
    key_id: str
    fingerprint: str
    namespace: str


def signature_reference(release: str, key: PublicKey) -> str:
    """Reference of SHA256SUMS and its signature by a key."""
    return f"{SIGNATURE}/{release}/{key.short}"


def receipt_reference(release: str, key: PublicKey) -> str:
    """Reference of the receipt that a key signed."""
    return f"{RECEIPT}/{release}/{key.short}"


def attestation_reference(release: str, shape: Shape, key: PublicKey) -> str:
    """Reference of what a key attested of an image."""
    return f"{ATTESTATION}/{release}/{shape}/{key.short}"


def sbom_reference(release: str, shape: Shape) -> str:
    """Reference of the SBOM of an image."""
    return f"{SBOM}/{release}/{shape}"


def crate_reference(release: str) -> str:
    """Reference of the RO-Crate of a release."""
    return f"{CRATE}/{release}"


@dataclass(frozen=True)
class Kept:
    """An artifact to be stored: its type, the image that it is about, its files, and its configuration, if any."""

    artifact_type: str
    subject: oci.Descriptor
    files: Mapping[str, bytes]
    config: SignatureConfig | None = None


def put(store: Store, name: str, kept: Kept) -> oci.Descriptor:
    """Store an artifact; equal ones give equal bytes."""
    config = store.put_empty_config()
    if kept.config is not None:
        data = documents.readable(kept.config)
        config = oci.Descriptor(media_type=SIGNATURE_CONFIG, digest=store.put(data), size=len(data))
    layers = tuple(
        oci.Descriptor(
            media_type=MEDIA_TYPES[title], digest=store.put(data), size=len(data), annotations={oci.TITLE: title}
        )
        for title, data in kept.files.items()
    )
    subject = kept.subject
    return store.put_manifest(
        oci.Manifest(
            config=config,
            layers=layers,
            artifact_type=kept.artifact_type,
            subject=oci.Descriptor(media_type=subject.media_type, digest=subject.digest, size=subject.size),
        ),
        name,
    )


def expected(material: Material, key: PublicKey) -> tuple[str, ...]:
    """References of everything that signing a release with a key stores, but for the signature itself."""
    release = material.release
    shapes = [judged.shape for judged in material.images]
    return (
        crate_reference(release),
        receipt_reference(release, key),
        *(sbom_reference(release, shape) for shape in shapes),
        *(attestation_reference(release, shape, key) for shape in shapes),
    )
