"""Job options: what a job is told to do, in the notation of BOSS (`Name.Property = value;`).

This version knows the notation and no property, so that a job that asks for anything ends with a clear error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_ASSIGNMENT = re.compile(r"(?P<component>\w+)\.(?P<name>\w+)\s*\+?=\s*(?P<value>.+)", re.DOTALL)
_INCLUDE = re.compile(r"#include\b")
_COMMENT = re.compile(r'("[^"\n]*")|//[^\n]*|/\*.*?\*/', re.DOTALL)


class JobOptionsError(Exception):
    """Job options that cannot be followed; says where and why."""


@dataclass(frozen=True)
class Property:
    """`component.name = value;`, the value as it was written, and its line."""

    component: str
    name: str
    value: str
    line: int


def read_job_options(file: Path) -> tuple[Property, ...]:
    """Read a file of job options.

    Raises JobOptionsError where the file cannot be read, includes another, or does not consist of assignments.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise JobOptionsError(f"cannot read the jobOptions file {file}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise JobOptionsError(f"the jobOptions file {file} is not UTF-8 text") from error
    return parse_job_options(text, str(file))


def parse_job_options(text: str, name: str) -> tuple[Property, ...]:
    """Read job options; `name` is what errors call the file. Comments are `//` and `/* */`, as in C++."""
    bare = _COMMENT.sub(lambda found: found[1] or "\n" * found[0].count("\n"), text)
    include = _INCLUDE.search(bare)
    if include:
        line = bare.count("\n", 0, include.start()) + 1
        raise JobOptionsError(f"{name}:{line}: #include is not in this version of the toy")
    found = []
    line = 1
    *statements, rest = bare.split(";")
    for statement in statements:
        begin = line + _blank_lines(statement)
        match = _ASSIGNMENT.fullmatch(statement.strip())
        if match is None:
            raise JobOptionsError(f"{name}:{begin}: expected `Component.Property = value;`")
        found.append(Property(match["component"], match["name"], match["value"].strip(), begin))
        line += statement.count("\n")
    if rest.strip():
        raise JobOptionsError(f"{name}:{line + _blank_lines(rest)}: the last statement does not end with `;`")
    return tuple(found)


def _blank_lines(statement: str) -> int:
    """Count the line ends before the first word."""
    return statement[: len(statement) - len(statement.lstrip())].count("\n")
