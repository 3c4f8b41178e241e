"""`make bench`: figures, not tests. Each stands beside its goal; ratios are taken against a reference in the same run.

Times are the median of several runs of the whole process, as a person would start it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.boot.boot import boot
from builder.boot.vm.command import MODELS
from builder.build.build import build_plan, builder_image
from builder.build.os_stage import build_os, write_repository
from builder.core.progress import NoProgress
from builder.engine.engine import Folder, connect
from builder.lock import file as lock_file
from builder.store.contents import contents
from builder.store.shapes import Shape, reference
from builder.toolbox.toolbox import open_toolbox
from example.chain import Installed, Sample, run
from tests.integration.spine import COMMAND, MINIBOSS, PROJECT, Workplace, example_upstream, miniboss, new_store

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


def rebuilding(work: Workplace, folder: Path) -> Iterator[Figure]:
    """A rebuild, with its checks and comparisons, against the first build of the same release in a store without it."""
    ratios = []
    for pair in range(2):
        fresh = work.copy(folder / f"first-{pair}", without="stage/")
        for name in (MINIBOSS, *fresh.store.references("image/")):
            fresh.store.remove_reference(name)
        first = timed_once(command(fresh, "build", MINIBOSS))
        again = timed_once(command(fresh, "rebuild", MINIBOSS, "--without-validation"))
        ratios.append(again / first)
    yield Figure("first build, three shapes", first, None)
    yield Figure("rebuild without validation", again, None)
    yield Figure("rebuild / first build", statistics.median(ratios), 1, "")


def three_shapes(folder: Path) -> Iterator[Figure]:
    """The boot set in all three shapes from its lock, in one run; the builder image is in the engine already."""
    recipes = PROJECT / "tests" / "data" / "boot-set" / "recipes"
    with example_upstream() as upstream:
        work = Workplace(folder / "boot-set", {"upstream": upstream})
        shutil.copytree(recipes, work.recipes)
        new_store(folder / "boot-set" / "images")
        command(work, "freeze", "boot-set-1")()
    lock = lock_file.read(work.lock("boot-set-1"))
    if lock is None:
        raise SystemExit("the boot set is not frozen")
    seconds = timed_once(command(work, "build", "boot-set-1"))
    yield Figure(f"boot set, {len(lock.os_packages)} packages, as OCI, SIF and qcow2", seconds, 31)
    sizes = {image.shape: image.size for image in contents(work.store).images}
    yield Figure("store: three shapes / OCI alone, boot set", sum(sizes.values()) / sizes["oci"], None, "")


def store_size(work: Workplace) -> Iterator[Figure]:
    """What three shapes of the example release take against one."""
    sizes = {image.shape: image.size for image in contents(work.store).images}
    yield Figure(f"store: three shapes / OCI alone, {MINIBOSS}", sum(sizes.values()) / sizes["oci"], None, "")


def boots(work: Workplace, folder: Path) -> Iterator[Figure]:
    """From nothing to the first command's answer, in each shape, against the least that the host can do."""
    with connected() as engine:
        image = work.store.find(MINIBOSS)
        image_id = engine.load(work.store, work.store.manifest(image), "boss-builder-bench")
    bare = timed(lambda: subprocess.run(["docker", "run", "--rm", image_id, "true"], check=True), PAIRS)
    ours = timed(lambda: first_command(work, "oci"), PAIRS)
    yield Figure("docker run --rm IMAGE true", bare, None)
    yield Figure("Docker: boot to first command", ours, None)
    yield Figure("Docker: boot to first command / docker run", ours / bare, 1.5, "")
    yield Figure("Apptainer: boot to first command", timed(lambda: first_command(work, "sif"), PAIRS), None)
    disk = work.store.manifest(work.store.find(reference(MINIBOSS, "vm"))).layers[0]
    kernel = bare_kernel(work, folder)
    pairs = []
    for _ in range(PAIRS):
        least = timed_once(lambda: kernel_to_init(kernel, work.store.blob_path(disk.digest)))
        pairs.append((least, timed_once(lambda: first_command(work, "vm"))))
    yield Figure("bare kernel to init, TCG", statistics.median(least for least, _ in pairs), None)
    yield Figure("VM: boot to first command", statistics.median(whole for _, whole in pairs), None)
    ratio = statistics.median(whole / least for least, whole in pairs)
    yield Figure("VM: boot to first command / bare kernel to init", ratio, 6, "")


