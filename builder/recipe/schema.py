"""The language as JSON Schema 2020-12, for editors and for other programs.

It describes a recipe as HCL's JSON syntax writes it (hashicorp/hcl, json/spec.md): a block is an object, each label one
more object around it, an expression a text with `${...}`. What a recipe may inherit is not required here; `check`
judges whole recipes.
"""

from __future__ import annotations

from typing import Any

from builder.recipe.fields import FILE_PATH
from builder.recipe.language import (
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
    top_level,
)

_EXPRESSION = {"$ref": "#/$defs/expression"}
_NOT_INHERITED = {"release", "base", "source"}

Schema = dict[str, Any]


def schema() -> Schema:
    """Give the JSON Schema of a recipe."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "recipe of boss-builder",
        "description": "a recipe in HCL's JSON syntax",
        "type": "object",
        "properties": {name: _labelled(block) for name, block in top_level().items()},
        "additionalProperties": False,
        "oneOf": [{"required": ["release"]}, {"required": ["base"]}],
        "$defs": {"expression": {"description": "text with ${...} in it", "type": "string", "pattern": r"\$\{"}},
    }


def _labelled(block: BlockType) -> Schema:
    """Wrap a block into one object for each label."""
    if block.variants:
        properties = {tag: _body(variant) for tag, variant in block.variants.items()}
        labelled: Schema = {
            "description": block.description, "type": "object", "properties": properties,
            "additionalProperties": False, "minProperties": 1,
        }  # fmt: skip
        return labelled if block.repeated else labelled | {"maxProperties": 1}
    inner = _body(block)
    for _, kind in reversed(block.labels):
        inner = {"type": "object", "propertyNames": _kind(kind), "additionalProperties": inner, "minProperties": 1}
        if not block.repeated:
            inner["maxProperties"] = 1
    return inner | {"description": block.description}


def _body(block: BlockType) -> Schema:
    if block.free:
        return {"type": "object"}
    properties = {name: _attribute(attribute) for name, attribute in block.attributes.items()}
    properties |= {name: _labelled(nested) for name, nested in block.blocks.items()}
    result: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if block.name in _NOT_INHERITED:
        required = sorted(name for name, attribute in block.attributes.items() if attribute.required)
        result |= {"required": required} if required else {}
    return result


def _attribute(attribute: AttributeType) -> Schema:
    result: Schema = {"anyOf": [_kind(attribute.kind), _EXPRESSION]}
    if attribute.description:
        result["description"] = attribute.description
    if not attribute.required and attribute.default not in (None, (), {}, ""):
        default = attribute.default
        result["default"] = list(default) if isinstance(default, tuple) else default
    return result


def _kind(kind: Kind) -> Schema:  # noqa: C901, PLR0911, PLR0912 - one for each kind
    match kind:
        case TextKind():
            result: Schema = {"type": "string"}
            if kind.choices:
                result["enum"] = list(kind.choices)
            if kind.pattern:
                result["pattern"] = kind.pattern
            if kind.minimum:
                result["minLength"] = kind.minimum
            return result
        case UrlKind():
            return {"type": "string", "format": "uri", "pattern": kind.pattern}
        case SizeKind():
            return {"type": "string", "pattern": kind.pattern}
        case PathKind():
            return {"type": "string", "pattern": FILE_PATH, "description": f"a {kind.shape} beside the recipe"}
        case PathOrUrlKind():
            return {"anyOf": [_kind(kind.url), _kind(kind.path)]}
        case BoolKind():
            return {"type": "boolean"}
        case DateKind():
            return {"type": "string", "format": "date"}
        case NumberKind():
            bounds = {"minimum": kind.minimum, "maximum": kind.maximum}
            return {"type": "integer"} | {name: bound for name, bound in bounds.items() if bound is not None}
        case RealKind():
            limits = {"minimum": kind.minimum, "maximum": kind.maximum, "exclusiveMinimum": kind.above}
            return {"type": "number"} | {name: bound for name, bound in limits.items() if bound is not None}
        case ListKind():
            items: Schema = {"type": "array", "items": {"anyOf": [_kind(kind.item), _EXPRESSION]}}
            return items | ({"minItems": kind.minimum} if kind.minimum else {})
        case MapKind():
            return {
                "type": "object", "propertyNames": _kind(kind.key),
                "additionalProperties": {"anyOf": [_kind(kind.value), _EXPRESSION]},
            }  # fmt: skip
        case _:
            return {}
