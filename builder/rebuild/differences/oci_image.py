"""Compare two OCI images: the documents field by field, the layers entry by entry, the roots file by file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from msgspec import structs

from builder.core.errors import WorkFailure
from builder.core.progress import Progress
from builder.rebuild.differences.fields import document_differences
from builder.rebuild.differences.layers import Layer, Listing, flatten, list_layer, take_out
from builder.rebuild.differences.model import Difference, Findings, ImageAt
from builder.rebuild.differences.pairs import LARGEST, PAIRS, Looker, Pair, new_pair
from builder.rebuild.differences.text import shown_path
from builder.rebuild.differences.trees import Change, changes, folded, order_of, spelling_change
from builder.rebuild.taxonomy import Cause
from builder.store import oci

BY_STAGE = "boss-builder stage "
HIDDEN: Final = "no file of the root differs by it"


@dataclass(frozen=True)
class _Image:
    """What an OCI image is, read."""

    at: ImageAt
    manifest: Any
    config: Any
    layers: tuple[Layer, ...]


def compare_oci(stored: ImageAt, rebuilt: ImageAt, found: Findings, progress: Progress) -> None:
    """Find what differs. Raises WorkFailure where a blob is missing or damaged, or is no such document."""
    one, two = _read(stored), _read(rebuilt)
    for part, before, after in (("manifest", one.manifest, two.manifest), ("config", one.config, two.config)):
        for difference in document_differences(part, before, after):
            found.add(difference)
    for difference in _stages(one, two):
        found.add(difference)
    if [layer.diff_id for layer in one.layers] != [layer.diff_id for layer in two.layers]:
        _compare_layers(one, two, found, progress)


def _read(at: ImageAt) -> _Image:
    manifest: Any = at.store.document(at.descriptor, dict)
    typed = at.store.manifest(at.descriptor)
    config: Any = at.store.document(typed.config, dict)
    layers = _layers(at.store.document(typed.config, oci.ImageConfig), typed)
    return _Image(at, manifest, config, layers)


def _layers(config: oci.ImageConfig, manifest: oci.Manifest) -> tuple[Layer, ...]:
    """Name the layers by the stages that the history tells, else by their number. Raises WorkFailure."""
    diff_ids = config.rootfs.diff_ids
    if len(diff_ids) != len(manifest.layers):
        raise WorkFailure(f"the configuration names {len(diff_ids)} layers, the manifest {len(manifest.layers)}")
    names = [step.created_by.removeprefix(BY_STAGE) for step in config.history]
    if len(names) != len(diff_ids) or len(set(names)) != len(names):
        names = [str(number) for number in range(1, len(diff_ids) + 1)]
    return tuple(Layer(*parts) for parts in zip(names, diff_ids, manifest.layers, strict=True))


def _stages(one: _Image, two: _Image) -> Iterator[Difference]:
    """Tell of layers that are lacking, in another order, or only kept in another way."""
    before, after = ({layer.name: layer for layer in image.layers} for image in (one, two))
    for name in before.keys() - after.keys():
        yield _of_layer(name, "layer", before[name].diff_id, "", Cause.MISSING_OUTPUT)
    for name in after.keys() - before.keys():
        yield _of_layer(name, "layer", "", after[name].diff_id, Cause.CONTENT_IDENTICAL)
    moved = order_of([name.encode() for name in before], [name.encode() for name in after])
    if moved:
        number, first, second = moved
        yield Difference(
            part="config", field="order of layers", stored=first.decode(), rebuilt=second.decode(), kind="order",
            cause=Cause.CONTENT_IDENTICAL, detail=f"from layer {number} on",
        )  # fmt: skip
    for name in (name for name in before if name in after):
        a, b = before[name], after[name]
        if a.blob.media_type != b.blob.media_type:
            yield _of_layer(name, "media type", a.blob.media_type, b.blob.media_type, Cause.CONTENT_IDENTICAL)
        if a.diff_id == b.diff_id and a.blob.digest != b.blob.digest:
            sizes = [f"{blob.size} bytes, {blob.digest}" for blob in (a.blob, b.blob)]
            yield _of_layer(name, "compression", sizes[0], sizes[1], Cause.CONTENT_IDENTICAL)
        said = [{"annotations": layer.blob.annotations} for layer in (a, b)]
        yield from document_differences(f"layer {name}", said[0], said[1])


def _of_layer(name: str, field: str, stored: str, rebuilt: str, cause: Cause) -> Difference:
    kind: Final = "content" if cause is Cause.MISSING_OUTPUT else "container"
    return Difference(part=f"layer {name}", field=field, stored=stored, rebuilt=rebuilt, kind=kind, cause=cause)


# -- files ------------------------------------------------------------------------------------------------------------


def _compare_layers(one: _Image, two: _Image, found: Findings, progress: Progress) -> None:
    """Compare the roots, then what only the layers show of a difference."""
    shared = {layer.diff_id for layer in one.layers} & {layer.diff_id for layer in two.layers}
    again = [layer for layer in two.layers if layer.diff_id not in shared]
    total = sum(layer.blob.size for layer in (*one.layers, *again))
    with progress.task("compare oci: list the layers", total) as task:
        before = {layer.diff_id: list_layer(one.at.store, layer, task) for layer in one.layers}
        after = {layer.diff_id: list_layer(two.at.store, layer, task) for layer in again}
    after |= {diff_id: before[diff_id] for diff_id in shared}
    stored = flatten([before[layer.diff_id] for layer in one.layers])
    rebuilt = flatten([after[layer.diff_id] for layer in two.layers])
    differing = list(changes(stored, rebuilt))
    with two.at.store.workspace("differences") as folder:
        pairs = _take_out(one, two, differing, folder, progress)
        looker = Looker(progress)
        looked = {key: looker.look(pair) for key, pair in pairs.items()}
    for change, detail in folded(differing):
        found.add(change.as_difference(f"layer {change.file.layer}", looked.get(_contents(change)), detail))
    visible = {change.file.path for change in differing}
    others = {layer.name: layer for layer in two.layers}
    for layer in one.layers:
        other = others.get(layer.name)
        if other is not None and other.diff_id != layer.diff_id:
            for difference in _only_in_layer(layer.name, before[layer.diff_id], after[other.diff_id], visible):
                found.add(difference)


_Entry = tuple[str, bytes]
"""Name of a layer, and of an entry of it."""


def _contents(change: Change) -> tuple[_Entry, _Entry] | None:
    """Name the two entries whose contents differ; the names of one file (hard links) have the same."""
    both = change.both_contents
    return None if both is None else ((both[0].layer, both[0].member), (both[1].layer, both[1].member))


def _take_out(
    one: _Image, two: _Image, differing: Sequence[Change], folder: Path, progress: Progress
) -> dict[tuple[_Entry, _Entry] | None, Pair]:
    """Write the first contents that differ to files of a folder."""
    pairs: dict[tuple[_Entry, _Entry] | None, Pair] = {}
    wanted: tuple[defaultdict[_Entry, list[Path]], ...] = (defaultdict(list), defaultdict(list))
    for change in differing:
        key, both = _contents(change), change.both_contents
        if key is None or both is None or key in pairs or max(file.size for file in both) > LARGEST:
            continue
        if len(pairs) == PAIRS:
            break
        pair = pairs[key] = new_pair(folder, len(pairs), shown_path(change.file.path))
        wanted[0][key[0]].append(pair.stored)
        wanted[1][key[1]].append(pair.rebuilt)
    if not pairs:
        return pairs
    with progress.task("compare oci: take out files that differ") as task:
        for image, entries in zip((one, two), wanted, strict=True):
            for layer in image.layers:
                targets = {member: paths for (name, member), paths in entries.items() if name == layer.name}
                if targets:
                    take_out(image.at.store, layer, targets, task)
    return pairs


def _only_in_layer(name: str, before: Listing, after: Listing, visible: set[bytes]) -> Iterator[Difference]:
    """Tell what differs between two layers of one stage and not in the root: it is how the files are kept."""
    part = f"layer {name}"
    one, two = (sorted(layer.values(), key=lambda file: file.path) for layer in (before, after))
    for change, detail in folded(change for change in changes(one, two) if change.file.path not in visible):
        yield structs.replace(
            change.as_difference(part, None, detail),
            kind="container", cause=Cause.CONTENT_IDENTICAL, detail="\n".join(filter(None, (detail, HIDDEN))),
        )  # fmt: skip
    for path, file in before.items():
        other = after.get(path)
        if other is not None and other.spelling != file.spelling:
            yield spelling_change(file, other).as_difference(part)
    moved = order_of(before, after)
    if moved:
        number, first, second = moved
        yield Difference(
            part=part, field="order", stored=shown_path(first), rebuilt=shown_path(second), kind="order",
            cause=Cause.CONTENT_IDENTICAL, detail=f"from entry {number} on",
        )  # fmt: skip
