"""Write a root as a bootable disk: no mounts, no loop devices, no rights on the host.

The disk has a GUID partition table: 14 holds GRUB for the BIOS, 15 (where UEFI is wanted) the EFI system partition,
1 the root, last and as large as the disk allows. GRUB is whole in its core image, with a configuration that finds the
root by its UUID and reads /boot/grub/grub.cfg there.

Request: {"layers": [path of a layer, lowest first], "scratch": folder for temporary files, "epoch": seconds since 1970,
"size": bytes, "file_system": type for mke2fs, "features": text for `mke2fs -O`, "uuids": {"disk", "root", "partitions":
{"1", "14", "15"}}, "uefi": true or false}.
Answer: {"raw_digest"}, the sha256 of the whole disk; it lies in `disk.qcow2` of the current folder.
Sources: UEFI specification 2.10, 5.3 "GUID Partition Table"; GRUB 2.12, boot/i386/pc/boot.S and diskboot.S (the offsets
below are from include/grub/i386/pc/boot.h); mke2fs(8) of e2fsprogs 1.47.2, `-d` with a tar.
"""

from __future__ import annotations

import hashlib
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from builder.inside.canonical import REGULAR, Content, write_tar
from builder.inside.flatten import flatten, open_layers
from builder.inside.program import RefusedError, call, serve

SECTOR = 512
MEBIBYTE = 1 << 20
BLOCK = 4096
INODE = 256
BIOS_START = 1 * MEBIBYTE
BIOS_SIZE = 1 * MEBIBYTE
ESP_SIZE = 64 * MEBIBYTE
END = 1 * MEBIBYTE
"""Room for the second copy of the partition table, which is 33 sectors."""
TYPES = {
    14: "21686148-6449-6E6F-744E-656564454649",
    15: "C12A7328-F81F-11D2-BA4B-00A0C93EC93B",
    1: "0FC63DAF-8483-4772-8E79-3D69D8477DE4",
}
BOOT_CODE = 440
"""Bytes of the first sector before the disk signature and the partition table."""
KERNEL_SECTOR = 0x5C
"""Where boot.img keeps the sector of the core image, 64 bits."""
BLOCK_LIST = 0x1F4
"""Where the core image's first sector keeps the sector of its rest (64 bits) and the number of sectors (16 bits)."""
MODULES = (
    "part_gpt", "ext2", "search", "search_fs_uuid", "configfile", "normal", "linux", "serial", "terminal", "test",
    "echo", "boot", "minicmd", "reboot", "halt", "ls", "cat", "all_video", "gfxterm",
)  # fmt: skip
TAKEN_FROM_TAR = b"security.capability"
GRUB = Path("/usr/lib/grub")


def _root_start(uefi: bool) -> int:
    return BIOS_START + BIOS_SIZE + (ESP_SIZE if uefi else 0)


def _partition(raw: Path, size: int, uuids: dict[str, Any], uefi: bool) -> None:
    parts = [(14, BIOS_START, BIOS_SIZE)]
    if uefi:
        parts.append((15, BIOS_START + BIOS_SIZE, ESP_SIZE))
    start = _root_start(uefi)
    parts.append((1, start, size - start - END))
    lines = ["label: gpt", f"label-id: {uuids['disk']}"]
    lines += [
        f"{raw}{number}: start={first // SECTOR}, size={length // SECTOR}, type={TYPES[number]}, "
        f"uuid={uuids['partitions'][str(number)]}"
        for number, first, length in parts
    ]
    _feed(["sfdisk", "--quiet", str(raw)], "\n".join(lines) + "\n")


def _feed(words: Sequence[str], text: str) -> None:
    print("$", " ".join(words), file=sys.stderr, flush=True)
    subprocess.run(words, input=text, text=True, check=True)


def _core(target: str, folder: Path, root_uuid: str) -> bytes:
    """Make GRUB's core image for a target, with all that it needs."""
    configuration = folder / "core.cfg"
    configuration.write_text(
        f"search --no-floppy --fs-uuid --set=root {root_uuid}\n"
        "set prefix=($root)/boot/grub\n"
        "configfile ($root)/boot/grub/grub.cfg\n",
        "ascii",
    )
    modules = [*MODULES, "biosdisk", "linux16"] if target == "i386-pc" else list(MODULES)
    core = folder / "core.img"
    call(
        "grub-mkimage", "-O", target, "-d", str(GRUB / target), "-o", str(core), "-p", "/boot/grub",
        "-c", str(configuration), *modules,
    )  # fmt: skip
    return core.read_bytes()


