"""Read every blob once, and compare its digests: sha256 with its name, md5 and blake3 with what was recorded.

Blobs are read side by side in pieces of a mebibyte: hashing leaves Python's lock alone. What there is to read, and what
was found, is kept in temporary files: memory does not grow with the number of blobs.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

from blake3 import blake3

from builder.audit.known_digests import Known, KnownDigests
from builder.audit.problems import AuditProblem, Code
from builder.audit.spool import Spool
from builder.core.digest import Digest
from builder.core.progress import Task
from builder.store.store import BLOB_MODE

PIECE = 1 << 20
LARGE = 64 << 20
"""Blobs from this size on are read first, the largest at the very first: the end then finds every worker at work."""
BATCH_BYTES = 4 << 20
BATCH_BLOBS = 128
NAME = re.compile("[0-9a-f]{64}")
ROW = 40
NEW_ROW = 88


@dataclass(frozen=True)
class Measured:
    """What reading a blob gave. Of a quick check `sha256` and `md5` are empty."""

    name: str
    size: int
    sha256: str
    md5: str
    blake3: str


@dataclass
class Blobs:
    """The blobs of a folder that are to be read: name and size of each; and what else lies there."""

    number: int = 0
    size: int = 0
    problems: list[AuditProblem] = field(default_factory=list)
    large: list[tuple[int, str]] = field(default_factory=list)
    _rows: Spool = field(default_factory=lambda: Spool(ROW))

    def add(self, name: str, size: int) -> None:
        """Take a blob."""
        self.number += 1
        self.size += size
        self._rows.add(bytes.fromhex(name) + size.to_bytes(8))
        if size >= LARGE:
            self.large.append((size, name))

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Give name and size of each in the order of their names."""
        for row in self._rows:
            yield row[:32].hex(), int.from_bytes(row[32:])

    def list_digest(self) -> Digest:
        """Digest of the list of digests, sorted, one a line."""
        sha = hashlib.sha256()
        for name, _ in self:
            sha.update(f"sha256:{name}\n".encode())
        return Digest.from_hex(sha.hexdigest())


@dataclass
class Checked:
    """What reading the blobs gave."""

    number: int = 0
    size: int = 0
    quick: int = 0
    """How many were compared with the recorded blake3 alone."""
    problems: list[AuditProblem] = field(default_factory=list)
    damaged: set[str] = field(default_factory=set)
    """Names of damaged blobs."""
    new_number: int = 0
    _new: Spool = field(default_factory=lambda: Spool(NEW_ROW))

    def remember(self, measured: Measured) -> None:
        """Take a blob that the record lacks."""
        self.new_number += 1
        self._new.add(
            bytes.fromhex(measured.name)
            + measured.size.to_bytes(8)
            + bytes.fromhex(measured.md5)
            + bytes.fromhex(measured.blake3)
        )

    def new(self) -> Iterator[Known]:
        """Give what the record lacks, in the order of the digests."""
        for row in self._new:
            yield Known(
                digest=f"sha256:{row[:32].hex()}",
                size=int.from_bytes(row[32:40]),
                md5=row[40:56].hex(),
                blake3=row[56:].hex(),
            )


def scan(folder: Path, is_wanted: Callable[[str], bool]) -> Blobs:
    """List the blobs of a folder that are wanted, by name, and all that is wrong with the folder itself.

    Raises OSError where it can not be read.
    """
    blobs = Blobs()
    if not folder.is_dir():
        return blobs
    with os.scandir(folder) as entries:
        for entry in entries:
            about = f"blobs/sha256/{entry.name}"
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:  # somebody has just removed it
                continue
            if not stat.S_ISREG(status.st_mode) or not NAME.fullmatch(entry.name):
                blobs.problems.append(AuditProblem(Code.BLOB_STRANGER, about))
                continue
            if not is_wanted(entry.name):
                continue
            if stat.S_IMODE(status.st_mode) != BLOB_MODE:
                mode = f"{stat.S_IMODE(status.st_mode):04o}"
                blobs.problems.append(AuditProblem(Code.BLOB_MODE, about, mode))
            blobs.add(entry.name, status.st_size)
    return blobs


def compare(measured: Measured, known: Known | None) -> AuditProblem | None:
    """Judge a blob by its name and, where there is one, by its record."""
    about = f"blobs/sha256/{measured.name}"
    if measured.sha256 and measured.sha256 != measured.name:
        return AuditProblem(Code.BLOB_DAMAGED, about, f"sha256:{measured.sha256}")
    if known is None:
        return None
    if measured.sha256:
        recorded, found = (known.size, known.md5, known.blake3), (measured.size, measured.md5, measured.blake3)
        return None if recorded == found else AuditProblem(Code.RECORD_DIFFERS, about)
    if measured.size != known.size:
        return AuditProblem(Code.BLOB_CUT, about, f"{measured.size} of {known.size} bytes")
    if measured.blake3 != known.blake3:
        return AuditProblem(Code.BLOB_DAMAGED, about, f"blake3 {measured.blake3}")
    return None


