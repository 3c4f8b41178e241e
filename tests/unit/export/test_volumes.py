"""Volumes for tape: none is too large, each is a bag of its own, and together they are what one bag is."""

import hashlib
import io
import tarfile
from pathlib import Path

import bagit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.export.bagit import Bagged, export_bag, export_volumes
from builder.export.volumes import MOST_VOLUMES, cost, pack, size_in_bytes, tar_size
from tests.unit.export.archives import (
    build,
    files,
    is_valid_bag,
    is_whole,
    put_artifact,
    references,
    run_blocks,
)
from tests.unit.export.release import RELEASE, Site

SIZE = 600_000
LARGE = hashlib.shake_256(b"large").digest(1_700_001)


@pytest.fixture
def release(site) -> Site:
    """A release with a result that is larger than a volume, and some that are not."""
    build(site)
    put_artifact(site.store, f"results/{RELEASE}/large", LARGE)
    for number in range(5):
        put_artifact(site.store, f"results/{RELEASE}/{number}", hashlib.shake_256(b"%d" % number).digest(200_000))
    return site


def run(site: Site, target: Path, size: int = SIZE) -> Bagged:
    return export_volumes(site.lock, site.store, target, NoProgress(), volume_size=size)


def in_tar(folder: Path) -> int:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as archive:
        archive.add(folder, folder.name)
    return len(sink.getvalue())


@pytest.mark.parametrize("size", [450_000, SIZE, 777_777, 1_000_003])
def test_each_is_a_valid_bag_and_none_is_too_large_as_a_folder_or_as_a_tar(release, tmp_path, size):
    done = run(release, tmp_path / "x", size)
    assert [bag.folder.name for bag in done.bags] == [f"volume-{n:03}" for n in range(1, len(done.bags) + 1)]
    assert len(done.bags) >= 2_700_000 // size
    for bag in done.bags:
        assert is_valid_bag(bag.folder)
        assert bag.size == sum(map(len, files(bag.folder).values())) <= size
        assert in_tar(bag.folder) <= size


def test_little_is_wasted(release, tmp_path):
    done = run(release, tmp_path / "x", 1_000_000)
    assert len(done.bags) == 4, "2.7 MB of blobs"


def test_they_say_which_group_they_are_and_how_many(release, tmp_path):
    done = run(release, tmp_path / "x")
    infos = [bagit.Bag(str(bag.folder)).info for bag in done.bags]
    assert [info["Bag-Count"] for info in infos] == [f"{n} of {len(infos)}" for n in range(1, len(infos) + 1)]
    assert len({info["Bag-Group-Identifier"] for info in infos}) == 1
    assert infos[0]["Bag-Group-Identifier"].startswith(f"{RELEASE}-")


def test_every_volume_says_what_is_where(release, tmp_path):
    done = run(release, tmp_path / "x")
    listed = {(bag.folder / "data" / "volumes.txt").read_text() for bag in done.bags}
    (text,) = listed
    there = {
        (bag.folder.name, name)
        for bag in done.bags
        for name in files(bag.folder / "data")
        if name.startswith(("blobs/", "parts/"))
    }
    assert [tuple(line.split("  ")) for line in text.splitlines()] == sorted(there)
    assert {len(references(bag.folder / "data")) for bag in done.bags} == {
        len(references(done.bags[0].folder / "data"))
    }


def test_two_groups_are_equal(release, tmp_path):
    run(release, tmp_path / "one")
    run(release, tmp_path / "two")
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_its_howto_joins_them_to_what_one_bag_holds(release, tmp_path):
    done = run(release, tmp_path / "all volumes")
    export_bag(release.lock, release.store, tmp_path / "bag", NoProgress())
    work = tmp_path / "work"
    work.mkdir()
    run_blocks(
        done.bags[-1].folder / "HOWTO.md", work, "check", "layout", "files", "skopeo", group=tmp_path / "all volumes"
    )
    joined = files(work / "layout")
    del joined["volumes.txt"]
    assert joined == files(tmp_path / "bag" / "data")
    assert is_whole(work / "layout")


