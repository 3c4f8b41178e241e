"""How what a rebuild found is called, and laid out, for people."""

from __future__ import annotations

from collections.abc import Sequence

from builder.rebuild.model import Answer, Finding, Question, Run, State
from builder.store.shapes import Shape


def subject(question: Question, shape: Shape | None) -> str:
    """Name what is asked about: a shape of the image, or where it is about none, the question: `upstream`."""
    return shape or question


def subject_of(answer: Answer) -> str:
    """Name what an answer is about."""
    return subject(answer.question, answer.shape)


def cause_of(found: Finding | None) -> str:
    """Name stage and cause: `COMPARE content-differs`; empty for no finding."""
    return f"{found.stage} {found.cause.short}" if found else ""


def decisive_line(run: Run) -> str:
    """Tell in a line what a run amounts to: the finding that decides the worst of its answers, and whose it is."""
    worst = next((answer for answer in run.answers if answer.state is run.state), None)
    if worst is None or worst.decisive is None:
        return ""
    line = f"{subject_of(worst)}: {cause_of(worst.decisive)}"
    return line if run.state is State.GOOD else f"{line}, {worst.decisive.about}"


def verdict(runs: Sequence[Run]) -> str:
    """Tell in a sentence what runs amount to: first how many releases are not what they were."""
    if not runs:
        return "UNKNOWN: nothing was rebuilt"
    bad, unknown, good = (
        [run.release for run in runs if run.state is state] for state in (State.BAD, State.UNKNOWN, State.GOOD)
    )
    parts = [
        *([f"something is wrong with {', '.join(bad)}"] if bad else []),
        *([f"not everything could be found out about {', '.join(unknown)}"] if unknown else []),
        *([f"all is well with {', '.join(good)}"] if good else []),
    ]
    worst = State.BAD if bad else State.UNKNOWN if unknown else State.GOOD
    return f"{worst}: {'; '.join(parts)}"
