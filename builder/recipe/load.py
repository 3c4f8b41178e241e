"""A recipe's file to a typed Recipe: read it and what it extends, merge, evaluate, check. All problems at once."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from builder.core.errors import InputFailure, Location, Problem
from builder.recipe import syntax
from builder.recipe.checks import Checks
from builder.recipe.decode import Decoder, Place
from builder.recipe.evaluate import UNKNOWN, Definition, Evaluator, Value, is_scalar, kind_of, nearest
from builder.recipe.fields import FileRef
from builder.recipe.find import FILE_NAME, hint_for
from builder.recipe.language import EXTENDS, top_level
from builder.recipe.model import Recipe
from builder.recipe.parse import MAXIMUM_BYTES, parse
from builder.recipe.paths import Source
from builder.recipe.structure import checked, merged
from builder.recipe.variables import PREFIX, from_outside

PLACEHOLDER = b"PLACEHOLDER"
"""What `init` writes beside a value that somebody must replace."""
_COMMENTS = (b"#", b"//")
_PART_OF_RELEASE = ("name", "version", "date", "title")
_PART_OF_OS = ("family", "version", "architecture")


@dataclass(frozen=True)
class ToSet:
    """A variable that has no value, and that a recipe needs: an example stands for it."""

    name: str
    description: str
    example: Value
    wanted: str
    """What it is used as, in a word: URL, PATH, DATE; a list or a map is given as JSON."""
    at: Location

    def problem(self) -> Problem:
        """Say that it must be set, and how."""
        what = f": {self.description}" if self.description else ""
        return Problem(
            f'variable "{self.name}" has no value, only an example{what}', _how_to_set(self.name, self.wanted), self.at
        )


@dataclass(frozen=True)
class LoadedRecipe:
    """A recipe that is right, and where it came from."""

    recipe: Recipe
    recipes_folder: Path
    """Absolute: the folder that holds the recipes' folders."""
    files: tuple[Path, ...]
    """Every recipe.hcl that was read: the recipe itself, then what it extends."""
    _places: Mapping[Place, Location] = field(repr=False, compare=False)
    to_set: tuple[ToSet, ...] = ()
    """The variables for which only examples stand."""
    placeholders: tuple[Location, ...] = ()
    """Where values are still marked with PLACEHOLDER."""
    _behind: Mapping[Place, frozenset[str]] = field(repr=False, compare=False, default_factory=dict)

    def examples_behind(self, path: Place) -> tuple[str, ...]:
        """Name the variables without a value whose examples an attribute's value comes from."""
        behind = self._behind.get(path, frozenset())
        return tuple(one.name for one in self.to_set if one.name in behind)

    def unset(self) -> tuple[Problem, ...]:
        """Say what must be set before this is frozen, and how: variables, and what is marked with PLACEHOLDER."""
        hint = "write what is so in its place, or take the word away where the value is right"
        marked = (Problem("this is still marked with PLACEHOLDER", hint, at) for at in self.placeholders)
        return (*(one.problem() for one in self.to_set), *marked)

    def check_is_set(self) -> None:
        """Raise InputFailure with every variable for which only an example stands, and every PLACEHOLDER."""
        if problems := self.unset():
            raise InputFailure(*problems)

    def resolve(self, ref: FileRef) -> Path:
        """Give the path of a file or folder that the recipe names."""
        return self.recipes_folder / ref.recipe / ref.path

    def where(self, *path: str | int) -> Location:
        """Say where the recipe says something, as in `where("os", "rpm_repository", "os", "url")`.

        Labels stand in the path for blocks that may be repeated and may be given for others. What is not said leads to
        the block around it, and in the end to the file.
        """
        steps = {place[:length] for place in self._places for length in range(len(place) + 1)}
        found: Place = ()
        for part in path:
            if (*found, part) in steps:
                found = (*found, part)
        while found not in self._places:
            found = found[:-1]
        return self._places[found]


class Examined(msgspec.Struct, frozen=True):
    """What reading a recipe gave: all of it, whether it is right or not."""

    name: str
    """`name-version`, or the name of a base; the folder's name where the file does not say."""
    is_base: bool
    loaded: LoadedRecipe | None
    """Only of a release without problems."""
    problems: tuple[Problem, ...]
    """Sorted by file and position."""
    variables: tuple[str, ...]
    """The variables that it declares."""

    @property
    def to_set(self) -> tuple[ToSet, ...]:
        """The variables that must be set before it is frozen; of a release without problems."""
        return self.loaded.to_set if self.loaded else ()

    @property
    def placeholders(self) -> tuple[Location, ...]:
        """Where values are still marked with PLACEHOLDER; of a release without problems."""
        return self.loaded.placeholders if self.loaded else ()

    def unknown_variables(self, variables: Mapping[str, str]) -> tuple[Problem, ...]:
        """Name what is set with --var and not declared."""
        problems = []
        for name in variables:
            if name not in self.variables:
                near = nearest(name, self.variables)
                known = ", ".join(self.variables)
                hint = (
                    f'did you mean "{near}"?' if near else f"declared: {known}" if known else "no variable is declared"
                )
                problems.append(Problem(f'{self.name} has no variable "{name}"', hint))
        return tuple(problems)


