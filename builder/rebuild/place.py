"""A clean place to build in: a store of its own that holds what was frozen, checked, and nothing that was built."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from types import TracebackType
from typing import Self

from builder.build.build import builder_image
from builder.core.errors import Failure, WorkFailure
from builder.core.files import is_full
from builder.lock.model import Lock
from builder.rebuild.check import bad_blob, check_blobs
from builder.rebuild.model import Finding, finding
from builder.rebuild.taxonomy import Cause
from builder.store.store import Store
from builder.store.transfer import link_artifact, link_blob

INPUTS, RESULTS = "inputs", "results"


@contextmanager
def clean_place(store: Store) -> Iterator[Store]:
    """Give an empty store on the file system of another, so that blobs can be linked into it; it goes at the end."""
    with store.workspace("rebuild") as folder:
        place = Store(folder / "images")
        place.create()
        yield place


class Inputs:
    """A lock's inputs, brought into a place, and compared with their digests meanwhile.

    Besides what the lock names: the builder image, and the results of releases that the validation compares with.
    What is built in the place before the comparison has ended counts only if `bad` finds nothing. Leaving the context
    ends the comparison.
    """

    def __init__(self, lock: Lock, store: Store, place: Store) -> None:
        """Take the inputs of `lock` in `store`; nothing is done until the context is entered."""
        self.release = lock.recipe.full_name
        self.seconds = 0.0
        """How long the comparison took, when it has ended."""
        self._store = store
        self._place = place
        self._wanted = {blob.digest: (f"input {name}", blob.size) for name, blob in lock.blobs().items()}
        self._wanted |= _of_builder_image(lock, store)
        self._artifacts = [f"{INPUTS}/{self.release}", *_results_of_others(lock, store)]
        self._absent: dict[str, Finding] = {}
        self._stop = Event()
        self._pool = ThreadPoolExecutor(1)

    def __enter__(self) -> Self:
        """Begin to compare."""
        self._compared = self._pool.submit(self._compare)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the comparison, wherever it is."""
        self._stop.set()
        self._pool.shutdown()

    def bring(self) -> bool:
        """Bring everything into the place; tells whether all of it is there. Bytes are not looked at."""
        for digest, (about, _) in self._wanted.items():
            cause = self._bring(digest)
            if cause is not None:
                self._absent[digest] = bad_blob(cause, digest, about, self.release)
        for reference in self._artifacts if not self._absent else ():
            try:
                link_artifact(self._store, self._place, reference)
            except Failure as failure:
                message = failure.problems[0].message
                self._absent[reference] = finding(Cause.BLOB_MISSING, reference, message, release=self.release)
        return not self._absent

    def bad(self) -> tuple[Finding, ...]:
        """Wait for the comparison, and give a finding for each input that is missing or damaged."""
        return tuple({**self._absent, **self._compared.result()}.values())

    def _bring(self, digest: str) -> Cause | None:
        try:
            link_blob(self._store, self._place, digest)
        except WorkFailure:
            return Cause.BLOB_CORRUPT if self._store.has(digest) else Cause.BLOB_MISSING
        except OSError as error:
            if is_full(error):
                raise
            return Cause.BLOB_CORRUPT
        return None

    def _compare(self) -> dict[str, Finding]:
        began = time.monotonic()
        found = check_blobs(self._store, self._wanted, self.release, self._stop)
        self.seconds = time.monotonic() - began
        return found


def _of_builder_image(lock: Lock, store: Store) -> dict[str, tuple[str, int]]:
    """Name the blobs of the builder image; of one whose manifest can not be read, the manifest alone."""
    descriptor = builder_image(lock)
    named = {descriptor.digest: ("builder image", descriptor.size)}
    try:
        manifest = store.manifest(descriptor)
    except Failure:
        return named
    return named | {blob.digest: ("builder image", blob.size) for blob in (manifest.config, *manifest.layers)}


def _results_of_others(lock: Lock, store: Store) -> list[str]:
    validation = lock.recipe.validation
    releases = {r.release for r in validation.reference if r.release} if validation else set()
    return [name for release in sorted(releases) for name in store.references(f"{RESULTS}/{release}/")]
