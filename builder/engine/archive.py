"""An image of the store as the archive that `docker load` takes.

Source: Docker image specification v1.2, "Combined Image JSON + Filesystem Changeset Format". The layers go in
uncompressed, so that every engine can read them and the image's id is the digest of its configuration.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import msgspec
import zstandard

from builder.core.digest import CHUNK, Digest
from builder.core.errors import WorkFailure
from builder.inside.canonical import BLOCK, REGULAR, Entry, header_bytes
from builder.store import oci
from builder.store.store import Store

UNCOMPRESSED_SIZE = "boss-builder.uncompressed.size"
"""Annotation of a layer's descriptor: its size in bytes without compression."""


def read_layer(store: Store, layer: oci.Descriptor) -> Iterator[bytes]:
    """Yield a layer's tar, uncompressed, in pieces. Raises WorkFailure where it is missing or damaged."""
    with store.open(layer.digest) as stream:
        if layer.media_type == oci.LAYER_ZSTD:
            try:
                yield from zstandard.ZstdDecompressor().read_to_iter(stream, read_size=CHUNK, write_size=CHUNK)
            except zstandard.ZstdError as error:
                raise WorkFailure(f"the layer {layer.digest} is damaged: {error}") from error
        else:
            while chunk := stream.read(CHUNK):
                yield chunk


def uncompressed_size(layer: oci.Descriptor) -> int:
    """Size in bytes of a layer without compression."""
    return int(layer.annotations.get(UNCOMPRESSED_SIZE, layer.size))


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
        size = uncompressed_size(layer)
        yield header_bytes(_file(name, size))
        done = 0
        for chunk in read_layer(store, layer):
            done += len(chunk)
            yield chunk
        if done != size:
            raise WorkFailure(f"the layer {layer.digest} has {done} bytes, expected {size}")
        yield b"\0" * (-size % BLOCK)
    listing = [{"Config": config_name, "RepoTags": [tag], "Layers": names}]
    yield from _member("manifest.json", json.dumps(listing).encode())
    yield b"\0" * (2 * BLOCK)
