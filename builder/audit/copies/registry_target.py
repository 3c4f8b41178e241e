"""A registry as something to copy to: blobs, manifests by digest, tags, and the index last."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from builder.audit.copies.place import key_of, merged
from builder.audit.copies.registry import INDEX_TAG, LOOSE_TAG, Registry, tag_of
from builder.audit.copies.untrusted import Untrue, decode_index
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import WorkFailure
from builder.store import oci
from builder.store.garbage import manifest_of

PART = 8 << 20
"""Bytes that are sent at once; a blob that is no longer goes in one request."""
LOOSE_TYPE = "application/vnd.boss-builder.loose.v1"
OCTETS = {"Content-Type": "application/octet-stream"}


class RegistryTarget:
    """A repository of a registry, to copy to."""

    def __init__(self, registry: Registry) -> None:
        """Write to a registry."""
        self._registry = registry
        self._loose: dict[str, int] = {}

    @property
    def name(self) -> str:
        """Its address."""
        return self._registry.name

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Nothing is to be prepared."""
        yield

    def index(self) -> oci.Index:
        """Read the index that an earlier copy left; an empty one where there is none. Raises Untrue."""
        data = self._registry.manifest_bytes(INDEX_TAG)
        return oci.Index() if data is None else decode_index(data, f"the index of {self.name}")

    def check_room(self, size: int) -> None:
        """Nobody knows."""

    def has(self, digest: str, size: int) -> bool:
        """Whether it has a blob of this size."""
        self._loose[digest] = size
        return self._has("blobs", digest, size)

    def has_manifest(self, digest: str, size: int) -> bool:
        """Whether it has a manifest of this size."""
        return self._has("manifests", digest, size)

    def _has(self, kind: str, digest: str, size: int) -> bool:
        found = self._registry.size_of(kind, digest)
        if found not in {None, size}:
            raise WorkFailure(f"{self.name} has {digest} with {found} bytes, not {size}", hint="it is damaged there")
        return found is not None

    def intact(self, digest: str, done: Callable[[int], None]) -> bool:
        """Whether the bytes that it gives for a blob are the right ones."""
        return self._intact("blobs", digest, done)

    def intact_manifest(self, digest: str, done: Callable[[int], None]) -> bool:
        """Whether the bytes that it gives for a manifest are the right ones."""
        return self._intact("manifests", digest, done)

    def _intact(self, kind: str, digest: str, done: Callable[[int], None]) -> bool:
        size = self._registry.size_of(kind, digest)
        if size is None:
            return False
        sha = hashlib.sha256()
        for piece in self._registry.stream(kind, digest, size):
            sha.update(piece)
            done(len(piece))
        return f"sha256:{sha.hexdigest()}" == digest

    def put(self, digest: str, size: int, pieces: Iterable[bytes], done: Callable[[int], None]) -> None:
        """Send a blob: in one request where it is short, else in parts."""
        opened = self._registry.ask("POST", "blobs/uploads/", expected=(202,))
        where = self._registry.elsewhere(opened)
        at = 0
        try:
            for part in _parts(pieces):
                if size <= PART:
                    self._close(where, digest, part)
                    done(len(part))
                    return
                headers = {**OCTETS, "Content-Range": f"{at}-{at + len(part) - 1}"}
                where = self._registry.elsewhere(
                    self._registry.ask("PATCH", where, expected=(202,), headers=headers, data=part)
                )
                at += len(part)
                done(len(part))
            self._close(where, digest, b"")
        except Untrue:  # the source's fault: what came is thrown away there
            self._registry.ask("DELETE", where, expected=(204, 404, 405))
            raise

    def _close(self, where: str, digest: str, data: bytes) -> None:
        url = f"{where}{'&' if '?' in where else '?'}digest={digest}"
        self._registry.ask("PUT", url, expected=(201,), headers=OCTETS, data=data)

    def put_manifest(self, digest: str, size: int, pieces: Iterable[bytes], done: Callable[[int], None]) -> None:
        """Send a manifest, by its digest."""
        self._put_manifest(digest, b"".join(pieces), oci.MANIFEST)
        done(size)

    def _put_manifest(self, reference: str, data: bytes, media_type: str) -> None:
        self._registry.ask(
            "PUT", f"manifests/{reference}", expected=(201,), headers={"Content-Type": media_type}, data=data
        )

    def finish(self, descriptors: Iterable[oci.Descriptor], needs: Mapping[str, Iterable[str]]) -> None:
        """Set the tags, then the index: what it names is there. Raises WorkFailure where it is not given back."""
        added = tuple(descriptors)
        self._keep_loose({d for digest in needs for d in needs[digest]})
        for descriptor in added:
            self._point(tag_of(key_of(descriptor)), descriptor)
        index = merged(self.index(), added)
        data = documents.readable(index)
        if self._registry.manifest_bytes(INDEX_TAG) != data:
            self._put_manifest(INDEX_TAG, data, oci.INDEX)
        if self._registry.manifest_bytes(INDEX_TAG) != data:
            raise WorkFailure(f"{self.name} does not give back the index that was written to it", hint="run it again")

    def _point(self, tag: str, descriptor: oci.Descriptor) -> None:
        there = self._registry.manifest_bytes(tag)
        if there is not None and Digest.of(there) == descriptor.digest:
            return
        data = self._registry.manifest_bytes(descriptor.digest)
        if data is None or Digest.of(data) != descriptor.digest:
            raise WorkFailure(f"{self.name} does not give back {descriptor.digest}", hint="run it again")
        self._put_manifest(tag, data, oci.MANIFEST)

    def _keep_loose(self, named: set[str]) -> None:
        """Name the blobs that no manifest names (locks of older images) in an artifact of its own."""
        before = self._registry.manifest_bytes(LOOSE_TAG)
        layers = {} if before is None else {b.digest: b.size for b in manifest_of(before, LOOSE_TAG).layers}
        layers |= {digest: size for digest, size in self._loose.items() if digest not in named}
        if not layers:
            return
        empty = Digest.of(oci.EMPTY_DATA)
        if not self._has("blobs", empty, len(oci.EMPTY_DATA)):
            self.put(empty, len(oci.EMPTY_DATA), [oci.EMPTY_DATA], lambda _: None)
        manifest = oci.Manifest(
            config=oci.Descriptor(media_type=oci.EMPTY, digest=empty, size=len(oci.EMPTY_DATA)),
            layers=tuple(
                oci.Descriptor(media_type="application/octet-stream", digest=digest, size=layers[digest])
                for digest in sorted(layers)
            ),
            artifact_type=LOOSE_TYPE,
        )
        data = documents.compact(manifest)
        if data != before:
            self._put_manifest(LOOSE_TAG, data, oci.MANIFEST)


def _parts(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Join pieces to parts of PART bytes; the last is shorter; there is one at least, also of nothing."""
    part = bytearray()
    sent = False
    for piece in pieces:
        part += piece
        while len(part) >= PART:
            yield bytes(part[:PART])
            del part[:PART]
            sent = True
    if part or not sent:
        yield bytes(part)
