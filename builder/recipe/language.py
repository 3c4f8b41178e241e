"""The language as a table: which blocks there are and what stands in them, read from the types in `model`.

Only what an evaluated recipe no longer holds is described here: `base`, `variable`, `locals`, `extends`.
"""

from __future__ import annotations

import types
import typing
from datetime import date
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import Meta

from builder.recipe import fields, model

MISSING: Any = msgspec.NODEFAULT
"""The default of an attribute that must be given."""


class TextKind(msgspec.Struct, frozen=True):
    """Text; `pattern` and `choices` narrow it."""

    description: str = ""
    pattern: str = ""
    minimum: int = 0
    choices: tuple[str, ...] = ()


class UrlKind(msgspec.Struct, frozen=True):
    """An http or https address."""

    description: str
    pattern: str


class SizeKind(msgspec.Struct, frozen=True):
    """Text that is a size, as `8GiB`; the bounds are bytes, both included."""

    pattern: str
    minimum: int
    maximum: int


class PathKind(msgspec.Struct, frozen=True):
    """A path inside the recipe's folder, to a `file` or a `folder`."""

    shape: str


class NumberKind(msgspec.Struct, frozen=True):
    """A whole number between bounds, both included."""

    minimum: int | None = None
    maximum: int | None = None


class RealKind(msgspec.Struct, frozen=True):
    """A number, whole or not, above `above` and between the other bounds, which are included."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None


class BoolKind(msgspec.Struct, frozen=True):
    """`true` or `false`."""


class DateKind(msgspec.Struct, frozen=True):
    """A day, as text: YYYY-MM-DD."""


class AnyKind(msgspec.Struct, frozen=True):
    """Whatever an expression gives."""


class ListKind(msgspec.Struct, frozen=True):
    """A list of one kind of item, at least `minimum` of them."""

    item: Kind
    minimum: int = 0


class MapKind(msgspec.Struct, frozen=True):
    """A map from names to texts."""

    key: TextKind
    value: Kind


class PathOrUrlKind(msgspec.Struct, frozen=True):
    """Text that begins with http:// or https:// is an address, other text is a path."""

    path: PathKind
    url: UrlKind


Kind = (
    TextKind | UrlKind | SizeKind | PathKind | NumberKind | RealKind | BoolKind | DateKind | AnyKind | ListKind
    | MapKind | PathOrUrlKind
)  # fmt: skip


class AttributeType(msgspec.Struct, frozen=True):
    """An attribute: its kind, its default (or MISSING) and what it is for."""

    name: str
    kind: Kind
    default: Any
    description: str

    @property
    def required(self) -> bool:
        """Whether it must be given."""
        return self.default is MISSING


class BlockType(msgspec.Struct, frozen=True):
    """A block: its labels (name and kind), what may stand in it, and the model's type that it becomes.

    `repeated` blocks may come many times with different labels. A block with `variants` has one label that says which
    of them it is.
    """

    name: str
    description: str
    labels: tuple[tuple[str, Kind], ...]
    attributes: dict[str, AttributeType]
    blocks: dict[str, BlockType]
    required: bool
    repeated: bool
    becomes: type[msgspec.Struct] | None
    variants: dict[str, BlockType]
    free: bool = False
    """Whether any attribute may stand in it (`locals`)."""


EXTENDS = "extends"
_EXTENDS = AttributeType(
    EXTENDS, TextKind("the name of a folder under recipes/", fields.NAME), None, "the recipe that this one builds on"
)


class _Base(msgspec.Struct, frozen=True, kw_only=True):
    """`base "NAME" { ... }`: something to extend; no release by itself."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: fields.Name
    title: fields.Text


class _Variable(msgspec.Struct, frozen=True, kw_only=True):
    """`variable "NAME" { ... }`: a value that is set from outside, read as `var.NAME`."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Annotated[str, Meta(pattern=fields.VARIABLE, description="letters, digits and _, the first not a digit")]
    description: Annotated[str, Meta(description="what it is, for whoever must set it")] = ""
    default: Annotated[Any, Meta(description="the value where none is set")] = None
    example: Annotated[
        Any, Meta(description="what `check` and `show` take where there is neither; nothing is frozen with it")
    ] = None


@cache
def top_level() -> dict[str, BlockType]:
    """Give every block that may stand at the top of a recipe, in the order of the model."""
    blocks = dict(_struct(model.Recipe, "recipe", required=True, repeated=False).blocks)
    release = blocks["release"]
    blocks["release"] = _with_extends(release)
    base = _with_extends(_struct(_Base, "base", required=False, repeated=False))
    variable = _struct(_Variable, "variable", required=False, repeated=True)
    local = BlockType(
        "locals", "`locals { NAME = value }`: names for values, read as `local.NAME`.", (), {}, {},
        required=False, repeated=False, becomes=None, variants={}, free=True,
    )  # fmt: skip
    first = {"release": blocks.pop("release"), "base": base, "variable": variable, "locals": local}
    return first | blocks


def _with_extends(block: BlockType) -> BlockType:
    attributes = {EXTENDS: _EXTENDS} | block.attributes
    return BlockType(
        block.name, block.description, block.labels, attributes, block.blocks,
        required=block.required, repeated=block.repeated, becomes=block.becomes, variants={},
    )  # fmt: skip


