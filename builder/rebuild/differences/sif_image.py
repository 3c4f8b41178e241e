"""Compare two Apptainer images: the SIF's header and descriptors, its parts, and the files of the squashfs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from builder.core.digest import CHUNK
from builder.core.errors import WorkFailure
from builder.rebuild.differences.artifact import (
    Artifact,
    Contents,
    Search,
    compare_manifests,
    compare_roots,
    content_difference,
    listed,
    read_artifact,
)
from builder.rebuild.differences.model import Difference, ImageAt
from builder.rebuild.differences.sif_format import (
    HEADER,
    SIGNATURE,
    SUPERBLOCK,
    Sif,
    SifObject,
    read_sif,
    read_squashfs,
    table_of,
)
from builder.rebuild.differences.told import container, told_differences
from builder.rebuild.differences.trees import order_of
from builder.rebuild.taxonomy import Cause

LARGEST_PART = 16 << 20
SHAPE: Final = "sif"
Part = tuple[Artifact, SifObject]


def compare_sif(stored: ImageAt, rebuilt: ImageAt, search: Search) -> None:
    """Find what differs. Raises InputFailure where a root can not be read, WorkFailure where a SIF can not."""
    one, two = read_artifact(stored), read_artifact(rebuilt)
    compare_manifests(one, two, search)
    if one.body.digest == two.body.digest:
        return
    before, after = _read(one), _read(two)
    for difference in (*told_differences("sif header", before.told, after.told), *_lacking(before, after)):
        search.found.add(difference)
    mine, others = _by_name(before), _by_name(after)
    for name in (name for name in mine if name in others):
        a, b = (one, mine[name]), (two, others[name])
        for difference in told_differences(f"sif descriptor {name}", a[1].told, b[1].told):
            search.found.add(difference)
        if _same(a, b):
            continue
        if a[1].is_squashfs and b[1].is_squashfs:
            _compare_squashfs(a, b, search)
        else:
            _compare_part(name, a, b, search)


def _read(artifact: Artifact) -> Sif:
    with artifact.at.store.open(artifact.body.digest) as stream:
        header = stream.read(HEADER)
        try:
            place, length = table_of(header)
            stream.seek(place)
            return read_sif(header, stream.read(length))
        except ValueError as error:
            raise WorkFailure(f"the Apptainer image {artifact.body.digest} can not be read: {error}") from error


def _by_name(sif: Sif) -> dict[str, SifObject]:
    """Name the parts; the second of one type is `TYPE 2`."""
    counts: defaultdict[str, int] = defaultdict(int)
    named = {}
    for part in sif.objects:
        counts[part.name] += 1
        named[part.name if counts[part.name] == 1 else f"{part.name} {counts[part.name]}"] = part
    return named


def _lacking(before: Sif, after: Sif) -> Iterator[Difference]:
    """Tell of parts that only one SIF has, and of their order."""
    one, two = _by_name(before), _by_name(after)
    for name in one.keys() - two.keys():
        cause = Cause.CONTENT_IDENTICAL if one[name].type == SIGNATURE else Cause.MISSING_OUTPUT
        yield _part(name, f"{one[name].size} bytes", "", cause)
    for name in two.keys() - one.keys():
        cause = Cause.CONTENT_IDENTICAL if two[name].type == SIGNATURE else Cause.CONTENT_DIFFERS
        yield _part(name, "", f"{two[name].size} bytes", cause)
    moved = order_of([name.encode() for name in one], [name.encode() for name in two])
    if moved:
        yield container("sif header", "order", moved[1].decode(), moved[2].decode(), kind="order")


def _part(name: str, stored: str, rebuilt: str, cause: Cause) -> Difference:
    kind: Final = "container" if cause is Cause.CONTENT_IDENTICAL else "content"
    return Difference(part=f"sif {name}", field="part", stored=stored, rebuilt=rebuilt, kind=kind, cause=cause)


def _same(one: Part, two: Part) -> bool:
    """Whether two parts are the same bytes."""
    if one[1].size != two[1].size:
        return False
    with one[0].at.store.open(one[0].body.digest) as a, two[0].at.store.open(two[0].body.digest) as b:
        a.seek(one[1].offset)
        b.seek(two[1].offset)
        left = one[1].size
        while left > 0:
            piece = a.read(min(CHUNK, left))
            if piece != b.read(min(CHUNK, left)):
                return False
            if not piece:
                break
            left -= len(piece)
    return True


def _compare_squashfs(one: Part, two: Part, search: Search) -> None:
    before = search.found.count
    told = [read_squashfs(_cut(part, SUPERBLOCK)) for part in (one, two)]
    for difference in told_differences("squashfs", told[0], told[1]):
        search.found.add(difference)
    with listed(SHAPE, {"stored": (one[0], one[1].offset), "rebuilt": (two[0], two[1].offset)}, search) as roots:
        compare_roots(roots, search)
    if search.found.count == before:
        search.found.add(container("squashfs", "layout", f"{one[1].size} bytes", f"{two[1].size} bytes"))


def _compare_part(name: str, one: Part, two: Part, search: Search) -> None:
    contents = Contents(f"sif {name}", "", _cut(one, LARGEST_PART), _cut(two, LARGEST_PART))
    with two[0].at.store.workspace("differences") as folder:
        search.found.add(content_difference(folder, search.looker, contents))


def _cut(part: Part, length: int) -> bytes:
    """Read the beginning of a part."""
    with part[0].at.store.open(part[0].body.digest) as stream:
        stream.seek(part[1].offset)
        return stream.read(max(0, min(part[1].size, length)))
