"""A recipe as it is understood: every value evaluated, everything inherited in place, defaults filled in."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from builder.recipe.fields import FileRef
from builder.recipe.language import EXTENDS, BlockType, top_level
from builder.recipe.layout import formatted
from builder.recipe.model import Recipe


def as_document(recipe: Recipe) -> dict[str, Any]:
    """Give a recipe as JSON's types, with every default; a file is `{"recipe": FOLDER, "path": PATH}`."""
    document: dict[str, Any] = _plain(recipe)
    return document


def _plain(value: Any) -> Any:
    if isinstance(value, msgspec.Struct):
        tag = value.__struct_config__.tag
        fields = {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
        return fields if tag is None else {str(value.__struct_config__.tag_field): tag} | fields
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value.isoformat() if isinstance(value, date) else value


def as_text(recipe: Recipe) -> str:
    """Give a recipe as HCL for people to read; a file of another recipe is marked with a comment."""
    lines: list[str] = []
    folder = recipe.full_name
    for name, kind in top_level().items():
        value = getattr(recipe, name, None)
        for block in value if isinstance(value, tuple) else (value,):
            if isinstance(block, msgspec.Struct):
                lines += ["", *_block(block, kind, folder)]
    return formatted("\n".join(lines).encode(), "recipe").decode()


def _block(block: msgspec.Struct, kind: BlockType, folder: str) -> list[str]:
    tag = block.__struct_config__.tag
    labels = [str(tag)] if kind.variants else [str(getattr(block, name)) for name, _ in kind.labels]
    inside = kind.variants[str(tag)] if kind.variants else kind
    lines = [" ".join((kind.name, *(_quoted(label) for label in labels), "{"))]
    for name in inside.attributes:
        value = getattr(block, name) if name != EXTENDS else None
        if value not in (None, "", {}):
            lines.append(f"{name} = {_value(value)}{_origin(value, folder)}")
    for name, nested in inside.blocks.items():
        value = getattr(block, name)
        for one in value if isinstance(value, tuple) else (value,):
            lines += ["", *_block(one, nested, folder)]
    return [*lines, "}"]


def _origin(value: Any, folder: str) -> str:
    """Name the recipe that a path belongs to, where it is another one."""
    values = value if isinstance(value, tuple) else (value,)
    others = sorted({item.recipe for item in values if isinstance(item, FileRef) and item.recipe != folder})
    return f" # in {', '.join(others)}" if others else ""


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple):
        items = [_value(item) for item in value]
        flat = ", ".join(items)
        return f"[{flat}]" if len(flat) <= 80 else "[\n" + "".join(f"{item},\n" for item in items) + "]"  # noqa: PLR2004
    if isinstance(value, dict):
        return "{\n" + "".join(f"{key} = {_value(item)}\n" for key, item in value.items()) + "}"
    return _quoted(value.path if isinstance(value, FileRef) else str(value))


def _quoted(text: str) -> str:
    """Spell a text as HCL reads it back."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    text = text.replace("${", "$${").replace("%{", "%%{")
    return '"' + "".join(c if c.isprintable() or c == " " else f"\\U{ord(c):08x}" for c in text) + '"'
