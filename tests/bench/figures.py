"""What a figure is, and how times and memory are measured."""

from __future__ import annotations

import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from builder.engine.engine import connect
from tests.integration.spine import COMMAND, Workplace, miniboss

REPEATS = 9
PAIRS = 3


@dataclass(frozen=True)
class Figure:
    """One measured figure: its value, what it should be at most (or at least), and its unit."""

    name: str
    value: float
    goal: float | None = None
    unit: str = "s"
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    def __str__(self) -> str:
        """Give one line of the table."""
        sense = "least" if self.at_least else "most"
        goal = "" if self.goal is None else f"(goal: at {sense} {self.goal:g}{f' {self.unit}' if self.unit else ''})"
        verdict = {None: "", True: "met", False: "MISSED"}[self.is_met]
        return f"{self.name:58} {self.value:9.3f} {self.unit:4} {goal:26} {verdict}".rstrip()


@dataclass(frozen=True)
class Place:
    """Where figures are measured: a folder that is removed at the end, and the example release, made when needed."""

    folder: Path

    @cached_property
    def work(self) -> Workplace:
        """The example release miniboss, frozen and built."""
        return miniboss()

    def new(self, name: str) -> Path:
        """Name a folder that is not there yet."""
        return next(path for n in itertools.count() if not (path := self.folder / f"{name}-{n}").exists())


def timed(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of some work in seconds, after one run that is not counted."""
    work()
    return statistics.median(timed_once(work) for _ in range(repeats))


def timed_once(work: Callable[[], object]) -> float:
    """Time of some work in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def paired(one: Callable[[], float], two: Callable[[], float], pairs: int = PAIRS) -> float:
    """Median ratio of two times that are taken in turn, after one of each that is not counted."""
    one(), two()
    return statistics.median(one() / two() for _ in range(pairs))


def command(work: Workplace, *words: str) -> Callable[[], object]:
    """Run a command of the product to its end; what it says is shown where it fails, which ends the bench."""

    def run() -> None:
        done = subprocess.run(
            [COMMAND, *words], cwd=work.folder, env=installed(work), check=False, text=True, errors="replace",
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        if done.returncode != 0:
            raise SystemExit(f"boss-builder {' '.join(words)} ended with {done.returncode}\n{done.stdout[-4000:]}")

    return run


def installed(work: Workplace) -> dict[str, str]:
    """Give the surroundings of a command: installed software has its byte code, and need not compile at every start."""
    return {k: v for k, v in work.environment().items() if k != "PYTHONDONTWRITEBYTECODE"}


def peak(words: Sequence[str | Path], folder: Path | None = None, environment: dict[str, str] | None = None) -> float:
    """Give the greatest memory of a program, and of what it starts itself, in MB."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=-3, stderr=-3); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return int(done.stdout) / 1000  # kB on Linux


@contextmanager
def connected() -> Iterator:
    """A connection to the engine, closed at the end."""
    engine = connect()
    try:
        yield engine
    finally:
        engine.client.close()
