"""The pages for people, and how they are filled: every text is escaped, an undefined name is an error."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "_templates", PACKAGE.parent / "templates")
"""Where the templates lie: in an installed package, and in a checkout."""


def page_template(name: str, /, **filters: object) -> jinja2.Template:
    """Give the template of an HTML page (a path below templates/), with filters of its own."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([place for place in PLACES if place.is_dir()]),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(filters)
    return environment.get_template(name)
