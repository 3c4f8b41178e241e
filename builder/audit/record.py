"""What audits remember from one to the next: files of `audit/` that the log vouches for.

A record is written beside its place, an event that names its digest is logged, and then it is put into its place. A
process that is stopped between leaves a file that the log vouches for beside the place: it is taken for the record.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from builder.audit.log import FOLDER, Event, Happening, append_locked
from builder.audit.problems import AuditProblem, Code
from builder.core.digest import Digest, digest_file
from builder.core.files import sync_directory

MODE = 0o644


def declared(name: str, events: Sequence[Event]) -> str | None:
    """Digest that the log gives a record, by its file's name; None where it tells of none."""
    said = (event.event_detail_extension.get(name) for event in reversed(events))
    return next((str(digest) for digest in said if digest is not None), None)


def find(folder: Path, name: str, events: Sequence[Event]) -> Path | AuditProblem | None:
    """Find a record that the log vouches for; None where none was ever made. Raises OSError."""
    digest = declared(name, events)
    place = folder / name
    there = place.exists()
    if digest is None:
        return AuditProblem(Code.RECORD_DAMAGED, f"{FOLDER}/{name}", "the log does not know it") if there else None
    for path in (*([place] if there else []), *_beside(place)):
        if digest_file(path)[0] == digest:
            return path
    if there:
        return AuditProblem(Code.RECORD_DAMAGED, f"{FOLDER}/{name}", f"the log gives it the digest {digest}")
    return AuditProblem(Code.RECORD_MISSING, f"{FOLDER}/{name}")


def _beside(place: Path) -> Iterator[Path]:
    yield from sorted(place.parent.glob(f".{place.name}.*.tmp"))


def replace(
    folder: Path, name: str, write: Callable[[BinaryIO], None], happening: Callable[[Digest], Happening], now: datetime
) -> tuple[Event, ...]:
    """Write a record anew and log that it was, while the lock is held (`log.writing`).

    `happening` gives the event for the digest; its facts must name the digest under the record's name. Raises as
    `log.append`.
    """
    place = folder / name
    before = set(_beside(place))
    temporary = folder / f".{name}.{secrets.token_hex(6)}.tmp"
    with temporary.open("xb") as stream:
        write(stream)
        stream.flush()
        os.fchmod(stream.fileno(), MODE)
        os.fsync(stream.fileno())
    sync_directory(folder)
    events = append_locked(folder, [happening(digest_file(temporary)[0])], now)
    temporary.replace(place)
    sync_directory(folder)
    for left in before:
        left.unlink(missing_ok=True)
    return events
