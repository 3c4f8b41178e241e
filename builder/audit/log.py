"""The log of what was done to the archive: events in the words of PREMIS, one a line, each bound to the one before.

`audit/log.jsonl` grows at its end only. An event names the sha256 of the line before it (newline included, as `sed -n
7p log.jsonl | sha256sum` gives it), so that a line that is edited, taken out, put in or moved breaks the chain. What
was cut off at the end is found by the head, `audit/head.json`: how many lines there are, and the digest of the last.
The head is written after the line, so a killed process leaves it one line behind, or a line without its end: both are
recognised, and the next append says so in an event of its own.

Source: PREMIS data dictionary 3.0, section "Event entity"; id.loc.gov/vocabulary/preservation/eventType.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

import msgspec

from builder import __version__
from builder.audit.decoding import decoded
from builder.audit.problems import AuditProblem, Code
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import FoundFailure, HostFailure, Problem
from builder.core.files import is_full, sync_directory, write_atomically

FOLDER = "audit"
LOG = "log.jsonl"
HEAD = "head.json"
LOCK = ".lock"
HEADS = "heads"
"""The folder of signed heads."""
ORIGIN = "origin-"
"""What the names of other stores' logs begin with, which a copy keeps."""
NEVER = ".none"
"""The name of a folder that is never there."""
AGENT = f"boss-builder {__version__}"
NOTHING = Digest.of(b"")
"""What the first event names as the line before it."""
FILE_MODE = 0o644


class EventType(StrEnum):
    """What happened: terms of the vocabulary of event types that the Library of Congress keeps for PREMIS."""

    FIXITY_CHECK = "fixity check"
    DIGEST_CALCULATION = "message digest calculation"
    VALIDATION = "validation"
    REPLICATION = "replication"
    RECOVERY = "recovery"
    INGESTION = "ingestion"
    DELETION = "deletion"
    SIGNATURE_GENERATION = "digital signature generation"
    SIGNATURE_VALIDATION = "digital signature validation"
    PACKAGE_CREATION = "information package creation"


class Outcome(StrEnum):
    """How it ended: terms of PREMIS' vocabulary of event outcomes."""

    SUCCESS = "success"
    WARNING = "warning"
    FAIL = "fail"


@dataclass(frozen=True)
class Happening:
    """What is to be logged: all of an event but what the log adds.

    `objects` are digests of what it was about, or one digest of their list; `facts` are the same words and numbers for
    programs that `detail` and `outcome_detail` have for people.
    """

    type: EventType
    detail: str
    outcome: Outcome
    outcome_detail: str = ""
    objects: Sequence[str] = ()
    facts: Mapping[str, str | int] | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of the log; fields as PREMIS calls its semantic units, but for `previous`."""

    event_identifier: int
    """Its place in the log, from 1."""
    event_type: EventType
    event_date_time: str
    """RFC 3339, UTC."""
    event_detail: str
    event_detail_extension: dict[str, str | int]
    event_outcome: Outcome
    event_outcome_detail: str
    linking_agent: str
    linking_objects: tuple[str, ...]
    previous: str
    """sha256 of the line before, with its newline."""


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the log ends: what has to be signed to vouch for all of it."""

    count: int
    last: str


@dataclass(frozen=True)
class State:
    """What a log amounts to: its events, what is wrong with it, and what a stopped process left undone."""

    events: tuple[Event, ...]
    problems: tuple[AuditProblem, ...]
    notes: tuple[AuditProblem, ...]
    """What is no damage: a torn last line, a head that is one line behind."""
    head: Head
    """As it should be: of the last event."""
    fragments: tuple[Digest, ...] = ()
    """Digests of the lines after the last event: torn lines that were ended, and that no event tells of yet."""
    torn: bool = False
    """Whether the last line has no end."""
    lines: tuple[Digest, ...] = ()
    """Digests of the whole lines, whatever they are."""

    def last_at(self, count: int) -> Digest | None:
        """Give what a head of so many lines would name; None where the log is shorter."""
        return NOTHING if count == 0 else self.lines[count - 1] if 0 < count <= len(self.lines) else None


NEW = State((), (), (), Head(count=0, last=str(NOTHING)))
"""A log that was not begun."""


def folder_of(store: Path) -> Path:
    """Where a store's audits are kept."""
    return store / FOLDER


