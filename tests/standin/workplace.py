"""A workplace with the project's recipes of real releases, and the stand-in upstream that is served to it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.integration.spine import PROJECT, Ran, Workplace, new_store
from tests.standin.upstream import StandIn, stand_in

TIME_LIMIT = 2000


@dataclass(frozen=True)
class Standing:
    """The workplace, the stand-in, and where it is served."""

    work: Workplace
    upstream: StandIn
    url: str

    def run(self, command: str, release: str, *words: str) -> Ran:
        """Run a command on a release, with the variables that a librarian has set."""
        environment = self.upstream.environment(release, self.url)
        return self.work.run(command, release, *words, environment=environment, time_limit=TIME_LIMIT)


@contextmanager
def standing(folder: Path) -> Iterator[Standing]:
    """Make the stand-in and a workplace in a folder, and serve until the end of the block."""
    work = Workplace(folder / "work")
    ignored = shutil.ignore_patterns("recipe.lock.json", "miniboss*", "tinyel*", "__pycache__")
    shutil.copytree(PROJECT / "recipes", work.recipes, ignore=ignored)
    new_store(work.folder / "images")
    with stand_in(folder) as (upstream, vault):
        yield Standing(work, upstream, vault.url)
