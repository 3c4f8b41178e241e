"""Signatures and statements of a release as files, to lie beside its images."""

from __future__ import annotations

from builder.audit.signing import artifacts
from builder.audit.statements import reading
from builder.store.shapes import SHAPES
from builder.store.store import Store

SIGNER = "signer.json"


def signature_files(store: Store, release: str) -> dict[str, bytes]:
    """Give what a store has of a release, by the name of the file; empty where it is not signed.

    `ro-crate-metadata.json` and `SHAPE.sbom.cdx.json` lie at the top; what a key signed lies in a folder named by the
    beginning of its id. Nothing is checked but digests. Raises WorkFailure where something is missing or damaged.
    """
    found: dict[str, bytes] = {}
    for name, descriptor in store.references(f"{artifacts.SIGNATURE}/{release}/").items():
        folder = name.rpartition("/")[2]
        manifest = reading.manifest(store, descriptor)
        found[f"{folder}/{SIGNER}"] = reading.read(store, manifest.config)
        found |= {f"{folder}/{title}": data for title, data in reading.files(store, manifest).items()}
        found |= _files(store, f"{artifacts.RECEIPT}/{release}/{folder}", f"{folder}/")
        for shape in SHAPES:
            found |= _files(store, f"{artifacts.ATTESTATION}/{release}/{shape}/{folder}", f"{folder}/{shape}.")
    if not found:
        return {}
    for shape in SHAPES:
        found |= _files(store, artifacts.sbom_reference(release, shape), f"{shape}.")
    return found | _files(store, artifacts.crate_reference(release), "")


def _files(store: Store, name: str, before: str) -> dict[str, bytes]:
    descriptor = store.find(name)
    if descriptor is None:
        return {}
    files = reading.files(store, reading.manifest(store, descriptor))
    return {f"{before}{title}": data for title, data in files.items()}
