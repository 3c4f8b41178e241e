"""JSON documents with one spelling: the same value gives the same bytes, always."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

T = TypeVar("T")


def compact(value: Any) -> bytes:
    """Encode for machines: keys sorted, no spaces. This is what digests are taken of."""
    return msgspec.json.encode(value, order="sorted", enc_hook=_plain)


def _plain(value: object) -> str:
    """Give a kind of string (a Digest) as the plain string that it is; msgspec knows only `str` itself."""
    if isinstance(value, str):
        return str(value)
    raise NotImplementedError(f"{type(value).__name__} has no spelling in JSON")


def readable(value: Any) -> bytes:
    """Encode for people and diffs: keys sorted, two spaces, a newline at the end."""
    return msgspec.json.format(compact(value), indent=2) + b"\n"


def decode(data: bytes, kind: type[T]) -> T:
    """Decode into a typed value.

    Raises msgspec.DecodeError (not JSON, no UTF-8, nested too deeply) or its subclass ValidationError (JSON of
    another shape).
    """
    try:
        return msgspec.json.decode(data, type=kind)
    except RecursionError as error:
        raise msgspec.DecodeError("it is nested too deeply") from error
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"it is no UTF-8: {error.reason}") from error