def read(store: Path) -> State:
    """Read and check a store's log; one that was never begun is well. Raises OSError where it can not be read."""
    with reading(store) as folder:
        return read_locked(folder)


@contextmanager
def reading(store: Path) -> Iterator[Path]:
    """Keep others from writing a store's audit folder meanwhile; gives the folder. Raises OSError.

    Where nothing was written yet it gives a folder that is not there, so that what the first writer does meanwhile is
    not seen half.
    """
    folder = folder_of(store)
    lock = _lock(folder)
    if lock is None and not _is_begun(folder):
        yield folder / NEVER
        return
    lock = lock or _lock(folder)  # its first writer makes the lock before all else
    if lock is None:  # a copy without it
        yield folder
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_SH)
        yield folder


def _lock(folder: Path) -> BinaryIO | None:
    try:
        return (folder / LOCK).open("rb")
    except FileNotFoundError:
        return None


def _is_begun(folder: Path) -> bool:
    """Whether there is a log, or anything that an audit or a signature leaves beside it, as whoever writes does."""
    others = (path for path in folder.glob("*.json*") if not path.name.startswith(ORIGIN))
    return any(others) or (folder / HEADS).is_dir()


def read_locked(folder: Path) -> State:
    """Read and check the log of an audit folder while its lock is held; see `read`."""
    return judge(_bytes(folder / LOG), _bytes(folder / HEAD))


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def judge(log: bytes | None, head: bytes | None) -> State:
    """Check the bytes of a log, and those of its head, against each other."""
    *lines, rest = (log or b"").split(b"\n")
    digests = [Digest.of(line + b"\n") for line in lines]
    chain = _Chain()
    for line, digest in zip(lines, digests, strict=True):
        chain.follow(line, digest)
    problems, notes = list(chain.problems), list[AuditProblem]()
    said = None
    try:
        said = None if head is None else _decode_head(head)
    except ValueError as error:
        problems.append(AuditProblem(Code.HEAD_DAMAGED, f"{FOLDER}/{HEAD}", str(error)))
    if head is None and log is not None:
        problems.append(AuditProblem(Code.HEAD_MISSING, f"{FOLDER}/{HEAD}"))
    if said is not None:
        problems += _ending(said, digests, chain)
    if not problems and (rest or chain.fragments):
        notes.append(AuditProblem(Code.LOG_TORN, f"line {chain.head.count + 1}"))
    elif not problems and said is not None and said != chain.head:
        notes.append(AuditProblem(Code.LOG_AHEAD, f"line {chain.head.count}"))
    return State(
        tuple(chain.events),
        tuple(problems),
        tuple(notes),
        chain.head,
        tuple(chain.fragments),
        torn=bool(rest),
        lines=tuple(digests),
    )


