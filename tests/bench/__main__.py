"""Measure: python -m tests.bench [PART ...]; without a part all of them.

Times are the median of several runs of the whole process, as a person would start it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.bench.auditing import auditing
from tests.bench.booting import boots
from tests.bench.building import os_stage, rebuilding, store_size, three_shapes, whole_build
from tests.bench.figures import Figure, Place
from tests.bench.sharing import sharing
from tests.bench.starting import demonstration, start_up
from tests.bench.toy import toy_chain

PARTS: dict[str, Callable[[Place], Iterator[Figure]]] = {
    "start-up": start_up,
    "toy": toy_chain,
    "store": store_size,
    "boot": boots,
    "os": os_stage,
    "shapes": three_shapes,
    "build": whole_build,
    "rebuild": rebuilding,
    "sharing": sharing,
    "audit": auditing,
    "demo": demonstration,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every figure as it is measured; with --json all of them at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", metavar="PART", nargs="*", help=f"what to measure: {', '.join(PARTS)}")
    parser.add_argument("--json", action="store_true", help="print one JSON document at the end")
    parser.add_argument("--folder", type=Path, help="where to measure: on the disk that is meant")
    given = parser.parse_args(arguments)
    unknown = sorted(set(given.parts) - PARTS.keys())
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    folder = Path(tempfile.mkdtemp(prefix="boss-builder-bench-", dir=given.folder))
    figures = []
    try:
        place = Place(folder)
        for part in given.parts or PARTS:
            for figure in PARTS[part](place):
                figures.append(figure)
                print(figure, file=sys.stderr if given.json else sys.stdout, flush=True)
    finally:
        shutil.rmtree(folder)
    if given.json:
        shown = [{"name": f.name, "value": f.value, "goal": f.goal, "unit": f.unit, "met": f.is_met} for f in figures]
        print(json.dumps(shown, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
