"""A small store with all that a real one has, for the tests of copies."""

from __future__ import annotations

import os
from pathlib import Path

from builder.core import documents
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION
from builder.store.store import Store


def blob(store: Store, data: bytes, media_type: str = "application/octet-stream") -> oci.Descriptor:
    return oci.Descriptor(media_type=media_type, digest=store.put(data), size=len(data))


def small_store(path: Path, prefix: str = "") -> Store:
    """A store of two releases: images, inputs, a validation of the image, a builder image, a stage that they share."""
    store = Store(path)
    builder = store.put_manifest(
        oci.Manifest(config=blob(store, b'{"tools": 1}', oci.CONFIG), layers=(blob(store, b"tools" * 99),)),
        "builder/trixie-1",
    )
    shared = blob(store, os.urandom(300_000), oci.LAYER_GZIP)
    for number, release in enumerate(f"{prefix}-{name}".lstrip("-") for name in ("one-1.0", "two-1.0")):
        own = blob(store, release.encode() * 50_000, oci.LAYER_GZIP)
        old = blob(store, b'{"lock": "of an older day"}')
        lock = blob(store, documents.compact({"builder_image": builder.digest, "n": number}), "application/lock+json")
        image = store.put_manifest(
            oci.Manifest(
                config=blob(store, documents.compact({"image": release}), oci.CONFIG),
                layers=(shared, own),
                annotations={LOCK_ANNOTATION: old.digest, "boss-builder.builder-image": builder.digest},
            ),
            release,
        )
        store.put_manifest(
            oci.Manifest(config=lock, layers=(blob(store, b"rpm" + release.encode()),), artifact_type="inputs"),
            f"inputs/{release}",
        )
        store.put_manifest(
            oci.Manifest(
                config=store.put_empty_config(), layers=(blob(store, b"PASS"),), artifact_type="v", subject=image
            ),
            f"validation/{release}/oci",
            {"state": "PASS"},
        )
    store.put_manifest(
        oci.Manifest(config=store.put_empty_config(), layers=(shared,), artifact_type="stage"), "stage/os/1"
    )
    return store


def snapshot(store: Store) -> dict[str, bytes]:
    """The archive, byte for byte."""
    return {str(path.relative_to(store.path)): path.read_bytes() for path in archive_files(store)}


def archive_files(store: Store):
    return [store.path / "oci-layout", store.path / "index.json", *sorted((store.path / "blobs/sha256").iterdir())]


def damage(store: Store, digest: str) -> None:
    path = store.blob_path(digest)
    path.chmod(0o644)
    path.write_bytes(b"damaged" + b"!" * (path.stat().st_size - 7))
    path.chmod(0o444)
