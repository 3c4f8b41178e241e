"""An initial RAM disk as an Enterprise Linux's kernel package has one: it loads drivers and finds the root by its UUID.

The kernel is Debian's for virtual machines, which has the drivers of virtio and IDE disks as modules.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

DRIVERS = ("virtio_pci", "virtio_blk", "ata_piix", "ahci", "sd_mod", "nvme")
"""What root disks are attached to; a driver that is built in has no module."""
INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sys /sys
/bin/busybox mount -t devtmpfs dev /dev
while read module; do /bin/busybox insmod "/modules/$module"; done < /modules/order
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in root=*) root=${word#root=} ;; esac
done
until disk=$(/bin/busybox findfs "$root") 2> /dev/null; do /bin/busybox sleep 0.1; done
/bin/busybox mount -o rw "$disk" /root
/bin/busybox umount /sys
/bin/busybox umount /proc
exec /bin/busybox switch_root /root /sbin/init
"""
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def load_order(modules: Path, wanted: Iterable[str]) -> list[Path]:
    """Give the modules' files, each after what it needs; a name without a file is a driver that is built in."""
    files = {path.name.removesuffix(".ko").replace("-", "_"): path for path in sorted(modules.rglob("*.ko"))}
    order: dict[str, Path] = {}

    def need(name: str) -> None:
        if name in order or name not in files:
            return
        found = _DEPENDS.search(files[name].read_bytes())
        for other in filter(None, found[1].decode().split(",")) if found else ():
            need(other.replace("-", "_"))
        order[name] = files[name]

    for name in wanted:
        need(name)
    return list(order.values())


def initramfs(modules: Path, busybox: bytes) -> bytes:
    """Make the disk, for the kernel whose modules lie below `modules`. The same modules give the same bytes."""
    order = load_order(modules, DRIVERS)
    files = {
        "init": (INIT.encode(), 0o100755),
        "bin/busybox": (busybox, 0o100755),
        "modules/order": ("".join(f"{path.name}\n" for path in order).encode(), 0o100644),
        **{f"modules/{path.name}": (path.read_bytes(), 0o100644) for path in order},
    }
    folders = ("bin", "dev", "modules", "proc", "root", "sys")
    entries = [*((name, b"", 0o040755) for name in folders), *((n, data, mode) for n, (data, mode) in files.items())]
    return gzip.compress(b"".join(_archive(entries)), 6, mtime=0)


def _archive(entries: Iterable[tuple[str, bytes, int]]) -> Iterator[bytes]:
    """Write a cpio archive in the format `newc`, the one that the kernel reads."""
    for number, (name, data, mode) in enumerate([*entries, ("TRAILER!!!", b"", 0)], 1):
        spelled = name.encode() + b"\0"
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(spelled), 0)
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + spelled
        yield head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)
