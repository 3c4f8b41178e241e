"""Blocks and values to the types of `model`: right kind, complete, and making sense together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date
from typing import Any

import msgspec

from builder.core.errors import Location, Problem
from builder.recipe import syntax
from builder.recipe.checks import Checks
from builder.recipe.evaluate import UNKNOWN, Evaluator, Value, has_unknown, kind_of
from builder.recipe.language import (
    EXTENDS,
    AnyKind,
    AttributeType,
    BlockType,
    BoolKind,
    DateKind,
    Kind,
    ListKind,
    MapKind,
    NumberKind,
    PathKind,
    PathOrUrlKind,
    RealKind,
    SizeKind,
    TextKind,
    UrlKind,
)
from builder.recipe.paths import Source, file_ref
from builder.recipe.structure import is_sound, shape
from builder.recipe.text import size_problem, text_problem, url_problem

Place = tuple[str | int, ...]
"""Where in a recipe something is said: block types, labels, names of attributes, numbers of items."""


class Decoder:
    """Decode checked, merged blocks; problems are appended, places of what was said are kept in `places`."""

    def __init__(
        self,
        evaluator: Evaluator,
        sources: Mapping[str, Source],
        problems: list[Problem],
        *,
        complete: bool = True,
        is_base: bool = False,
    ) -> None:
        """Take what gives values, and which file is whose.

        Of a recipe that is not `complete` (what it extends could not be read), nothing is reported as missing; a base
        may name what only a release that extends it has.
        """
        self._complete = complete
        self.wanted: dict[str, str] = {}
        """For each variable what it is used as, in a word for messages: URL, PATH, DATE."""
        self._evaluator = evaluator
        self._sources = sources
        self._problems = problems
        self.places: dict[Place, Location] = {}
        self.behind: dict[Place, frozenset[str]] = {}
        """For each attribute the variables that its value comes from."""
        self._checks = Checks(evaluator, problems, complete=complete and not is_base)

    def _refuse(self, at: Location, message: str, hint: str = "") -> Value:
        self._problems.append(Problem(message, hint, at))
        return UNKNOWN

    def _missing(self, at: Location, message: str, hint: str) -> Value:
        return self._refuse(at, message, hint) if self._complete else UNKNOWN

    def body(
        self,
        body: syntax.Body,
        blocks: Mapping[str, BlockType],
        at: Location,
        where: str,
        path: Place = (),
    ) -> dict[str, Any]:
        """Decode the blocks of a body; a block that is missing though required is reported at `at`."""
        result: dict[str, Any] = {}
        for name, kind in blocks.items():
            found = [block for block in body.blocks if block.type == name]
            if not found:
                if kind.required:
                    result[name] = self._missing(at, f'missing block "{name}" {where}', f"add {shape(kind)}")
            elif kind.repeated:
                decoded = [self.block(block, kind, (*path, *block.key)) for block in found]
                result[name] = UNKNOWN if UNKNOWN in decoded else tuple(decoded)
            else:
                result[name] = self.block(found[0], kind, (*path, name))
        return result

    def block(self, block: syntax.Block, kind: BlockType, path: Place) -> Any:
        """Decode one block; UNKNOWN where anything in it is wrong."""
        before = len(self._problems)
        self.places[path] = block.at
        if not is_sound(block, kind):
            return UNKNOWN
        labels = dict(zip((name for name, _ in kind.labels), (label.text for label in block.labels), strict=True))
        if kind.variants:
            kind = kind.variants[labels.popitem()[1]]
        given = {attribute.name: attribute for attribute in block.body.attributes}
        values: dict[str, Any] = dict(labels)
        for name, attribute_kind in kind.attributes.items():
            if name == EXTENDS:
                continue  # used up when files were read
            self.places.update({(*path, name): given[name].at} if name in given else {})
            value = self.attribute(given.get(name), attribute_kind, block, (*path, name))
            if value is msgspec.UNSET:
                given.pop(name, None)  # null: as if it were not there
            else:
                values[name] = value
        values |= self.body(block.body, kind.blocks, block.at, f"in {block}", path)
        if kind.becomes:
            self._checks.within(kind.becomes, block, given)
        if len(self._problems) > before or any(value is UNKNOWN for value in values.values()):
            return UNKNOWN
        return kind.becomes(**values) if kind.becomes else UNKNOWN

    def attribute(self, given: syntax.Attribute | None, kind: AttributeType, block: syntax.Block, path: Place) -> Any:
        """Decode an attribute; UNSET where it is left out (or null) and has a default."""
        self._evaluator.behind.clear()
        value = None if given is None else self._evaluator.value(given.value)
        self.behind[path] = frozenset(self._evaluator.behind)
        for name in self.behind[path]:
            self.wanted.setdefault(name, _word_for(kind.kind))
        if given is None or value is None:
            if kind.required:
                return self._missing(block.at, f'missing attribute "{kind.name}" in {block}', _how_to_add(kind))
            return msgspec.UNSET
        return self.value(value, kind.kind, given.value, f'"{kind.name}"', path)

    def value(self, value: Value, kind: Kind, said: syntax.Expression, what: str, path: Place) -> Any:  # noqa: PLR0911 - one for each kind
        """Decode a value as its kind; UNKNOWN where it is not of that kind, or not known."""
        if value is UNKNOWN:
            return UNKNOWN
        at = said.at
        match kind:
            case AnyKind():
                return value
            case ListKind():
                return self._list(value, kind, said, what, path)
            case MapKind():
                return self._map(value, kind, said, what, path)
            case BoolKind():
                return value if isinstance(value, bool) else self._wrong(at, what, "true or false", value)
            case NumberKind():
                return self._number(value, kind, at, what)
            case RealKind():
                return self._real(value, kind, at, what)
            case SizeKind() if not isinstance(value, str):
                return self._wrong(at, what, 'a size, as in "8GiB"', value)
            case _:
                if not isinstance(value, str):
                    return self._wrong(at, what, "text", value)
                return self._text(value, kind, at, what)

    def _wrong(self, at: Location, what: str, wanted: str, value: Value) -> Value:
        hint = 'put it into quotes: "..."' if wanted == "text" and isinstance(value, bool | int | float) else ""
        return self._refuse(at, f"{what} must be {wanted}, not {kind_of(value)}", hint)

    def _list(self, value: Value, kind: ListKind, said: syntax.Expression, what: str, path: Place) -> Any:
        if not isinstance(value, list):
            self._refuse(said.at, f"{what} must be a list, not {kind_of(value)}", "put it into brackets: [ ... ]")
            return UNKNOWN
        if len(value) < kind.minimum:
            return self._refuse(said.at, f"{what} is empty", f"it needs at least {kind.minimum}")
        places = said.items if isinstance(said, syntax.ListOf) else (said,) * len(value)
        items = []
        for number, (item, place) in enumerate(zip(value, places, strict=True)):
            self.places[(*path, number)] = place.at
            items.append(self.value(item, kind.item, place, f"an item of {what}", (*path, number)))
        return UNKNOWN if any(item is UNKNOWN for item in items) else tuple(items)

    def _map(self, value: Value, kind: MapKind, said: syntax.Expression, what: str, path: Place) -> Any:
        if not isinstance(value, dict):
            self._refuse(said.at, f"{what} must be a map, not {kind_of(value)}", "write { NAME = value }")
            return UNKNOWN
        places: list[tuple[syntax.Expression, syntax.Expression]] = [(said, said)] * len(value)
        if isinstance(said, syntax.MapOf):
            places = list(said.items)
        result: dict[str, Any] = {}
        for (key, item), (key_place, item_place) in zip(value.items(), places, strict=True):
            problem = text_problem(key, kind.key, f"a name in {what}", key_place.at)
            if problem:
                self._problems.append(problem)
                item = UNKNOWN  # noqa: PLW2901 - reported
            self.places[(*path, key)] = key_place.at
            result[key] = self.value(item, kind.value, item_place, f'"{key}" in {what}', (*path, key))
        return UNKNOWN if has_unknown(result) else result

    def _number(self, value: Value, kind: NumberKind, at: Location, what: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._wrong(at, what, "a number", value)
        if isinstance(value, float):
            if not value.is_integer():
                return self._refuse(at, f"{what} must be a whole number, not {value}")
            value = int(value)
        return self._bounded(value, kind, at, what)

    def _real(self, value: Value, kind: RealKind, at: Location, what: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self._wrong(at, what, "a number", value)
        if not math.isfinite(value):
            return self._refuse(at, f"{what} must be a finite number, not {value}")
        if kind.above is not None and value <= kind.above:
            return self._refuse(at, f"{what} must be above {kind.above:g}, not {value}")
        return self._bounded(float(value), kind, at, what)

    def _bounded(self, value: float, kind: NumberKind | RealKind, at: Location, what: str) -> Any:
        if kind.minimum is not None and value < kind.minimum:
            return self._refuse(at, f"{what} must be at least {kind.minimum}, not {value}")
        if kind.maximum is not None and value > kind.maximum:
            return self._refuse(at, f"{what} must be at most {kind.maximum}, not {value}")
        return value

    def _text(self, text: str, kind: Kind, at: Location, what: str) -> Any:
        problem: Problem | None = None
        result: Any = text
        match kind:
            case TextKind():
                problem = text_problem(text, kind, what, at)
            case UrlKind():
                problem = url_problem(text, kind, what, at)
            case SizeKind():
                problem = size_problem(text, kind, what, at)
            case DateKind():
                result, problem = _day(text, what, at)
            case PathOrUrlKind():
                return self._text(text, kind.url if "://" in text else kind.path, at, what)
            case PathKind():
                found = file_ref(text, kind, self._sources[at.file], what, at)
                problem, result = (found, UNKNOWN) if isinstance(found, Problem) else (None, found)
        if problem:
            self._problems.append(problem)
            return UNKNOWN
        return result


def _how_to_add(kind: AttributeType) -> str:
    return f"add {kind.name} = ..." + (f": {kind.description}" if kind.description else "")


def _day(text: str, what: str, at: Location) -> tuple[Any, Problem | None]:
    try:
        # Python takes other forms of ISO 8601 too; this one is the only one here.
        if len(text) == len("YYYY-MM-DD"):
            return date.fromisoformat(text), None
    except ValueError:
        pass
    return UNKNOWN, Problem(f'{what} is not a day: "{text}"', "written YYYY-MM-DD, as in 2019-05-01", at)


def _word_for(kind: Kind) -> str:
    match kind:
        case ListKind(item=item):
            return _word_for(item)
        case UrlKind() | PathOrUrlKind():
            return "URL"
        case PathKind():
            return "PATH"
        case DateKind():
            return "DATE"
        case _:
            return "VALUE"