def check(folder: Path, blobs: Blobs, known: KnownDigests, task: Task, *, quick: bool, workers: int) -> Checked:
    """Read the blobs and judge each. With `quick`, those of the record are compared with its size and blake3 alone.

    One that can not be read is a problem; one that is gone meanwhile is left out: whoever needs it misses it.
    """
    checked = Checked()
    reader = _Reader(folder, task)
    with ThreadPoolExecutor(workers) as pool:
        pending: set[Future[list[Measured | AuditProblem]]] = set()
        awaited: dict[Future[list[Measured | AuditProblem]], dict[str, Known]] = {}
        try:
            for batch, records in _batches(blobs, known):
                future = pool.submit(reader.read_all, batch, frozenset(records) if quick else frozenset())
                awaited[future] = records
                pending.add(future)
                if len(pending) >= 4 * workers:
                    done, pending = wait(pending, return_when=FIRST_COMPLETED)
                    _take(done, awaited, checked)
            _take(wait(pending).done, awaited, checked)
        except BaseException:
            reader.stopped.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return checked


def _batches(blobs: Blobs, known: KnownDigests) -> Iterator[tuple[list[str], dict[str, Known]]]:
    """Give the blobs in handy lots, each with what is known of it: the large ones first, then the others by name."""
    large = {name for _, name in blobs.large}
    of_large = known.some(large) if large else {}
    for _, name in sorted(blobs.large, reverse=True):
        yield [name], {name: of_large[name]} if name in of_large else {}
    batch: list[str] = []
    records: dict[str, Known] = {}
    total = 0
    for name, size in blobs:
        if name in large:
            continue
        batch.append(name)
        if (record := known.find(name)) is not None:
            records[name] = record
        total += size
        if total >= BATCH_BYTES or len(batch) >= BATCH_BLOBS:
            yield batch, records
            batch, records, total = [], {}, 0
    if batch:
        yield batch, records


def _take(
    done: set[Future[list[Measured | AuditProblem]]],
    awaited: dict[Future[list[Measured | AuditProblem]], dict[str, Known]],
    checked: Checked,
) -> None:
    for future in done:
        records = awaited.pop(future)
        for measured in future.result():
            if isinstance(measured, AuditProblem):
                checked.problems.append(measured)
                continue
            record = records.get(measured.name)
            checked.number += 1
            checked.size += measured.size
            checked.quick += not measured.sha256
            found = compare(measured, record)
            if found is not None:
                checked.problems.append(found)
            if found is not None and found.code is not Code.RECORD_DIFFERS:
                checked.damaged.add(measured.name)
            elif record is None:
                checked.remember(measured)


class _Reader:
    """Reads blobs, in any number of threads; each keeps a buffer of its own."""

    def __init__(self, folder: Path, task: Task) -> None:
        self.stopped = threading.Event()
        self._folder = folder
        self._task = task
        self._telling = threading.Lock()
        self._own = threading.local()

    def read_all(self, names: Sequence[str], quick: frozenset[str]) -> list[Measured | AuditProblem]:
        """Read some blobs; of those in `quick` only the blake3 is taken."""
        found: list[Measured | AuditProblem] = []
        for name in names:
            try:
                found.append(self._read(name, quick=name in quick))
            except FileNotFoundError:
                continue
            except OSError as error:
                found.append(AuditProblem(Code.UNREADABLE, f"blobs/sha256/{name}", error.strerror or str(error)))
        return found

    def _read(self, name: str, *, quick: bool) -> Measured:
        if not hasattr(self._own, "buffer"):
            self._own.buffer = bytearray(PIECE)
        view = memoryview(self._own.buffer)
        sha256, md5 = hashlib.sha256(usedforsecurity=False), hashlib.md5(usedforsecurity=False)
        blake = blake3()
        hashes = (blake,) if quick else (sha256, md5, blake)
        size = 0
        with (self._folder / name).open("rb", buffering=0) as stream:
            while count := stream.readinto(view):
                piece = view[:count]
                for one in hashes:
                    one.update(piece)
                size += count
                with self._telling:
                    self._task.advance(count)
                if self.stopped.is_set():
                    break
        if quick:
            return Measured(name, size, "", "", blake.hexdigest())
        return Measured(name, size, sha256.hexdigest(), md5.hexdigest(), blake.hexdigest())