def load(path: Path, variables: Mapping[str, str], environment: Mapping[str, str]) -> LoadedRecipe:
    """Read a release's recipe.

    `path` is that of its recipe.hcl; `variables` are those of --var, `environment` holds BOSS_BUILDER_VAR_*.

    Raises InputFailure with every problem of the recipe and of what it extends, sorted by file and position.
    """
    examined = examine(path, variables, environment)
    problems = examined.unknown_variables(variables) if examined.variables or not examined.problems else ()
    problems += examined.problems
    if not problems and examined.is_base:
        problems = (Problem(f"{examined.name} is a base to extend, not a release", "name a recipe that extends it"),)
    if problems or examined.loaded is None:
        raise InputFailure(*problems)
    return examined.loaded


def load_base(path: Path, variables: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Check a base as far as that is possible without the recipe that extends it.

    Raises InputFailure with every problem, as `load` does.
    """
    examined = examine(path, variables, environment)
    if examined.problems:
        raise InputFailure(*examined.problems)


def examine(path: Path, variables: Mapping[str, str], environment: Mapping[str, str]) -> Examined:
    """Read a recipe or a base and report everything; raises nothing for what a recipe may say."""
    return _Loading(path, variables, environment).examined()


def examine_all(
    paths: Sequence[Path], variables: Mapping[str, str], environment: Mapping[str, str]
) -> tuple[tuple[Examined, ...], tuple[Problem, ...]]:
    """Examine several recipes; problems of what two of them extend are given once.

    A variable that any of them declares is not unknown.
    """
    examined = tuple(examine(path, variables, environment) for path in paths)
    declared = {name for one in examined for name in one.variables}
    unknown = {name: value for name, value in variables.items() if name not in declared}
    problems = [problem for one in examined[:1] for problem in one.unknown_variables(unknown)]
    problems += [problem for one in examined for problem in one.problems]
    return examined, tuple(dict.fromkeys(problems))


class _Loading:
    def __init__(self, path: Path, variables: Mapping[str, str], environment: Mapping[str, str]) -> None:
        self.variables = variables
        self.environment = environment
        self.problems: list[Problem] = []
        self.complete = True
        self.only_examples: set[str] = set()
        self.sources: dict[str, Source] = {}
        self.placeholders: list[Location] = []
        self.first = Source(str(path), Path(os.path.abspath(path)))  # noqa: PTH100 - `..` goes, links stay
        self.recipes = self.first.folder.parent

    def examined(self) -> Examined:
        body = self.read(self.first, ())
        head = _head(body)
        is_base = head is not None and head.type == "base"
        name = "-".join(label.text for label in head.labels) if head else self.first.folder.name
        loaded = None
        declared: tuple[str, ...] = ()
        if body is not None:
            declared = tuple(block.labels[0].text for block in body.blocks if block.type == "variable" and block.labels)
            loaded = self.decode(body, head, is_base=is_base)
        ordered = sorted(
            dict.fromkeys(self.problems), key=lambda problem: (problem.location or Location(""), problem.message)
        )
        return Examined(name, is_base, None if ordered else loaded, tuple(ordered), declared)

    def read(self, source: Source, chain: tuple[str, ...]) -> syntax.Body | None:
        """Read one file and what it extends, merged; None where the file itself cannot be read."""
        self.sources[source.shown] = source
        data = self.bytes_of(source)
        if data is None:
            return None
        self.placeholders.extend(_placeholders(data, source.shown))
        parsed = parse(data, source.shown)
        self.problems.extend(parsed.problems)
        if parsed.body is None:
            return None
        body = checked(parsed.body, top_level(), self.problems)
        self.check_head(body, source)
        base = self.extended(body, source, (*chain, source.folder.name))
        return merged(base, body, top_level()) if base is not None else body

    def bytes_of(self, source: Source) -> bytes | None:
        at = Location(source.shown)
        try:
            if not source.path.is_file():
                self.problems.append(Problem("there is no such file", "boss-builder init writes a recipe", at))
                return None
            with source.path.open("rb") as stream:
                data = stream.read(MAXIMUM_BYTES + 1)
                rest = os.fstat(stream.fileno()).st_size
        except OSError as error:
            self.problems.append(Problem(f"the file cannot be read: {error.strerror}", "look at its permissions", at))
            return None
        if len(data) > MAXIMUM_BYTES:
            message = f"the file is too large: {rest} bytes"
            self.problems.append(Problem(message, f"a recipe has at most {MAXIMUM_BYTES} bytes", at))
            return None
        return data

    def check_head(self, body: syntax.Body, source: Source) -> None:
        heads = [block for block in body.blocks if block.type in {"release", "base"}]
        if not heads:
            hint = 'begin with release "NAME" "VERSION" { ... }, or with base "NAME" { ... } for something to extend'
            self.problems.append(Problem("neither a release nor a base", hint, Location(source.shown, 1, 1)))
        elif len(heads) > 1 and heads[0].type != heads[1].type:
            message = "a recipe is a release or a base, not both"
            self.problems.append(Problem(message, f"the other stands at {heads[0].at}", heads[1].at))

    def extended(self, body: syntax.Body, source: Source, chain: tuple[str, ...]) -> syntax.Body | None:
        """Read what a file extends."""
        head = _head(body)
        said = next((a for a in head.body.attributes if a.name == EXTENDS), None) if head else None
        if said is None:
            return None
        value = said.value

        def refuse(message: str, hint: str) -> None:
            self.complete = False
            self.problems.append(Problem(message, hint, value.at))

        if not isinstance(value, syntax.Literal) or not isinstance(value.value, str):
            if not isinstance(value, syntax.Unreadable):
                refuse('"extends" is a plain text', 'the name of a folder under recipes/, as in extends = "el6"')
            return None
        name = value.value
        path = self.recipes / name / FILE_NAME
        if "/" in name or name in {"", ".", ".."} or not path.is_file():
            refuse(f'there is no recipe "{name}" to extend', hint_for(name, self.recipes))
            return None
        if name in chain:
            steps = " -> ".join((*chain[chain.index(name) :], name))
            refuse(f"cyclic extends: {steps}", "remove one of them")
            return None
        shown = os.path.normpath(Path(source.shown).parent / ".." / name / FILE_NAME)
        base = self.read(Source(shown, path), chain)
        self.complete = self.complete and base is not None
        return base

    def decode(self, body: syntax.Body, head: syntax.Block | None, *, is_base: bool) -> LoadedRecipe | None:
        missing: list[tuple[str, Location]] = []
        scope = self.scope(body, head, missing, is_base=is_base)
        evaluator = Evaluator(scope, self.problems, complete=self.complete)
        decoder = Decoder(evaluator, self.sources, self.problems, complete=self.complete, is_base=is_base)
        blocks = {k: v for k, v in top_level().items() if k not in {"base", "variable", "locals"}}
        if is_base:
            there = {block.type for block in body.blocks}
            left_to_others = {"release"} | ({"package", "os"} - there)
            blocks = {k: v for k, v in blocks.items() if k not in left_to_others}
        if head is None:
            blocks.pop("release")  # reported
        at = head.at if head else Location(self.first.shown, 1, 1)
        where = f"in {head}" if head else "in the recipe"
        values = decoder.body(body, blocks, at, "in the recipe" if head else where)
        if head is not None and is_base:
            decoder.block(head, top_level()["base"], ("base",))
        for block in body.blocks:
            if block.type == "variable" and block.labels:
                decoder.block(block, top_level()["variable"], block.key)
        Checks(evaluator, self.problems, complete=self.complete).across(body)
        for name in scope["local"]:
            evaluator.reference("local", name)
        self.report_missing(missing, decoder)
        if self.problems or head is None or is_base:
            return None
        files = tuple(source.path for source in self.sources.values())
        places = {(): Location(self.first.shown)} | decoder.places
        to_set = self.to_set(body, decoder, evaluator)
        placeholders = tuple(self.placeholders)
        return LoadedRecipe(Recipe(**values), self.recipes, files, places, to_set, placeholders, decoder.behind)

    def to_set(self, body: syntax.Body, decoder: Decoder, evaluator: Evaluator) -> tuple[ToSet, ...]:
        """Give the variables that are used and have only an example."""
        found = []
        used = {name for path, names in decoder.behind.items() if path[0] != "variable" for name in names}
        for block in body.blocks:
            name = block.labels[0].text if block.type == "variable" and block.labels else ""
            if name in used and name in self.only_examples:
                said = {a.name: evaluator.value(a.value) for a in block.body.attributes}
                example = said["example"]
                wanted = "JSON" if isinstance(example, list | dict) else decoder.wanted.get(name, "VALUE")
                found.append(ToSet(name, said.get("description") or "", example, wanted, block.at))
        return tuple(found)

    def report_missing(self, missing: list[tuple[str, Location]], decoder: Decoder) -> None:
        for name, at in missing:
            hint = _how_to_set(name, decoder.wanted.get(name, "VALUE"))
            self.problems.append(Problem(f'variable "{name}" has no value', hint, at))

    def scope(
        self, body: syntax.Body, head: syntax.Block | None, missing: list[tuple[str, Location]], *, is_base: bool
    ) -> dict[str, dict[str, Definition]]:
        """Give what references may name."""
        local: dict[str, Definition] = {}
        first: dict[str, syntax.Attribute] = {}
        variable: dict[str, Definition] = {}
        for block in body.blocks:
            for attribute in block.body.attributes if block.type == "locals" else ():
                earlier = first.get(attribute.name)
                if earlier and earlier.at.file == attribute.at.file:
                    message = f'attribute "{attribute.name}" is given twice in locals'
                    self.problems.append(
                        Problem(message, f"first given at {earlier.at}; remove one of them", attribute.at)
                    )
                first[attribute.name] = attribute
                local[attribute.name] = Definition(attribute.value)
            if block.type == "variable" and block.labels:
                variable[block.labels[0].text] = self.variable(block, missing, is_base=is_base)
        release = dict.fromkeys(_PART_OF_RELEASE, Definition())
        if head is not None and not is_base:
            release |= {
                k: Definition(value=label.text) for k, label in zip(_PART_OF_RELEASE, head.labels, strict=False)
            }
            release |= {a.name: Definition(a.value) for a in head.body.attributes if a.name in _PART_OF_RELEASE}
        system = dict.fromkeys(_PART_OF_OS, Definition())
        for block in body.blocks:
            if block.type == "os":
                system |= {a.name: Definition(a.value) for a in block.body.attributes if a.name in _PART_OF_OS}
        return {"var": variable, "local": local, "release": release, "os": system}

    def variable(self, block: syntax.Block, missing: list[tuple[str, Location]], *, is_base: bool) -> Definition:
        name = block.labels[0].text
        said = {a.name: a.value for a in block.body.attributes}
        default, example = said.get("default"), said.get("example")
        outside = from_outside(name, self.variables, self.environment)
        if outside is None:
            if default is None and example is not None:
                self.only_examples.add(name)
                default = example
            if default is None and not is_base:
                missing.append((name, block.at))
            return Definition() if default is None else Definition(default)
        like = example if default is None else default
        value = _like(outside[0], like)
        if value is UNKNOWN:
            message = f'{outside[1]} must be {_wanted_like(like)}, not "{outside[0]}"'
            hint = f"its {'example' if default is None else 'default'} is of that kind"
            self.problems.append(Problem(message, hint, block.at))
        return Definition(value=value)


def _placeholders(data: bytes, file: str) -> list[Location]:
    """Give the places of a recipe's bytes that are marked with PLACEHOLDER, beside those in comments of their own."""
    lines = enumerate(data.splitlines(), 1)
    marked = ((n, line) for n, line in lines if PLACEHOLDER in line and not line.lstrip().startswith(_COMMENTS))
    return [Location(file, n, line.index(PLACEHOLDER) + 1) for n, line in marked]


def _how_to_set(name: str, wanted: str) -> str:
    return f"set it with --var {name}={wanted}, {PREFIX}{name}, or a default"


def _head(body: syntax.Body | None) -> syntax.Block | None:
    """Give the block that says what a recipe is."""
    return next((b for b in body.blocks if b.type in {"release", "base"}), None) if body else None


def _like(text: str, default: syntax.Expression | None) -> Value:
    """Read a text from outside as the kind of value that the default is; UNKNOWN where it is none."""
    if isinstance(default, syntax.ListOf | syntax.MapOf):
        read: Any = partial(_json, kind=list if isinstance(default, syntax.ListOf) else dict)
    elif isinstance(default, syntax.Literal) and isinstance(default.value, bool):
        read = {"true": True, "false": False}.__getitem__
    elif isinstance(default, syntax.Literal) and isinstance(default.value, int | float):
        read = _number
    else:
        return text
    try:
        return read(text)
    except (ValueError, KeyError, RecursionError):
        return UNKNOWN


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("-").isdecimal() else float(text)


def _json(text: str, kind: type) -> Value:
    value = json.loads(text)
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if not isinstance(value, kind) or not all(map(is_scalar, items)):
        raise ValueError
    return value


def _wanted_like(default: syntax.Expression | None) -> str:
    if isinstance(default, syntax.ListOf):
        return "a list in JSON"
    if isinstance(default, syntax.MapOf):
        return "a map in JSON"
    return kind_of(default.value) if isinstance(default, syntax.Literal) else "text"
