"""What the comparisons of an Apptainer image and of a disk share: manifests, rendered files, and the files of roots."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from builder.core.errors import WorkFailure
from builder.core.progress import Progress
from builder.engine.engine import Folder
from builder.inside.listing import read_listing
from builder.rebuild.differences.contents import Looked
from builder.rebuild.differences.fields import document_differences
from builder.rebuild.differences.model import Difference, Findings, ImageAt
from builder.rebuild.differences.pairs import LARGEST, PAIRS, Looker, new_pair
from builder.rebuild.differences.text import printable, shown_path
from builder.rebuild.differences.told import Told, told_differences
from builder.rebuild.differences.trees import Change, changes, folded
from builder.rebuild.taxonomy import Cause
from builder.store import oci
from builder.toolbox.toolbox import Toolbox

TIME_LIMIT = 3600
PROGRAM = "list_images"
GUEST: Final = "/boss-builder/{}.image"
Side = Literal["stored", "rebuilt"]
SIDES: tuple[Side, Side] = ("stored", "rebuilt")


@dataclass(frozen=True)
class Search:
    """What a comparison works with, and where it puts what it finds."""

    open_toolbox: Callable[[], Toolbox]
    progress: Progress
    found: Findings
    looker: Looker


@dataclass(frozen=True)
class Artifact:
    """An image that is no OCI image: one large blob, and rendered files beside it."""

    at: ImageAt
    document: Any
    """The manifest as it lies there."""
    manifest: oci.Manifest

    @property
    def body(self) -> oci.Descriptor:
        """The image itself. Raises WorkFailure where the manifest names nothing."""
        if not self.manifest.layers:
            raise WorkFailure(f"the manifest {self.at.descriptor.digest} names no image")
        return self.manifest.layers[0]

    @property
    def path(self) -> Path:
        """The file with the image itself."""
        return self.at.store.blob_path(self.body.digest)

    @property
    def rendered(self) -> dict[str, oci.Descriptor]:
        """The files beside it, by name."""
        return {layer.annotations.get(oci.TITLE, layer.digest): layer for layer in self.manifest.layers[1:]}


def read_artifact(at: ImageAt) -> Artifact:
    """Read a manifest. Raises WorkFailure where it is missing or damaged."""
    document: Any = at.store.document(at.descriptor, dict)
    return Artifact(at, document, at.store.manifest(at.descriptor))


def compare_manifests(one: Artifact, two: Artifact, search: Search) -> None:
    """Compare what the manifests say, and the rendered files."""
    found = search.found
    for difference in document_differences("manifest", one.document, two.document):
        found.add(difference)
    for difference in told_differences("manifest", _told_body(one.body), _told_body(two.body)):
        found.add(difference)
    before, after = one.rendered, two.rendered
    for name in sorted(before.keys() | after.keys()):
        stored, rebuilt = before.get(name), after.get(name)
        if stored is None or rebuilt is None:
            found.add(_only_one(name, stored, rebuilt))
        elif stored.digest != rebuilt.digest:
            with two.at.store.workspace("differences") as folder:
                contents = one.at.store.read(stored.digest), two.at.store.read(rebuilt.digest)
                found.add(content_difference(folder, search.looker, Contents("rendered file", name, *contents)))


def _told_body(body: oci.Descriptor) -> Told:
    return {
        "media type": (printable(body.media_type), "container"),
        "name": (printable(body.annotations.get(oci.TITLE, "")), "container"),
    }


def _only_one(name: str, stored: oci.Descriptor | None, rebuilt: oci.Descriptor | None) -> Difference:
    return Difference(
        part="rendered file", path=printable(name), field="path", kind="content",
        stored=f"{stored.size} bytes" if stored else "", rebuilt=f"{rebuilt.size} bytes" if rebuilt else "",
        cause=Cause.MISSING_OUTPUT if stored else Cause.CONTENT_DIFFERS,
    )  # fmt: skip


@dataclass(frozen=True)
class Contents:
    """Two contents that differ, of a part of an image or of a file beside it."""

    part: str
    name: str
    stored: bytes
    rebuilt: bytes


def content_difference(folder: Path, looker: Looker, contents: Contents) -> Difference:
    """Look into two contents; they are written to a folder for it."""
    pair = new_pair(folder, 0, contents.name)
    pair.stored.write_bytes(contents.stored)
    pair.rebuilt.write_bytes(contents.rebuilt)
    looked = looker.look(pair)
    return Difference(
        part=contents.part, path=printable(contents.name), field="content", kind=looked.kind,
        stored=f"{len(contents.stored)} bytes", rebuilt=f"{len(contents.rebuilt)} bytes",
        cause=Cause.CONTENT_DIFFERS, detail=looked.detail,
    )  # fmt: skip


# -- the files of two roots -------------------------------------------------------------------------------------------


class _Image(msgspec.Struct, frozen=True):
    path: str
    offset: int


class _Request(msgspec.Struct, frozen=True):
    shape: str
    images: dict[str, _Image]
    pairs: int
    largest: int


class _Answer(msgspec.Struct, frozen=True):
    taken: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Roots:
    """What the program in the builder image left in a folder."""

    folder: Path
    taken: tuple[tuple[bytes, bytes], ...]

    def read(self, side: Side, name: str) -> bytes | None:
        """Read a part of a disk; None where the disk has no such part."""
        path = self.folder / f"{side}.{name}"
        return path.read_bytes() if path.is_file() else None


@contextmanager
def listed(
    shape: str,
    artifacts: Mapping[Side, tuple[Artifact, int]],
    search: Search,
) -> Iterator[Roots]:
    """List two images, each with the offset of its squashfs, in the builder image.

    Raises InputFailure where one can not be read, WorkFailure where the program fails.
    """
    request = _Request(
        shape=shape,
        images={side: _Image(GUEST.format(side), offset) for side, (_, offset) in artifacts.items()},
        pairs=PAIRS,
        largest=LARGEST,
    )
    folders = [Folder(artifact.path, GUEST.format(side)) for side, (artifact, _) in artifacts.items()]
    with artifacts["rebuilt"][0].at.store.workspace("differences") as folder:
        work = folder / "work"
        work.mkdir(mode=0o755)
        toolbox = search.open_toolbox()
        with search.progress.task(f"compare {shape}: list the files"):
            answer = toolbox.run(PROGRAM, request, _Answer, work=work, folders=folders, time_limit=TIME_LIMIT)
        yield Roots(work, tuple((one.encode("latin-1"), two.encode("latin-1")) for one, two in answer.taken))


def compare_roots(roots: Roots, search: Search) -> None:
    """Compare the files of two images that were listed."""
    looked: dict[tuple[bytes, bytes] | None, Looked] = {}
    for number, key in enumerate(roots.taken):
        pair = new_pair(roots.folder, number, shown_path(key[1]))
        for side, target in zip(SIDES, (pair.stored, pair.rebuilt), strict=True):
            (roots.folder / f"{number}.{side}").rename(target)
        looked[key] = search.looker.look(pair)
        pair.stored.unlink()
        pair.rebuilt.unlink()
    one, two = (read_listing(roots.folder / f"{side}.listing") for side in SIDES)
    for change, detail in folded(changes(one, two)):
        search.found.add(change.as_difference("root", looked.get(_contents(change)), detail))


def _contents(change: Change) -> tuple[bytes, bytes] | None:
    """Name the two contents that differ by the first names of the files."""
    both = change.both_contents
    return None if both is None else (both[0].leader or both[0].path, both[1].leader or both[1].path)
