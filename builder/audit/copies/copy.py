"""Bring references, and all that they reach, from one place to another: blobs first, references last.

What the target has is not copied again, so that a copy that was cut short goes on where it was. What is copied is read
back from the target. References that the target has and the source has not stay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from typing import Protocol

from builder.audit.copies.origin import keep_origin
from builder.audit.copies.place import key_of
from builder.audit.copies.select import selected, shared
from builder.audit.copies.source import Note, Source, checked_pieces, index_of, no_note, read_document
from builder.audit.copies.untrusted import Untrue, check_depth
from builder.core.errors import InputFailure, Problem, WorkFailure
from builder.core.progress import Progress, Task
from builder.store import oci
from builder.store.garbage import Reach, manifest_of, reach

Done = Callable[[int], None]
BLOCK = 4096
"""Bytes that a file system gives at once."""


class Target(Protocol):
    """What can be copied to."""

    @property
    def name(self) -> str:
        """What people call it."""

    def opened(self) -> AbstractContextManager[None]:
        """Work on it."""

    def index(self) -> oci.Index:
        """Read what it holds."""

    def check_room(self, size: int) -> None:
        """Raise SpaceFailure where it is known that so many bytes find no room."""

    def has(self, digest: str, size: int) -> bool:
        """Whether it has a blob of this size."""

    def has_manifest(self, digest: str, size: int) -> bool:
        """Whether it has a manifest of this size."""

    def intact(self, digest: str, done: Done) -> bool:
        """Whether the bytes that it gives for a blob are the right ones."""

    def intact_manifest(self, digest: str, done: Done) -> bool:
        """Whether the bytes that it gives for a manifest are the right ones."""

    def put(self, digest: str, size: int, pieces: Iterable[bytes], done: Done) -> None:
        """Take a blob in."""

    def put_manifest(self, digest: str, size: int, pieces: Iterable[bytes], done: Done) -> None:
        """Take a manifest in, all of whose blobs have come."""

    def finish(self, descriptors: Iterable[oci.Descriptor], needs: Mapping[str, Iterable[str]]) -> None:
        """Point references at what has come."""


@dataclass(frozen=True)
class Gathered:
    """What has come to the target, and which references are whole there."""

    references: tuple[oci.Descriptor, ...]
    needs: Mapping[str, Iterable[str]]
    problems: tuple[Problem, ...]
    copied: int
    copied_size: int
    """Bytes."""
    present: int
    """Blobs that the target had already."""


@dataclass(frozen=True)
class Copied:
    """What was copied: blobs, bytes, references; and what could not be."""

    references: tuple[str, ...]
    copied: int
    copied_size: int
    present: int
    problems: tuple[Problem, ...]


def replicate(
    source: Source,
    target: Target,
    releases: Sequence[str],
    progress: Progress,
    *,
    thorough: bool = False,
    note: Note = no_note,
) -> Copied:
    """Copy the references of some releases; all, where none is named.

    What is damaged in the source is left out, and told. With `thorough` the copy of what the target has already is read
    too, and put right where it is damaged.
    Raises InputFailure where a release is unknown or an index unreadable; WorkFailure where the target fails.
    """
    index = index_of(source)
    with target.opened():
        target.index()
        gathered = gather(source, target, index, releases, progress, thorough=thorough)
        target.finish(gathered.references, gathered.needs)
    note("replication", target.name, "fail" if gathered.problems else "success")
    keep_origin(source, target, progress.say)
    return as_copied(gathered)


def as_copied(gathered: Gathered) -> Copied:
    """Say what came."""
    return Copied(
        references=tuple(sorted(key_of(descriptor) for descriptor in gathered.references)),
        copied=gathered.copied,
        copied_size=gathered.copied_size,
        present=gathered.present,
        problems=gathered.problems,
    )


def gather(
    source: Source, target: Target, index: oci.Index, releases: Sequence[str], progress: Progress, *, thorough: bool
) -> Gathered:
    """Bring all that the references reach; points no reference at it yet."""
    progress.say(f"reading what {source.name} has")
    chosen = selected(index, releases)
    found = _reach(source, chosen)
    if releases:
        more = shared(index, (*found.blobs, *found.manifests), lambda d: _names(source, d))
        chosen = (*chosen, *(d for d in more if d not in chosen))
        found = _reach(source, chosen)
    lacking = _lacking(found, target, progress, thorough=thorough)
    target.check_room(
        sum(_room(source, digest, size) for wanted in lacking.values() for digest, size in wanted.items())
    )
    failed: dict[str, Problem] = dict(found.problems)
    copied = copied_size = 0
    present = len(found.blobs) + len(found.manifests) - sum(map(len, lacking.values()))
    for kind, wanted in lacking.items():
        intact = target.intact if kind == "blobs" else target.intact_manifest
        put = target.put if kind == "blobs" else target.put_manifest
        if not wanted:
            continue
        with progress.task(f"copy {len(wanted)} {kind} to {target.name}", 2 * sum(wanted.values())) as task:
            for digest, size in wanted.items():
                if any(needed in failed for needed in found.needs.get(digest, ())):
                    continue  # a manifest whose blobs have not all come
                try:
                    with closing(checked_pieces(source, digest, size)) as pieces:
                        put(digest, size, pieces, task.advance)
                except Untrue as failure:
                    failed[digest] = failure.problems[0]
                    continue
                _read_back(target.name, digest, intact, task)
                copied += 1
                copied_size += size
    whole, broken = _sorted_out(chosen, found, failed)
    return Gathered(whole, found.needs, (*failed.values(), *broken), copied, copied_size, present)


def _lacking(found: Reach, target: Target, progress: Progress, *, thorough: bool) -> dict[str, dict[str, int]]:
    """Give what the target lacks, blobs before manifests; with `thorough` also what it has damaged. Sizes in bytes."""
    lacking: dict[str, dict[str, int]] = {}
    for kind, wanted in (("blobs", found.blobs), ("manifests", found.manifests)):
        has = target.has if kind == "blobs" else target.has_manifest
        intact = target.intact if kind == "blobs" else target.intact_manifest
        lacking[kind] = {digest: size for digest, size in wanted.items() if not has(digest, size)}
        if thorough and (there := {digest: size for digest, size in wanted.items() if digest not in lacking[kind]}):
            with progress.task(f"check {len(there)} {kind} that are in {target.name}", sum(there.values())) as task:
                lacking[kind] |= {digest: size for digest, size in there.items() if not intact(digest, task.advance)}
    return lacking


def _room(source: Source, digest: str, size: int) -> int:
    """Bytes that a blob takes on a disk, where it comes at all: a source that lies about its size is told later."""
    try:
        there = source.size(digest)
    except Untrue:
        return 0
    return -(-min(size, there or 0) // BLOCK) * BLOCK


def _read_back(name: str, digest: str, intact: Callable[[str, Done], bool], task: Task) -> None:
    if not intact(digest, task.advance):
        raise WorkFailure(
            f"{name} does not give back what was written to it: {digest}",
            hint="do not trust that place: a bad disk, or a registry that errs",
        )


def _reach(source: Source, heads: Iterable[oci.Descriptor]) -> Reach:
    def read(digest: str, limit: int) -> bytes:
        document = read_document(source, digest, limit)
        if document.lstrip()[:1] == b"{":
            check_depth(document, digest)
        return document

    heads = {(descriptor.digest, descriptor.size): descriptor for descriptor in heads}.values()
    return reach(heads, read, source.size)


def _names(source: Source, descriptor: oci.Descriptor) -> tuple[str, ...]:
    """Digests that a manifest names; itself where it can not be read, which is at hand nowhere."""
    try:
        manifest = manifest_of(read_document(source, descriptor.digest, descriptor.size), descriptor.digest)
    except InputFailure:
        return ("",)
    return tuple(blob.digest for blob in (manifest.config, *manifest.layers))


def _sorted_out(
    chosen: Iterable[oci.Descriptor], found: Reach, failed: Mapping[str, Problem]
) -> tuple[tuple[oci.Descriptor, ...], tuple[Problem, ...]]:
    """Tell the references that are whole from those that are not."""
    whole: list[oci.Descriptor] = []
    broken: list[Problem] = []
    for descriptor in chosen:
        lost = [d for d in (descriptor.digest, *found.needs.get(descriptor.digest, ())) if d in failed]
        if lost or descriptor.digest not in found.manifests:
            broken.append(
                Problem(
                    f"{key_of(descriptor)} was not copied: {len(lost) or 1} of its blobs could not be had",
                    hint="repair the source from another copy, then run it again",
                )
            )
        else:
            whole.append(descriptor)
    return tuple(whole), tuple(broken)
