"""The documents of an OCI image layout, typed.

Source: OCI image specification 1.1 (descriptor.md, manifest.md, image-index.md, config.md, image-layout.md).
"""

from __future__ import annotations

from typing import Any

import msgspec

from builder.core.digest import Digest

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"
LAYER_GZIP = LAYER + "+gzip"
EMPTY = "application/vnd.oci.empty.v1+json"
EMPTY_DATA = b"{}"

REF_NAME = "org.opencontainers.image.ref.name"
TITLE = "org.opencontainers.image.title"
LAYOUT_VERSION = "1.0.0"


class _Document(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of the documents; unknown fields are ignored, as the specification asks."""


class Descriptor(_Document, frozen=True):
    """What points at a blob: media type, digest, size in bytes."""

    media_type: str
    digest: str
    size: int
    annotations: dict[str, str] = {}
    artifact_type: str | None = None
    platform: dict[str, str] | None = None

    @property
    def checked_digest(self) -> Digest:
        """The digest, checked to be a sha256 digest; raises ValueError otherwise."""
        return Digest(self.digest)


class Manifest(_Document, frozen=True):
    """An image, or with `artifact_type` anything else that is made of blobs."""

    config: Descriptor
    layers: tuple[Descriptor, ...]
    schema_version: int = msgspec.field(default_factory=lambda: 2)  # by a factory: a plain default would be left out
    media_type: str = msgspec.field(default_factory=lambda: MANIFEST)
    artifact_type: str | None = None
    subject: Descriptor | None = None
    annotations: dict[str, str] = {}


class Index(_Document, frozen=True):
    """The entry point of a layout: `index.json`."""

    schema_version: int = msgspec.field(default_factory=lambda: 2)
    media_type: str = msgspec.field(default_factory=lambda: INDEX)
    manifests: tuple[Descriptor, ...] = msgspec.field(default_factory=tuple)
    annotations: dict[str, str] = {}


class RootFs(msgspec.Struct, frozen=True):
    """The uncompressed layers of an image, lowest first."""

    diff_ids: tuple[str, ...]
    type: str = "layers"


class HistoryStep(msgspec.Struct, frozen=True):
    """How one layer came to be."""

    created: str
    created_by: str


class ImageConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Configuration of an image; its digest is the image's id in the Docker Engine."""

    architecture: str
    os: str
    created: str
    config: dict[str, Any]
    rootfs: RootFs
    history: tuple[HistoryStep, ...]
