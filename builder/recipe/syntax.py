"""The shape of a recipe's text: blocks, attributes and expressions, each with its place. Nothing is evaluated here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from builder.core.errors import Location

Scalar = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, `true`, `false`, `null`, or text without anything interpolated."""

    at: Location
    value: Scalar


@dataclass(frozen=True, slots=True)
class Template:
    """Text with `${...}` in it; the literal pieces are `Literal`s of text."""

    at: Location
    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class ListOf:
    """`[a, b]`."""

    at: Location
    items: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class MapOf:
    """`{ key = value }`; keys are texts."""

    at: Location
    items: tuple[tuple[Expression, Expression], ...]


@dataclass(frozen=True, slots=True)
class Name:
    """A bare word, as the `var` of `var.vault`."""

    at: Location
    name: str


@dataclass(frozen=True, slots=True)
class Member:
    """`target.name`."""

    at: Location
    target: Expression
    name: str


@dataclass(frozen=True, slots=True)
class Index:
    """`target[key]`."""

    at: Location
    target: Expression
    key: Expression


@dataclass(frozen=True, slots=True)
class Call:
    """`name(arguments)`."""

    at: Location
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Conditional:
    """`test ? then : otherwise`."""

    at: Location
    test: Expression
    then: Expression
    otherwise: Expression


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left == right`, or `left != right` where `equal` is false."""

    at: Location
    left: Expression
    right: Expression
    equal: bool


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An expression that was refused, with a problem that has been reported."""

    at: Location


Expression = Literal | Template | ListOf | MapOf | Name | Member | Index | Call | Conditional | Comparison | Unreadable


@dataclass(frozen=True, slots=True)
class Attribute:
    """`name = value`."""

    at: Location
    name: str
    value: Expression


@dataclass(frozen=True, slots=True)
class Label:
    """A label of a block."""

    at: Location
    text: str


@dataclass(frozen=True, slots=True)
class Block:
    """`type "label" { ... }`."""

    at: Location
    type: str
    labels: tuple[Label, ...]
    body: Body

    @property
    def key(self) -> tuple[str, ...]:
        """Type and labels: what makes a block the same block."""
        return (self.type, *(label.text for label in self.labels))

    def __str__(self) -> str:
        """Give `type "label"`, as messages name it."""
        return " ".join((self.type, *(f'"{label.text}"' for label in self.labels)))


@dataclass(frozen=True, slots=True)
class Body:
    """What stands between braces, or in a file, in the order of the text."""

    items: tuple[Attribute | Block, ...]

    @property
    def attributes(self) -> Iterator[Attribute]:
        """The attributes alone."""
        return (item for item in self.items if isinstance(item, Attribute))

    @property
    def blocks(self) -> Iterator[Block]:
        """The blocks alone."""
        return (item for item in self.items if isinstance(item, Block))
