"""JSON documents with one spelling: the same value gives the same bytes, always."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def compact(value: Any) -> bytes:
    """Encode for machines: keys sorted, no spaces. This is what digests are taken of."""
    return msgspec.json.encode(value, order="sorted")


def readable(value: Any) -> bytes:
    """Encode for people and diffs: keys sorted, two spaces, a newline at the end."""
    return msgspec.json.format(compact(value), indent=2) + b"\n"


def decode(data: bytes, kind: type[T]) -> T:
    """Decode into a typed value.

    Raises msgspec.DecodeError (not JSON) or its subclass ValidationError (JSON of another shape).
    """
    return msgspec.json.decode(data, type=kind)
