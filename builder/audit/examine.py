"""Examine a store, or a part of it, and log what was found. Nothing but the log and its records is ever written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from builder.audit import fixity, known_digests, known_references, log, reach, record, top
from builder.audit.known_digests import KnownDigests
from builder.audit.log import Event, EventType, Happening, Outcome
from builder.audit.problems import UNKNOWN, AuditProblem, Code
from builder.audit.signing.found import FoundSignatures
from builder.audit.structure import Structure
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import ExitCode, FoundFailure, HostFailure, InputFailure
from builder.core.progress import Progress
from builder.store import oci
from builder.store.store import Store

PART = re.compile(r"(?P<number>[1-9][0-9]{0,3})/(?P<of>[1-9][0-9]{0,3})")
PREFIX = 8
"""Digits of a digest that decide in which part it is."""
LINKED = 1000
"""How many damaged objects an event names at most."""
SIGNATURE = "signature/"
"""What the references of signatures of releases begin with."""
TOLD = 20
"""How many problems an event tells of at most; the report of the audit has all."""


@dataclass(frozen=True)
class Part:
    """One of several parts of a store that together are all of it: what belongs to which depends on digests alone."""

    number: int
    of: int

    @classmethod
    def parse(cls, text: str) -> Part:
        """Read `3/12`. Raises ValueError where it is no such thing."""
        match = PART.fullmatch(text)
        if match is None or int(match["number"]) > int(match["of"]):
            raise ValueError(f"{text!r} is no part: write 1/12, 2/12, ... 12/12")
        return cls(int(match["number"]), int(match["of"]))

    def __contains__(self, name: str) -> bool:
        """Whether a blob, by its 64 digits, is in it."""
        return int(name[:PREFIX], 16) * self.of >> 4 * PREFIX == self.number - 1

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


@dataclass(frozen=True)
class Asked:
    """What to examine: all of a store, or what some releases reach; one part of its blobs; in full, or quickly."""

    releases: tuple[str, ...] = ()
    part: Part | None = None
    quick: bool = False
    allowed_signers: Path | None = None
    """Who may sign; None: as the store's own list says."""

    def __str__(self) -> str:
        what = "quick" if self.quick else "full"
        part = f", part {self.part}" if self.part else ""
        return f"{what}{part}" + (f", of {', '.join(self.releases)}" if self.releases else "")


@dataclass
class Report:
    """What an audit found. Sizes are in bytes."""

    store: Path
    asked: Asked
    blobs: int = 0
    size: int = 0
    quick: int = 0
    """Blobs that were compared with their recorded size and blake3 alone."""
    new: int = 0
    """Blobs that the record of digests lacked."""
    references: int = 0
    signatures: FoundSignatures = field(default_factory=FoundSignatures)
    """Who signed the releases and the log."""
    found: dict[AuditProblem, None] = field(default_factory=dict)
    """Problems and notes, each once, in the order in which they were found."""
    events: tuple[Event, ...] = ()
    """What was logged."""
    not_logged: str = ""
    """Why nothing was."""

    def add(self, found: Iterable[AuditProblem]) -> None:
        """Take what was found, each thing once."""
        self.found |= dict.fromkeys(found)

    @property
    def problems(self) -> tuple[AuditProblem, ...]:
        """What is damage."""
        return tuple(one for one in self.found if not one.is_note)

    @property
    def notes(self) -> tuple[AuditProblem, ...]:
        """What is worth saying and is none."""
        return tuple(one for one in self.found if one.is_note)

    @property
    def exit_code(self) -> ExitCode:
        """0 well; 1 damage; 4 where nothing is known to be damaged, and something could not be read or checked."""
        if any(one.code not in UNKNOWN for one in self.problems):
            return ExitCode.FOUND
        return ExitCode.UNFINISHED if self.problems else ExitCode.OK


