"""A release as a BagIt bag, or as a group of bags of a size, for an archive's intake.

Source: RFC 8493, "The BagIt File Packaging Format (V1.0)".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import builder
from builder.core.digest import CHUNK, Digest
from builder.core.errors import InputFailure
from builder.core.progress import Progress, amount_text
from builder.export.content import Advance, open_checked
from builder.export.export import refuse_in_store
from builder.export.folder import GrowingFolder, bare_folder, checksums
from builder.export.guide import guide
from builder.export.layout import Layout, blob_name, release_layout, write_beside, write_blobs, write_index
from builder.export.names import HOWTO
from builder.export.plain import PlainFolder
from builder.export.volumes import MOST_VOLUMES, Piece, Volume, cost, pack, tar_size
from builder.lock.model import Lock
from builder.lock.notes import stand_ins
from builder.recipe.epoch import release_epoch
from builder.store.shapes import Shape
from builder.store.store import Store

PAYLOAD = "data"
DECLARATION = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
ALGORITHMS = ("sha256", "md5")
TAGMANIFEST = "tagmanifest-sha256.txt"
CONTENTS = "volumes.txt"
"""In every volume of a group: what lies in which."""
RESERVE = 96 << 10
"""Of a volume: for its manifests' ends, folders, small files, and the end of the tar; bytes."""
PART_NAME = 9
"""Length of `.part-001`."""


@dataclass(frozen=True)
class Bag:
    """A bag that was written: its folder, the number of its files, and their size in bytes.

    `digest` is that of `tagmanifest-sha256.txt`: who knows it knows every file.
    """

    folder: Path
    files: int
    size: int
    digest: Digest


@dataclass(frozen=True)
class Bagged:
    """The bags of a release: one, or in `folder` one a volume."""

    release: str
    folder: Path
    shapes: tuple[Shape, ...]
    bags: tuple[Bag, ...]


@dataclass(frozen=True)
class _Group:
    """Which of a group of bags this one is; `identifier` is that of the group, and empty where a bag stands alone."""

    identifier: str
    number: int
    count: int


ALONE = _Group("", 1, 1)


def export_bag(lock: Lock, store: Store, target: Path, progress: Progress) -> Bagged:
    """Write all that belongs to a release as one bag. `target` appears whole or not at all.

    Two bags of the same store are equal. Raises as `builder.export.export.export`.
    """
    refuse_in_store(target, store)
    layout = release_layout(store, lock)
    size = layout.size + _texts_size(lock, layout)
    with (
        bare_folder(target, release_epoch(lock.recipe), PlainFolder, size=size) as bag,
        progress.task(f"bag {layout.release}", size) as task,
    ):
        payload = bag.below(PAYLOAD)
        write_index(layout, payload)
        write_blobs(layout, store, payload, task.advance)
        write_beside(layout, lock, store, payload, task.advance)
        bag.write_text(HOWTO, guide("bag", lock, layout))
        _seal(bag, lock, ALONE)
    return Bagged(layout.release, target, _shapes(layout), (_bag(target),))


def export_volumes(lock: Lock, store: Store, target: Path, progress: Progress, *, volume_size: int) -> Bagged:
    """Write all that belongs to a release as bags `volume-001`, ... of at most `volume_size` bytes, each as a tar too.

    Each is valid by itself; together they hold what one bag would. Raises as `export_bag`; InputFailure where the
    volumes are too small.
    """
    refuse_in_store(target, store)
    layout = release_layout(store, lock)
    identifier = f"{layout.release}-{Digest.of(layout.index).hex[:12]}"
    size = layout.size + _texts_size(lock, layout)
    with (
        bare_folder(target, release_epoch(lock.recipe), PlainFolder, size=size) as folder,
        progress.task(f"bags of {layout.release}", size) as task,
    ):
        first = folder.below(volume_name(1))
        write_beside(layout, lock, store, first.below(PAYLOAD), task.advance)
        tags = guide("group", lock, layout) + bag_info(lock, (), identifier, f"{MOST_VOLUMES} of {MOST_VOLUMES}")
        volumes = _spread(layout, first, len(tags.encode()), volume_size)
        bags = [folder.below(volume_name(number + 1)) for number in range(len(volumes))]
        for bag in bags:
            write_index(layout, bag.below(PAYLOAD))
            bag.write_text(f"{PAYLOAD}/{CONTENTS}", contents(volumes))
            bag.write_text(HOWTO, guide("group", lock, layout))
        _write_pieces(layout, store, [bag.below(PAYLOAD) for bag in bags], volumes, task.advance)
        for number, bag in enumerate(bags, 1):
            _seal(bag, lock, _Group(identifier, number, len(bags)))
    done = tuple(_bag(target / volume_name(number + 1)) for number in range(len(volumes)))
    return Bagged(layout.release, target, _shapes(layout), done)


def _shapes(layout: Layout) -> tuple[Shape, ...]:
    return tuple(image.shape for image in layout.images)


def _texts_size(lock: Lock, layout: Layout) -> int:
    return len(layout.index) + sum(source.blob.size for source in lock.sources.values())


def _bag(folder: Path) -> Bag:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return Bag(folder, len(sizes), sum(sizes), Digest.of((folder / TAGMANIFEST).read_bytes()))


# -- one bag -----------------------------------------------------------------------------------------------------------


