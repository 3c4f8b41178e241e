"""From nothing to the first command's answer, in each shape, against the least that the host can do."""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

from builder.boot.boot import boot
from builder.boot.vm.command import MODELS
from builder.lock import file as lock_file
from builder.store.shapes import Shape, reference
from tests.bench.figures import PAIRS, Figure, Place, connected, timed, timed_once
from tests.integration.spine import MINIBOSS, Workplace


def boots(place: Place) -> Iterator[Figure]:
    """From nothing to the first command's answer, in each shape, against the least that the host can do."""
    work = place.work
    with connected() as engine:
        image = work.store.find(MINIBOSS)
        image_id = engine.load(work.store, work.store.manifest(image), "boss-builder-bench")
    bare = timed(lambda: subprocess.run(["docker", "run", "--rm", image_id, "true"], check=True), PAIRS)
    ours = timed(lambda: first_command(work, "oci"), PAIRS)
    yield Figure("docker run --rm IMAGE true", bare)
    yield Figure("Docker: boot to first command", ours)
    yield Figure("Docker: boot to first command / docker run", ours / bare, 1.5, "")
    yield Figure("Apptainer: boot to first command", timed(lambda: first_command(work, "sif"), PAIRS))
    disk = work.store.manifest(work.store.find(reference(MINIBOSS, "vm"))).layers[0]
    kernel = bare_kernel(work, place.new("vmlinuz"))
    pairs = []
    for _ in range(PAIRS):
        least = timed_once(lambda: kernel_to_init(kernel, work.store.blob_path(disk.digest)))
        pairs.append((least, timed_once(lambda: first_command(work, "vm"))))
    yield Figure("bare kernel to init, TCG", statistics.median(least for least, _ in pairs))
    yield Figure("VM: boot to first command", statistics.median(whole for _, whole in pairs))
    ratio = statistics.median(whole / least for least, whole in pairs)
    yield Figure("VM: boot to first command / bare kernel to init", ratio, 6, "")


def first_command(work: Workplace, shape: Shape) -> None:
    """Boot a shape, and have it answer one command."""
    with boot(work.store, shape, work.store.find(reference(MINIBOSS, shape))) as machine:
        if machine.run(["true"], time_limit=300).exit_code != 0:
            raise SystemExit(f"{shape}: the first command failed")


def bare_kernel(work: Workplace, kernel: Path) -> Path:
    """Take the kernel out of the package that the disk was made with."""
    lock = lock_file.read(work.lock(MINIBOSS))
    package = next(p for p in lock.packages() if p.nevra in lock.vm_packages and p.blob.size > 1 << 20)
    script = 'rpm2archive --nocompression - < "$1" | tar -x --to-stdout --wildcards "./boot/vmlinuz-*" > "$2"'
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
