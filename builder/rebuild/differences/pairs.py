"""Look into files that differ: with what is here, and with diffoscope where the host has it."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from builder.core.errors import Failure
from builder.core.process import run
from builder.core.progress import Progress
from builder.rebuild.differences.contents import Looked, look_into
from builder.rebuild.differences.text import printable

PAIRS = 40
"""Files that are taken out of the images and looked into."""
LARGEST = 256 << 20
"""Bytes of the largest file that is."""
WITH_DIFFOSCOPE = 5
DIFFOSCOPE_LIMIT = 120
DIFFOSCOPE_LETTERS = 4000
SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")


@dataclass(frozen=True)
class Pair:
    """Two contents of one path, as files."""

    name: str
    stored: Path
    rebuilt: Path


def new_pair(folder: Path, number: int, path: str) -> Pair:
    """Name the files of a pair in a folder: nothing of an image's path but a plain suffix gets into their names."""
    suffix = SUFFIX.search(path)
    tail = suffix[0] if suffix else ""
    return Pair(path, folder / f"{number}-stored{tail}", folder / f"{number}-rebuilt{tail}")


class Looker:
    """Looks into pairs; the first few are shown to diffoscope too."""

    def __init__(self, progress: Progress) -> None:
        """Look whether diffoscope is there."""
        self._left = WITH_DIFFOSCOPE if shutil.which("diffoscope") else 0
        self._progress = progress

    def look(self, pair: Pair) -> Looked:
        """Tell in what the contents of a pair differ."""
        looked = look_into(pair.name, pair.stored, pair.rebuilt)
        if not self._left:
            return looked
        self._left -= 1
        return Looked(looked.kind, f"{looked.detail}\n{self._diffoscope(pair)}")

    def _diffoscope(self, pair: Pair) -> str:
        with self._progress.task(f"diffoscope {pair.name}"):
            try:
                done = run(
                    ["diffoscope", "--no-progress", "--text-color", "never", "--text", "-",
                     pair.stored.name, pair.rebuilt.name],
                    time_limit=DIFFOSCOPE_LIMIT, check=False, cwd=pair.stored.parent,
                    environment={"TMPDIR": str(pair.stored.parent)},  # what it leaves when it is stopped goes too
                )  # fmt: skip
            except Failure as failure:
                return f"diffoscope: {failure.problems[0].message}"
        said = done.stdout if done.returncode in {0, 1} else done.stderr
        lines = "\n".join(printable(line) for line in said[:DIFFOSCOPE_LETTERS].splitlines())
        return f"diffoscope:\n{lines}" + ("\n..." if len(said) > DIFFOSCOPE_LETTERS else "")
