"""Volumes for tape: none is too large, each is a bag of its own, and together they are what one bag is."""

import datetime as dt
import hashlib
import io
import re
import shutil
import tarfile
from pathlib import Path

import bagit
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.audit.copies.bring_in import bring_in
from builder.audit.copies.find import open_source, opened_source
from builder.audit.copies.place import Folder
from builder.audit.copies.volumes import Membership, membership
from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.export.bagit import Bag, Bagged, export_bag, export_volumes
from builder.export.volumes import MOST_VOLUMES, cost, pack, size_in_bytes, tar_size
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.export.archives import (
    build,
    files,
    is_valid_bag,
    is_whole,
    put_artifact,
    references,
    run_blocks,
)
from tests.unit.export.release import RELEASE, Site, frozen

SIZE = 600_000
LARGE = hashlib.shake_256(b"large").digest(1_700_001)


@pytest.fixture
def release(site) -> Site:
    """A release with a result that is larger than a volume, and some that are not."""
    return filled(site)


def filled(site: Site) -> Site:
    build(site)
    put_artifact(site.store, f"results/{RELEASE}/large", LARGE)
    for number in range(5):
        put_artifact(site.store, f"results/{RELEASE}/{number}", hashlib.shake_256(b"%d" % number).digest(200_000))
    return site


@pytest.fixture(scope="module")
def kept(tmp_path_factory) -> Site:
    """The same release, which stays as it is."""
    return filled(frozen(Store(tmp_path_factory.mktemp("release") / "images")))


@pytest.fixture(scope="module")
def written(kept, tmp_path_factory) -> Path:
    """Its volumes, which stay as they are."""
    return run(kept, tmp_path_factory.mktemp("volumes") / "x").folder


@pytest.fixture
def done(written, tmp_path) -> Bagged:
    """Its volumes, to change."""
    folder = Path(shutil.copytree(written, tmp_path / "x"))
    bags = tuple(Bag(bag, 0, 0, Digest.of(b"")) for bag in sorted(folder.iterdir()))
    return Bagged(RELEASE, folder, (), bags)


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


# -- taken back as they are -------------------------------------------------------------------------------------------

NOW = dt.datetime(2040, 1, 1, tzinfo=dt.UTC)


def take(target: Store, *words: Path) -> None:
    with opened_source(str(words[0]), target, NoProgress(), [str(word) for word in words[1:]]) as opened:
        bring_in(opened, Folder(target, NOW), (), NoProgress())


def pack_up(folder: Path, suffix: str) -> Path:
    """Make a tar of a volume, in its place."""
    path = folder.with_name(folder.name + suffix)
    with tarfile.open(path, "w:gz" if suffix.endswith("gz") else "w") as archive:
        archive.add(folder, folder.name)
    shutil.rmtree(folder)
    return path


def some_packed(done: Bagged) -> list[Path]:
    """The volumes as a folder, a tar and a tar.gz in turn, with other names than they were given."""
    return [
        pack_up(bag.folder, suffix) if suffix else bag.folder.rename(bag.folder.with_name(f"tape {number}"))
        for number, (bag, suffix) in enumerate(zip(done.bags, ["", ".tar", ".tar.gz"] * 9, strict=False))
    ]


FORMS = {
    "a folder of folders": lambda done: [done.folder],
    "a folder of folders and tars": lambda done: [some_packed(done)[0].parent],
    "named one by one, the last first": lambda done: [bag.folder for bag in done.bags][::-1],
    "named one by one, some as tars": some_packed,
    "one in another place": lambda done: [
        done.bags[1].folder.rename(done.folder.with_name("elsewhere")), done.folder,
    ],
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_they_are_taken_back_as_they_are(kept, done, tmp_path, form):
    one = Store(tmp_path / "of volumes")
    take(one, *FORMS[form](done))
    assert verify(one) == ()
    assert one.references() == kept.store.references()
    assert files(one.path / "blobs") == files(kept.store.path / "blobs")
    assert one.blob_path(Digest.of(LARGE)).read_bytes() == LARGE
    assert list((one.path / "tmp").iterdir()) == []


def test_the_only_volume_of_a_group_is_a_whole_bag(kept, tmp_path):
    run(kept, tmp_path / "x", 5_000_000)
    for name, word in (("one", tmp_path / "x" / "volume-001"), ("two", tmp_path / "x")):
        take(Store(tmp_path / name), word)
        assert Store(tmp_path / name).references() == kept.store.references()


def test_a_folder_of_volumes_is_a_copy_to_repair_from(written):
    source = open_source(str(written))
    with source.pieces(str(Digest.of(LARGE)), len(LARGE)) as pieces:
        assert b"".join(pieces) == LARGE


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def some_part(done: Bagged, number: int = 1) -> Path:
    return next(done.folder.glob(f"*/data/parts/*.part-{number:03}"))


def seal(bag: Path) -> None:
    """Make the lists of a bag true again after its payload was changed: the liar's work."""
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(bag)}\n"
        for path in sorted((bag / "data").rglob("*"))
        if path.is_file()
    ]
    (bag / "manifest-sha256.txt").write_text("".join(lines))
    info = (bag / "bag-info.txt").read_text()
    (bag / "bag-info.txt").write_text(re.sub("Payload-Oxum: .*\n", "", info))
    for path in bag.glob("tagmanifest-*"):
        path.unlink()


