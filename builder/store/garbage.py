"""What the references reach, and what nothing reaches: found, and removed while nobody can be about to refer to it.

Why a removal is safe while others work. A reference is written under the store's lock, and what is reached is decided,
and the rest unlinked, under the same lock: no reference comes in between. A writer stores blobs first and the reference
last; what it has stored meanwhile is younger than the grace, which a run must not outlast, and stays. The grace is
never under an hour, and never under a day while a living process holds a workspace. A manifest that can not be read
may have named anything, so nothing is removed then.
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from builder.core import documents
from builder.core.digest import DIGEST_PATTERN
from builder.core.errors import InputFailure, Problem, WorkFailure
from builder.core.files import sync_directory
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION
from builder.store.store import Store
from builder.store.verify import MANIFEST_LIMIT

HOUR = 3600.0
DAY = 24 * HOUR
GRACE_FLOOR = HOUR
MENTION = re.compile(rb"sha256:[0-9a-f]{64}")
WAY_BACK = "boss-builder verify tells what is damaged, boss-builder repair --from COPY mends it"


@dataclass(frozen=True)
class Reach:
    """What some references reach, by digest."""

    blobs: dict[str, int] = field(default_factory=dict)
    """What is no manifest: size in bytes, as it is declared."""
    manifests: dict[str, int] = field(default_factory=dict)
    needs: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """For each manifest the blobs without which it is not whole: configuration and layers."""
    absent: set[str] = field(default_factory=set)
    """What is mentioned and is not there: it may never have been."""
    problems: dict[str, Problem] = field(default_factory=dict)
    """For each manifest that a reference names and that can not be read: why."""


Read = Callable[[str, int], bytes]
"""Give the bytes of a blob, checked against its digest. Raises InputFailure where it is missing, damaged or has more
bytes than asked for; any other Failure ends the reading."""
Size = Callable[[str], int | None]
"""Give the size of a blob; None where it is not there."""


def reach(heads: Iterable[oci.Descriptor], read: Read, size: Size) -> Reach:
    """Follow references: manifests, their configurations and layers, and what these documents mention.

    A manifest, its configuration and the lock that it names are read; every digest that they spell, and that is there,
    is reached too: subject, lock, builder image, the inputs of an older lock, what a rebuild looked at.
    """
    found = Reach()
    waiting = [(str(head.digest), head.size) for head in heads]
    for digest, declared in waiting:
        try:
            _visit(found, digest, declared, read, size)
        except InputFailure as failure:
            found.problems[digest] = failure.problems[0]
    return found


def _visit(found: Reach, head: str, declared: int, read: Read, size: Size) -> None:
    """Follow one reference. Raises InputFailure where its manifest can not be read."""
    stack = _enter(found, head, read(head, _bounded(declared)), declared, read) if head not in found.manifests else []
    while stack:
        digest = stack.pop()
        if digest in found.blobs or digest in found.manifests:
            continue
        there = size(digest)
        if there is None:
            found.absent.add(digest)
            continue
        data = _maybe_manifest(digest, there, read)
        if data is None:
            found.blobs[digest] = there
            continue
        try:
            stack += _enter(found, digest, data, there, read)
        except InputFailure:  # looks like a manifest, and is none
            found.blobs[digest] = there
            continue
        if any(
            size(blob) is None for blob in found.needs[digest]
        ):  # of an older time, and not whole: keep what is left
            found.blobs[digest] = found.manifests.pop(digest)
            for blob in found.needs.pop(digest):
                if size(blob) is None:
                    found.blobs.pop(blob, None)


def _bounded(declared: int) -> int:
    if not 0 < declared <= MANIFEST_LIMIT:
        raise InputFailure(f"a manifest of {declared} bytes is none")
    return declared


def _maybe_manifest(digest: str, there: int, read: Read) -> bytes | None:
    if not 0 < there <= MANIFEST_LIMIT:
        return None
    try:
        data = read(digest, there)
    except InputFailure:  # damaged: it is told where it is needed
        return None
    return data if data.lstrip()[:1] == b"{" and b'"layers"' in data else None


def _enter(found: Reach, digest: str, data: bytes, size: int, read: Read) -> list[str]:
    """Take a manifest in; gives what it mentions. Raises InputFailure where it is none."""
    manifest = manifest_of(data, digest)
    blobs = (manifest.config, *manifest.layers)
    found.manifests[digest] = size
    found.blobs.pop(digest, None)
    found.needs[digest] = tuple(str(blob.digest) for blob in blobs)
    for blob in blobs:
        if blob.digest not in found.manifests:
            found.blobs.setdefault(str(blob.digest), blob.size)
    mentioned = _mentions(data)
    documents_to_read = {manifest.annotations.get(LOCK_ANNOTATION, "")}
    if "json" in manifest.config.media_type:
        documents_to_read.add(str(manifest.config.digest))
    for document in documents_to_read:
        if DIGEST_PATTERN.fullmatch(document):
            try:
                mentioned |= _mentions(read(document, MANIFEST_LIMIT))
            except InputFailure:  # missing or damaged: it is told where it is needed
                continue
    return sorted(mentioned - {digest}, reverse=True)


def _mentions(data: bytes) -> set[str]:
    return {match.decode("ascii") for match in MENTION.findall(data)}


def manifest_of(data: bytes, digest: str) -> oci.Manifest:
    """Decode a manifest that anybody may have written. Raises InputFailure where it is none, or absurd."""
    try:
        manifest = documents.decode(data, oci.Manifest)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InputFailure(f"{digest} is no manifest: {error}") from error
    for blob in (manifest.config, *manifest.layers):
        if not DIGEST_PATTERN.fullmatch(blob.digest):
            raise InputFailure(f"the manifest {digest} names {blob.digest!r}, which is no sha256 digest")
        if blob.size < 0:
            raise InputFailure(f"the manifest {digest} names a blob of {blob.size} bytes")
    return manifest


# -- removal ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Garbage:
    """What nothing refers to: sizes in bytes by digest, and how much of it is too young to be removed."""

    blobs: dict[str, int]
    young: int
    young_size: int
    kept: int
    """Blobs that something refers to."""

    @property
    def size(self) -> int:
        """Bytes of all that can be removed."""
        return sum(self.blobs.values())


def find(store: Store, grace: float, now: float) -> Garbage:
    """Find what `remove` would remove at a moment; changes nothing. Times are in seconds. Raises as `remove`."""
    with store.locked():
        return _find(store, grace, now)


def remove(store: Store, grace: float, now: float) -> Garbage:
    """Remove the blobs that nothing refers to and that are older than the grace; gives what was removed.

    Raises InputFailure where the grace is too short, or the index is damaged; WorkFailure where a manifest can not be
    read, or the grace is too short while somebody works in the store.
    """
    _check_grace(grace)
    reached(store)  # most of the reading, while others may still write: the file system has it at hand afterwards
    with store.locked():
        garbage = _find(store, grace, now)
        for digest in garbage.blobs:
            store.blob_path(digest).unlink(missing_ok=True)
        if garbage.blobs:
            sync_directory(store.path / "blobs" / "sha256")
    return garbage


def reached(store: Store) -> Reach:
    """All that the references of a store reach. Raises InputFailure where the index is damaged."""

    def read(digest: str, limit: int) -> bytes:
        if not DIGEST_PATTERN.fullmatch(digest):
            raise InputFailure(f"{digest!r} is no sha256 digest")
        if (size(digest) or 0) > limit:
            raise InputFailure(f"{digest} is longer than it should be")
        try:
            return store.read(digest)
        except WorkFailure as failure:  # it is missing, or damaged
            raise InputFailure(*failure.problems) from failure

    def size(digest: str) -> int | None:
        try:
            found = store.blob_path(digest).lstat()
        except (FileNotFoundError, ValueError):
            return None
        return found.st_size if stat.S_ISREG(found.st_mode) else None

    return reach(store.index().manifests, read, size)


def _check_grace(grace: float) -> None:
    if not grace >= GRACE_FLOOR:
        raise InputFailure(
            f"a grace of {grace:g} s is too short",
            hint=f"at least {GRACE_FLOOR:g} s: somebody may be about to refer to it",
        )


def _find(store: Store, grace: float, now: float) -> Garbage:
    _check_grace(grace)
    if grace < DAY and (living := next(_living_workspaces(store), None)):
        raise WorkFailure(
            f"a process works in the store ({living}); a grace of less than a day is not safe now",
            hint="wait for its end, or take the grace that is the default",
        )
    found = reached(store)
    if found.problems:
        raise WorkFailure(
            *(Problem(f"{problem.message}; nothing is removed", hint=WAY_BACK) for problem in found.problems.values())
        )
    return _unreached(_files(store), found, now - grace)


def _unreached(files: Iterable[tuple[str, int, float]], found: Reach, before: float) -> Garbage:
    """Decide: what is not reached and changed last before a moment is garbage."""
    blobs: dict[str, int] = {}
    young = young_size = kept = 0
    for digest, size, changed in files:
        if digest in found.blobs or digest in found.manifests:
            kept += 1
        elif changed < before:
            blobs[digest] = size
        else:
            young += 1
            young_size += size
    return Garbage(blobs, young, young_size, kept)


def _files(store: Store) -> Iterator[tuple[str, int, float]]:
    """Every blob: digest, size, when it was stored or linked last (ctime). Strangers are not ours to judge."""
    folder = store.path / "blobs" / "sha256"
    if not folder.is_dir():
        return
    with os.scandir(folder) as entries:
        for entry in entries:
            digest = f"sha256:{entry.name}"
            if DIGEST_PATTERN.fullmatch(digest) and entry.is_file(follow_symlinks=False):
                known = entry.stat(follow_symlinks=False)
                yield digest, known.st_size, known.st_ctime


def _living_workspaces(store: Store) -> Iterator[str]:
    """Names of the folders in tmp/ whose owner lives: it holds a lock on its folder."""
    folder = store.path / "tmp"
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name.startswith("keep-"):
            continue
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # just removed; or a stranger's file
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield f"tmp/{path.name}"
        finally:
            os.close(descriptor)