@dataclass
class _Work:
    """An audit under way: what was found so far, and what will be written of it."""

    store: Store
    asked: Asked
    report: Report
    state: log.State
    broken: set[str] = field(default_factory=set)
    """Records that are not to be written: what they are is told, not mended."""
    checked: fixity.Checked = field(default_factory=fixity.Checked)
    fixity_problems: list[AuditProblem] = field(default_factory=list)
    listed: str = ""
    """Digest of the list of blobs that were read."""
    index: top.IndexFile = field(default_factory=top.IndexFile)
    seen: dict[str, str] | None = None
    """The references that the record is to have; None where it has them."""
    was_compared: bool = False
    """Whether the references were compared with the record."""

    @contextmanager
    def reading(self, about: str) -> Iterator[None]:
        """Tell that something can not be read, and go on with the next."""
        try:
            yield
        except OSError as error:
            self.report.add([AuditProblem(Code.UNREADABLE, about, error.strerror or str(error))])


def audit(
    store: Store, asked: Asked, progress: Progress, clock: Callable[[], datetime], workers: int | None = None
) -> Report:
    """Examine a store and log that it was; `workers` is the number of blobs that are read at a time.

    Raises InputFailure where there is no store, or nothing of a release in it. A store that can not be written is
    examined all the same, and nothing is logged.
    """
    if not any((store.path / name).exists() for name in (top.LAYOUT, top.INDEX)):
        raise InputFailure(f"{store.path} is not a store", hint="name one with --store; boss-builder freeze makes one")
    progress.say(f"audit of {store.path}: {asked}")
    report = Report(store.path, asked)
    work = _Work(store, asked, report, log.NEW)
    with work.reading(f"{log.FOLDER}/{log.LOG}"):
        work.state = log.read(store.path)
        report.add((*work.state.problems, *work.state.notes))
    _blobs(work, progress, workers or len(os.sched_getaffinity(0)))
    _structure(work)
    _signatures(work)
    try:
        with log.writing(store.path) as folder:
            _compare_references(work, folder)
            report.events = _write(work, folder, clock())
    except (HostFailure, FoundFailure) as failure:
        report.not_logged = failure.problems[0].message
    if not work.was_compared:
        with work.reading(log.FOLDER), log.reading(store.path) as folder:
            _compare_references(work, folder)
    return report


def _record(work: _Work, folder: Path, name: str, events: Sequence[Event]) -> Path | None:
    """Find a record that can be trusted; `events` are those of the present log, and the lock is held.

    Other audits write records and log while this one reads blobs: a record is judged by the log that belongs to it.
    """
    found: Path | AuditProblem | None = None
    with work.reading(f"{log.FOLDER}/{name}"):
        found = record.find(folder, name, events)
    if not isinstance(found, AuditProblem):
        return found
    work.report.add([found])
    if found.code is not Code.RECORD_MISSING:
        work.broken.add(name)
    return None


def _no_record(work: _Work, name: str, error: ValueError) -> None:
    """Tell that the log vouches for a record that is none."""
    work.broken.add(name)
    work.report.add([AuditProblem(Code.RECORD_DAMAGED, f"{log.FOLDER}/{name}", str(error))])


def _blobs(work: _Work, progress: Progress, workers: int) -> None:
    """Read the blobs that are asked for, and compare their digests."""
    _read_index(work)
    is_wanted = _selection(work)
    folder = work.store.path / "blobs" / "sha256"
    blobs = fixity.Blobs()
    with work.reading("blobs/sha256"):
        blobs = fixity.scan(folder, is_wanted)
    with _known_digests(work) as known, progress.task("audit", blobs.size) as task:
        work.checked = fixity.check(folder, blobs, known, task, quick=work.asked.quick, workers=workers)
    work.listed = str(blobs.list_digest())
    checked, report = work.checked, work.report
    work.fixity_problems = sorted((*blobs.problems, *checked.problems))
    report.add(work.fixity_problems)
    report.blobs, report.size, report.quick, report.new = (
        checked.number, checked.size, checked.quick, checked.new_number,
    )  # fmt: skip


def _known_digests(work: _Work) -> KnownDigests:
    """Open the record of digests; one that can not be trusted knows nothing."""
    with work.reading(f"{log.FOLDER}/{known_digests.NAME}"), log.reading(work.store.path) as folder:
        path = _record(work, folder, known_digests.NAME, log.read_locked(folder).events)
        try:
            return KnownDigests(path)
        except ValueError as error:
            _no_record(work, known_digests.NAME, error)
    return KnownDigests(None)


