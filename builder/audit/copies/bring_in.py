"""Take a copy in: nothing that it says is believed, and no reference appears before all that it reaches is checked."""

from __future__ import annotations

from collections.abc import Sequence

from builder.audit.copies.copy import Copied, as_copied, gather
from builder.audit.copies.origin import keep_origin
from builder.audit.copies.place import Folder
from builder.audit.copies.source import Note, Source, index_of, no_note
from builder.core.errors import InputFailure, Problem
from builder.core.progress import Progress

SHOWN = 100


def bring_in(
    source: Source, target: Folder, releases: Sequence[str], progress: Progress, note: Note = no_note
) -> Copied:
    """Copy the references of some releases (all, where none is named) into a store; all of them, or none.

    Raises InputFailure where anything of it is damaged, missing or hostile: no reference changes then. Blobs that were
    checked stay, so that a better copy need not bring them again.
    """
    index = index_of(source)
    with target.opened():
        target.index()
        gathered = gather(source, target, index, releases, progress, thorough=True)
        if gathered.problems:
            note("ingestion", source.name, "fail")
            raise InputFailure(*_some(gathered.problems))
        target.finish(gathered.references, gathered.needs)
    note("ingestion", source.name, "success")
    keep_origin(source, target, progress.say)
    return as_copied(gathered)


def _some(problems: Sequence[Problem]) -> tuple[Problem, ...]:
    """Give no more problems than a person reads, and how many more there are."""
    more = len(problems) - SHOWN
    return (*problems[:SHOWN], *([Problem(f"there are {more} more problems")] if more > 0 else []))