def first_command(work: Workplace, shape: Shape) -> None:
    """Boot a shape, and have it answer one command."""
    with boot(work.store, shape, work.store.find(reference(MINIBOSS, shape))) as machine:
        if machine.run(["true"], time_limit=300).exit_code != 0:
            raise SystemExit(f"{shape}: the first command failed")


def bare_kernel(work: Workplace, folder: Path) -> Path:
    """Take the kernel out of the package that the disk was made with."""
    lock = lock_file.read(work.lock(MINIBOSS))
    package = next(p for p in lock.packages() if p.nevra in lock.vm_packages and p.blob.size > 1 << 20)
    script = 'rpm2archive --nocompression - < "$1" | tar -x --to-stdout --wildcards "./boot/vmlinuz-*" > "$2"'
    kernel = folder / "vmlinuz"
    rpm = work.store.blob_path(package.blob.digest)
    subprocess.run(["sh", "-c", script, "sh", rpm, kernel], check=True)
    return kernel


def kernel_to_init(kernel: Path, disk: Path) -> None:
    """Boot the kernel alone, on the machine's processor with the release's disk, until it starts the first process."""
    words = [
        "qemu-system-x86_64", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", MODELS["tcg"], "-m", "1024",
        "-smp", "2",
        "-nic", "none", "-display", "none", "-monitor", "none", "-no-reboot", "-serial", "stdio",
        "-kernel", str(kernel),
        "-drive", f"file={disk},if=none,id=root,format=qcow2,snapshot=on", "-device", "nvme,drive=root,serial=root",
        "-append", f"root=PARTUUID={root_partition(disk)} ro console=ttyS0 init=/usr/bin/true",
    ]  # fmt: skip
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as machine:
        try:
            for line in machine.stdout or ():
                if b"/usr/bin/true as init process" in line:
                    return
            raise SystemExit("the bare kernel did not come to its init")
        finally:
            machine.kill()


def root_partition(disk: Path) -> str:
    """Name of a disk's root partition: the unique GUID of the table's first entry (UEFI 2.10, 5.3.3)."""
    with tempfile.NamedTemporaryFile() as table:
        words = ["qemu-img", "dd", "-f", "qcow2", "-O", "raw", f"if={disk}", f"of={table.name}", "bs=512", "count=34"]
        subprocess.run(words, check=True)
        entry = table.read()[1024:1152]
    return str(uuid.UUID(bytes_le=entry[16:32]))


def toy_chain(folder: Path) -> Iterator[Figure]:
    """The toy's ee events from generation to histograms, with all files written, on one core: 20,000 a second."""
    events = 100_000
    installed = Installed.lay_out("1.0.0", folder / "toy")
    runs = itertools.count()

    def chain() -> None:
        run(installed, {"ee": Sample("ee", events, 1)}, folder / "toy" / f"run-{next(runs)}")

    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(cores)})
    try:
        yield Figure(f"toy: {events:,} ee events, one core", timed(chain, PAIRS), events / 20_000)
    finally:
        os.sched_setaffinity(0, cores)


def demonstration(folder: Path) -> Iterator[Figure]:
    """`make demo` in a fresh clone with empty caches, and again. Debian packages and the engine are there already."""
    clone = folder / "clone"
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
        parts = [
            start_up(work), toy_chain(folder), store_size(work), boots(work, folder), os_stage(work),
            three_shapes(folder), whole_build(work, folder), rebuilding(work, folder),
        ]  # fmt: skip
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
