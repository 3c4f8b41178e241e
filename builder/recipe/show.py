"""A recipe as it is understood: every value evaluated, everything inherited in place, defaults filled in."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec

from builder.core.table import columns
from builder.recipe.fields import FileRef
from builder.recipe.language import EXTENDS, BlockType, top_level
from builder.recipe.layout import formatted
from builder.recipe.load import LoadedRecipe
from builder.recipe.model import Component

Place = tuple[str | int, ...]


def as_document(loaded: LoadedRecipe) -> dict[str, Any]:
    """Give a recipe as JSON's types, with every default; a file is `{"recipe": FOLDER, "path": PATH}`.

    `examples` maps each variable for which only an example stands to that example.
    """
    document: dict[str, Any] = _plain(loaded.recipe)
    return document | {"examples": {one.name: _plain(one.example) for one in loaded.to_set}}


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


def as_text(loaded: LoadedRecipe) -> str:
    """Give a recipe as HCL for people to read.

    A file of another recipe is marked with a comment, and so is what comes from an example; comments at the end have
    the components in a table.
    """
    lines = [f"# {line}" for line in _examples(loaded)]
    for name, kind in top_level().items():
        value = getattr(loaded.recipe, name, None)
        for block in value if isinstance(value, tuple) else (value,):
            if isinstance(block, msgspec.Struct):
                lines += ["", *_block(block, kind, loaded, ())]
    if loaded.recipe.component:
        lines += ["", *(f"# {line}" for line in table(loaded))]
    return formatted("\n".join(lines).encode(), "recipe").decode()


def table(loaded: LoadedRecipe) -> list[str]:
    """Give the components as lines of a table: name, version, what brings it, where that is known from."""
    heads = ("component", "version", "part of", "known from")
    return list(columns(heads, [_row(component, loaded) for component in loaded.recipe.component]))


def _row(component: Component, loaded: LoadedRecipe) -> tuple[str, ...]:
    behind = loaded.examples_behind(("component", component.name, "version"))
    version = f"(set {', '.join(behind)})" if behind else component.version
    return component.name, version, component.part_of or "-", component.known_from


def _examples(loaded: LoadedRecipe) -> list[str]:
    if not loaded.to_set:
        return []
    names = ", ".join(one.name for one in loaded.to_set)
    return [f"not to be frozen yet: examples stand for {names}", "boss-builder check says what they are"]


def _block(block: msgspec.Struct, kind: BlockType, loaded: LoadedRecipe, above: Place) -> list[str]:
    tag = block.__struct_config__.tag
    labels = [str(tag)] if kind.variants else [str(getattr(block, name)) for name, _ in kind.labels]
    inside = kind.variants[str(tag)] if kind.variants else kind
    path = (*above, kind.name, *(labels if kind.repeated else ()))
    lines = [" ".join((kind.name, *(_quoted(label) for label in labels), "{"))]
    for name in inside.attributes:
        value = getattr(block, name) if name != EXTENDS else None
        if value not in (None, "", {}):
            lines.append(f"{name} = {hcl_value(value)}{_notes(value, (*path, name), loaded)}")
    for name, nested in inside.blocks.items():
        value = getattr(block, name)
        for one in value if isinstance(value, tuple) else (value,):
            lines += ["", *_block(one, nested, loaded, path)]
    return [*lines, "}"]


def _notes(value: Any, path: Place, loaded: LoadedRecipe) -> str:
    """Name the recipe that a path belongs to, where it is another one, and the examples behind a value."""
    values = value if isinstance(value, tuple) else (value,)
    folder = loaded.recipe.full_name
    others = sorted({item.recipe for item in values if isinstance(item, FileRef) and item.recipe != folder})
    notes = [f"in {', '.join(others)}"] if others else []
    if behind := loaded.examples_behind(path):
        notes.append(f"an example: set {', '.join(behind)}")
    return f" # {'; '.join(notes)}" if notes else ""


def hcl_value(value: Any) -> str:
    """Spell a value as HCL reads it back, over several lines where it is a map or a long list."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, tuple | list):
        items = [hcl_value(item) for item in value]
        flat = ", ".join(items)
        return f"[{flat}]" if len(flat) <= 80 else "[\n" + "".join(f"{item},\n" for item in items) + "]"  # noqa: PLR2004
    if isinstance(value, dict):
        return "{\n" + "".join(f"{_key(key)} = {hcl_value(item)}\n" for key, item in value.items()) + "}"
    return _quoted(value.path if isinstance(value, FileRef) else str(value))


def _key(key: str) -> str:
    return key if key.isidentifier() and key.isascii() else _quoted(key)


def _quoted(text: str) -> str:
    """Spell a text as HCL reads it back."""
    for plain, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(plain, escaped)
    text = text.replace("${", "$${").replace("%{", "%%{")
    return '"' + "".join(c if c.isprintable() or c == " " else f"\\U{ord(c):08x}" for c in text) + '"'
