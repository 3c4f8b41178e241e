"""Figures of the audit, each beside its goal; ratios are taken against a reference in the same run."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from builder.store import oci
from builder.store.store import BLOB_MODE, Store

Row = tuple[str, float, float | None, str]
"""Name, value, goal (None: none), unit. The value should be at most the goal; at least, for those of `AT_LEAST`."""
AT_LEAST = ("of sha256sum's rate", "cores", "times as fast")
"""What the names of figures end with whose value should be at least the goal."""
LARGE_BLOBS, LARGE_SIZE = 24, 32 << 20
MANY, A_MANIFEST = 100_000, 1000
PAIRS = 3
COMMAND = "import sys; from builder.cli.main import main; sys.exit(main())"
ROOT = Path(__file__).parents[1]


def rows(folder: Path) -> Iterator[Row]:
    """Measure everything in a folder on the disk that is to be measured; about five minutes and two gigabytes."""
    large = folder / "large"
    fill(Store(large), [LARGE_SIZE] * LARGE_BLOBS)
    yield from rates(large, folder / "bag")
    one, many = folder / "one", folder / "many"
    fill(Store(one), [64])
    fill(Store(many), [64] * MANY)
    yield from memory(one, many)
    yield from starts(many)


def fill(store: Store, sizes: Sequence[int]) -> None:
    """Make a store of random blobs, a thousand to a manifest; synced once, not for each."""
    store.create()
    numbers = random.Random(1)
    for begin in range(0, len(sizes), A_MANIFEST):
        layers = []
        for size in sizes[begin : begin + A_MANIFEST]:
            data = numbers.randbytes(size)
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            path = store.blob_path(digest)
            path.write_bytes(data)
            path.chmod(BLOB_MODE)
            layers.append(oci.Descriptor(media_type="application/octet-stream", digest=digest, size=size))
        manifest = oci.Manifest(config=store.put_empty_config(), layers=tuple(layers), artifact_type="application/x")
        store.put_manifest(manifest, f"bench/many/{begin:06d}")


def boss_builder(store: Path, *words: str) -> list[str]:
    """Give the command line of a command of the product."""
    return [sys.executable, "-c", COMMAND, *words, "--store", str(store)]


def seconds(words: Sequence[str], cores: Sequence[int], folder: Path | None = None) -> float:
    """Time of a program on some cores, to its end."""
    started = time.perf_counter()
    pinned = ["taskset", "--cpu-list", ",".join(map(str, cores)), *words]
    subprocess.run(pinned, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def paired(one: Callable[[], float], two: Callable[[], float]) -> float:
    """Median ratio of two times that are taken in turn, after one of each that is not counted."""
    one(), two()
    return statistics.median(one() / two() for _ in range(PAIRS))


def rates(store: Path, bag: Path) -> Iterator[Row]:
    """Rates of a full and of a quick audit against sha256sum and bagit-python, on the same files in the cache."""
    import bagit

    cores = sorted(os.sched_getaffinity(0))
    blobs = store / "blobs/sha256"
    names = [path.name for path in blobs.iterdir()]
    size = LARGE_BLOBS * LARGE_SIZE / 1e6

    def full(number: int) -> float:
        return seconds(boss_builder(store, "audit"), cores[:number])

    def coreutils() -> float:
        return seconds(["sha256sum", *names], cores[:1], blobs)

    def quick() -> float:
        return seconds(boss_builder(store, "audit", "--quick"), cores)

    shutil.copytree(blobs, bag)
    bagit.make_bag(str(bag), checksums=["sha256", "md5"])

    def validated() -> float:
        script = "import bagit, sys; bagit.Bag(sys.argv[1]).validate()"
        return seconds([sys.executable, "-c", script, str(bag)], cores)

    yield "sha256sum, one core", size / coreutils(), None, "MB/s"
    yield "audit, one core", size / full(1), None, "MB/s"
    yield "audit, one core / of sha256sum's rate", paired(coreutils, lambda: full(1)), 0.95, ""
    if len(cores) > 1:
        yield "audit, two cores / one core: as many cores", paired(lambda: full(1), lambda: full(2)), 1.8, ""
    yield "audit --quick", size / quick(), None, "MB/s"
    yield "audit --quick / bagit-python: times as fast", paired(validated, quick), 10.0, ""


def peak(words: Sequence[str]) -> float:
    """Give the greatest memory of a program in MB."""
    script = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=-3, stderr=-3); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run([sys.executable, "-c", script, *words], check=True, capture_output=True, text=True)
    return int(done.stdout) / 1000  # kB on Linux


def memory(one: Path, many: Path) -> Iterator[Row]:
    """Memory of an audit of many small blobs against that of one: the first, which records; a later; a quick one."""
    for name, words in (("first audit", []), ("audit", []), ("audit --quick", ["--quick"])):
        least, most = peak(boss_builder(one, "audit", *words)), peak(boss_builder(many, "audit", *words))
        yield f"{name}, {MANY} small blobs: memory", most, None, "MB"
        yield f"{name}, {MANY} small blobs / 1: memory", most / least, 1.5, ""


def first_line(words: Sequence[str]) -> float:
    """Time until a program has written its first line, to stdout or to stderr."""
    started = time.perf_counter()
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        if process.stdout is None or not process.stdout.readline():
            raise SystemExit(f"{words} wrote nothing")
        found = time.perf_counter() - started
        process.stdout.read()
    if process.returncode:
        raise SystemExit(f"{words} ended with {process.returncode}")
    return found


def starts(many: Path) -> Iterator[Row]:
    """How long a user waits for a sign of life."""
    for words in (["list"], ["audit", "--quick"]):
        times = [first_line(boss_builder(many, *words)) for _ in range(PAIRS + 1)][1:]
        yield f"{' '.join(words)}, {MANY} blobs: first line", statistics.median(times), 0.5, "s"


def main() -> None:
    """Print the figures; the folder, by default one in the current folder, is removed."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "bench-audit").absolute()
    folder.mkdir()
    try:
        for name, value, goal, unit in rows(folder):
            sense = "at least" if name.endswith(AT_LEAST) else "at most"
            beside = "" if goal is None else f"  (goal: {sense} {goal:g})"
            sys.stdout.write(f"{name:52} {value:10.3f} {unit:4}{beside}\n")
            sys.stdout.flush()
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
