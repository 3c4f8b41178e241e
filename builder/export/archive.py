"""An image of the store as one tar that is an OCI layout and a docker-archive at once.

Docker Engine 25 and later, podman, skopeo and apptainer read `index.json`; older engines read `manifest.json`. Both
lead to the same blobs. It is what `docker save` of Engine 25 and later writes, but for the layers, which stay as they
are stored: every reader uncompresses them.
Sources: OCI image specification 1.1, image-layout.md; Docker image specification v1.2, "Combined Image JSON +
Filesystem Changeset Format"; containerd, images/annotations.go, for the annotation with the whole name.
"""

from __future__ import annotations

import io
from functools import partial

from builder.core import documents
from builder.core.digest import Digest
from builder.export.content import Advance, open_checked
from builder.inside.canonical import DIRECTORY, REGULAR, Content, Entry, Sink, write_tar
from builder.store import oci
from builder.store.store import Store

WHOLE_NAME = "io.containerd.image.name"
REGISTRY = "docker.io/"
LIBRARY = "library/"
"""What engines put before a name without a registry, and before one without a folder."""


def write_image(
    store: Store, descriptor: oci.Descriptor, sink: Sink, advance: Advance, *, name: str, epoch: int
) -> None:
    """Write the tar of an image; the same image, name (`repository:tag`) and epoch give the same bytes.

    Raises WorkFailure where a blob is missing or damaged.
    """
    manifest = store.manifest(descriptor)
    blobs = image_blobs(descriptor, manifest)
    contents: list[Content] = [_folder("blobs", epoch), _folder("blobs/sha256", epoch)]
    for digest in sorted(blobs):
        size = blobs[digest].size
        contents.append((_file(_path(digest), size, epoch), partial(open_checked, store, digest, size, advance)))
    for path, data in sorted(listings(descriptor, manifest, name).items()):
        contents.append((_file(path, len(data), epoch), partial(io.BytesIO, data)))
    write_tar(contents, sink)


def listings(descriptor: oci.Descriptor, manifest: oci.Manifest, name: str) -> dict[str, bytes]:
    """Give the files of such a tar that lead to its blobs: those of an OCI layout, and that of a docker-archive."""
    repository, _, tag = name.rpartition(":")
    pointer = oci.Descriptor(
        media_type=descriptor.media_type,
        digest=descriptor.digest,
        size=descriptor.size,
        annotations={
            WHOLE_NAME: REGISTRY + ("" if "/" in repository else LIBRARY) + name,
            oci.REF_NAME: tag,
        },
    )
    listing = {
        "Config": _path(manifest.config.digest),
        "RepoTags": [name],
        "Layers": [_path(layer.digest) for layer in manifest.layers],
    }
    return {
        "index.json": documents.compact(oci.Index(manifests=(pointer,))),
        "manifest.json": documents.compact([listing]),
        "oci-layout": documents.compact({"imageLayoutVersion": oci.LAYOUT_VERSION}),
    }


def image_size(store: Store, descriptor: oci.Descriptor) -> int:
    """Give the bytes of an image's blobs. Raises WorkFailure where its manifest is missing or damaged."""
    manifest = store.manifest(descriptor)
    return sum(blob.size for blob in image_blobs(descriptor, manifest).values())


def image_blobs(descriptor: oci.Descriptor, manifest: oci.Manifest) -> dict[str, oci.Descriptor]:
    """Give all blobs of an image, its manifest among them, by digest."""
    return {blob.digest: blob for blob in (descriptor, manifest.config, *manifest.layers)}


def _path(digest: str) -> str:
    return f"blobs/sha256/{Digest(digest).hex}"


def _folder(path: str, epoch: int) -> Content:
    return Entry(path=path.encode(), kind=DIRECTORY, mode=0o755, uid=0, gid=0, mtime=epoch), None


def _file(path: str, size: int, epoch: int) -> Entry:
    return Entry(path=path.encode(), kind=REGULAR, mode=0o644, uid=0, gid=0, mtime=epoch, size=size)
