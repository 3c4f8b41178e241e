"""The toy's package, from its source; `miniboss.release` is that of version 1.0.0."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

SOURCES = Path(__file__).resolve().parents[3] / "example" / "miniboss"

sys.path.insert(0, str(SOURCES / "lib"))
sys.path.insert(0, str(SOURCES.parent / "particle-table"))


def _take_release(version):
    """Make a version's own part the package `miniboss.release`, as its RPM does."""
    folder = SOURCES / "versions" / version
    spec = importlib.util.spec_from_file_location(
        "miniboss.release", folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules["miniboss.release"] = module
    spec.loader.exec_module(module)


_take_release("1.0.0")
