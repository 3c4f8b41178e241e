"""Expressions to values: references, interpolation and a few functions. Lazy, and safe on any input.

A value that cannot be had is UNKNOWN, once its problem is reported: whoever uses it says nothing more.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from builder.core.errors import Location, Problem
from builder.recipe import syntax
from builder.recipe.tokens import MAXIMUM_NESTING

MAXIMUM_TEXT = 16 * 1024
MAXIMUM_ITEMS = 2_000
MAXIMUM_DEPTH = 3 * MAXIMUM_NESTING


class _Unknown:
    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = _Unknown()
Value = Any
"""str, int, float, bool, None, list, dict of these, or UNKNOWN."""


class Definition(msgspec.Struct, frozen=True):
    """What a reference stands for: an expression to evaluate, or a ready value."""

    expression: syntax.Expression | None = None
    value: Value = UNKNOWN


Scope = Mapping[str, Mapping[str, Definition]]
"""`{"var": {"vault": ...}, "local": ..., "release": ..., "os": ...}`."""


class Evaluator:
    """Evaluate expressions in a scope; what is wrong is appended to `problems`."""

    def __init__(self, scope: Scope, problems: list[Problem], *, complete: bool = True) -> None:
        """Take what references may name; of a scope that is not complete, what is not in it is merely unknown."""
        self._complete = complete
        self._scope = scope
        self._problems = problems
        self._known: dict[tuple[str, str], Value] = {}
        self._under_way: list[tuple[str, str]] = []
        self._depth = 0
        self.behind: set[str] = set()
        """The variables that any value evaluated since this was last cleared comes from, through others too."""
        self._behind: dict[tuple[str, str], frozenset[str]] = {}

    def value(self, expression: syntax.Expression) -> Value:
        """Evaluate an expression; UNKNOWN where a problem stands in the way."""
        self._depth += 1
        try:
            if self._depth > MAXIMUM_DEPTH:
                return self._refuse(
                    expression.at, f"references lead more than {MAXIMUM_DEPTH} steps deep", "shorten the chain"
                )
            return self._value(expression)
        finally:
            self._depth -= 1

    def _refuse(self, at: Location, message: str, hint: str = "") -> Value:
        self._problems.append(Problem(message, hint, at))
        return UNKNOWN

    def _value(self, expression: syntax.Expression) -> Value:  # noqa: C901, PLR0911 - one case a kind
        match expression:
            case syntax.Literal(value=value):
                return value
            case syntax.Template():
                return self._template(expression)
            case syntax.ListOf(items=items):
                return self._bounded([self.value(item) for item in items], expression.at)
            case syntax.MapOf():
                return self._map(expression)
            case syntax.Name(name=name):
                return self._bare(name, expression.at)
            case syntax.Member():
                return self._member(expression)
            case syntax.Index():
                return self._index(expression)
            case syntax.Call():
                return self._call(expression)
            case syntax.Conditional():
                return self._conditional(expression)
            case syntax.Comparison(left=left, right=right, equal=equal):
                a, b = self.value(left), self.value(right)
                return UNKNOWN if has_unknown(a) or has_unknown(b) else same(a, b) is equal
            case syntax.Unreadable():
                return UNKNOWN

    def _template(self, expression: syntax.Template) -> Value:
        if len(expression.parts) == 1:
            return self.value(expression.parts[0])
        pieces: list[str] = []
        unknown = False
        for part in expression.parts:
            value = self.value(part)
            if has_unknown(value):
                unknown = True
            elif isinstance(value, list | dict | None):
                self._refuse(
                    part.at, f"{kind_of(value)} cannot stand inside text", "only text, numbers, true and false can"
                )
                unknown = True
            else:
                pieces.append(as_text(value))
        return UNKNOWN if unknown else self._bounded_text(pieces, expression.at)

    def _bounded_text(self, pieces: Iterable[str], at: Location) -> Value:
        pieces = list(pieces)
        if sum(len(piece) for piece in pieces) > MAXIMUM_TEXT:
            return self._refuse(at, f"the text is longer than {MAXIMUM_TEXT} characters")
        return "".join(pieces)

    def _bounded(self, value: list[Value], at: Location) -> Value:
        if too_many(value):
            return self._refuse(at, f"the list holds more than {MAXIMUM_ITEMS} values")
        return value

    def _map(self, expression: syntax.MapOf) -> Value:
        result: dict[str, Value] = {}
        unknown = False
        for key_expression, value_expression in expression.items:
            key, value = self.value(key_expression), self.value(value_expression)
            if has_unknown(key):
                unknown = True
            elif isinstance(key, list | dict | None):
                self._refuse(key_expression.at, f"the key of a map is text, not {kind_of(key)}")
                unknown = True
            elif as_text(key) in result:
                self._refuse(key_expression.at, f'the key "{as_text(key)}" is given twice', "remove one of them")
                unknown = True
            else:
                result[as_text(key)] = value
        if too_many(result):
            return self._refuse(expression.at, f"the map holds more than {MAXIMUM_ITEMS} values")
        return UNKNOWN if unknown else result

    def _bare(self, name: str, at: Location) -> Value:
        if name in self._scope:
            return self._refuse(at, f'"{name}" stands for nothing by itself', f"name a part of it, as in {name}.NAME")
        near = nearest(name, self._scope)
        hint = (
            f'did you mean "{near}"?'
            if near
            else f'for text write "{name}"; references begin with {_listed(self._scope)}'
        )
        return self._refuse(at, f'unknown name "{name}"', hint)

    def _member(self, expression: syntax.Member) -> Value:
        if isinstance(expression.target, syntax.Name):
            root = expression.target.name
            if root in self._scope:
                return self.reference(root, expression.name, expression.at)
            return self._bare(root, expression.at)
        return self._part(self.value(expression.target), expression.name, expression.at)

    def reference(self, root: str, name: str, at: Location | None = None) -> Value:
        """Evaluate `root.name`, once; `at` is where it is said."""
        at = at or Location("")
        key = (root, name)
        if root == "var":
            self.behind.add(name)
        if key in self._known:
            self.behind |= self._behind.get(key, frozenset())
            return self._known[key]
        definition = self._scope[root].get(name)
        if definition is None and not self._complete:
            return UNKNOWN
        if definition is None:
            near = nearest(name, self._scope[root])
            known = _listed(self._scope[root])
            hint = (
                f'did you mean "{root}.{near}"?'
                if near
                else f"known are {known}"
                if known
                else f"there is no {root} at all"
            )
            return self._refuse(at, f'"{root}.{name}" is not defined', hint)
        if key in self._under_way:
            steps = [*self._under_way[self._under_way.index(key) :], key]
            chain = " -> ".join(".".join(step) for step in steps)
            for step in steps:
                self._known[step] = UNKNOWN
            return self._refuse(at, f"cyclic reference: {chain}", "give one of them a value of its own")
        if definition.expression is None:
            self._known[key] = definition.value
            return definition.value
        self._under_way.append(key)
        before, self.behind = self.behind, set()
        value = self.value(definition.expression)
        self._behind[key] = frozenset(self.behind)
        self.behind |= before
        self._under_way.pop()
        return self._known.setdefault(key, value)

    def _index(self, expression: syntax.Index) -> Value:
        if isinstance(expression.target, syntax.Name) and expression.target.name in self._scope:
            name = self.value(expression.key)
            return self.reference(expression.target.name, name, expression.at) if isinstance(name, str) else UNKNOWN
        target, key = self.value(expression.target), self.value(expression.key)
        return UNKNOWN if has_unknown(key) else self._part(target, key, expression.at)

    def _part(self, target: Value, key: Value, at: Location) -> Value:
        if target is UNKNOWN:
            return UNKNOWN
        if isinstance(target, dict) and isinstance(key, str):
            if key in target:
                return target[key]
            near = nearest(key, target)
            return self._refuse(
                at,
                f'the map has no key "{key}"',
                f'did you mean "{near}"?' if near else f"its keys are {_listed(target)}",
            )
        if isinstance(target, list) and type(key) is int:
            if 0 <= key < len(target):
                return target[key]
            return self._refuse(at, f"the list has no item {key}", f"it has {len(target)}, counted from 0")
        return self._refuse(at, f"{kind_of(target)} has no part {as_text(key) if is_scalar(key) else kind_of(key)}")

    def _conditional(self, expression: syntax.Conditional) -> Value:
        test = self.value(expression.test)
        if test is UNKNOWN:
            return UNKNOWN
        if not isinstance(test, bool):
            return self._refuse(expression.test.at, f"a condition is true or false, not {kind_of(test)}")
        return self.value(expression.then if test else expression.otherwise)

    def _call(self, expression: syntax.Call) -> Value:
        function = FUNCTIONS.get(expression.name)
        arguments = [self.value(argument) for argument in expression.arguments]
        if function is None:
            near = nearest(expression.name, FUNCTIONS)
            hint = f'did you mean "{near}"?' if near else f"known are {_listed(FUNCTIONS)}"
            return self._refuse(expression.at, f'unknown function "{expression.name}"', hint)
        if not function.fits(len(arguments)):
            return self._refuse(
                expression.at, f"{expression.name} is called with {_count(len(arguments))}", function.usage
            )
        if any(has_unknown(argument) for argument in arguments):
            return UNKNOWN
        for number, (argument, node) in enumerate(zip(arguments, expression.arguments, strict=True)):
            wanted = function.takes[min(number, len(function.takes) - 1)]
            if not isinstance(argument, wanted) or (isinstance(argument, bool) and wanted is not _ANY):
                message = f"argument {number + 1} of {expression.name} cannot be {kind_of(argument)}"
                return self._refuse(node.at, message, function.usage)
        try:
            result = function.apply(*arguments)
        except ValueError as error:
            return self._refuse(expression.at, f"{expression.name}: {error}", function.usage)
        return self._bounded(result, expression.at) if isinstance(result, list) else result


class Function(msgspec.Struct, frozen=True):
    """A function of the language: how it is used, the types of its arguments, what it does."""

    usage: str
    takes: tuple[tuple[type, ...], ...]
    apply: Callable[..., Value]
    many: bool = False

    def fits(self, count: int) -> bool:
        """Whether it can be called with so many arguments."""
        return count >= 1 if self.many else count == len(self.takes)


def _join(separator: str, items: list[Value]) -> str:
    if not all(is_scalar(item) and item is not None for item in items):
        raise ValueError("the list may hold text, numbers, true and false only")
    texts = [as_text(item) for item in items]
    _limit(sum(map(len, texts)) + len(separator) * len(texts))
    return separator.join(texts)


def _split(separator: str, text: str) -> list[Value]:
    if not separator:
        raise ValueError("the separator is empty")
    return list(text.split(separator))


def _replace(text: str, old: str, new: str) -> str:
    if not old:
        raise ValueError("the text to replace is empty")
    _limit(len(text) + text.count(old) * (len(new) - len(old)))
    return text.replace(old, new)


def _concat(*lists: list[Value]) -> list[Value]:
    return [item for items in lists for item in items]


def _contains(items: list[Value], wanted: Value) -> bool:
    return any(same(item, wanted) for item in items)


def _limit(length: int) -> None:
    if length > MAXIMUM_TEXT:
        raise ValueError(f"the text is longer than {MAXIMUM_TEXT} characters")


_LIST = (list,)
_TEXT = (str,)
_ANY = (object,)
FUNCTIONS: Mapping[str, Function] = {
    "concat": Function("concat(list, ...) puts lists together", (_LIST,), _concat, many=True),
    "contains": Function("contains(list, value) is true or false", (_LIST, _ANY), _contains),
    "join": Function('join(separator, list) gives text, as in join("-", ["a", "b"])', (_TEXT, _LIST), _join),
    "length": Function("length(value) counts items of a list or map, or characters", ((list, dict, str),), len),
    "lower": Function("lower(text) gives small letters", (_TEXT,), str.lower),
    "replace": Function(
        "replace(text, old, new) replaces old by new wherever it stands", (_TEXT, _TEXT, _TEXT), _replace
    ),
    "split": Function('split(separator, text) gives a list, as in split(".", "1.0")', (_TEXT, _TEXT), _split),
    "upper": Function("upper(text) gives capital letters", (_TEXT,), str.upper),
}


def same(a: Value, b: Value) -> bool:
    """Whether two values are equal; a bool equals no number, 1 equals 1.0."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(value, b[key]) for key, value in a.items())
    return bool(a == b)


