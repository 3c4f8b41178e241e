"""The templates, and how they are filled: an undefined name is an error, never an empty string."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2

PACKAGE = Path(__file__).parents[1]
PLACES = (PACKAGE / "_templates", PACKAGE.parent / "templates")
"""Where the templates lie: in an installed package, and in a checkout."""


def text_environment() -> jinja2.Environment:
    """Give what fills text that is no HTML; nothing is escaped but by the filters of the caller."""
    return _environment(autoescape=False)


def page_template(name: str, /, **filters: object) -> jinja2.Template:
    """Give the template of an HTML page (a path below templates/), with filters of its own; every text is escaped."""
    environment = _environment(autoescape=True)
    environment.filters.update(filters)
    return environment.get_template(name)


def _environment(*, autoescape: bool) -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader([place for place in PLACES if place.is_dir()]),
        undefined=jinja2.StrictUndefined,
        autoescape=autoescape,  # noqa: S701 - off for text that is no HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
