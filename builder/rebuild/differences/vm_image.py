"""Compare two disks: the machine that each is for, its partition table, boot code, file system, and files."""

from __future__ import annotations

from typing import Any, Final

from builder.inside.partitions import Table, read_table
from builder.rebuild.differences.artifact import (
    SIDES,
    Artifact,
    Contents,
    Roots,
    Search,
    compare_manifests,
    compare_roots,
    content_difference,
    listed,
    read_artifact,
)
from builder.rebuild.differences.disk_format import boot_code, fat_serial, told_ext, told_table, without_serial
from builder.rebuild.differences.fields import document_differences
from builder.rebuild.differences.model import Difference, ImageAt
from builder.rebuild.differences.told import container, told_differences
from builder.rebuild.taxonomy import Cause
from builder.store.shapes import VmConfig

SHAPE: Final = "vm"


def compare_vm(stored: ImageAt, rebuilt: ImageAt, search: Search) -> None:
    """Find what differs. Raises InputFailure where a disk can not be read, WorkFailure where a blob is missing."""
    one, two = read_artifact(stored), read_artifact(rebuilt)
    compare_manifests(one, two, search)
    documents: list[Any] = [artifact.at.store.document(artifact.manifest.config, dict) for artifact in (one, two)]
    for difference in document_differences("config", documents[0], documents[1]):
        search.found.add(difference)
    if one.body.digest == two.body.digest:
        return
    if _raw_digest(one) == _raw_digest(two):
        sizes = [f"{artifact.body.size} bytes, {artifact.body.digest}" for artifact in (one, two)]
        search.found.add(container("qcow2", "compression", sizes[0], sizes[1]))
        return
    before = search.found.count
    with listed(SHAPE, {"stored": (one, 0), "rebuilt": (two, 0)}, search) as roots:
        _compare_parts(roots, search)
        compare_roots(roots, search)
    if search.found.count == before:
        search.found.add(container("file system", "layout", _raw_digest(one), _raw_digest(two)))


def _raw_digest(artifact: Artifact) -> str:
    return artifact.at.store.document(artifact.manifest.config, VmConfig).raw_digest


def _compare_parts(roots: Roots, search: Search) -> None:
    """Compare what of a disk is no file of its root."""
    heads = [roots.read(side, "head") or b"" for side in SIDES]
    one, two = (read_table(head) for head in heads)
    found = search.found
    for number in sorted(one.partitions.keys() ^ two.partitions.keys()):
        found.add(_lacking(number, one, two))
    both = one.partitions.keys() & two.partitions.keys()
    for difference in told_differences("partition table", told_table(one, both), told_table(two, both)):
        found.add(difference)
    superblocks = [roots.read(side, "superblock") or b"" for side in SIDES]
    for difference in told_differences("file system", told_ext(superblocks[0]), told_ext(superblocks[1])):
        found.add(difference)
    contents = [Contents("boot area", "", boot_code(heads[0], one), boot_code(heads[1], two))]
    for number in sorted(both):
        parts = [roots.read(side, f"partition-{number}") for side in SIDES]
        if parts[0] is None or parts[1] is None:
            continue
        serials = [fat_serial(part) for part in parts if part is not None]
        if serials[0] != serials[1]:
            found.add(container(f"partition {number}", "volume id", serials[0], serials[1]))
        contents.append(Contents(f"partition {number}", "", without_serial(parts[0]), without_serial(parts[1])))
    for pair in contents:
        if pair.stored != pair.rebuilt:
            found.add(content_difference(roots.folder, search.looker, pair))


def _lacking(number: int, one: Table, two: Table) -> Difference:
    """Tell of a partition that only one disk has."""
    stored, rebuilt = one.partitions.get(number), two.partitions.get(number)
    return Difference(
        part="partition table", field=f"partition {number}", kind="content",
        stored=f"{stored.size} bytes" if stored else "", rebuilt=f"{rebuilt.size} bytes" if rebuilt else "",
        cause=Cause.MISSING_OUTPUT if stored else Cause.CONTENT_DIFFERS,
    )  # fmt: skip
