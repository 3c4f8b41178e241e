"""An RPM repository's metadata and keys, as they were fetched."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.freeze.metadata import Contents
from builder.freeze.resolving import Asked


@dataclass(frozen=True)
class Fetched:
    """A repository's metadata and keys, on disk."""

    asked: Asked
    contents: Contents
    metadata: dict[str, Path]
    signature: Path | None
    keys: dict[str, Path]
    folder: Path
