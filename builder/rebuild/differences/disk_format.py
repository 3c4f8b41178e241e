"""What of a disk is no file: its partition table, its boot code, the superblock of its root; as values, pure.

Sources: UEFI specification 2.10, 5.3; kernel documentation, filesystems/ext4, "Super Block"; Microsoft, "FAT32 File
System Specification" 1.03.
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Collection

from builder.inside.listing import NANO
from builder.inside.partitions import SECTOR, Table
from builder.rebuild.differences.text import printable, shown_time
from builder.rebuild.differences.told import Told

BOOT_CODE = 440
"""Bytes of the first sector before the disk signature and the partition table for the BIOS."""
FAT_SIGNATURE = b"\x55\xaa"
FAT16_SERIAL, FAT32_SERIAL = 39, 67


def told_table(table: Table, numbers: Collection[int]) -> Told:
    """Tell the fields of a partition table, and of some of its partitions, that say nothing of the files."""
    told: Told = {"disk id": (table.id, "container")}
    for number in sorted(numbers):
        partition = table.partitions[number]
        told |= {
            f"partition {number} id": (partition.id, "container"),
            f"partition {number} type": (partition.type, "container"),
            f"partition {number} place": (f"at {partition.start}, {partition.size} bytes", "container"),
            f"partition {number} attributes": (f"{partition.attributes:#x}", "container"),
            f"partition {number} name": (printable(partition.name), "container"),
        }
    return told


def boot_code(head: bytes, table: Table) -> bytes:
    """Give what lies before the first partition, the tables blanked: they are compared field by field."""
    return head[:BOOT_CODE] + bytes(table.end - BOOT_CODE) + head[table.end :]


def told_ext(superblock: bytes) -> Told:
    """Tell the fields of the superblock of an ext file system that say nothing of the files."""
    word = struct.Struct("<I").unpack_from

    def number(offset: int) -> int:
        return int(word(superblock, offset)[0])

    def when(offset: int) -> str:
        return shown_time(number(offset) * NANO)

    return {
        "uuid": (_uuid(superblock[104:120]), "container"),
        "label": (_text(superblock[120:136]), "container"),
        "hash seed": (_uuid(superblock[236:252]), "container"),
        "journal uuid": (_uuid(superblock[208:224]), "container"),
        "features": (f"{number(92):#x} {number(96):#x} {number(100):#x}", "container"),
        "sizes": (f"{number(4)} blocks of {1024 << number(24)} bytes, {number(0)} inodes", "container"),
        "free": (f"{number(12)} blocks, {number(16)} inodes", "container"),
        "reserved": (f"{number(8)} blocks", "container"),
        "inode size": (str(int.from_bytes(superblock[88:90], "little")), "container"),
        "last mounted on": (_text(superblock[136:200]), "container"),
        "mount options": (f"{number(256):#x}", "container"),
        "mounts": (str(int.from_bytes(superblock[52:54], "little")), "container"),
        "made": (when(264), "time"),
        "mounted": (when(44), "time"),
        "written": (when(48), "time"),
        "checked": (when(64), "time"),
    }


def fat_serial(partition: bytes) -> str:
    """Give the volume id of a FAT file system; empty where there is none."""
    places = _serials(partition)
    return partition[places[0] : places[0] + 4][::-1].hex() if places else ""


def without_serial(partition: bytes) -> bytes:
    """Give a partition with the volume id of its FAT, if it is one, blanked."""
    data = bytearray(partition)
    for place in _serials(partition):
        data[place : place + 4] = bytes(4)
    return bytes(data)


def _serials(partition: bytes) -> tuple[int, ...]:
    """Where a FAT file system keeps its volume id: in its first sector, FAT32 in a copy of that too."""
    if len(partition) < SECTOR or partition[510:512] != FAT_SIGNATURE:
        return ()
    if partition[54:57] == b"FAT":
        return (FAT16_SERIAL,)
    if partition[82:85] != b"FAT":
        return ()
    copy = int.from_bytes(partition[50:52], "little") * SECTOR
    return (FAT32_SERIAL, copy + FAT32_SERIAL) if 0 < copy <= len(partition) - SECTOR else (FAT32_SERIAL,)


def _uuid(data: bytes) -> str:
    return str(uuid.UUID(bytes=data))


def _text(data: bytes) -> str:
    return printable(data.partition(b"\0")[0].decode("utf-8", "surrogateescape"))
