"""Bring blobs and artifacts from one store into another on the same file system, without copying their bytes."""

from __future__ import annotations

import os

from builder.store import oci
from builder.store.store import Store


def link_blob(source: Store, target: Store, digest: str) -> None:
    """Give a blob a second name in another store, or where the file system does not, copy it.

    Its bytes are not looked at. Raises WorkFailure where `source` lacks it.
    """
    if target.has(digest):
        return
    with source.open(digest):  # says it well where it is missing
        try:
            os.link(source.blob_path(digest), target.blob_path(digest))
        except FileExistsError:
            return
        except OSError:
            target.put_copy(source.blob_path(digest), digest)


def link_artifact(source: Store, target: Store, reference: str) -> oci.Descriptor | None:
    """Bring what a reference names, with the reference; None where `source` has none of it.

    Raises WorkFailure where one of its blobs is missing, or the manifest is damaged.
    """
    descriptor = source.find(reference)
    if descriptor is None:
        return None
    manifest = source.manifest(descriptor)
    for blob in (manifest.config, *manifest.layers):
        link_blob(source, target, blob.digest)
    annotations = {name: text for name, text in descriptor.annotations.items() if name != oci.REF_NAME}
    return target.put_manifest(manifest, reference, annotations)
