"""The page for people: one static file that needs nothing else."""

from __future__ import annotations

from pathlib import Path

from builder.validation.evidence import stand_in_notes
from builder.validation.outcome import Evidence, Totals

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "_templates", PACKAGE.parent / "templates")
"""Where the templates lie: in an installed package, and in a checkout."""


def as_html(evidence: Evidence) -> str:
    """Fill templates/report/index.html.j2; every text is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([place for place in PLACES if place.is_dir()]),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template = environment.get_template("report/index.html.j2")
    totals = {suite.name: str(Totals.of(suite.checks)) for suite in evidence.suites}
    return template.render(evidence=evidence, notes=stand_in_notes(evidence), totals=totals)