def _selection(work: _Work) -> Callable[[str], bool]:
    """Decide which blobs are to be read."""
    part = work.asked.part
    if not work.asked.releases:
        return (lambda _: True) if part is None else part.__contains__
    reached = reach.blobs(work.store, _wanted(work))
    return lambda name: bytes.fromhex(name) in reached and (part is None or name in part)


def _read_index(work: _Work) -> None:
    with work.reading(top.INDEX):
        work.index = top.read_index(work.store)


def _wanted(work: _Work) -> tuple[oci.Descriptor, ...]:
    """Give the references of the releases that are asked for; none where the index can not be read, which is told."""
    every = work.index.references()
    return tuple(reach.references_of(work.store, every, work.asked.releases).values()) if every else ()


def _structure(work: _Work) -> None:
    """Examine what lies at the top, the index, and all that it leads to."""
    report = work.report
    with work.reading("the folder of the store"):
        report.add(top.examine(work.store))
    _read_index(work)
    report.add(work.index.problems)
    wanted = _wanted(work) if work.asked.releases else work.index.index.manifests
    structure = Structure(work.store, work.checked.damaged)
    for descriptor in wanted:
        with work.reading(descriptor.annotations.get(oci.REF_NAME, descriptor.digest)):
            structure.examine(descriptor)
            report.references += 1
    report.add(structure.problems)


def _signatures(work: _Work) -> None:
    """Check who signed: releases that are signed, and heads of the log."""
    of_kind = (name.split("/") for name in work.index.references() if name.startswith(SIGNATURE))
    signed = {words[1] for words in of_kind if not work.asked.releases or words[1] in work.asked.releases}
    has_heads = any(event.event_type is EventType.SIGNATURE_GENERATION for event in work.state.events)
    with work.reading(f"{log.FOLDER}/{log.HEADS}"):
        has_heads |= (log.folder_of(work.store.path) / log.HEADS).is_dir()
    if not signed and not has_heads:
        return
    from builder.audit.signing import audited  # most audits are of stores without signatures

    found = FoundSignatures()
    for release in sorted(signed):
        with work.reading(release):
            found += audited.of_release(work.store, release, work.asked.allowed_signers)
    with work.reading(f"{log.FOLDER}/{log.HEADS}"):
        found += audited.of_log(work.store, work.asked.allowed_signers)[1]
    work.report.signatures = found
    work.report.add(found.problems)


def _compare_references(work: _Work, folder: Path) -> None:
    """Compare the present references with the record of the last audit; the lock is held.

    The index is read anew: another audit may have recorded since what this one did not see.
    """
    work.was_compared = True
    index = top.IndexFile()
    with work.reading(top.INDEX):
        index = top.read_index(work.store)
    work.report.add(index.problems)
    if index.digest and (index.index.manifests or not index.problems):
        _remember_references(work, folder, index)


def _remember_references(work: _Work, folder: Path, index: top.IndexFile) -> None:
    """Miss references that the last audit saw; what is missed stays in the record, so that it is told again."""
    events = log.read_locked(folder).events
    present = {name: str(one.digest) for name, one in index.references().items()}
    path = _record(work, folder, known_references.NAME, events)
    try:
        known = {} if path is None else known_references.read(path)
    except ValueError as error:
        _no_record(work, known_references.NAME, error)
        return
    missed = tuple(known_references.compare(known, present, known_references.deleted(events)))
    work.report.add(missed)
    seen = present | {one.about: known[one.about] for one in missed}
    work.seen = None if seen == known or known_references.NAME in work.broken or index.problems else seen


def _write(work: _Work, folder: Path, now: datetime) -> tuple[Event, ...]:
    """Log what was found, and write the records anew that are to change; the lock is held."""
    events: tuple[Event, ...] = ()
    if work.checked.new_number and known_digests.NAME not in work.broken:
        events += _write_digests(work, folder, now)
    fixity_event = _fixity_event(work)
    happenings = [fixity_event, *([_signatures_event(work)] if work.report.signatures.is_any else [])]
    events += log.append_locked(folder, happenings, now)
    if work.seen is None:
        return events + log.append_locked(folder, [_validation_event(work, {})], now)
    data = documents.readable(work.seen)

    def happening(digest: Digest) -> Happening:
        return _validation_event(work, {known_references.NAME: str(digest)})

    return events + record.replace(folder, known_references.NAME, lambda stream: _put(stream, data), happening, now)


