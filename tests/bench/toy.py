"""The toy detector of the example releases."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator

from example.chain import Installed, Sample, run
from tests.bench.figures import PAIRS, Figure, Place, timed


def toy_chain(place: Place) -> Iterator[Figure]:
    """The toy's ee events from generation to histograms, with all files written, on one core: 20,000 a second."""
    events = 100_000
    folder = place.new("toy")
    installed = Installed.lay_out("1.0.0", folder)
    runs = itertools.count()

    def chain() -> None:
        run(installed, {"ee": Sample("ee", events, 1)}, folder / f"run-{next(runs)}")

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield Figure(f"toy: {events:,} ee events, one core", timed(chain, PAIRS), events / 20_000)
    finally:
        os.sched_setaffinity(0, cores)
