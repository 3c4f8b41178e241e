"""Decode JSON that may be damaged in any way."""

from __future__ import annotations

from typing import TypeVar

from builder.core import documents

T = TypeVar("T")


def decoded(data: bytes, kind: type[T]) -> T:
    """Decode into a typed value. Raises ValueError for whatever is none: no JSON, another shape, no UTF-8, too deep."""
    try:
        return documents.decode(data, kind)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