def _put(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)


def _write_digests(work: _Work, folder: Path, now: datetime) -> tuple[Event, ...]:
    """Add what the record of digests lacks. It may have changed since it was read: it is merged with what is there."""
    path = record.find(folder, known_digests.NAME, log.read_locked(folder).events)
    number = work.checked.new_number
    if isinstance(path, AuditProblem) and path.code is not Code.RECORD_MISSING:
        return ()

    def write(stream: BinaryIO) -> None:
        with KnownDigests(path if isinstance(path, Path) else None) as known:
            known_digests.write(known_digests.merged(known, work.checked.new()), stream)

    def happening(digest: Digest) -> Happening:
        return Happening(
            EventType.DIGEST_CALCULATION,
            "md5 and blake3 of blobs whose sha256 is that of their names",
            Outcome.SUCCESS,
            f"{number} blobs are new in {log.FOLDER}/{known_digests.NAME}",
            objects=(digest,),
            facts={known_digests.NAME: str(digest), "blobs": number},
        )

    return record.replace(folder, known_digests.NAME, write, happening, now)


def _facts(asked: Asked, problems: Sequence[AuditProblem]) -> dict[str, str | int]:
    facts: dict[str, str | int] = {"mode": "quick" if asked.quick else "full", "problems": len(problems)}
    if asked.part is not None:
        facts["part"] = str(asked.part)
    if asked.releases:
        facts["releases"] = " ".join(asked.releases)
    return facts


def _fixity_event(work: _Work) -> Happening:
    report, problems = work.report, work.fixity_problems
    damaged = sorted(work.checked.damaged)[:LINKED]
    return Happening(
        EventType.FIXITY_CHECK,
        f"every blob against its digests: {work.asked}",
        Outcome.FAIL if problems else Outcome.SUCCESS,
        _outcome(problems) or f"{report.blobs} blobs, {report.size} bytes",
        objects=(work.listed, *(f"sha256:{name}" for name in damaged)),
        facts={"blobs": report.blobs, "bytes": report.size, "quick": report.quick, **_facts(work.asked, problems)},
    )


def _signatures_event(work: _Work) -> Happening:
    found = work.report.signatures
    return Happening(
        EventType.SIGNATURE_VALIDATION,
        f"signatures, receipts and statements of releases, signed heads of the log: {work.asked}",
        _worst(found.problems),
        _outcome(found.problems) or f"signatures of releases: {len(found.good)}; heads of the log: {len(found.heads)}",
        objects=found.objects[:LINKED],
        facts={
            "signatures": len(found.good),
            "heads": len(found.heads),
            **_facts(work.asked, found.problems),
        },
    )


def _worst(problems: Sequence[AuditProblem]) -> Outcome:
    is_damage = any(not one.is_note for one in problems)
    return Outcome.FAIL if is_damage else Outcome.WARNING if problems else Outcome.SUCCESS


def _validation_event(work: _Work, facts: Mapping[str, str]) -> Happening:
    known = {*work.fixity_problems, *work.report.signatures.problems}
    problems = [one for one in (*work.report.problems, *work.report.notes) if one not in known]
    return Happening(
        EventType.VALIDATION,
        f"index, references, manifests, locks, records and log: {work.asked}",
        _worst(problems),
        _outcome(problems) or f"{work.report.references} references",
        objects=(work.index.digest,) if work.index.digest else (),
        facts={"references": work.report.references, **_facts(work.asked, problems), **facts},
    )


def _outcome(problems: Sequence[AuditProblem]) -> str:
    """Tell problems in short, for the log."""
    told = "; ".join(f"{one.code} {one.about}" for one in problems[:TOLD])
    return told + (f"; and {len(problems) - TOLD} more" if len(problems) > TOLD else "")
