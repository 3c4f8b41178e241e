"""The lock's file beside the recipe: `recipe.lock.json`."""

from __future__ import annotations

from pathlib import Path

import msgspec

from builder.core import documents
from builder.core.errors import InputFailure
from builder.core.files import write_atomically
from builder.lock.model import LOCK_VERSION, Lock

NAME = "recipe.lock.json"


def encode(lock: Lock) -> bytes:
    """Spell a lock; equal locks give equal bytes."""
    return documents.readable(lock)


def write(lock: Lock, path: Path) -> bool:
    """Write a lock whole or not at all; returns whether the file changed."""
    data = encode(lock)
    if path.exists() and path.read_bytes() == data:
        return False
    write_atomically(path, data)
    return True


def read(path: Path) -> Lock | None:
    """Read a lock; None where there is none. Raises InputFailure where it is damaged or of another version."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    hint = "restore it from version control, or make it anew: boss-builder freeze RELEASE --update"
    try:
        version = documents.decode(data, dict[str, msgspec.Raw]).get("version")
        if version is not None and bytes(version) != str(LOCK_VERSION).encode():
            raise InputFailure(
                f"{path} is a lock of version {bytes(version).decode()}; this software reads {LOCK_VERSION}", hint=hint
            )
        return documents.decode(data, Lock)
    except msgspec.DecodeError as error:
        raise InputFailure(f"{path} is not a lock: {error}", hint=hint) from error
