"""Compare blobs with their digests, and leave off where nobody waits for the answer any more."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import BinaryIO, cast

from builder.core.digest import digest_stream
from builder.core.errors import Failure
from builder.rebuild.model import Finding, finding
from builder.rebuild.taxonomy import Cause
from builder.store import oci
from builder.store.store import Store

THREADS = 2
"""Blobs that are read at a time: more would take the processors and the disk from the build that goes on."""
WORDS = {Cause.BLOB_MISSING: "the store lacks", Cause.BLOB_CORRUPT: "the store's bytes are not those of"}


class Stopped(Exception):  # noqa: N818 - nobody waits for the answer: it is none of the check's failures
    """The check was broken off."""


def check_blobs(
    store: Store, wanted: Mapping[str, tuple[str, int]], release: str, stop: Event, threads: int = THREADS
) -> dict[str, Finding]:
    """Compare blobs with their digests; gives a finding for each that is bad, by digest.

    `wanted` says what each is, for people, and its size in bytes. Raises Stopped as soon as `stop` is set.
    """
    with ThreadPoolExecutor(threads) as pool:
        causes = dict(zip(wanted, pool.map(lambda digest: _check(store, digest, stop), wanted), strict=True))
    return {
        digest: bad_blob(cause, digest, wanted[digest][0], release)
        for digest, cause in causes.items()
        if cause is not None
    }


def bad_blob(cause: Cause, digest: str, about: str, release: str) -> Finding:
    """Make the finding of a blob that is missing or damaged."""
    return finding(cause, about, f"{WORDS[cause]} {digest}", release=release)


def check_image(store: Store, descriptor: oci.Descriptor, about: str, release: str, stop: Event) -> tuple[Finding, ...]:
    """Compare every blob of a stored image with its digest. Raises as `check_blobs`."""
    wanted = {descriptor.digest: (about, descriptor.size)}
    try:
        manifest = store.manifest(descriptor)
    except Failure:
        return tuple(check_blobs(store, wanted, release, stop, 1).values())
    wanted |= {blob.digest: (about, blob.size) for blob in (manifest.config, *manifest.layers)}
    return tuple(check_blobs(store, wanted, release, stop, 1).values())


class _Stoppable:
    """A stream whose reader is stopped at the next piece."""

    def __init__(self, stream: BinaryIO, stop: Event) -> None:
        self._stream = stream
        self._stop = stop

    def read(self, size: int) -> bytes:
        if self._stop.is_set():
            raise Stopped
        return self._stream.read(size)


def _check(store: Store, digest: str, stop: Event) -> Cause | None:
    try:
        with store.blob_path(digest).open("rb") as stream:
            found, _ = digest_stream(cast("BinaryIO", _Stoppable(stream, stop)))
    except FileNotFoundError:
        return Cause.BLOB_MISSING
    except OSError:  # a disk that can not read it
        return Cause.BLOB_CORRUPT
    return None if found == digest else Cause.BLOB_CORRUPT