def test_its_howto_joins_them_where_nothing_was_split(release, tmp_path):
    run(release, tmp_path / "x", 5_000_000)
    work = tmp_path / "work"
    work.mkdir()
    run_blocks(tmp_path / "x" / "volume-001" / "HOWTO.md", work, "check", "layout", group=tmp_path / "x")
    assert is_whole(work / "layout")


def test_a_volume_that_is_too_small_is_told_with_the_least_size(release, tmp_path):
    with pytest.raises(InputFailure, match=r"too small for tiny-1.0[\s\S]*needs volumes of [0-9.]+ kB at least"):
        run(release, tmp_path / "new" / "x", 100_000)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("how", ["altered", "cut", "missing"])
def test_a_blob_that_is_split_is_checked_too(release, tmp_path, how):
    path = release.store.blob_path(Digest.of(LARGE))
    path.unlink()
    if how != "missing":
        path.write_bytes(LARGE[:-1] + (b"\0" if how == "altered" else b""))
    with pytest.raises(WorkFailure, match=r"damaged|missing"):
        run(release, tmp_path / "new" / "x")
    assert not (tmp_path / "new").exists()


# -- how blobs are spread --------------------------------------------------------------------------------------------

LENGTH = 90
SIZES = st.lists(st.integers(0, 40_000), min_size=1, max_size=40)
ROOMS = st.tuples(st.integers(3_000, 20_000), st.integers(0, 17_000))


def blobs(sizes: list[int]) -> list[tuple[Digest, int]]:
    return [(Digest.of(b"%d" % number), size) for number, size in enumerate(sizes)]


@given(SIZES, ROOMS)
def test_every_byte_has_one_place_and_no_volume_is_overfull(sizes, rooms):
    room = sum(rooms)
    volumes = pack(blobs(sizes), first_room=rooms[0], room=room, name_length=LENGTH)
    for number, volume in enumerate(volumes):
        assert sum(cost(piece.size, LENGTH) for piece in volume) <= (room if number else rooms[0])
        assert number == 0 or volume
    for digest, size in blobs(sizes):
        pieces = sorted(
            (piece for volume in volumes for piece in volume if piece.digest == digest), key=lambda p: p.part
        )
        assert sum(piece.size for piece in pieces) == size
        if len(pieces) == 1:
            assert pieces[0].part == 0
        else:
            assert [piece.part for piece in pieces] == list(range(1, len(pieces) + 1))


def test_more_volumes_than_have_numbers_are_refused():
    with pytest.raises(InputFailure, match=f"does not fit on {MOST_VOLUMES} volumes"):
        pack(blobs([10_000_000]), first_room=3_000, room=3_000, name_length=LENGTH)


@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,60}(/[a-z]{1,80}){0,2}", fullmatch=True), st.integers(0, 30_000), max_size=12
    )
)
def test_the_size_of_a_tar_is_what_tar_writes(sizes):
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, size in sizes.items():
            member = tarfile.TarInfo(name)
            member.size = size
            archive.addfile(member, io.BytesIO(bytes(size)))
    assert tar_size(sizes, []) - len(sink.getvalue()) in (0, 10240), "a long name may take a block less"


@pytest.mark.parametrize(
    ("text", "size"),
    [("700MB", 700_000_000), ("4.7GB", 4_700_000_000), ("650MiB", 681_574_400), ("1.5 TB", 1_500_000_000_000),
     ("64kB", 64_000), (" 1KiB ", 1024), ("0.001kB", 1)],
)  # fmt: skip
def test_sizes_are_read_as_people_write_them(text, size):
    assert size_in_bytes(text) == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "700",
        "MB",
        "-1MB",
        "0MB",
        "0.000kB",
        "1e3MB",
        "700mb",
        "700 M B",
        "1,5GB",
        "\N{ARABIC-INDIC DIGIT ONE}MB",
        "9" * 30 + "MB",
        "1MB\n2",
    ],
)
def test_what_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="is not a size"):
        size_in_bytes(text)


def test_a_blob_just_as_large_as_the_room_is_not_split():
    size = 4096
    assert [
        v[0].part
        for v in pack(blobs([size]), first_room=cost(size, LENGTH), room=cost(size, LENGTH), name_length=LENGTH)
    ] == [0]
