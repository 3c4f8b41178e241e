"""Figures of the audit: rates against sha256sum and bagit-python, memory and starts at a hundred thousand blobs."""

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
from tests.bench.figures import PAIRS, Figure, Place, paired, peak
from tests.integration.spine import COMMAND

LARGE_BLOBS, LARGE_SIZE = 48, 32 << 20
MANY, A_MANIFEST = 100_000, 1000


def auditing(place: Place) -> Iterator[Figure]:
    """Measure everything, on the disk of the place; some minutes and two gigabytes."""
    large = place.new("large")
    fill(Store(large), [LARGE_SIZE] * LARGE_BLOBS)
    yield from rates(large, place.new("bag"))
    shutil.rmtree(large)
    one, many = place.new("one"), place.new("many")
    fill(Store(one), [64])
    fill(Store(many), [64] * MANY)
    yield from memory(one, many)
    yield from starts(many)


def fill(store: Store, sizes: Sequence[int]) -> None:
    """Make a store of random blobs, as stages of a thousand files; synced once, not for each."""
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
        key = hashlib.sha256(str(begin).encode()).hexdigest()
        manifest = oci.Manifest(
            config=store.put_empty_config(),
            layers=tuple(layers),
            artifact_type="application/vnd.boss-builder.stage.v1",
            annotations={"boss-builder.stage.key": f"sha256:{key}"},
        )
        store.put_manifest(manifest, f"stage/bench/{key[:24]}")


def boss_builder(store: Path, *words: str) -> list[str]:
    """Give the command line of a command of the product."""
    return [str(COMMAND), *words, "--store", str(store)]


def seconds(words: Sequence[str], cores: Sequence[int], folder: Path | None = None) -> float:
    """Time of a program on some cores, to its end."""
    started = time.perf_counter()
    pinned = ["taskset", "--cpu-list", ",".join(map(str, cores)), *words]
    subprocess.run(pinned, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - started


def rates(store: Path, bag: Path) -> Iterator[Figure]:
    """Rates of a full and of a quick audit against sha256sum and bagit-python, on the same files."""
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

    yield Figure("sha256sum, one core", size / coreutils(), unit="MB/s")
    yield Figure("audit, one core", size / full(1), unit="MB/s")
    yield Figure("audit / sha256sum: rates, one core", paired(coreutils, lambda: full(1)), 0.95, "", at_least=True)
    if len(cores) > 1:
        scaling = paired(lambda: full(1), lambda: full(2))
        yield Figure("audit, two cores / one core: rates", scaling, 1.8, "", at_least=True)
    yield Figure("audit --quick", size / quick(), unit="MB/s")
    yield Figure("audit --quick / bagit-python: rates", paired(validated, quick), 10, "", at_least=True)
    yield Figure("audit --quick / cat: rates, from the disk", from_disk(blobs, quick, cores), 0.9, "", at_least=True)


def from_disk(blobs: Path, quick: Callable[[], float], cores: Sequence[int]) -> float:
    """Give the rate of a quick audit against that of reading alone; the files are not in the cache for either."""

    def forget() -> None:
        for path in blobs.iterdir():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)  # what is not on the disk yet is not forgotten
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)

    def cold(work: Callable[[], float]) -> float:
        forget()
        return work()

    def read() -> float:
        return seconds(["sh", "-c", "cat *"], cores, blobs)

    return paired(lambda: cold(read), lambda: cold(quick))


def memory(one: Path, many: Path) -> Iterator[Figure]:
    """Memory of an audit of many small blobs against that of one: the first, which records; a later; a quick one."""
    for name, words in (("first audit", []), ("audit", []), ("audit --quick", ["--quick"])):
        least, most = peak(boss_builder(one, "audit", *words)), peak(boss_builder(many, "audit", *words))
        yield Figure(f"{name}, {MANY:,} small blobs: memory", most, unit="MB")
        yield Figure(f"{name}, {MANY:,} small blobs / 1: memory", most / least, 1.5, "")


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


def starts(many: Path) -> Iterator[Figure]:
    """How long a user waits for a sign of life."""
    for words in (["list"], ["audit", "--quick"]):
        times = [first_line(boss_builder(many, *words)) for _ in range(PAIRS + 1)][1:]
        yield Figure(f"{' '.join(words)}, {MANY:,} blobs: first line", statistics.median(times), 0.5)
