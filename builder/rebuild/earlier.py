"""What earlier runs say about a run: since when a fault is there, when all was well, what can explain it.

Everything here is a pure function of runs, which are given oldest first. Runs that could not find something out say
nothing about it: they neither continue nor break a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from msgspec.structs import replace

from builder.rebuild.explain import changed_environment, explanations
from builder.rebuild.model import Answer, Finding, Question, Run, State, finding
from builder.rebuild.taxonomy import Cause, Severity
from builder.store.shapes import SHAPES, Shape

FLAPPING_CHANGES = 3
"""So many changes between GOOD and BAD..."""
FLAPPING_RUNS = 10
"""... within so many of the latest runs are flapping."""
GONE_AFTER = timedelta(days=7)
"""What could not be reached for so long..."""
GONE_RUNS = 3
"""... in so many runs at least, and never in between, is gone."""


@dataclass(frozen=True)
class Standing:
    """How a question about a release stands: the latest answer, and what the runs before say of it."""

    run: Run
    """The latest that asked."""
    answer: Answer
    last_good: Run | None
    flapping: bool

    @property
    def fault(self) -> Finding | None:
        """The present fault that names the answer, with `first_seen`."""
        decisive = self.answer.decisive
        return decisive if decisive and decisive.is_fault else None


def standings(runs: Sequence[Run]) -> tuple[Standing, ...]:
    """Tell how each question stands that any of these runs asked."""
    return tuple(_standing(runs, question, shape) for question, shape in asked(runs))


def _standing(runs: Sequence[Run], question: Question, shape: Shape | None) -> Standing:
    asking = [run for run in runs if answer_of(run, question, shape)]
    latest = with_first_seen(asking[-1], asking[:-1])
    answer = answer_of(latest, question, shape)
    assert answer is not None  # noqa: S101 - it is among those that asked
    return Standing(latest, answer, last_good(runs, question, shape), flapping(runs, question, shape))


def in_their_light(run: Run, earlier: Sequence[Run]) -> Run:
    """Complete a run with all that earlier runs of its release say: `escalated`, `with_first_seen`, `explained`."""
    return explained(with_first_seen(escalated(run, earlier), earlier), earlier)


def answer_of(run: Run, question: Question, shape: Shape | None) -> Answer | None:
    """Find what a run says to a question about a shape; None where it did not ask."""
    return next((a for a in run.answers if (a.question, a.shape) == (question, shape)), None)


def asked(runs: Iterable[Run]) -> tuple[tuple[Question, Shape | None], ...]:
    """Give the questions that any of these runs asked: what was frozen by shape, then upstream."""
    found = {(answer.question, answer.shape) for run in runs for answer in run.answers}
    return tuple(sorted(found, key=lambda key: (key[0] != "frozen", key[1] is not None and SHAPES.index(key[1]))))


def last_good(runs: Sequence[Run], question: Question, shape: Shape | None) -> Run | None:
    """Give the latest run in which this was GOOD, or None."""
    good = (run for run in reversed(runs) if (a := answer_of(run, question, shape)) and a.state is State.GOOD)
    return next(good, None)


def flapping(runs: Sequence[Run], question: Question, shape: Shape | None) -> bool:
    """Tell whether this changes to and fro between GOOD and BAD: FLAPPING_CHANGES times within FLAPPING_RUNS runs."""
    states = [answer.state for run in runs if (answer := answer_of(run, question, shape))][-FLAPPING_RUNS:]
    known = [state for state in states if state is not State.UNKNOWN]
    return sum(before is not after for before, after in pairwise(known)) >= FLAPPING_CHANGES


def with_first_seen(run: Run, earlier: Sequence[Run]) -> Run:
    """Fill in when each finding's unbroken row of runs began; a finding that knows it already keeps it.

    A row is broken by a run that asked the same question about the same shape, could find out, and found no such
    thing (same cause, about the same). An answer that is UNKNOWN could not find out, nor could one with something
    UNKNOWN about the same.
    """

    def dated(answer: Answer, found: Finding) -> Finding:
        row = _row(earlier, answer, found, {found.cause})
        return replace(found, first_seen=found.first_seen or (row[0] if row else run).began)

    return _each(run, dated)


def escalated(run: Run, earlier: Sequence[Run]) -> Run:
    """Call gone what could not be reached in any run for GONE_AFTER and GONE_RUNS; `first_seen` is the row's begin."""

    def judged(answer: Answer, found: Finding) -> Finding:
        if found.cause is not Cause.NETWORK_TRANSIENT:
            return found
        row = _row(earlier, answer, found, {Cause.NETWORK_TRANSIENT, Cause.SOURCE_GONE})
        if len(row) + 1 < GONE_RUNS or _time(run) - _time(row[0]) < GONE_AFTER:
            return found
        message = f"not reached in any run for {GONE_AFTER.days} days or longer, so it counts as gone: {found.message}"
        gone = finding(Cause.SOURCE_GONE, found.about, message, release=run.release, evidence=found.evidence)
        return replace(gone, first_seen=row[0].began, explanations=found.explanations)

    return _each(run, judged)


def explained(run: Run, earlier: Sequence[Run]) -> Run:
    """Name with each fault what changed on this host since this was last GOOD and can be the reason."""

    def told(answer: Answer, found: Finding) -> Finding:
        good = last_good(earlier, answer.question, answer.shape)
        changes = changed_environment(good.environment, run.environment) if good else ()
        return replace(found, explanations=explanations(found, changes, answer.shape))

    return _each(run, told)


def _each(run: Run, change: Callable[[Answer, Finding], Finding]) -> Run:
    """Give a run with every finding changed."""
    answers = (replace(a, findings=tuple(change(a, found) for found in a.findings)) for a in run.answers)
    return replace(run, answers=tuple(answers))


def _row(earlier: Sequence[Run], answer: Answer, found: Finding, causes: set[Cause]) -> list[Run]:
    """Give the runs before that have the same, without one between them that could find out and has it not."""

    def has(earlier_answer: Answer) -> bool:
        return any(other.cause in causes and other.about == found.about for other in earlier_answer.findings)

    row: list[Run] = []
    for run in reversed(earlier):
        other = answer_of(run, answer.question, answer.shape)
        if other is None:
            continue
        if has(other):
            row.insert(0, run)
        elif not _in_the_dark(other, found.about):
            break
    return row


def _in_the_dark(answer: Answer, about: str) -> bool:
    """Tell whether an answer could not find out about something."""
    unknown = {found.about for found in answer.findings if found.severity is Severity.UNKNOWN}
    return answer.state is State.UNKNOWN or about in unknown


def _time(run: Run) -> datetime:
    return datetime.fromisoformat(run.began)
