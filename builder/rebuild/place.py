"""A clean place to build in: a store of its own that holds what was frozen, checked, and nothing that was built."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from builder.build.build import builder_image
from builder.core.digest import digest_file
from builder.core.errors import Failure
from builder.core.progress import Progress, Task
from builder.lock.model import Lock
from builder.rebuild.model import Finding, finding
from builder.rebuild.taxonomy import Cause
from builder.store import oci
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


def bring_inputs(lock: Lock, store: Store, place: Store, progress: Progress) -> tuple[Finding, ...]:
    """Bring every input of a lock into the place, each compared with its digest; gives a finding for each that is bad.

    Besides the inputs: the builder image, and the results of releases that the validation compares with.
    """
    release = lock.recipe.full_name
    wanted = {digest: (f"input {name}", size) for name, (digest, size) in _inputs(lock).items()}
    wanted |= _of_builder_image(lock, store)
    bad = check_blobs(store, wanted, release, progress)
    for digest in wanted.keys() - bad.keys():
        link_blob(store, place, digest)
    findings = list(bad.values())
    for reference in [f"{INPUTS}/{release}", *_results_of_others(lock, store)] if not findings else ():
        try:
            link_artifact(store, place, reference)
        except Failure as failure:
            findings.append(finding(Cause.BLOB_MISSING, reference, failure.problems[0].message, release=release))
    return tuple(findings)


def _inputs(lock: Lock) -> dict[str, tuple[str, int]]:
    return {name: (blob.digest, blob.size) for name, blob in lock.blobs().items()}


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


def check_blobs(
    store: Store, wanted: Mapping[str, tuple[str, int]], release: str, progress: Progress
) -> dict[str, Finding]:
    """Compare blobs with their digests; gives a finding for each that is bad.

    `wanted` says what each is, for people, and its size in bytes.
    """
    total = sum(size for _, size in wanted.values())
    with progress.task(f"check {len(wanted)} blobs", total) as task, ThreadPoolExecutor(os.cpu_count()) as pool:
        causes = dict(zip(wanted, pool.map(lambda digest: _check(store, digest, task), wanted), strict=True))
    words = {Cause.BLOB_MISSING: "the store lacks", Cause.BLOB_CORRUPT: "the store's bytes are not those of"}
    return {
        digest: finding(cause, wanted[digest][0], f"{words[cause]} {digest}", release=release)
        for digest, cause in causes.items()
        if cause is not None
    }


def _check(store: Store, digest: str, task: Task) -> Cause | None:
    try:
        found, size = digest_file(store.blob_path(digest))
    except FileNotFoundError:
        return Cause.BLOB_MISSING
    except OSError:  # a disk that can not read it
        return Cause.BLOB_CORRUPT
    task.advance(size)
    return None if found == digest else Cause.BLOB_CORRUPT


def check_image(
    store: Store, descriptor: oci.Descriptor, about: str, release: str, progress: Progress
) -> tuple[Finding, ...]:
    """Compare every blob of a stored image with its digest."""
    wanted = {descriptor.digest: (about, descriptor.size)}
    try:
        manifest = store.manifest(descriptor)
    except Failure:
        return tuple(check_blobs(store, wanted, release, progress).values())
    wanted |= {blob.digest: (about, blob.size) for blob in (manifest.config, *manifest.layers)}
    return tuple(check_blobs(store, wanted, release, progress).values())