def _install_bios(raw: Path, core: bytes) -> None:
    """Write GRUB's boot sector, and its core image into the partition 14, each told where the next part lies."""
    sectors = -(-len(core) // SECTOR)
    if sectors * SECTOR > BIOS_SIZE:
        raise ValueError(f"GRUB's core image has {len(core)} bytes, more than its partition")
    first = BIOS_START // SECTOR
    boot = bytearray((GRUB / "i386-pc" / "boot.img").read_bytes()[:BOOT_CODE])
    struct.pack_into("<Q", boot, KERNEL_SECTOR, first)
    placed = bytearray(core)
    struct.pack_into("<QH", placed, BLOCK_LIST, first + 1, sectors - 1)
    with raw.open("r+b") as disk:
        disk.write(boot)
        disk.seek(BIOS_START)
        disk.write(placed)


def _install_uefi(raw: Path, core: bytes, folder: Path, serial: str, epoch: int) -> None:
    """Make the EFI system partition, with GRUB where firmware looks that was told nothing."""
    program = folder / "BOOTX64.EFI"
    program.write_bytes(core)
    os.utime(program, (epoch, epoch))
    where = f"{raw}@@{BIOS_START + BIOS_SIZE}"
    environment = {"MTOOLS_SKIP_CHECK": "1", "SOURCE_DATE_EPOCH": str(epoch), "TZ": "UTC"}
    call("mformat", "-i", where, "-T", str(ESP_SIZE // SECTOR), "-N", serial, "-v", "EFI", environment=environment)
    call("mmd", "-i", where, "::/EFI", "::/EFI/BOOT", environment=environment)
    call("mcopy", "-m", "-i", where, str(program), "::/EFI/BOOT/BOOTX64.EFI", environment=environment)


def _refuse_what_does_not_fit(contents: Sequence[Content], room: int) -> None:
    """Say how large the disk must be, before mke2fs runs out of blocks."""
    need = sum(-(-entry.size // BLOCK) * BLOCK for entry, _ in contents if entry.kind == REGULAR)
    need += len(contents) * INODE + 32 * MEBIBYTE
    if need > room:
        message = (
            f"the disk has room for {max(room, 0) // MEBIBYTE} MiB, "
            f"and the files of the root need about {-(-need // MEBIBYTE)} MiB"
        )
        raise RefusedError((message, 'make it larger in the recipe: image "vm" { disk = "..." }'))


def _add_attributes(raw: Path, contents: Sequence[Content], start: int, environment: dict[str, str]) -> None:
    """Set the extended attributes that mke2fs does not take from a tar: all but security.capability."""
    commands: list[bytes] = []
    for entry, _ in contents:
        for key, value in entry.attributes:
            if key != TAKEN_FROM_TAR:
                file = raw.with_name(f"attribute-{len(commands)}")
                file.write_bytes(value)
                commands.append(b'ea_set -f "%s" "/%s" "%s"\n' % (os.fsencode(file), entry.path, key))
    if commands:
        listed = raw.with_name("attributes")
        listed.write_bytes(b"".join(commands))
        words = ["debugfs", "-w", "-f", str(listed), f"{raw}?offset={start}"]
        done = subprocess.run(words, stderr=subprocess.PIPE, env=environment, check=True)
        complaints = done.stderr.splitlines()[1:]  # the first line is debugfs's own name
        if complaints:
            raise SystemExit(b"\n".join(complaints).decode("utf-8", "replace"))


def _make_file_system(raw: Path, contents: Sequence[Content], request: dict[str, Any], start: int, room: int) -> None:
    uuid = request["uuids"]["root"]
    words = [
        "mke2fs", "-q", "-F", "-t", request["file_system"], "-d", "-", "-L", "root", "-U", uuid, "-m", "0",
        "-b", str(BLOCK), "-I", str(INODE), "-O", request["features"],
        "-E", f"offset={start},hash_seed={uuid},root_owner=0:0,assume_storage_prezeroed=1",
        str(raw), f"{room // 1024}k",
    ]  # fmt: skip
    print("$", " ".join(words), file=sys.stderr, flush=True)
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(request["epoch"])}
    with subprocess.Popen(words, stdin=subprocess.PIPE, env=environment) as maker:
        if maker.stdin is None:
            raise ValueError("mke2fs has no standard input")
        try:
            write_tar(contents, maker.stdin)
            maker.stdin.close()
        except BrokenPipeError:
            print("mke2fs ended before it read the whole root", file=sys.stderr)
    if maker.returncode != 0:
        raise SystemExit("mke2fs did not make the file system")
    _add_attributes(raw, contents, start, environment)
    checked = subprocess.run(["e2fsck", "-fn", f"{raw}?offset={start}"], stdout=subprocess.PIPE, check=False)
    if checked.returncode != 0:
        raise SystemExit("the new file system is not clean:\n" + checked.stdout.decode("utf-8", "replace"))


class _Digest(threading.Thread):
    """Takes the sha256 of a file while another program reads it too."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self.digest = ""

    def run(self) -> None:
        with self._path.open("rb") as stream:
            self.digest = "sha256:" + hashlib.file_digest(stream, "sha256").hexdigest()


def make_disk(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request as the module says; refuses a disk that its files do not fit on."""
    folder = Path(request["scratch"]).absolute()
    folder.mkdir(parents=True, exist_ok=True)
    uefi, size, epoch = bool(request["uefi"]), int(request["size"]), int(request["epoch"])
    start = _root_start(uefi)
    room = size - start - END
    raw = folder / "disk.raw"
    with raw.open("xb") as disk:
        disk.truncate(size)
    with open_layers([Path(layer) for layer in request["layers"]], folder) as layers:
        contents = flatten(layers, epoch)
        _refuse_what_does_not_fit(contents, room)
        _make_file_system(raw, contents, request, start, room)
    uuids = request["uuids"]
    _partition(raw, size, uuids, uefi)
    _install_bios(raw, _core("i386-pc", folder, uuids["root"]))
    if uefi:
        serial = str(uuids["root"]).replace("-", "")[:8]
        _install_uefi(raw, _core("x86_64-efi", folder, uuids["root"]), folder, serial, epoch)
    digesting = _Digest(raw)
    digesting.start()
    # never -W: clusters written out of order give another file each time
    call(
        "qemu-img", "convert", "-f", "raw", "-O", "qcow2", "-c", "-o", "compression_type=zstd,cluster_size=1M",
        str(raw), "disk.qcow2",
    )  # fmt: skip
    digesting.join()
    return {"raw_digest": digesting.digest}


if __name__ == "__main__":
    serve(make_disk)
