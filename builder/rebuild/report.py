"""What rebuilds found, for a terminal and for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from builder.core.table import columns
from builder.rebuild.model import Answer, Finding, Run
from builder.rebuild.words import cause_of, subject_of, verdict
from builder.validation.evidence import note_of

NOTHING = "nothing was asked"


def as_json(runs: Sequence[Run]) -> dict[str, Any]:
    """Give runs as plain values: as the store keeps them, and with the state of each, and of each answer."""
    return {"verdict": verdict(runs), "runs": [_run(run) for run in runs]}


def _run(run: Run) -> dict[str, Any]:
    answers = [
        {
            **msgspec.to_builtins(answer),
            "state": answer.state.value,
            "decisive": answer.decisive.cause.value if answer.decisive else None,
        }
        for answer in run.answers
    ]
    return {**msgspec.to_builtins(run), "state": run.state.value, "answers": answers}


def as_text(runs: Sequence[Run]) -> str:
    """Spell runs for people: a table, then what is wrong, what it means and what to do; the verdict last."""
    return "\n".join(_lines(runs)) + "\n"


def _lines(runs: Sequence[Run]) -> Iterator[str]:
    rows = [row for run in runs for row in _rows(run)]
    if rows:
        yield from columns(("release", "what", "state", "found", "first seen"), rows)
        yield ""
    for run in runs:
        for answer in run.answers:
            for found in answer.findings:
                if found.is_fault:
                    yield from _fault(run, answer, found)
                    yield ""
    for note in dict.fromkeys(note_of(text) for run in runs for text in run.stands_in_for):
        yield f"NOTE: {note}"
    yield verdict(runs)


def _rows(run: Run) -> Iterator[tuple[str, ...]]:
    for answer in run.answers:
        decisive = answer.decisive
        first = decisive.first_seen if decisive and decisive.is_fault else ""
        yield run.release, subject_of(answer), answer.state, cause_of(decisive), first
    if not run.answers:
        yield run.release, "", run.state, NOTHING, ""


def _fault(run: Run, answer: Answer, found: Finding) -> Iterator[str]:
    yield f"{run.release} {subject_of(answer)}: {found.severity}: {cause_of(found)}: {found.about}"
    yield from (f"    {line}" for line in detail_lines(found))


def detail_lines(found: Finding) -> Iterator[str]:
    """Tell all that is known of a finding: what was seen, what it means, why it may be, what to do, what proves it."""
    yield from found.message.splitlines()
    yield f"meaning: {found.cause.entry.meaning}"
    if found.first_seen:
        yield f"first seen: {found.first_seen}"
    for change in found.explanations:
        yield f"can be the reason: {change}"
    if found.advice:
        yield f"what to do: {found.advice}"
    for digest in found.evidence:
        yield f"evidence: {digest}"
