"""The words that start QEMU for a machine. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from builder.boot.vm.accelerator import Accelerator
from builder.store.shapes import VmConfig

PROGRAM = "qemu-system-{}"
UARTS = ((0x3F8, 4), (0x2F8, 3), (0x3E8, 5), (0x2E8, 7))
"""Port and interrupt of ttyS0 to ttyS3. The last two share the interrupts of the first two on a real PC; an emulated
one loses interrupts that are shared, and tells the guest by ACPI of these."""
DISKS = {
    "nvme": "nvme,drive={0},serial={0}",
    "virtio": "virtio-blk-pci,drive={0}",
    "sata": "ide-hd,drive={0},bus=ide.{1}",
    "ide": "ide-hd,drive={0},bus=ide.{1}",
}
UEFI_CODE = (
    Path("/usr/share/OVMF/OVMF_CODE_4M.fd"),
    Path("/usr/share/OVMF/OVMF_CODE.fd"),
    Path("/usr/share/edk2/ovmf/OVMF_CODE.fd"),
    Path("/usr/share/edk2/x64/OVMF_CODE.4m.fd"),
    Path("/usr/share/qemu/ovmf-x86_64-code.bin"),
)
"""Where Debian, Fedora, Arch and openSUSE put the firmware; its variables lie beside it."""
MODELS = {"tcg": "max,avx=off,avx2=off,fma=off,f16c=off", "kvm": "host"}
"""Processors. The emulation of AVX, which came with QEMU 7.2, computes wrongly there: numpy's results changed and its
programs crashed. A guest that finds none takes its code for older processors."""


@dataclass(frozen=True)
class Inherited:
    """Descriptors that QEMU takes over."""

    uarts: tuple[int, int, int, int]
    virtio: tuple[int, int] | None
    monitor: int


@dataclass(frozen=True)
class Files:
    """What QEMU opens."""

    disk: Path
    """The root, as qcow2. It is not written: what the machine changes goes to a file in TMPDIR that has no name."""
    transfer: Path
    uefi: tuple[Path, Path] | None
    """Firmware and its variables, which are written; None for the BIOS."""


def variables_of(code: Path) -> Path:
    """Give the file of empty variables that belongs to a firmware."""
    return code.with_name(code.name.replace("CODE", "VARS").replace("code", "vars"))


def comma(path: Path) -> str:
    """Spell a path as the value of an option: QEMU reads a doubled comma as one."""
    return str(path).replace(",", ",,")


def words(
    config: VmConfig,
    accelerator: Accelerator,
    files: Files,
    inherited: Inherited,
) -> list[str]:
    """Give the program and its arguments."""
    machine = "pc" if config.disk_bus == "ide" else "q35"
    result = [PROGRAM.format(config.architecture), "-name", "boss-builder", "-nodefaults", "-no-user-config"]
    result += ["-machine", machine, "-accel", accelerator.option, "-cpu", MODELS[accelerator.name]]
    result += ["-m", f"{config.memory >> 20}M", "-smp", str(config.processors)]
    result += ["-display", "none", "-nic", "none", "-no-reboot", "-boot", "strict=on"]
    if files.uefi:
        code, variables = files.uefi
        result += ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={comma(code)}"]
        result += ["-drive", f"if=pflash,format=raw,unit=1,file={comma(variables)}"]
    result += ["-drive", f"file={comma(files.disk)},if=none,id=root,format=qcow2,snapshot=on,discard=unmap"]
    result += ["-device", DISKS[config.disk_bus].format("root", 0) + ",bootindex=1"]
    result += ["-drive", f"file={comma(files.transfer)},if=none,id=transfer,format=raw,cache=unsafe"]
    result += ["-device", DISKS[config.disk_bus].format("transfer", 1)]
    for number, (descriptor, (port, interrupt)) in enumerate(zip(inherited.uarts, UARTS, strict=True)):
        result += ["-chardev", f"socket,id=uart{number},fd={descriptor}"]
        result += ["-device", f"isa-serial,chardev=uart{number},iobase={port},irq={interrupt}"]
    if inherited.virtio:
        result += ["-device", "virtio-serial-pci"]
        for name, descriptor in zip(("out", "err"), inherited.virtio, strict=True):
            result += ["-chardev", f"socket,id={name},fd={descriptor}"]
            result += ["-device", f"virtserialport,chardev={name},name=boss.{name}"]
    result += ["-chardev", f"socket,id=monitor,fd={inherited.monitor}", "-mon", "chardev=monitor,mode=control"]
    return result
