"""Judge one piece of text: a name, a path, an address. Says which characters do not belong."""

from __future__ import annotations

import re

from builder.core.errors import Location, Problem
from builder.recipe.language import SizeKind, TextKind, UrlKind
from builder.recipe.sizes import nearest_size, size_in_bytes, size_text
from builder.recipe.tokens import shown

_SCHEMES = ("http", "https")
_URL_CHARACTERS = "letters, digits and . _ ~ : / ? # @ + , = % & [ ] -; others as %XX"
_CLASS = re.compile(r"\[(?:[^\]\\]|\\.)+\]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")


def text_problem(text: str, kind: TextKind, what: str, at: Location) -> Problem | None:
    """Say what is wrong with `text` as `what`, or None."""
    if kind.choices and text not in kind.choices:
        return Problem(f'{what} cannot be "{text}"', "known: " + ", ".join(f'"{c}"' for c in kind.choices), at)
    if len(text) < kind.minimum:
        return Problem(f"{what} is empty", kind.description or "give it some text", at)
    if kind.pattern:
        return pattern_problem(text, kind.pattern, kind.description, what, at)
    return None


def pattern_problem(text: str, pattern: str, description: str, what: str, at: Location) -> Problem | None:
    """Say that `text` does not fit `pattern`, naming the characters that do not belong."""
    if re.fullmatch(pattern, text):
        return None
    allowed = re.compile(_CLASS.findall(pattern)[-1])
    bad = sorted({character for character in text if not allowed.fullmatch(character)})
    if not text:
        message = f"{what} is empty"
    elif bad:
        message = f"{what} holds {', '.join(shown(character) for character in bad[:5])}"
    else:
        message = f"{what} cannot be {text if len(text) <= 80 else text[:77] + '...'!r}"  # noqa: PLR2004 - one line
    return Problem(message, f"allowed: {description}", at)


def size_problem(text: str, kind: SizeKind, what: str, at: Location) -> Problem | None:
    """Say that `text` is not written as a size, or is out of bounds; or None."""
    if not re.fullmatch(kind.pattern, text):
        near = nearest_size(text)
        hint = f"write {near}" if near else "written as a whole number and MiB, GiB or TiB, as in 8GiB"
        shortened = text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - one line
        return Problem(f"{what} is not a size: {shortened!r}", hint, at)
    size = size_in_bytes(text)
    if size < kind.minimum:
        return Problem(f"{what} is too small: {text}", f"it is at least {size_text(kind.minimum)}", at)
    if size > kind.maximum:
        return Problem(f"{what} is too large: {text}", f"it is at most {size_text(kind.maximum)}", at)
    return None


def url_problem(text: str, kind: UrlKind, what: str, at: Location) -> Problem | None:
    """Say what is wrong with an address, or None: its scheme, its host, characters that do not belong."""
    scheme = _SCHEME.match(text)
    if not scheme:
        return Problem(f"{what} is not an address", "it begins with http:// or https://", at)
    if scheme.group(1) not in _SCHEMES:
        return Problem(f'{what} has the unsupported scheme "{scheme.group(1)}"', "supported: http, https", at)
    rest = text[scheme.end() :]
    if not rest.startswith("//") or rest[2:3] in {"", "/", ":", "?", "#"}:
        return Problem(f"{what} names no host", "as in https://host/path", at)
    return pattern_problem(text, kind.pattern, _URL_CHARACTERS, what, at)
