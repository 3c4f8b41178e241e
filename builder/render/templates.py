"""The templates, and how they are filled: an undefined name is an error, never an empty string."""

from __future__ import annotations

import functools
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

PACKAGE = Path(__file__).parent.parent
PLACES = (PACKAGE / "_templates", PACKAGE.parent / "templates")
"""Where the templates lie: in an installed package, and in a checkout."""


@functools.cache
def _environment() -> jinja2.Environment:
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([p for p in PLACES if p.is_dir()]),
        undefined=jinja2.StrictUndefined,
        autoescape=False,  # noqa: S701 - shell and Dockerfile text; HTML has an environment of its own
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["shell"] = shlex.quote
    environment.filters["literal"] = literal
    environment.filters["line"] = lambda text: " ".join(text.split())
    return environment


def literal(value: str) -> str:
    """Quote a value for a Dockerfile's ENV so that nothing in it is replaced (Dockerfile reference, "Environment")."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def render(template: str, /, **values: Any) -> str:
    """Fill a template (a path below templates/)."""
    return _environment().get_template(template).render(**values)
