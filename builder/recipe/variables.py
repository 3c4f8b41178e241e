"""Values that are set from outside: `--var NAME=VALUE` and the environment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from builder.core.errors import InputFailure, Problem
from builder.recipe.fields import VARIABLE

PREFIX = "BOSS_BUILDER_VAR_"


def from_words(words: Iterable[str]) -> dict[str, str]:
    """Turn `NAME=VALUE` words of the command line into a mapping; the last of a name wins.

    Raises InputFailure naming every word that is not of this form.
    """
    result: dict[str, str] = {}
    problems: list[Problem] = []
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not re.fullmatch(VARIABLE, name):
            problems.append(Problem(f'not a variable: --var "{word}"', "write --var NAME=VALUE"))
        result[name] = value
    if problems:
        raise InputFailure(*problems)
    return result


def from_outside(name: str, variables: Mapping[str, str], environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Give the value that is set for a variable and where it was set, or None."""
    if name in variables:
        return variables[name], f"--var {name}"
    if PREFIX + name in environment:
        return environment[PREFIX + name], PREFIX + name
    return None