def _struct(struct: type[msgspec.Struct], name: str, *, required: bool, repeated: bool) -> BlockType:
    attributes: dict[str, AttributeType] = {}
    blocks: dict[str, BlockType] = {}
    labels: dict[str, Kind] = {}
    for field in msgspec.structs.fields(struct):
        kind, _ = _plain(field.type)
        default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
        if field.name in getattr(struct, "labels", ()):
            labels[field.name] = _kind(field.type)
        elif nested := _nested(kind):
            blocks[field.name] = _block(field.name, nested, required=field.required, repeated=_is_list(kind))
        else:
            attributes[field.name] = AttributeType(field.name, _kind(field.type), default, _description(field.type))
    return BlockType(
        name, (struct.__doc__ or "").strip(), tuple(labels.items()), attributes, blocks,
        required=required, repeated=repeated, becomes=struct, variants={},
    )  # fmt: skip


def _block(name: str, structs: tuple[type[msgspec.Struct], ...], *, required: bool, repeated: bool) -> BlockType:
    variants = {str(s.__struct_config__.tag): s for s in structs if s.__struct_config__.tag is not None}
    if not variants:
        return _struct(structs[0], name, required=required, repeated=repeated)
    label = str(structs[0].__struct_config__.tag_field)
    return BlockType(
        name, f'`{name} "{label.upper()}" {{ ... }}`: one of {", ".join(variants)}.',
        ((label, TextKind(choices=tuple(variants))),),
        {}, {}, required=required, repeated=repeated, becomes=None,
        variants={tag: _struct(s, name, required=required, repeated=repeated) for tag, s in variants.items()},
    )  # fmt: skip


def _plain(annotation: Any) -> tuple[Any, tuple[Meta, ...]]:
    """Split an annotation into the type and its Metas, innermost first, without `None` among the choices."""
    metas: tuple[Meta, ...] = ()
    while True:
        if typing.get_origin(annotation) is Annotated:
            annotation, *more = typing.get_args(annotation)
            metas = (*more, *metas)
            continue
        members = _members(annotation)
        rest = [member for member in members if member is not types.NoneType]
        if len(rest) == 1 and len(members) == 2:  # noqa: PLR2004 - X | None
            annotation = rest[0]
            continue
        return annotation, metas


def _members(annotation: Any) -> tuple[Any, ...]:
    return typing.get_args(annotation) if typing.get_origin(annotation) in {typing.Union, types.UnionType} else ()


def _is_list(annotation: Any) -> bool:
    return typing.get_origin(annotation) is tuple


def _nested(annotation: Any) -> tuple[type[msgspec.Struct], ...]:
    """Give the block types that an annotation stands for: `Os`, `tuple[Image, ...]`, `TarballSource | RpmSource`."""
    one = typing.get_args(annotation)[0] if _is_list(annotation) else annotation
    candidates = _members(one) or (one,)
    structs = tuple(c for c in candidates if isinstance(c, type) and issubclass(c, msgspec.Struct))
    return structs if structs and fields.FileRef not in structs else ()


def _description(annotation: Any) -> str:
    return next((meta.description for meta in reversed(_plain(annotation)[1]) if meta.description), "")


def _kind(annotation: Any) -> Kind:  # noqa: PLR0911 - a table of types
    plain, metas = _plain(annotation)
    origin, arguments = typing.get_origin(plain), typing.get_args(plain)
    if origin is tuple:
        return ListKind(_kind(arguments[0]), next((m.min_length for m in metas if m.min_length), 0))
    if origin is dict:
        key, value = (_kind(argument) for argument in arguments)
        assert isinstance(key, TextKind)  # noqa: S101 - JSON and HCL have no other keys
        return MapKind(key, value)
    if origin is Literal:
        return TextKind(choices=tuple(arguments))
    if len(members := _members(plain)) == 2:  # noqa: PLR2004 - the one union of attributes: a file or an address
        path, url = (_kind(member) for member in members)
        assert isinstance(path, PathKind)  # noqa: S101
        assert isinstance(url, UrlKind)  # noqa: S101
        return PathOrUrlKind(path, url)
    if plain is fields.FileRef:
        return PathKind(next(m.extra["shape"] for m in metas if m.extra))
    if plain is str:
        return _text_kind(metas)
    if plain is bool:
        return BoolKind()
    if plain is int:
        return _number_kind(metas)
    if plain is float:
        return _real_kind(metas)
    return DateKind() if plain is date else AnyKind()


def _text_kind(metas: tuple[Meta, ...]) -> Kind:
    description = next((m.description for m in metas if m.description), "")
    pattern = next((m.pattern for m in metas if m.pattern), "")
    if any((m.extra_json_schema or {}).get("format") == "uri" for m in metas):
        return UrlKind(description, pattern)
    bounds = next((m.extra for m in metas if m.extra), None)
    if bounds:
        return SizeKind(pattern, bounds["minimum"], bounds["maximum"])
    return TextKind(description, pattern, next((m.min_length for m in metas if m.min_length), 0))


def _number_kind(metas: tuple[Meta, ...]) -> NumberKind:
    minimum: int | None = None
    maximum: int | None = None
    for meta in metas:
        if meta.ge is not None:
            minimum = int(meta.ge)
        if meta.gt is not None:
            minimum = int(meta.gt) + 1
        if meta.le is not None:
            maximum = int(meta.le)
        if meta.lt is not None:
            maximum = int(meta.lt) - 1
    return NumberKind(minimum, maximum)


def _real_kind(metas: tuple[Meta, ...]) -> RealKind:
    def bound(name: str) -> float | None:
        return next((value for meta in metas if (value := getattr(meta, name)) is not None), None)

    if bound("lt") is not None:
        raise NotImplementedError("no attribute has an exclusive upper bound; add it to RealKind with the first one")
    return RealKind(bound("ge"), bound("le"), bound("gt"))
