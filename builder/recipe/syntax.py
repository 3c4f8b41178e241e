"""The shape of a recipe's text: blocks, attributes and expressions, each with its place. Nothing is evaluated here."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from builder.core.errors import Location

Scalar = str | int | float | bool | None


class Literal(msgspec.Struct, frozen=True):
    """A number, `true`, `false`, `null`, or text without anything interpolated."""

    at: Location
    value: Scalar


class Template(msgspec.Struct, frozen=True):
    """Text with `${...}` in it; the literal pieces are `Literal`s of text."""

    at: Location
    parts: tuple[Expression, ...]


class ListOf(msgspec.Struct, frozen=True):
    """`[a, b]`."""

    at: Location
    items: tuple[Expression, ...]


class MapOf(msgspec.Struct, frozen=True):
    """`{ key = value }`; keys are texts."""

    at: Location
    items: tuple[tuple[Expression, Expression], ...]


class Name(msgspec.Struct, frozen=True):
    """A bare word, as the `var` of `var.vault`."""

    at: Location
    name: str


class Member(msgspec.Struct, frozen=True):
    """`target.name`."""

    at: Location
    target: Expression
    name: str


class Index(msgspec.Struct, frozen=True):
    """`target[key]`."""

    at: Location
    target: Expression
    key: Expression


class Call(msgspec.Struct, frozen=True):
    """`name(arguments)`."""

    at: Location
    name: str
    arguments: tuple[Expression, ...]


class Conditional(msgspec.Struct, frozen=True):
    """`test ? then : otherwise`."""

    at: Location
    test: Expression
    then: Expression
    otherwise: Expression


class Comparison(msgspec.Struct, frozen=True):
    """`left == right`, or `left != right` where `equal` is false."""

    at: Location
    left: Expression
    right: Expression
    equal: bool


class Unreadable(msgspec.Struct, frozen=True):
    """An expression that was refused, with a problem that has been reported."""

    at: Location


Expression = Literal | Template | ListOf | MapOf | Name | Member | Index | Call | Conditional | Comparison | Unreadable


class Attribute(msgspec.Struct, frozen=True):
    """`name = value`."""

    at: Location
    name: str
    value: Expression


class Label(msgspec.Struct, frozen=True):
    """A label of a block."""

    at: Location
    text: str


class Block(msgspec.Struct, frozen=True):
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


class Body(msgspec.Struct, frozen=True):
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
