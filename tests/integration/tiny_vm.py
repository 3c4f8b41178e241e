"""A small virtual machine: busybox and a real kernel on a bootable disk that the builder image's own program makes.

Its init gives root's shell on ttyS1, as the stage `vm` of a release does, and boots in seconds.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import msgspec

from builder.core.progress import NoProgress
from builder.engine.engine import connect
from builder.inside.canonical import DIRECTORY, REGULAR, SYMBOLIC_LINK, Content, Entry, write_tar
from builder.store.shapes import VmConfig
from builder.store.store import Store
from builder.toolbox.toolbox import DISK_PROGRAMS, open_toolbox, programs_digest
from tests.busybox import static_busybox
from tests.integration.spine import CACHE, builder_store

SIZE = 192 << 20
CONFIG = VmConfig(  # noqa: S604 - the shell is a serial port
    architecture="x86_64",
    memory=256 << 20,
    processors=2,
    disk_bus="nvme",
    disk_size=SIZE,
    raw_digest="",
    firmware=("bios", "uefi"),
    console="ttyS0",
    shell="ttyS1",
)
TOOLS = (
    "init sh sleep cat echo env printf mkdir ls rm id sha256sum head setsid true stat test touch find grep sed tr tty "
    "dd stty su tar mount insmod kill poweroff reboot ps cp ln df yes sync"
)
MODULES = ("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci", "virtio_console")
UUID = "7a5e1b2c-0000-4000-8000-{:012d}"
INITTAB = "::sysinit:/etc/rc\nttyS1::respawn:/bin/sh\n"
RC = f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
for module in {" ".join(MODULES)}; do insmod /lib/modules/$module.ko; done
echo the root is up
"""
GRUB = f"""linux /boot/vmlinuz root=PARTUUID={UUID.format(1)} rw console=ttyS0,115200 init=/bin/init panic=0
boot
"""
USERS = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"


class _Request(msgspec.Struct, frozen=True):
    layers: tuple[str, ...]
    scratch: str
    epoch: int
    size: int
    file_system: str
    features: str
    uuids: dict[str, object]
    uefi: bool


class _Answer(msgspec.Struct, frozen=True):
    raw_digest: str


REQUEST = _Request(
    layers=("0.tar.gz",),
    scratch="scratch",
    epoch=1577836800,
    size=SIZE,
    file_system="ext4",
    features="none,has_journal,ext_attr,dir_index,filetype,sparse_super,large_file,extent",
    uuids={
        "disk": UUID.format(0),
        "root": UUID.format(99),
        "partitions": {str(number): UUID.format(number) for number in (1, 14, 15)},
    },
    uefi=True,
)


def tiny_disk() -> Path:
    """The disk; made once for its content, kept in the cache."""
    key = hashlib.sha256(
        json.dumps([TOOLS, MODULES, INITTAB, RC, GRUB, USERS, programs_digest(DISK_PROGRAMS)]).encode()
        + msgspec.json.encode(REQUEST)
    ).hexdigest()[:12]
    disk = CACHE / f"tiny-vm-{key}.qcow2"
    store = builder_store()
    with (CACHE / "lock-tiny-vm").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not disk.exists():
            with tempfile.TemporaryDirectory(dir=CACHE) as folder:
                _make(Path(folder), store)
                shutil.move(Path(folder) / "disk.qcow2", disk)
    return disk


def kernel() -> Path:
    """Debian's kernel for virtual machines, unpacked: from the host's own mirror, not installed."""
    depends = subprocess.run(
        ["apt-cache", "depends", "--important", "linux-image-cloud-amd64"],
        check=True, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    found = re.search(r"Depends: (linux-image-\S+)", depends.stdout)
    assert found
    folder = CACHE / found[1]
    if not folder.exists():
        with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
            subprocess.run(["apt-get", "download", "-q", found[1]], cwd=scratch, check=True, timeout=300)
            (package,) = Path(scratch).glob("*.deb")
            subprocess.run(["dpkg-deb", "-x", package, f"{scratch}/root"], check=True, timeout=120)
            (Path(scratch) / "root").rename(folder)
    return folder


def kernel_image() -> Path:
    """The kernel itself."""
    (image,) = (kernel() / "boot").glob("vmlinuz-*")
    return image


def _contents() -> list[Content]:
    files = {
        "etc/inittab": (INITTAB.encode(), 0o644),
        "etc/rc": (RC.encode(), 0o755),
        "etc/passwd": (USERS.encode(), 0o644),
        "etc/group": (b"root:x:0:\nnobody:x:65534:\n", 0o644),
        "boot/grub/grub.cfg": (GRUB.encode(), 0o644),
        "boot/vmlinuz": (kernel_image().read_bytes(), 0o644),
        "bin/busybox": (static_busybox(), 0o755),
    }
    for module in MODULES:
        (path,) = kernel().rglob(f"{module}.ko")
        files[f"lib/modules/{module}.ko"] = (path.read_bytes(), 0o644)
    folders = {str(parent) for name in files for parent in Path(name).parents} - {"."}
    contents: list[Content] = [
        (Entry(name.encode(), DIRECTORY, 0o755, 0, 0, 0), None)
        for name in folders | {"root", "tmp", "proc", "sys", "dev", "sbin"}
    ]
    for name, (data, mode) in files.items():
        contents.append((Entry(name.encode(), REGULAR, mode, 0, 0, 0, size=len(data)), lambda d=data: io.BytesIO(d)))
    contents += [
        (Entry(f"bin/{tool}".encode(), SYMBOLIC_LINK, 0o777, 0, 0, 0, link=b"busybox"), None) for tool in TOOLS.split()
    ]
    return sorted(contents, key=lambda content: content[0].path)


def _make(folder: Path, store: Path) -> None:
    tar = io.BytesIO()
    write_tar(_contents(), tar)
    (folder / REQUEST.layers[0]).write_bytes(gzip.compress(tar.getvalue(), 1))
    engine = connect()
    toolbox = open_toolbox(Store(store), engine, NoProgress())
    toolbox.run("disk", REQUEST, _Answer, work=folder, time_limit=300)
    engine.client.close()