def has_unknown(value: Value) -> bool:
    """Whether a value is UNKNOWN or holds UNKNOWN."""
    if isinstance(value, list):
        return any(has_unknown(item) for item in value)
    if isinstance(value, dict):
        return any(has_unknown(item) for item in value.values())
    return value is UNKNOWN


def too_many(value: Value) -> bool:
    """Whether a value holds more than MAXIMUM_ITEMS values; counts no further than that."""
    waiting = [value]
    count = 0
    while waiting:
        items = waiting.pop()
        if isinstance(items, list | dict):
            count += len(items)
            if count > MAXIMUM_ITEMS:
                return True
            waiting.extend(items if isinstance(items, list) else items.values())
    return False


def is_scalar(value: Value) -> bool:
    """Whether a value is text, a number, true, false or null."""
    return value is None or isinstance(value, str | int | float)


def as_text(value: Value) -> str:
    """Spell a scalar as it stands inside text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def kind_of(value: Value) -> str:
    """Name what a value is, for messages."""
    names: dict[type, str] = {
        str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a map",
    }  # fmt: skip
    return names.get(type(value), "null")


def nearest(word: str, known: Iterable[str]) -> str:
    """Give the known word that looks most like `word`, or nothing where none is near."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)), "")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _count(number: int) -> str:
    return "no argument" if number == 0 else "1 argument" if number == 1 else f"{number} arguments"
