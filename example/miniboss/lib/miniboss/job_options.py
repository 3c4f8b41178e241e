"""Job options: what a job is told to do, in the notation of BOSS (`Component.Property = value;`).

    #include "$BesArea/share/jobOptions_sim.txt"
    ApplicationMgr.EvtMax = 500;                    // a number
    ApplicationMgr.TopAlg += {"KsKpi"};             // adds to a list
    RealizationSvc.RunIdList = {-9947, 0, -10878};

Comments are `//` and `/* */`, as in C++. An included file's name may hold variables of the environment and is, where it
is not absolute, relative to the file that includes it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template

from miniboss.errors import JobError
from miniboss.text_files import read_text

LARGEST = 1 << 20
"""Bytes of a file of job options, at most."""
DEEPEST = 16
"""Files that include one another, at most."""

_ASSIGNMENT = re.compile(r"(?P<component>\w+)\.(?P<name>\w+)\s*(?P<operator>\+?=)\s*(?P<value>.+)", re.DOTALL)
_INCLUDE = re.compile(r'#include\b[ \t]*(?:"(?P<file>[^"\n]+)"[ \t]*(?=\n|\Z))?')
_COMMENT = re.compile(r'("[^"\n]*")|//[^\n]*|/\*.*?\*/', re.DOTALL)
_STATEMENT = re.compile(r'((?:"[^"\n]*"|[^";])*);')
_LIST = re.compile(r"\{(?P<items>.*)\}|\[(?P<others>.*)\]", re.DOTALL)
_ITEM = re.compile(r'\s*("[^"\n]*"|[^",{}\[\]]+?)\s*(,|\Z)', re.DOTALL)
_WHOLE = re.compile(r"[+-]?\d{1,18}")
_DECIMAL = re.compile(r"[+-]?(\d+\.\d*|\.\d+|\d+(?=[eE]))([eE][+-]?\d{1,3})?")

Item = int | float | str


class JobOptionsError(JobError):
    """Job options that cannot be followed; says where and why."""


@dataclass(frozen=True)
class Property:
    """`component.name = value;`: a number, a text or a list of such, and where it stands."""

    component: str
    name: str
    value: Item | tuple[Item, ...]
    adds: bool
    """Whether it was written `+=`."""
    file: str
    line: int

    @property
    def full_name(self) -> str:
        """`Component.Property`."""
        return f"{self.component}.{self.name}"

    @property
    def where(self) -> str:
        """`file:line`."""
        return f"{self.file}:{self.line}"


def read_job_options(file: Path, environment: Mapping[str, str], depth: int = 0) -> tuple[Property, ...]:
    """Read a file of job options and what it includes, in their order.

    Raises JobOptionsError where a file cannot be read, or does not consist of assignments and includes.
    """
    text = read_text(file, "jobOptions file", LARGEST, JobOptionsError)
    found: list[Property] = []
    for part in parse_job_options(text, str(file)):
        if isinstance(part, Property):
            found.append(part)
            continue
        if depth == DEEPEST:
            raise JobOptionsError(f"{file}:{part.line}: more than {DEEPEST} files include one another")
        name = expand(part.file, environment, f"{file}:{part.line}")
        found += read_job_options(file.parent / name, environment, depth + 1)
    return tuple(found)


@dataclass(frozen=True)
class Include:
    """`#include "file"`, the name as it was written."""

    file: str
    line: int


def parse_job_options(text: str, name: str) -> Iterator[Property | Include]:
    """Read job options; `name` is what errors call the file."""
    bare = _COMMENT.sub(lambda found: found[1] or "\n" * found[0].count("\n"), text)
    position = 0
    while rest := bare[position:].lstrip():
        position = len(bare) - len(rest)
        line = bare.count("\n", 0, position) + 1
        include = _INCLUDE.match(bare, position)
        if include:
            if include["file"] is None:
                raise JobOptionsError(f'{name}:{line}: expected `#include "FILE"`')
            yield Include(include["file"], line)
            position = include.end()
            continue
        statement = _STATEMENT.match(bare, position)
        if statement is None:
            raise JobOptionsError(f"{name}:{line}: the last statement does not end with `;`")
        yield _property(statement[1].strip(), name, line)
        position = statement.end()


def expand(text: str, environment: Mapping[str, str], where: str) -> str:
    """Put in the values of `$VARIABLE` and `${VARIABLE}`. Raises JobOptionsError for one that is not set."""
    try:
        return Template(text).substitute(environment)
    except KeyError as error:
        raise JobOptionsError(f"{where}: the variable {error.args[0]} is not set, in {os.fspath(text)!r}") from error
    except ValueError as error:
        raise JobOptionsError(f"{where}: a `$` that begins no variable, in {text!r}") from error


def _property(statement: str, name: str, line: int) -> Property:
    match = _ASSIGNMENT.fullmatch(statement)
    if match is None:
        raise JobOptionsError(f"{name}:{line}: expected `Component.Property = value;`")
    written = match["value"].strip()
    listed = _LIST.fullmatch(written)
    value: Item | tuple[Item, ...] | None
    value = _items(listed["items"] if listed["items"] is not None else listed["others"]) if listed else _item(written)
    if value is None:
        raise JobOptionsError(f'{name}:{line}: {written!r} is neither a number, nor a "text", nor a list of such')
    return Property(match["component"], match["name"], value, match["operator"] == "+=", name, line)


def _items(written: str) -> tuple[Item, ...] | None:
    items: list[Item] = []
    position = 0
    while written[position:].strip():
        match = _ITEM.match(written, position)
        item = _item(match[1]) if match else None
        if match is None or item is None:
            return None
        items.append(item)
        position = match.end()
    return tuple(items)


def _item(written: str) -> Item | None:
    if re.fullmatch(r'"[^"\n]*"', written):
        return written[1:-1]
    if _WHOLE.fullmatch(written):
        return int(written)
    return float(written) if _DECIMAL.fullmatch(written) else None
