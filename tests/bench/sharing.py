"""What a second release of a system costs, when the first is there: its base is built and stored once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, Place, timed_once
from tests.standin.workplace import Standing, standing

FIRST, SECOND = "boss-6.6.5.p01", "boss-7.0.5"


def sharing(place: Place) -> Iterator[Figure]:
    """Two releases of Enterprise Linux 6, from the stand-in upstream: the second against the first, time and bytes."""
    folder = place.new("sharing")
    folder.mkdir()
    with standing(folder) as here:
        taken = {}
        for release in (FIRST, SECOND):
            before = _size(here.work.store.path)
            freezing = timed_once(lambda release=release: _run(here, "freeze", release))
            root = timed_once(lambda release=release: _run(here, "build", release, "--image", "oci"))
            stored = _size(here.work.store.path)
            others = timed_once(lambda release=release: _run(here, "build", release))
            taken[release] = (freezing + root, stored - before, others, _size(here.work.store.path) - stored)
    first, second = taken[FIRST], taken[SECOND]
    yield Figure(f"{FIRST}, stand-in: freeze and OCI image", first[0])
    yield Figure("second release of EL6 / first: time, inputs and OCI image", second[0] / first[0], 0.2, "")
    yield Figure("second release of EL6 / first: bytes, inputs and OCI image", second[1] / first[1], 0.2, "")
    yield Figure("second release of EL6 / first: time, SIF and disk", second[2] / first[2], unit="")
    yield Figure("second release of EL6 / first: bytes, SIF and disk", second[3] / first[3], unit="")


def _run(here: Standing, command: str, release: str, *words: str) -> None:
    ran = here.run(command, release, *words)
    if ran.code != 0:
        raise SystemExit(ran.err)


def _size(store: Path) -> int:
    """Bytes of the blobs of a store."""
    return sum(entry.stat().st_size for entry in os.scandir(store / "blobs" / "sha256"))
