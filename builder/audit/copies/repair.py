"""Mend a store from a copy: what is damaged or missing is fetched and checked; the damaged is kept aside."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from builder.audit.copies.place import adopt, key_of, merged, read_back, replace_index, set_aside, telling, write_blob
from builder.audit.copies.source import Note, Source, checked_pieces, index_of, no_note
from builder.audit.copies.untrusted import Untrue, decode_index
from builder.core import documents
from builder.core.digest import DIGEST_PATTERN
from builder.core.errors import Failure, Problem
from builder.core.files import sync_directory
from builder.core.progress import Progress, Task
from builder.store import oci
from builder.store.garbage import manifest_of, reached
from builder.store.store import Store
from builder.store.verify import MANIFEST_LIMIT

SPELLED = re.compile(rb"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Repaired:
    """What was mended: digests, or `index.json`; where the damaged is kept; and what could not be."""

    restored: tuple[str, ...]
    cleared: tuple[str, ...]
    """Digests of damaged blobs that nothing needs, and that are only kept aside now."""
    quarantined: tuple[Path, ...]
    problems: tuple[Problem, ...]


def repair(store: Store, source: Source, now: datetime, progress: Progress, note: Note = no_note) -> Repaired:
    """Bring every damaged or missing blob, and a damaged index, back from a copy.

    A damaged blob that the source has not, and that nothing here needs, is moved aside for good. What else the
    source lacks, or has damaged, is a problem of the result. Raises InputFailure where the index is damaged and the
    source's does not cover it; WorkFailure where the store can not be written, or the source fails.
    """
    with telling(str(store.path)):
        job = _Job(store, source, now, note)
        job.mend_index()  # first: a store without an index would be given an empty one
        job.mend_blobs(_damaged(store, progress), progress)
        while wanted := job.missing():  # a manifest that is back may name more
            job.mend_blobs(wanted, progress)
        job.clear_away()
        job.judge_sizes()
    return Repaired(tuple(job.restored), tuple(job.cleared), tuple(job.quarantined), tuple(job.problems.values()))


class _Job:
    """One repair under way."""

    def __init__(self, store: Store, source: Source, now: datetime, note: Note) -> None:
        self.restored: list[str] = []
        self.cleared: list[str] = []
        self.quarantined: list[Path] = []
        self.problems: dict[str, Problem] = {}
        self._asked: set[str] = set()
        self._store, self._source, self._now, self._note = store, source, now, note

    # -- the index ----------------------------------------------------------------------------------------------

    def mend_index(self) -> None:
        """Put the index right: the source's in the place of one that can not be read; an entry that can not be true."""
        path = self._store.path / "index.json"
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            data = None
        if data is not None:
            try:
                index = decode_index(data, str(path))
            except Untrue:
                pass
            else:
                self._mend_entries(index)
                return
        offered = self._source.index_bytes()
        index = decode_index(offered, f"index.json of {self._source.name}")
        lost = tuple(_not_covered(self._store, data or b"", index))
        if lost:
            raise Untrue(
                *(
                    f"{self._store.path / 'index.json'} is damaged, and {self._source.name} does not know {d}"
                    for d in lost
                ),
                hint="take a copy of a later day; nothing was changed",
            )
        self._store.path.mkdir(parents=True, exist_ok=True)
        self._index_replaced(offered)

    def _mend_entries(self, index: oci.Index) -> None:
        """Take the source's entry of a reference whose own names nothing that is anywhere."""
        broken = [d for d in index.manifests if not self._store.has(d.digest, d.size)]
        if not broken:
            return
        theirs = {key_of(descriptor): descriptor for descriptor in index_of(self._source).manifests}
        mended = [
            offered
            for descriptor in broken
            if (offered := theirs.get(key_of(descriptor))) is not None
            and offered != descriptor
            and self._source.size(descriptor.digest) != descriptor.size
            and self._store.has(offered.digest, offered.size)
        ]
        if mended:
            self._index_replaced(documents.readable(merged(index, mended)))

    def _index_replaced(self, data: bytes) -> None:
        aside = replace_index(self._store, data, self._now)
        if aside is not None:
            self.quarantined.append(aside)
        self.restored.append("index.json")
        self._note("recovery", "index.json", "success")

    # -- blobs --------------------------------------------------------------------------------------------------

    def missing(self) -> dict[str, int]:
        """Give what the store has not: what the references need, and what they mention if the source has it."""
        found = reached(self._store)
        needed = {descriptor.digest: descriptor.size for descriptor in self._store.index().manifests}
        for digests in found.needs.values():
            needed |= {digest: found.blobs.get(digest, found.manifests.get(digest, 0)) for digest in digests}
        mentioned = found.absent - self._asked
        self._asked |= mentioned
        needed |= {digest: size for digest in sorted(mentioned) if (size := self._source.size(digest)) is not None}
        tried = {*self.problems, *self.restored}
        return {d: s for d, s in needed.items() if d not in tried and not self._store.has(d)}

    def clear_away(self) -> None:
        """Move the damaged blobs that could not be had aside where nothing needs them; the store is well without.

        While a manifest can not be read it is not known what it needs: nothing is moved then.
        """
        lost = [digest for digest in self.problems if os.path.lexists(self._store.blob_path(digest))]
        if not lost:
            return
        with self._store.locked():
            found = reached(self._store)
            for digest in lost if not found.problems else ():
                if digest in found.blobs or digest in found.manifests:
                    continue
                path = self._store.blob_path(digest)
                self.quarantined.append(set_aside(self._store, path, self._now))
                if os.path.lexists(path):
                    path.unlink()
                    sync_directory(path.parent)
                del self.problems[digest]
                self.cleared.append(digest)
                self._note("deletion", digest, "success")

    def judge_sizes(self) -> None:
        """Tell of references that can not be true although all that they name is intact."""
        for descriptor in self._store.index().manifests:
            try:
                manifest = manifest_of(self._store.read(descriptor.digest), descriptor.digest)
            except Failure:  # told already
                continue
            for blob in (manifest.config, *manifest.layers):
                if blob.digest not in self.problems and not self._store.has(blob.digest, blob.size):
                    self.problems[blob.digest] = Problem(
                        f"{key_of(descriptor)} declares {blob.digest} with {blob.size} bytes, which it has not",
                        hint="it was written so, and no copy can mend it",
                    )

    def mend_blobs(self, wanted: dict[str, int], progress: Progress) -> None:
        """Fetch blobs, each into its place once it is checked."""
        if not wanted:
            return
        with (
            progress.task(f"fetch {len(wanted)} blobs from {self._source.name}", sum(wanted.values())) as task,
            self._store.workspace("repair") as folder,
        ):
            for digest in wanted:
                try:
                    self._mend(digest, folder / "blob", task)
                except Untrue as failure:
                    problem = failure.problems[0]
                    self.problems[digest] = Problem(
                        f"{digest} is damaged or missing here, and can not be had: {problem.message}",
                        hint="try another copy: boss-builder repair --from COPY",
                    )
                    self._note("recovery", digest, "fail")
                else:
                    self.restored.append(digest)
                    self._note("recovery", digest, "success")
                finally:
                    (folder / "blob").unlink(missing_ok=True)

    def _mend(self, digest: str, file: Path, task: Task) -> None:
        size = self._source.size(digest)
        if size is None:
            raise Untrue(f"{self._source.name} has none of it")
        with closing(checked_pieces(self._source, digest, size)) as pieces:
            write_blob(file, pieces, task.advance)
        aside = adopt(self._store, file, digest, self._now)
        if aside is not None:
            self.quarantined.append(aside)


def _damaged(store: Store, progress: Progress) -> dict[str, int]:
    """Read every blob; give those that are not what their name says, with the size that they have now."""
    folder = store.path / "blobs" / "sha256"
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    digests = [f"sha256:{name}" for name in names if DIGEST_PATTERN.fullmatch(f"sha256:{name}")]
    with progress.task(f"read {len(digests)} blobs", sum((folder / d[7:]).lstat().st_size for d in digests)) as task:
        return {d: (folder / d[7:]).lstat().st_size for d in digests if not read_back(store, d, task.advance)}


def _not_covered(store: Store, damaged: bytes, offered: oci.Index) -> Iterator[str]:
    """Give the manifests that a damaged index still spells, that are here, and that another index does not know."""
    known = {descriptor.digest for descriptor in offered.manifests}
    spelled = {match.decode("ascii") for match in SPELLED.findall(damaged)}
    for digest in sorted(spelled - known):
        path = store.blob_path(digest)
        if not path.is_file() or path.stat().st_size > MANIFEST_LIMIT:
            continue
        try:
            manifest_of(store.read(digest), digest)
        except Failure:
            continue
        yield digest
