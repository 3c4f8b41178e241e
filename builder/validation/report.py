"""The page for people: one static file that needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from builder.core.templates import page_template
from builder.validation.evidence import stand_in_notes
from builder.validation.outcome import Evidence, State, Totals, Unjudged


@dataclass(frozen=True)
class Page:
    """What the page shows: a release, and what is known of it in each shape."""

    release: str
    title: str
    state: State
    parts: tuple[Evidence | Unjudged, ...]
    physics: str = ""
    """Where the physics report lies, beside the page; empty where there is none."""


def as_html(page: Page) -> str:
    """Fill templates/report/index.html.j2; every text is escaped."""
    judged = [part for part in page.parts if isinstance(part, Evidence)]
    notes = dict.fromkeys(note for evidence in judged for note in stand_in_notes(evidence))
    return page_template("report/index.html.j2").render(
        page=page,
        notes=list(notes),
        judged=judged,
        unjudged=[part for part in page.parts if isinstance(part, Unjudged)],
        totals=lambda suite: str(Totals.of(suite.checks)),
    )
