"""How long the quick commands take, and a cold start: the demonstration in a fresh clone."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator

from tests.bench.figures import Figure, Place, command, timed
from tests.integration.spine import MINIBOSS, PROJECT


def start_up(place: Place) -> Iterator[Figure]:
    """How long the quick commands take."""
    work = place.work
    yield Figure("boss-builder --help", timed(command(work, "--help")), 0.15)
    yield Figure(f"boss-builder check {MINIBOSS}", timed(command(work, "check", MINIBOSS)), 0.3)
    yield Figure(f"boss-builder build {MINIBOSS}, nothing to do", timed(command(work, "build", MINIBOSS)), 1.0)
    yield Figure(f"boss-builder freeze {MINIBOSS}, nothing to do", timed(command(work, "freeze", MINIBOSS)))
    yield Figure("boss-builder list", timed(command(work, "list")), 0.5)


def demonstration(place: Place) -> Iterator[Figure]:
    """`make demo` in a fresh clone with empty caches, and again. Debian packages and the engine are there already."""
    clone = place.new("clone")
    subprocess.run(["git", "clone", "--quiet", PROJECT, clone], check=True)
    environment = {
        k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "PYTHONDONTWRITEBYTECODE")
    }
    for name, goal in (("cold", 720), ("warm", None)):
        started = time.perf_counter()
        done = subprocess.run(["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(done.stderr[-2000:] + done.stdout[-2000:])
        yield Figure(f"make demo, {name}", time.perf_counter() - started, goal)
