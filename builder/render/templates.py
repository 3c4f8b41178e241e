"""What is rendered for shells and Dockerfiles, with the filters that quote for them."""

from __future__ import annotations

import functools
import shlex
from typing import TYPE_CHECKING, Any

from builder.core.templates import text_environment

if TYPE_CHECKING:
    import jinja2


@functools.cache
def _environment() -> jinja2.Environment:
    environment = text_environment()
    environment.filters["shell"] = shlex.quote
    environment.filters["literal"] = literal
    environment.filters["line"] = lambda text: " ".join(text.split())
    return environment


def literal(value: str) -> str:
    """Quote a value for a Dockerfile's ENV so that nothing in it is replaced (Dockerfile reference, "Environment")."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{escaped}"'


def octal(data: bytes) -> str:
    """Write bytes as any shell's `printf` reads them."""
    return "".join(f"\\{byte:o}" for byte in data)


def render(template: str, /, **values: Any) -> str:
    """Fill a template (a path below templates/)."""
    return _environment().get_template(template).render(**values)
