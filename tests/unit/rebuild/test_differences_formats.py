"""SIF, partition tables and superblocks as values; Apptainer images compared as far as no file is asked for."""

import io
import struct
import uuid
from pathlib import Path

import msgspec
import pytest

from builder.core import documents
from builder.core.errors import Failure, WorkFailure
from builder.core.progress import NoProgress
from builder.inside.partitions import read_table
from builder.inside.squashfs import _lines, _parsed
from builder.rebuild.differences import Comparison, ImageAt, compare_images
from builder.rebuild.differences.disk_format import boot_code, fat_serial, told_ext, told_table, without_serial
from builder.rebuild.differences.sif_format import read_sif, read_squashfs, table_of
from builder.rebuild.taxonomy import Cause
from builder.store import oci
from builder.store.shapes import RENDERED, SIF_CONFIG, SIF_LAYER
from builder.store.store import Store

DAY = 1_600_000_000


@pytest.fixture(autouse=True)
def no_diffoscope(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))


# -- SIF --------------------------------------------------------------------------------------------------------------


def sif(*parts: tuple[int, bytes], sif_id: bytes = bytes(16), created: int = DAY, name: bytes = b"toy") -> bytes:
    """Put a SIF together: of each part its type and its bytes."""
    table, data, at = b"", b"", 128 + 585 * len(parts)
    for number, (kind, content) in enumerate(parts, 1):
        table += struct.pack(
            "<i?IIIqqqqqqq", kind, True, number, 1, 0, at, len(content), len(content), created, created, 0, 0
        )
        table += name.ljust(128, b"\0") + bytes(384)
        data += content
        at += len(content)
    header = b"#!/usr/bin/env run-singularity\n".ljust(32, b"\0") + b"SIF_MAGIC\0" + b"01\0" + b"02\0" + sif_id
    header += struct.pack("<8q", created, created, 0, len(parts), 128, len(table), 128 + len(table), len(data))
    return header + table + data


def kept(folder: Path, image: bytes, rendered: dict[str, str] | None = None) -> ImageAt:
    store = Store(folder)
    blob = oci.Descriptor(media_type=SIF_LAYER, digest=store.put(image), size=len(image))
    texts = tuple(
        oci.Descriptor(media_type=RENDERED, digest=store.put(t.encode()), size=len(t), annotations={oci.TITLE: name})
        for name, t in (rendered or {}).items()
    )
    config = oci.Descriptor(media_type=SIF_CONFIG, digest=store.put(b"{}"), size=2)
    return ImageAt(store, store.put_manifest(oci.Manifest(config=config, layers=(blob, *texts)), "image/toy/sif"))


def compared(tmp_path: Path, one: bytes, two: bytes, **rendered) -> Comparison:
    stored = kept(tmp_path / "stored", one, rendered.get("before"))
    return compare_images(
        "sif", stored, kept(tmp_path / "rebuilt", two, rendered.get("after")), no_toolbox, NoProgress()
    )


def no_toolbox():
    raise AssertionError("no file is asked for")


DEFINITION, OTHER, SIGNATURE = (0x4001, b"From: toy\n"), (0x4001, b"From: other\n"), (0x4005, b"signed")
LABELS = (0x4006, b'{"build-date": "2020-09-13T12:26:40Z"}')


@pytest.mark.parametrize(
    ("after", "cause", "found"),
    [
        (sif(DEFINITION, LABELS, sif_id=b"x" * 16), Cause.CONTENT_IDENTICAL, {("sif header", "id", "container")}),
        (sif(DEFINITION, LABELS, name=b"other"), Cause.CONTENT_IDENTICAL,
         {("sif descriptor definition", "name", "container"), ("sif descriptor generic JSON", "name", "container")}),
        (sif(OTHER, LABELS), Cause.CONTENT_DIFFERS, {("sif definition", "content", "content")}),
        (sif(DEFINITION, (0x4006, LABELS[1].replace(b"2020", b"2026"))), Cause.CONTENT_DIFFERS,
         {("sif generic JSON", "content", "time")}),
        (sif(DEFINITION, LABELS, SIGNATURE), Cause.CONTENT_IDENTICAL, {("sif signature", "part", "container")}),
        (sif(DEFINITION), Cause.MISSING_OUTPUT, {("sif generic JSON", "part", "content")}),
        (sif(LABELS, DEFINITION), Cause.CONTENT_IDENTICAL, {("sif header", "order", "order")}),
        (sif(DEFINITION, LABELS, created=DAY + 1), Cause.CONTENT_IDENTICAL,
         {("sif header", "created", "time"), ("sif descriptor definition", "modified", "time")}),
    ],
)  # fmt: skip
def test_a_sif_with_one_change_comes_out_as_its_class(after, cause, found, tmp_path):
    comparison = compared(tmp_path, sif(DEFINITION, LABELS), after)
    assert comparison.cause is cause
    assert found <= {(d.part, d.field, d.kind) for d in comparison.differences}