def _seal(bag: GrowingFolder, lock: Lock, group: _Group) -> None:
    """Write the declaration, bag-info.txt and the manifests of what is in a folder."""
    payload = {name: sums for name, sums in bag.sums().items() if name.startswith(f"{PAYLOAD}/")}
    sizes = [(bag.path / name).stat().st_size for name in payload]
    bag.write_text("bagit.txt", DECLARATION)
    bag.write_text("bag-info.txt", bag_info(lock, sizes, group.identifier, f"{group.number} of {group.count}"))
    _write_manifests(bag, "manifest", payload)
    _write_manifests(bag, "tagmanifest", {n: sums for n, sums in bag.sums().items() if n not in payload})


def _write_manifests(bag: GrowingFolder, kind: str, files: Mapping[str, tuple[str, str]]) -> None:
    for number, algorithm in enumerate(ALGORITHMS):
        bag.write(f"{kind}-{algorithm}.txt", checksums((name, sums[number]) for name, sums in files.items()))


def bag_info(lock: Lock, sizes: Sequence[int], group: str = "", place: str = "") -> str:
    """Give bag-info.txt of a payload of files of these sizes (bytes); `place` is as `2 of 5` in a group.

    There is no Bagging-Date: the day of the export is not a property of the bag, which is the same on every day.
    """
    recipe = lock.recipe
    description = [recipe.release.title, *stand_ins(lock)]
    fields = [
        ("External-Identifier", recipe.full_name),
        ("External-Description", "; ".join(description)),
        ("Release-Date", recipe.release.date.isoformat()),
        ("License", recipe.release.license),
        ("Bag-Software-Agent", f"boss-builder {builder.__version__}"),
        ("Bag-Size", amount_text(sum(sizes))),
        ("Payload-Oxum", f"{sum(sizes)}.{len(sizes)}"),
    ]
    if group:
        fields += [("Bag-Group-Identifier", group), ("Bag-Count", place)]
    return "".join(f"{label}: {' '.join(value.split())}\n" for label, value in fields)


# -- a group of bags ---------------------------------------------------------------------------------------------------


def volume_name(number: int) -> str:
    """Folder of a volume of a group; numbers begin with 1."""
    return f"volume-{number:03}"


def part_name(digest: Digest, part: int) -> str:
    """Path, in the layout, of a part of a blob; numbers begin with 1."""
    return f"parts/{digest.hex}.part-{part:03}"


def contents(volumes: Sequence[Volume]) -> str:
    """Give volumes.txt: a line for each blob and part, its volume and its path below `data/`."""
    return "".join(
        f"{volume_name(number)}  {name}\n"
        for number, volume in enumerate(volumes, 1)
        for name in sorted(_name(piece) for piece in volume)
    )


def _name(piece: Piece) -> str:
    return part_name(piece.digest, piece.part) if piece.part else blob_name(piece.digest)


def _spread(layout: Layout, first: GrowingFolder, tags: int, volume_size: int) -> tuple[Volume, ...]:
    """Decide what goes where; `first` is the first volume with its texts, `tags` the size of each one's tag files.

    Raises InputFailure where the volumes are too small.
    """
    name_length = len(f"{PAYLOAD}/{blob_name(next(iter(layout.manifests)))}") + PART_NAME
    blobs = [*layout.manifests.items(), *sorted(layout.contents.items(), key=lambda blob: (-blob[1], blob[0]))]
    parts = sum(-(-2 * size // volume_size) + 1 for _, size in blobs if 2 * size > volume_size)
    line = len(f"{volume_name(1)}  {name_length * ' '}\n")
    everywhere = RESERVE + sum(
        cost(size, name_length) for size in (len(layout.index), tags, (len(blobs) + parts) * line)
    )
    texts = {name: (first.path / name).stat().st_size for name in first.sums()}
    there = sum(2 * (len(name) + 3) + 96 for name in texts) + tar_size(
        {f"{volume_name(1)}/{name}": size for name, size in texts.items()},
        {f"{volume_name(1)}/{parent}" for name in texts for parent in Path(name).parents},
    )
    least = 2 * (everywhere + there)
    if volume_size < least:
        raise InputFailure(
            f"volumes of {amount_text(volume_size)} are too small for {layout.release}",
            hint=f"what every volume holds, and what a person reads, needs volumes of {amount_text(least)} at least: "
            "name a larger --volume-size",
        )
    room = volume_size - everywhere
    return pack(blobs, first_room=room - there, room=room, name_length=name_length)


def _write_pieces(
    layout: Layout, store: Store, payloads: Sequence[GrowingFolder], volumes: Sequence[Volume], advance: Advance
) -> None:
    """Write every blob to where it belongs; each is read once, also one that is split."""
    places: dict[Digest, list[tuple[int, int, int]]] = {}
    for number, volume in enumerate(volumes):
        for piece in volume:
            places.setdefault(piece.digest, []).append((piece.part, number, piece.size))
    for digest, size in layout.blobs.items():
        pieces = sorted(places[digest])
        if len(pieces) == 1:
            payloads[pieces[0][1]].copy(blob_name(digest), open_checked(store, digest, size, advance))
            continue
        with open_checked(store, digest, size, advance) as stream:
            for part, number, length in pieces:
                with payloads[number].file(part_name(digest, part)) as sink:
                    for amount in _amounts(length):
                        sink.write(stream.read(amount))
            stream.read(1)  # its end: the digest is compared there


def _amounts(length: int) -> Iterator[int]:
    """Give the sizes in which so many bytes are read."""
    while length > 0:
        yield min(CHUNK, length)
        length -= CHUNK