def edited(name: str, old: str, new: str, *, everywhere: bool = True):
    """Change a text of one volume, or of all, and seal it again."""

    def harm(done: Bagged) -> None:
        for bag in done.bags if everywhere else done.bags[1:2]:
            text = (bag.folder / name).read_text()
            assert re.search(old, text)
            (bag.folder / name).write_text(re.sub(old, new, text, count=1))
            seal(bag.folder)

    return harm


def lie_about_a_part(done: Bagged) -> None:
    part = some_part(done)
    flip(part)
    seal(part.parents[2])


def copy_of_second(done: Bagged) -> None:
    shutil.copytree(done.bags[1].folder, done.folder / "volume-again")


CONTENTS = "data/volumes.txt"
FLAWS = {
    "two are missing": (
        lambda done: [shutil.rmtree(done.bags[n].folder) for n in (0, 2)],
        r"volume 1 of \d+ of 'tiny-1.0-[0-9a-f]{12}' is missing(.|\n)*volume 3 of ",
    ),
    "one is there twice": (copy_of_second, "volume 2 is there twice: .*volume-002 and .*volume-again"),
    "one is of another group": (
        edited("bag-info.txt", "Group-Identifier: ", "Group-Identifier: x", everywhere=False),
        "is a volume of another group"),
    "one counts otherwise": (edited("bag-info.txt", " of ", " of 1", everywhere=False), "is a volume of another group"),
    "a number beyond the count": (edited("bag-info.txt", r"Count: \d+ of", "Count: 77 of"), "which can not be"),
    "a number of nothing": (edited("bag-info.txt", r"Count: \d+ of", "Count: 0 of"), "which can not be"),
    "a huge number": (edited("bag-info.txt", r"Count: .*", "Count: 1 of " + "9" * 400), "which can not be"),
    "a number that is none": (edited("bag-info.txt", r"Count: .*", "Count: two"), "which can not be"),
    "a count twice": (edited("bag-info.txt", "Bag-Count", "Bag-Count: 1 of 2\nBag-Count"), "says its Bag-Count twice"),
    "another index": (
        edited("data/index.json", '"schemaVersion": 2', '"schemaVersion":  2', everywhere=False),
        "index.json of .* is not that of"),
    "other contents": (
        edited(CONTENTS, "volume-001", "volume-002", everywhere=False), "volumes.txt of .* is not that of"),
    "a place that leads out": (edited(CONTENTS, "blobs/sha256/", "blobs/../../"), "a line that is none"),
    "a volume of nothing": (edited(CONTENTS, "volume-001", "volume-998"), "a line that is none"),
    "a blob twice": (edited(CONTENTS, r"^(.*\n)", r"\1\1"), "names .* twice"),
    "a part too few": (edited(CONTENTS, r"[^\n]*part-002\n", ""), "does not name all parts of"),
    "a blob in no volume": (edited(CONTENTS, r"[^\n]*/blobs/sha256/[0-9a-f]*\n|.*\n", ""), "missing from|has none"),
    "a damaged part": (lambda done: flip(some_part(done)), r"part-001 is damaged in .*volume-"),
    "a damaged part, sealed": (lie_about_a_part, "is damaged in"),
    "a part that is gone": (lambda done: some_part(done, 2).unlink(), "part-002 is missing from"),
    "a volume that is a link": (
        lambda done: (
            done.bags[1].folder.rename(done.folder.with_name("out")),
            done.bags[1].folder.symlink_to(done.folder.with_name("out")),
        ),
        "volume-002 is a link"),
}  # fmt: skip


@pytest.mark.parametrize("flaw", FLAWS)
def test_volumes_that_are_not_whole_change_no_reference_and_say_why(done, tmp_path, flaw):
    change, said = FLAWS[flaw]
    change(done)
    back = Store(tmp_path / "back")
    with pytest.raises(InputFailure, match=said):
        take(back, done.folder)
    assert back.references() == {}


def test_a_volume_alone_says_which_are_missing(done, tmp_path):
    back = Store(tmp_path / "back")
    with pytest.raises(InputFailure, match="volume 1 of ") as raised:
        take(back, done.bags[1].folder)
    assert [problem.message.split(" of ")[0] for problem in raised.value.problems] == [
        f"volume {number}" for number in range(1, len(done.bags) + 1) if number != 2
    ]


@pytest.mark.parametrize(
    ("info", "found"),
    [
        ("", None),
        ("Bag-Group-Identifier: g\n", None),
        ("Bag-Count: 1 of 2\n", None),
        ("Bag-Group-Identifier: g\nBag-Count: 1 of 1\n", None),
        ("Bag-Group-Identifier: g\nBag-Count: 3 of ?\n", None),
        ("bag-group-identifier : g h\r\nBAG-COUNT:2 of 3\r\n", Membership("g h", 2, 3)),
    ],
    ids=["nothing", "no count", "no group", "the only one", "no end", "the second"],
)
def test_a_bag_says_which_volume_it_is(tmp_path, info, found):
    (tmp_path / "bag-info.txt").write_text(info, newline="")
    assert membership(tmp_path, "it") == found


@pytest.mark.parametrize(
    ("other", "said"),
    [("nothing", "no volume of a bag"), ("bag", "no volume of a group"), ("oci://127.0.0.1:1/x", "no volume of a bag")],
)
def test_several_names_are_for_volumes_alone(kept, done, tmp_path, other, said):
    export_bag(kept.lock, kept.store, tmp_path / "bag", NoProgress())
    with pytest.raises(InputFailure, match=said):
        take(Store(tmp_path / "back"), done.folder, Path(other) if "://" in other else tmp_path / other)


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
