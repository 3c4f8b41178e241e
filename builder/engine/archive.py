"""An image of the store as the archive that `docker load` takes.

Source: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format". The layers go in as they
are stored: the engine uncompresses them, and takes the digest of its configuration for the image's id.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence

import msgspec

from builder.core.digest import CHUNK, Digest
from builder.core.errors import WorkFailure
from builder.inside.canonical import BLOCK, REGULAR, Entry, header_bytes
from builder.store import oci
from builder.store.store import Store


def read_layer(store: Store, layer: oci.Descriptor) -> Iterator[bytes]:
    """Yield a layer's tar, uncompressed, in pieces. Raises WorkFailure where it is missing or damaged."""
    with store.open(layer.digest) as stored:
        stream = gzip.GzipFile(fileobj=stored) if layer.media_type == oci.LAYER_GZIP else stored
        try:
            while chunk := stream.read(CHUNK):
                yield chunk
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise WorkFailure(f"the layer {layer.digest} is damaged: {error}") from error


def _member(name: str, data: bytes) -> Iterator[bytes]:
    yield header_bytes(_file(name, len(data)))
    yield data + b"\0" * (-len(data) % BLOCK)


def _file(name: str, size: int) -> Entry:
    return Entry(path=name.encode("ascii"), kind=REGULAR, mode=0o644, uid=0, gid=0, mtime=0, size=size)


def docker_archive(store: Store, config: bytes, layers: Sequence[oci.Descriptor], tag: str) -> Iterator[bytes]:
    """Yield the archive of an image, in pieces; the same image and tag give the same bytes."""
    diff_ids = msgspec.json.decode(config, type=oci.ImageConfig).rootfs.diff_ids
    config_name = Digest.of(config).hex + ".json"
    names = [f"{index:02}-{Digest(diff_id).hex}.tar" for index, diff_id in enumerate(diff_ids)]
    yield from _member(config_name, config)
    for name, layer in zip(names, layers, strict=True):
        yield header_bytes(_file(name, layer.size))
        with store.open(layer.digest) as stream:
            done = 0
            while chunk := stream.read(CHUNK):
                done += len(chunk)
                yield chunk
        if done != layer.size:
            raise WorkFailure(f"the layer {layer.digest} has {done} bytes, expected {layer.size}")
        yield b"\0" * (-layer.size % BLOCK)
    listing = [{"Config": config_name, "RepoTags": [tag], "Layers": names}]
    yield from _member("manifest.json", json.dumps(listing).encode())
    yield b"\0" * (2 * BLOCK)
