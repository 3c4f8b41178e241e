"""`make bench`: figures, not tests. Each stands beside its goal; ratios are taken against a reference in the same run.

Times are the median of several runs of the whole process, as a person would start it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.build.build import build_plan, builder_image
from builder.build.os_stage import build_os, write_repository
from builder.core.progress import NoProgress
from builder.engine.engine import Folder, connect
from builder.lock import file as lock_file
from builder.toolbox.toolbox import open_toolbox
from tests.integration.spine import COMMAND, MINIBOSS, PROJECT, Workplace, miniboss

REPEATS = 9
PAIRS = 3


@dataclass(frozen=True)
class Figure:
    """One measured figure: its value, what it should be at most, and its unit."""

    name: str
    value: float
    goal: float | None
    unit: str = "s"

    def __str__(self) -> str:
        """Give one line of the table."""
        goal = "" if self.goal is None else f"(goal: at most {self.goal:g} {self.unit})"
        verdict = "" if self.goal is None else "met" if self.value <= self.goal else "MISSED"
        return f"{self.name:58} {self.value:9.3f} {self.unit:3} {goal:28} {verdict}"


def timed(work: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median time of some work in seconds, after one run that is not counted."""
    work()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def command(work: Workplace, *words: str) -> Callable[[], object]:
    """Run a command of the product to its end, its output thrown away."""
    # installed software has its byte code; a setting of the surroundings must not make every start compile anew
    environment = {k: v for k, v in work.environment().items() if k != "PYTHONDONTWRITEBYTECODE"}

    def run() -> None:
        subprocess.run(
            [COMMAND, *words], cwd=work.folder, env=environment, check=True,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    return run


def start_up(work: Workplace) -> Iterator[Figure]:
    """How long the quick commands take."""
    yield Figure("boss-builder --help", timed(command(work, "--help")), 0.15)
    yield Figure(f"boss-builder check {MINIBOSS}", timed(command(work, "check", MINIBOSS)), 0.3)
    yield Figure(f"boss-builder build {MINIBOSS}, nothing to do", timed(command(work, "build", MINIBOSS)), 1.0)
    yield Figure(f"boss-builder freeze {MINIBOSS}, nothing to do", timed(command(work, "freeze", MINIBOSS)), None)
    yield Figure("boss-builder list", timed(command(work, "list")), 0.5)


def os_stage(work: Workplace) -> Iterator[Figure]:
    """The stage os (install, canonical form, compression, storing) against a bare dnf of the same packages."""
    lock = lock_file.read(work.lock(MINIBOSS))
    if lock is None:
        raise SystemExit("the example release is not frozen")
    with connected() as engine:
        toolbox = open_toolbox(work.store, engine, NoProgress(), descriptor=builder_image(lock))
        plan = build_plan(lock)
        with work.store.workspace("bench") as folder:
            write_repository(lock, work.store, folder / "repository")
            repository = Folder(folder / "repository", "/repository")
            script = (
                "echo '%__transaction_unshare %{nil}' > /root/.rpmmacros && mkdir -p /root/os/dev && "
                "mknod /root/os/dev/null c 1 3 && dnf -y --quiet --installroot=/root/os --releasever=1 --noplugins "
                "--nogpgcheck --repofrompath=frozen,/repository --repo=frozen --setopt=install_weak_deps=False "
                "--setopt=module_platform_id= install " + " ".join(lock.os_packages)
            )

            def bare() -> None:
                done = engine.run(toolbox.image_id, ["/bin/sh", "-c", script], folders=[repository], time_limit=600)
                if done.exit_code != 0:
                    raise SystemExit(done.tail)

            bare_times, stage_times = [], []
            bare()
            for _ in range(PAIRS):
                bare_times.append(timed_once(bare))
                stage_times.append(
                    timed_once(lambda: build_os(plan.stages[0], lock, work.store, toolbox, NoProgress()))
                )
    yield Figure(f"bare dnf --installroot, {len(lock.os_packages)} packages", statistics.median(bare_times), None)
    yield Figure("stage os", statistics.median(stage_times), None)
    ratios = [stage / bare_ for stage, bare_ in zip(stage_times, bare_times, strict=True)]
    yield Figure("stage os / bare dnf", statistics.median(ratios), 1.3, "")


def timed_once(work: Callable[[], object]) -> float:
    """Time of some work in seconds."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


@contextmanager
def connected() -> Iterator:
    """A connection to the engine, closed at the end."""
    engine = connect()
    try:
        yield engine
    finally:
        engine.client.close()


def whole_build(work: Workplace, folder: Path) -> Iterator[Figure]:
    """A build of every stage in a store that has none: time, and the peak memory of our process."""
    fresh = work.copy(folder / "fresh", without="stage/")
    seconds = timed_once(command(fresh, "build", MINIBOSS))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000  # kB on Linux; over all children so far
    yield Figure("boss-builder build, every stage", seconds, None)
    yield Figure("peak memory of a process of ours (check, freeze, build)", peak, 300, "MB")


def demonstration(folder: Path) -> Iterator[Figure]:
    """`make demo` in a fresh clone with empty caches, and again. Debian packages and the engine are there already."""
    clone = folder / "clone"
    subprocess.run(["git", "clone", "--quiet", PROJECT, clone], check=True)
    environment = {
        k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "PYTHONDONTWRITEBYTECODE")
    }
    for name, goal in (("cold", 600), ("warm", 30)):
        started = time.perf_counter()
        done = subprocess.run(["make", "demo"], cwd=clone, env=environment, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise SystemExit(done.stderr[-2000:] + done.stdout[-2000:])
        yield Figure(f"make demo, {name}", time.perf_counter() - started, goal)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every figure as it is measured; with --json all of them at the end."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document at the end")
    parser.add_argument("--without-demo", action="store_true", help="leave out the minutes of make demo")
    given = parser.parse_args(arguments)
    folder = Path(tempfile.mkdtemp(prefix="boss-builder-bench-"))
    figures = []
    try:
        work = miniboss()
        parts = [start_up(work), os_stage(work), whole_build(work, folder)]
        if not given.without_demo:
            parts.append(demonstration(folder))
        for part in parts:
            for figure in part:
                figures.append(figure)
                print(figure, file=sys.stderr if given.json else sys.stdout, flush=True)
    finally:
        shutil.rmtree(folder)
    if given.json:
        print(
            json.dumps([{"name": f.name, "value": f.value, "goal": f.goal, "unit": f.unit} for f in figures], indent=2)
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
