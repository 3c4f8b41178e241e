"""Read what a stranger may have written: bounded in size, checked against its digest, of a known shape."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from builder.core import documents
from builder.core.digest import DIGEST_PATTERN
from builder.core.errors import WorkFailure
from builder.store import oci
from builder.store.store import Store

LIMIT = 64 << 20
"""Bytes of a document; the largest known (a crate, an SBOM) has a hundredth of it."""
SHOWN = 80
T = TypeVar("T")


def read(store: Store, descriptor: oci.Descriptor) -> bytes:
    """Bytes of a document. Raises WorkFailure where it is missing, damaged, or longer than any is."""
    try:
        path = store.blob_path(descriptor.digest)
    except ValueError as error:
        raise WorkFailure(f"what is named can not be in a store: {error}") from error
    if store.has(descriptor.digest) and path.stat().st_size > LIMIT:
        raise WorkFailure(f"the blob {descriptor.digest} is too long for a document: {path.stat().st_size} bytes")
    return store.read(descriptor.digest)


def parse(data: bytes, kind: type[T], what: str) -> T:
    """Decode JSON into a typed value. Raises WorkFailure, which says `what` it should have been."""
    if len(data) > LIMIT:
        raise WorkFailure(f"{what} is too long: {len(data)} bytes")
    try:
        return documents.decode(data, kind)
    except msgspec.DecodeError as error:
        raise WorkFailure(f"{what} is not what it should be: {error}") from error
    except RecursionError:
        raise WorkFailure(f"{what} is not what it should be: it is nested too deeply") from None
    except UnicodeDecodeError as error:
        raise WorkFailure(f"{what} is not what it should be: it is no UTF-8") from error


def manifest(store: Store, descriptor: oci.Descriptor) -> oci.Manifest:
    """Read a manifest. Raises WorkFailure where it is missing, damaged or none."""
    what = f"the manifest {descriptor.digest}"
    found = parse(read(store, descriptor), oci.Manifest, what)
    for blob in (found.config, *found.layers, *([found.subject] if found.subject else [])):
        if not DIGEST_PATTERN.fullmatch(blob.digest):
            raise WorkFailure(f"{what} is not what it should be: {blob.digest[:SHOWN]!r} is no digest")
    return found


def files(store: Store, manifest_: oci.Manifest) -> dict[str, bytes]:
    """Read the layers of a manifest by their titles. Raises WorkFailure where one is missing or damaged."""
    return {layer.annotations.get(oci.TITLE, layer.digest): read(store, layer) for layer in manifest_.layers}
