"""Log what was done to a store; where its log can not be written, that is said, and the work counts all the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from builder.audit.log import EventType, Happening, Outcome, append
from builder.core.digest import DIGEST_PATTERN
from builder.core.errors import Failure

Say = Callable[[str], None]


def noting(store: Path, say: Say) -> Callable[[str, str, str], None]:
    """Give a hook that logs an event of a type, about a subject (a digest, or a name), with its outcome.

    `say` is told once where the log can not be written.
    """
    silent: list[bool] = []

    def note(event: str, subject: str, outcome: str) -> None:
        objects = (subject,) if DIGEST_PATTERN.fullmatch(subject) else ()
        happening = Happening(EventType(event), subject, Outcome(outcome), objects=objects)
        if not silent and not log_event(store, happening, say):
            silent.append(True)

    return note


def note_removal(store: Path, digests: Sequence[str], say: Say) -> None:
    """Log that blobs were removed on purpose: the next audit does not miss what an event of this type names."""
    detail = f"{len(digests)} blobs that nothing refers to"
    log_event(store, Happening(EventType.DELETION, detail, Outcome.SUCCESS, objects=tuple(digests)), say)


def log_event(store: Path, happening: Happening, say: Say) -> bool:
    """Log one event now; tells whether it could be."""
    try:
        append(store, happening, now=datetime.now(UTC))
    except Failure as failure:
        say(f"not logged: {failure.problems[0].message}")
        return False
    return True
