"""The toy's package, from its source; the modules that differ from version to version are those of 1.0.0."""

from __future__ import annotations

import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[3] / "example" / "miniboss"

sys.dont_write_bytecode = True
sys.path.insert(0, str(SOURCES / "lib"))
sys.path.insert(0, str(SOURCES.parent / "particle-table"))

import miniboss  # noqa: E402 - the path above is needed first

miniboss.__path__.append(str(SOURCES / "versions" / "1.0.0"))