class _Chain:
    """Follows the lines of a log, each of which has to be the next."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.problems: list[AuditProblem] = []
        self.head = Head(count=0, last=str(NOTHING))
        self.fragments: list[Digest] = []
        """Lines since the last event that are none: well, where the next event says that they were torn."""
        self._number = 0

    def follow(self, line: bytes, digest: Digest) -> None:
        """Take the next line, without its newline; `digest` is that of the line with it."""
        self._number += 1
        try:
            event = decoded(line, Event)
        except ValueError:
            self.fragments.append(digest)
            return
        if self.fragments and not _mends(event, self.fragments):
            self.problems.append(AuditProblem(Code.LOG_EDITED, f"line {self._number - 1}"))
        elif (
            event.previous != self.head.last
            or event.event_identifier != self._number
            or documents.compact(event) != line
        ):
            self.problems.append(AuditProblem(Code.LOG_BROKEN, f"line {self._number}"))
        self.events.append(event)
        self.head, self.fragments = Head(count=self._number, last=str(digest)), []


def _mends(event: Event, fragments: Sequence[str]) -> bool:
    return event.event_type is EventType.RECOVERY and event.linking_objects == tuple(fragments)


def _decode_head(data: bytes) -> Head:
    """Read a head. Raises ValueError where it is damaged."""
    head = decoded(data, Head)
    if documents.compact(head) + b"\n" != data:
        raise ValueError("it is not spelled as it was written")
    Digest(head.last)
    return head


def _ending(said: Head, digests: Sequence[Digest], chain: _Chain) -> Iterator[AuditProblem]:
    """Compare the end of a log with its head. One event may be ahead: its writer was stopped before the head."""
    lines = f"{FOLDER}/{LOG}"
    if said.count > len(digests):
        yield AuditProblem(Code.LOG_CUT, lines, f"{len(digests)} of {said.count} lines are there")
    elif said.last != (digests[said.count - 1] if said.count > 0 else NOTHING):
        yield AuditProblem(Code.LOG_OTHER_END, f"line {said.count}")
    elif said.count > chain.head.count:
        yield AuditProblem(Code.LOG_EDITED, f"line {said.count}")
    elif sum(event.event_identifier > said.count for event in chain.events) > 1:
        yield AuditProblem(Code.LOG_TOO_LONG, lines, f"{chain.head.count} lines, and the head knows {said.count}")


def append(store: Path, *happenings: Happening, now: datetime) -> tuple[Event, ...]:
    """Add events at the end of a store's log, synced; gives what was written, also what mends a line torn before.

    Several processes may do so at once. Raises FoundFailure, and adds nothing, where the log is damaged: the head would
    then vouch for what it does not know. Raises HostFailure where the folder can not be written.
    """
    with writing(store) as folder:
        return append_locked(folder, happenings, now)


@contextmanager
def writing(store: Path) -> Iterator[Path]:
    """Hold the lock on a store's audit folder, which is made if need be. Raises HostFailure where it can not be."""
    folder = folder_of(store)
    try:
        folder.mkdir(exist_ok=True)
        handle = (folder / LOCK).open("ab")
    except OSError as error:
        raise unwritable(folder, error) from error
    with handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield folder
        except OSError as error:
            if is_full(error):
                raise
            raise unwritable(folder, error) from error


def unwritable(folder: Path, error: OSError) -> HostFailure:
    """Say that a store's audit folder can not be written."""
    return HostFailure(f"{folder} can not be written: {error.strerror}", hint="nothing was logged")


def append_locked(folder: Path, happenings: Sequence[Happening], now: datetime) -> tuple[Event, ...]:
    """Add events while the lock is held (`writing`); see `append`."""
    state = _sound(folder)
    if state.torn:
        _add(folder / LOG, b"\n")
        state = _sound(folder)  # the line may have been whole, but for its end
    _write_head(folder, state.head)
    number, previous = state.head.count + len(state.fragments), state.head.last
    written = []
    for happening in (*_mend(state), *happenings):
        number += 1
        event = _event(happening, number, previous, now)
        line = documents.compact(event) + b"\n"
        _add(folder / LOG, line)
        previous = str(Digest.of(line))
        _write_head(folder, Head(count=number, last=previous))
        written.append(event)
    return tuple(written)


def _sound(folder: Path) -> State:
    """Read the log. Raises FoundFailure where it is damaged."""
    state = read_locked(folder)
    if state.problems:
        raise FoundFailure(*(Problem(f"nothing was logged: {one.message}", hint=one.hint) for one in state.problems))
    return state


def _mend(state: State) -> tuple[Happening, ...]:
    """Say what a stopped process left undone; nothing where all is well."""
    if state.fragments:
        detail = "the line before is torn: its writer was stopped. It was left as it is"
        return (Happening(EventType.RECOVERY, detail, Outcome.SUCCESS, objects=state.fragments),)
    if state.notes:
        detail = "the line before was the last thing that its writer did: the head, or the line's end, was added later"
        return (Happening(EventType.RECOVERY, detail, Outcome.SUCCESS, objects=(state.head.last,)),)
    return ()


def _event(happening: Happening, number: int, previous: str, now: datetime) -> Event:
    return Event(
        event_identifier=number,
        event_type=happening.type,
        event_date_time=f"{now.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}",
        event_detail=happening.detail,
        event_detail_extension=dict(happening.facts or {}),
        event_outcome=happening.outcome,
        event_outcome_detail=happening.outcome_detail,
        linking_agent=AGENT,
        linking_objects=tuple(str(one) for one in happening.objects),
        previous=previous,
    )


def _write_head(folder: Path, head: Head) -> None:
    data = documents.compact(head) + b"\n"
    if _bytes(folder / HEAD) != data:
        write_atomically(folder / HEAD, data)


def _add(path: Path, data: bytes) -> None:
    """Write at the end of a file, synced."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
    try:
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_directory(path.parent)
