"""What a virtual machine's disk is made with, and the files that start it without this software."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Literal

from builder.core.digest import Digest
from builder.recipe.generation import generation
from builder.recipe.images import VmImage
from builder.recipe.model import Recipe
from builder.render.templates import render
from builder.store.shapes import VmConfig

CONSOLE, SHELL = "ttyS0", "ttyS1"
MACHINE = "q35"
OUT_SIZE = "64G"
"""Of the disk that results are written to, a sparse file."""
ROOT_PARTITION = "1"
PARTITIONS = (ROOT_PARTITION, "14", "15")
"""GUID partition numbers: root, GRUB for the BIOS, EFI system partition, as cloud images number them."""
COMMON = "has_journal,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file"


@dataclass(frozen=True)
class FileSystem:
    """A type and features for mke2fs; the features are all, not changes to its defaults."""

    kind: str
    features: str


EXT3 = FileSystem("ext3", f"none,{COMMON}")
EXT4 = FileSystem("ext4", f"none,{COMMON},extent,flex_bg,huge_file,dir_nlink,extra_isize")
FILE_SYSTEMS = {4: EXT3, 5: EXT3}
"""By generation of Enterprise Linux. Linux 2.6.18 of EL5 knows ext4 as a preview only; 2.6.32 of EL6 reads EXT4, which
leaves out what came later (64bit, metadata_csum, orphan_file), and so does every kernel since."""


@dataclass(frozen=True)
class DiskIds:
    """The names by which disk, partitions and file system are found: random for nobody but derived from a key."""

    disk: str
    root: str
    partitions: dict[str, str]


def disk_ids(key: Digest) -> DiskIds:
    """Derive a disk's names from the key of the stage that it holds."""

    def derived(name: str) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"boss-builder:{key}:{name}"))

    return DiskIds(derived("disk"), derived("root"), {number: derived(f"partition-{number}") for number in PARTITIONS})


def file_system(recipe: Recipe) -> FileSystem:
    """Choose a file system that the release's kernel can read and write."""
    return FILE_SYSTEMS.get(generation(recipe.os) or 0, EXT4)


def firmware(image: VmImage) -> tuple[Literal["bios", "uefi"], ...]:
    """Under what a disk boots, the usual first."""
    return ("bios", "uefi") if image.uefi else ("bios",)


DEVICES = {
    "nvme": "nvme,drive={0},serial={0}",
    "virtio": "virtio-blk-pci,drive={0}",
    "sata": "ide-hd,drive={0}",
    "ide": "ide-hd,drive={0}",
}
NAMES = {"nvme": "/dev/nvme{}n1", "virtio": "/dev/vd{}", "sata": "/dev/sd{}", "ide": "/dev/hd{}"}
"""What a guest calls its disks on a bus."""


def device_name(bus: str, number: int) -> str:
    """Give the guest's name of a disk, counted from 0, which is the root's."""
    return NAMES[bus].format(number if bus == "nvme" else "abc"[number])


def start_script(recipe: Recipe, config: VmConfig) -> str:
    """Give the script that starts the machine with plain QEMU."""
    release = recipe.full_name
    root, into, out = (DEVICES[config.disk_bus].format(name) for name in ("root", "in", "out"))
    return render(
        "vm/start.sh.j2",
        release=release,
        title=recipe.release.title,
        script=f"{release}.sh",
        disk=f"{release}.qcow2",
        architecture=config.architecture,
        machine="pc" if config.disk_bus == "ide" else MACHINE,
        memory_mib=config.memory >> 20,
        processors=config.processors,
        uefi="uefi" in config.firmware,
        devices=[device_name(config.disk_bus, number) for number in (1, 2)],
        out_size=OUT_SIZE,
        root_device=f"{root},bootindex=1",
        in_device=into,
        out_device=out,
    )


def domain(recipe: Recipe, config: VmConfig, ids: DiskIds) -> str:
    """Give the machine's description for libvirt."""
    return render(
        "vm/domain.xml.j2",
        release=recipe.full_name,
        title=recipe.release.title,
        uuid=ids.disk,
        disk=f"{recipe.full_name}.qcow2",
        memory=config.memory,
        processors=config.processors,
        machine="pc" if config.disk_bus == "ide" else MACHINE,
        bus=config.disk_bus,
        console=config.console,
        shell=config.shell,
    )