@pytest.mark.parametrize(
    ("before", "after", "cause"),
    [
        ({"a.def": "1"}, {"a.def": "2"}, Cause.CONTENT_DIFFERS),
        ({"a.def": "1"}, {}, Cause.MISSING_OUTPUT),
        ({}, {"a.def": "1"}, Cause.CONTENT_DIFFERS),
    ],
)
def test_files_beside_an_image_are_compared(before, after, cause, tmp_path):
    comparison = compared(tmp_path, sif(DEFINITION), sif(DEFINITION), before=before, after=after)
    assert [(d.part, d.path) for d in comparison.differences] == [("rendered file", "a.def")]
    assert comparison.cause is cause


@pytest.mark.parametrize("image", [b"", b"no", bytes(200), sif(DEFINITION)[:88] + b"\xff" * 40, sif(DEFINITION)[:100]])
def test_what_is_no_sif_is_a_clear_failure(image, tmp_path):
    with pytest.raises(WorkFailure, match="can not be read: "):
        compared(tmp_path, sif(DEFINITION), image)


def test_a_sif_that_is_cut_short_differs_and_breaks_nothing(tmp_path):
    assert compared(tmp_path, sif(DEFINITION), sif(DEFINITION)[:-3]).cause is Cause.CONTENT_DIFFERS
    assert compared(tmp_path / "table", sif(DEFINITION), sif(DEFINITION)[:300]).cause is Cause.MISSING_OUTPUT


def test_a_manifest_that_is_none_is_a_clear_failure(tmp_path):
    stored, rebuilt = kept(tmp_path / "a", sif(DEFINITION)), kept(tmp_path / "b", sif(OTHER))
    data = documents.compact({"schemaVersion": 2})
    broken = oci.Descriptor(media_type=oci.MANIFEST, digest=rebuilt.store.put(data), size=len(data))
    with pytest.raises(Failure, match="is not what it should be"):
        compare_images("sif", stored, ImageAt(rebuilt.store, broken), no_toolbox, NoProgress())


def test_the_parts_of_a_sif_are_named():
    image = sif(DEFINITION, SIGNATURE)
    place, length = table_of(image[:128])
    read = read_sif(image[:128], image[place : place + length])
    assert [part.name for part in read.objects] == ["definition", "signature"]
    assert read.told["created"] == ("2020-09-13T12:26:40Z", "time")


def test_the_superblock_of_a_squashfs_is_told():
    block = (
        b"hsqs"
        + struct.pack("<4I6H", 7, DAY, 1 << 17, 1, 6, 17, 0xC0, 2, 4, 0)
        + struct.pack("<2Q", 0, 999)
        + bytes(48)
    )
    told = read_squashfs(block)
    assert (told["compression"][0], told["made"][0], told["bytes used"][0]) == ("zstd", "2020-09-13T12:26:40Z", "999")
    assert read_squashfs(b"short") == {}


# -- what unsquashfs lists --------------------------------------------------------------------------------------------

MARK = b"#\n# START OF DATA - DO NOT MODIFY\n#\n"


def parsed(lines: bytes):
    return _parsed(_lines(io.BytesIO(lines + MARK)))


def test_names_links_and_attributes_of_a_squashfs_are_read():
    found = parsed(
        b'/ D 1 755 0 0\nd x user.k=0ta\\012\\134b"\\000\nd D 1 755 0 0\nwe\\ ird\\\nn\\"\\\\z R 1 644 0 0 5 0 0\n'
        b'zz\\ link L we\\ ird\\\nn\\"\\\\z\ns S 1 777 0 0 two\nlines of it\np I 1 600 0 0 s\n'
    )
    assert sorted(found.files) == [b"", b"d", b"p", b"s", b'we ird\nn"\\z']
    assert found.links == {b"zz link": b'we ird\nn"\\z'}
    assert found.attributes == {b"d": {b"user.k": b'a\n\\b"\0'}}
    assert found.files[b"s"][0].link == b"two\nlines of it"
    assert found.files[b"p"][0].kind == "socket"


