"""The page for people: what rebuilds found, one static file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from builder.core.templates import page_template
from builder.rebuild.earlier import Standing, answer_of, standings
from builder.rebuild.history import History
from builder.rebuild.model import Answer, Run, State
from builder.rebuild.words import cause_of, subject_of, verdict
from builder.validation.evidence import note_of

STRIP = 30
"""So many of the latest runs are shown in a row."""
LETTERS = {State.GOOD: "G", State.BAD: "B", State.UNKNOWN: "?"}


@dataclass(frozen=True)
class Past:
    """One earlier answer to a question, for the strip of the latest runs."""

    began: str
    state: State
    cause: str

    @property
    def letter(self) -> str:
        """The state for those who see no colours."""
        return LETTERS[self.state]


@dataclass(frozen=True)
class Part:
    """An answer, how its question stands, and the latest answers, oldest first."""

    answer: Answer
    name: str
    anchor: str
    standing: Standing
    strip: tuple[Past, ...]


@dataclass(frozen=True)
class Section:
    """One release on the page."""

    run: Run
    anchor: str
    notes: tuple[str, ...]
    parts: tuple[Part, ...]
    runs: int
    """How many runs of it are known."""
    damaged: tuple[str, ...]
    """Runs that could not be read, and why."""


def as_html(runs: Sequence[Run], histories: Mapping[str, History], evidence: Mapping[str, str] | None = None) -> str:
    """Fill templates/report/rebuild.html.j2; every text is escaped.

    `histories` are those of the releases, with or without these runs; `evidence` has the texts, by digest, that are
    shown in the page itself.
    """
    sections = [_section(number, run, histories.get(run.release)) for number, run in enumerate(runs, 1)]
    worst, _, sentence = verdict(runs).partition(": ")
    return page_template("report/rebuild.html.j2", cause=cause_of).render(
        worst=worst, verdict=sentence, sections=sections, evidence=evidence or {}
    )


def _section(number: int, run: Run, history: History | None) -> Section:
    known = history.runs if history else ()
    past = known if run in known else (*known, run)
    until = past[: past.index(run) + 1]
    standing = {(one.answer.question, one.answer.shape): one for one in standings(until)}
    anchor = f"release-{number}"
    parts = tuple(
        Part(
            answer=answer,
            name=subject_of(answer),
            anchor=f"{anchor}-{subject_of(answer)}",
            standing=standing[answer.question, answer.shape],
            strip=_strip(until, answer),
        )
        for answer in run.answers
    )
    damaged = tuple(str(problem) for problem in history.problems) if history else ()
    return Section(run, anchor, tuple(note_of(text) for text in run.stands_in_for), parts, len(until), damaged)


def _strip(runs: Sequence[Run], answer: Answer) -> tuple[Past, ...]:
    found = ((run, answer_of(run, answer.question, answer.shape)) for run in runs)
    past = [Past(run.began, one.state, cause_of(one.decisive)) for run, one in found if one is not None]
    return tuple(past[-STRIP:])
