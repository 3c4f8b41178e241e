"""Compare two JSON documents field by field: manifests, configurations, what Apptainer says of an image."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from builder.rebuild.differences.dates import is_date
from builder.rebuild.differences.model import Difference, Kind
from builder.rebuild.differences.text import printable, shortened
from builder.rebuild.taxonomy import Cause
from builder.store.shapes import KEY_ANNOTATION

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=")
Path = tuple[str, ...]
LABELS = ("annotations", "Labels", "labels")
DERIVED = {("config", "digest"), ("config", "size"), ("layers",), ("rootfs",), ("raw_digest",)}
"""What follows from other parts, which are compared themselves."""


@dataclass(frozen=True)
class FieldChange:
    """A field that is not the same; `before` and `after` are None where a document lacks it."""

    path: Path
    before: Any
    after: Any

    @property
    def name(self) -> str:
        """The field as people say it."""
        for label in LABELS:
            if label in self.path[:-1]:
                return f"{'annotation' if label == 'annotations' else 'label'} {printable(self.path[-1])}"
        return printable(".".join(self.path))


def field_changes(before: Any, after: Any, path: Path = ()) -> Iterator[FieldChange]:
    """Compare two decoded documents; lists of NAME=VALUE are compared by name, other lists by place.

    What is lacking is the same as what is empty.
    """
    if before == after and type(before) is type(after):
        return
    if isinstance(before, dict) and after is None:
        after = {}
    elif isinstance(after, dict) and before is None:
        before = {}
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            yield from field_changes(before.get(name), after.get(name), (*path, name))
    elif isinstance(before, list) and isinstance(after, list):
        if _are_variables(before) and _are_variables(after) and _by_name(before) != _by_name(after):
            yield from field_changes(_by_name(before), _by_name(after), path)
        elif len(before) == len(after):
            for number, (one, two) in enumerate(zip(before, after, strict=True)):
                yield from field_changes(one, two, (*path, str(number)))
        else:
            yield FieldChange(path, before, after)
    else:
        yield FieldChange(path, before, after)


def _are_variables(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, str) and VARIABLE.match(value) for value in values)


def _by_name(values: list[str]) -> dict[str, str]:
    return {name: value for name, _, value in (text.partition("=") for text in values)}


def document_differences(part: str, before: Any, after: Any) -> Iterator[Difference]:
    """Compare two documents of an image; what is derived from parts that are compared themselves is left out."""
    for change in field_changes(before, after):
        if any(change.path[: len(derived)] == derived for derived in DERIVED):
            continue
        kind, cause = _judged(part, change)
        yield Difference(
            part=part,
            field=change.name,
            stored=_spelt(change.before),
            rebuilt=_spelt(change.after),
            kind=kind,
            cause=cause,
        )


def _judged(part: str, change: FieldChange) -> tuple[Kind, Cause]:
    """Tell what nature a field is of: what a container does, what is only said of the image, or how it is kept."""
    dates = all(isinstance(value, str) and is_date(value) for value in (change.before, change.after))
    said: Kind = "time" if dates else "metadata"
    if change.path[-1] == KEY_ANNOTATION or change.path[0] == "subject":
        return "container", Cause.CONTENT_IDENTICAL
    if part == "manifest" and change.path[0] != "annotations":
        return "container", Cause.CONTENT_IDENTICAL
    if change.path[0] in {"created", "history", "author"} or any(label in change.path for label in LABELS):
        return said, Cause.METADATA_ONLY
    return "content", Cause.CONTENT_DIFFERS


def _spelt(value: Any) -> str:
    if value is None:
        return ""
    return shortened(printable(value if isinstance(value, str) else json.dumps(value, sort_keys=True)))