@pytest.mark.parametrize("lines", [b"nonsense\n", b"a R 1 644\n", b"a R x y z u 1 2 3\n", b"a", b"\\", b"a \n"])
def test_a_list_that_is_not_understood_is_refused(lines):
    with pytest.raises((ValueError, IndexError)):
        parsed(lines)
    with pytest.raises(ValueError, match="no contents"):
        list(_lines(io.BytesIO(lines)))


# -- disks ------------------------------------------------------------------------------------------------------------


def head(disk: int = 0, partitions: tuple[tuple[int, int], ...] = ((2048, 4095),)) -> bytes:
    """The beginning of a disk, with partitions from and to a sector."""
    header = b"EFI PART".ljust(56, b"\0") + uuid.UUID(int=disk).bytes_le + struct.pack("<QII", 2, 128, 128)
    entries = b"".join(
        uuid.UUID(int=1).bytes_le + uuid.UUID(int=number).bytes_le + struct.pack("<3Q", start, last, 0)
        + "root".encode("utf-16-le").ljust(72, b"\0")
        for number, (start, last) in enumerate(partitions, 1)
    )  # fmt: skip
    return (bytes(512) + header.ljust(512, b"\0") + entries.ljust(1 << 14, b"\0")).ljust(1 << 16, b"\0")


def test_a_partition_table_is_read():
    table = read_table(head(5, ((2048, 4095), (4096, 4096))))
    assert table.id == str(uuid.UUID(int=5))
    assert [(p.start, p.size, p.name) for p in table.partitions.values()] == [
        (1 << 20, 1 << 20, "root"),
        (2 << 20, 512, "root"),
    ]
    assert table.end == 1024 + (1 << 14)
    assert told_table(table, [2])["partition 2 place"] == ("at 2097152, 512 bytes", "container")


@pytest.mark.parametrize("data", [b"", bytes(4096), head()[:2048], head()[:592] + b"\xff" * 8 + head()[600:]])
def test_what_is_no_partition_table_is_refused(data):
    with pytest.raises(ValueError, match="partition table"):
        read_table(data)


def test_the_tables_are_no_part_of_the_boot_code():
    one, two = head(1), head(2, ((2048, 9999),))
    assert boot_code(one, read_table(one)) == boot_code(two, read_table(two))
    assert len(boot_code(one, read_table(one))) == len(one)
    other = one[:100] + b"\1" + one[101:]
    assert boot_code(other, read_table(one)) != boot_code(one, read_table(one))


def fat(kind: bytes, serial: bytes) -> bytes:
    data = bytearray(8192)
    at = 39 if kind == b"FAT16" else 67
    data[at : at + 4] = serial
    data[at + 15 : at + 15 + len(kind)] = kind
    data[510:512] = b"\x55\xaa"
    return bytes(data)


@pytest.mark.parametrize("kind", [b"FAT16", b"FAT32"])
def test_the_volume_id_of_a_fat_is_known(kind):
    one, two = fat(kind, b"\1\2\3\4"), fat(kind, b"\5\6\7\x08")
    assert (fat_serial(one), fat_serial(two)) == ("04030201", "08070605")
    assert without_serial(one) == without_serial(two)
    assert (fat_serial(bytes(8192)), without_serial(b"x")) == ("", b"x")


def test_the_superblock_of_an_ext_file_system_is_told():
    block = bytearray(1024)
    block[104:120] = uuid.UUID(int=7).bytes
    struct.pack_into("<I", block, 264, DAY)
    told = told_ext(bytes(block))
    assert told["uuid"] == (str(uuid.UUID(int=7)), "container")
    assert told["made"] == ("2020-09-13T12:26:40Z", "time")


def test_a_comparison_is_json_all_the_way(tmp_path):
    comparison = compared(tmp_path, sif(DEFINITION), sif(OTHER))
    assert msgspec.json.decode(documents.compact(comparison), type=Comparison) == comparison
