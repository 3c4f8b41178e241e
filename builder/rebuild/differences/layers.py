"""The layers of an OCI image as listings: each for itself, and the root that they add up to.

Layers are read as streams, and their digest without compression is checked on the way: what is compared is what the
image's configuration names. Source: OCI image specification, layer.md.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from builder.core.digest import CHUNK
from builder.core.errors import WorkFailure
from builder.core.progress import Task
from builder.inside import listing
from builder.inside.canonical import OPAQUE, WHITEOUT
from builder.inside.listing import NANO, File
from builder.rebuild.differences.text import printable, shortened
from builder.store import oci
from builder.store.store import Store

XATTR = "SCHILY.xattr."
KINDS = {
    tarfile.DIRTYPE: listing.FOLDER,
    tarfile.SYMTYPE: listing.SYMBOLIC_LINK,
    tarfile.LNKTYPE: listing.HARD_LINK,
    tarfile.CHRTYPE: listing.CHARACTER,
    tarfile.BLKTYPE: listing.BLOCK,
    tarfile.FIFOTYPE: listing.PIPE,
}


@dataclass(frozen=True)
class Layer:
    """One layer of an image, by the name of the stage that made it."""

    name: str
    diff_id: str
    blob: oci.Descriptor


Listing = dict[bytes, File]
"""Files by path; of a layer in the order of its entries, of a root sorted."""


class _Watched:
    """The bytes of a layer, digested as they are read; the task learns how much of the blob is done."""

    def __init__(self, stream: IO[bytes], blob: BinaryIO, task: Task) -> None:
        self._stream = stream
        self._blob = blob
        self._task = task
        self._done = 0
        self._sha = hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        """Read on."""
        data = self._stream.read(size)
        self._sha.update(data)
        done = self._blob.tell()
        self._task.advance(done - self._done)
        self._done = done
        return data

    @property
    def digest(self) -> str:
        """Digest of what was read so far."""
        return "sha256:" + self._sha.hexdigest()


@contextmanager
def _opened(store: Store, layer: Layer, task: Task) -> Iterator[tarfile.TarFile]:
    """Open a layer as a stream of entries; when the block ends the rest is read and the digest checked.

    Raises WorkFailure where the layer is missing, damaged, cut or compressed in a way that is not known.
    """
    if layer.blob.media_type not in {oci.LAYER, oci.LAYER_GZIP}:
        raise WorkFailure(f"the layer {layer.name} has the media type {layer.blob.media_type}, which is not known here")
    hint = f"blob {layer.blob.digest} of the store {store.path}; boss-builder verify tells what else is damaged"
    try:
        with store.open(layer.blob.digest) as blob:
            plain = gzip.GzipFile(fileobj=blob) if layer.blob.media_type == oci.LAYER_GZIP else blob
            watched = _Watched(cast("IO[bytes]", plain), blob, task)
            with tarfile.open(
                fileobj=cast("BinaryIO", watched), mode="r|", bufsize=CHUNK, encoding="utf-8", errors="surrogateescape"
            ) as archive:
                yield archive
            while watched.read(CHUNK):
                pass
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
        raise WorkFailure(f"the layer {layer.name} is damaged or cut: {error}", hint=hint) from error
    if watched.digest != layer.diff_id:
        raise WorkFailure(f"the layer {layer.name} is damaged or cut: it is not {layer.diff_id}", hint=hint)


def _entries(archive: tarfile.TarFile) -> Iterator[tuple[bytes, tarfile.TarInfo]]:
    for member in archive:
        vars(archive)["members"].clear()  # tarfile remembers every entry; a large layer has a million
        yield _clean(member.name), member


def _clean(name: str) -> bytes:
    path = _bytes(name).strip(b"/")
    return path[2:] if path.startswith(b"./") else b"" if path == b"." else path


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def list_layer(store: Store, layer: Layer, task: Task) -> Listing:
    """List the entries of a layer, whiteouts among them. Raises WorkFailure as `_opened`."""
    found: Listing = {}
    with _opened(store, layer, task) as archive:
        for path, member in _entries(archive):
            sha256 = ""
            if member.isreg():
                content = cast("IO[bytes]", archive.extractfile(member))
                sha256 = hashlib.file_digest(cast("Any", content), "sha256").hexdigest()
            found.pop(path, None)  # the last of several entries counts, and stands last
            found[path] = _file(path, member, sha256, layer.name)
    return found


def _file(path: bytes, member: tarfile.TarInfo, sha256: str, layer: str) -> File:
    name = path.rpartition(b"/")[2]
    kind = listing.WHITEOUT if name.startswith(WHITEOUT) else KINDS.get(member.type, listing.FILE)
    is_link = kind in (listing.SYMBOLIC_LINK, listing.HARD_LINK)
    return File(
        path=path,
        kind=kind,
        mode=0o777 if kind == listing.SYMBOLIC_LINK else member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        times=(("mtime", _mtime(member)),),
        size=member.size if member.isreg() else 0,
        link=(_clean(member.linkname) if kind == listing.HARD_LINK else _bytes(member.linkname)) if is_link else b"",
        device=(member.devmajor, member.devminor) if kind in (listing.CHARACTER, listing.BLOCK) else (0, 0),
        attributes=tuple(
            sorted((_bytes(k[len(XATTR) :]), _bytes(v)) for k, v in member.pax_headers.items() if k.startswith(XATTR))
        ),
        sha256=sha256,
        spelling=_spelling(member),
        layer=layer,
        member=path,
    )


def _mtime(member: tarfile.TarInfo) -> int:
    try:
        return int(Decimal(member.pax_headers.get("mtime", str(member.mtime))) * NANO)
    except (InvalidOperation, OverflowError):
        return int(member.mtime * NANO)


def _spelling(member: tarfile.TarInfo) -> str:
    """What of an entry's header says nothing of the file: names of owners, extended headers and their keys."""
    keys = sorted(key for key in member.pax_headers if not key.startswith(XATTR))
    words = [f"pax {','.join(keys)}"] if keys else []
    words += [f"owner {member.uname or '-'}:{member.gname or '-'}"] if member.uname or member.gname else []
    words += ["named from ./"] if member.name.startswith("./") else []
    return shortened(printable("; ".join(words))) or "plain"


# -- the root ---------------------------------------------------------------------------------------------------------


def flatten(layers: Sequence[Listing]) -> list[File]:
    """Give the files of the root that layers, lowest first, add up to; sorted, hard links resolved.

    A hard link is the file that its target was when its layer was put on: a later layer that replaces the target
    leaves the link what it was.
    """
    tree: dict[bytes, tuple[File, object]] = {}
    for number, layer in enumerate(layers):
        tree = _without_what_goes(tree, layer)
        links = []
        for path, file in layer.items():
            if file.kind == listing.HARD_LINK:
                links.append(file)
            elif file.kind != listing.WHITEOUT:
                tree[path] = (file, (number, path))
        _link(tree, links)
    return listing.with_leaders(tree.values())


def _link(tree: dict[bytes, tuple[File, object]], links: list[File]) -> None:
    """Put hard links into a tree; one may point at another. What points nowhere stays a link."""
    new = {file.path for file in links}
    left = links
    while left:
        later = []
        for file in left:
            if file.link in new or file.link not in tree:
                later.append(file)
                continue
            target, group = tree[file.link]
            tree[file.path] = (replace(target, path=file.path), group)
            new.discard(file.path)
        if len(later) == len(left):
            tree.update({file.path: (file, file.path) for file in left})
            return
        left = later


def _without_what_goes(tree: dict[bytes, tuple[File, object]], layer: Listing) -> dict[bytes, tuple[File, object]]:
    """Take away what a layer's whiteouts name, and what lay below folders that are none any more."""
    gone, emptied = set(), set()
    for path, file in layer.items():
        folder, _, name = path.rpartition(b"/")
        if name == OPAQUE:
            emptied.add(folder)
        elif file.kind == listing.WHITEOUT:
            gone.add((folder + b"/" if folder else b"") + name[len(WHITEOUT) :])
        elif file.kind != listing.FOLDER and path in tree and tree[path][0].kind == listing.FOLDER:
            emptied.add(path)
    if not gone and not emptied:
        return tree
    emptied |= gone
    return {
        path: kept
        for path, kept in tree.items()
        if path not in gone and not any(parent in emptied for parent in _parents(path))
    }


def _parents(path: bytes) -> Iterator[bytes]:
    while path:
        path = path.rpartition(b"/")[0]
        yield path


# -- contents ---------------------------------------------------------------------------------------------------------


def take_out(store: Store, layer: Layer, wanted: Mapping[bytes, Sequence[Path]], task: Task) -> None:
    """Write the content of some entries of a layer to files, each to one or more. Raises WorkFailure as `_opened`."""
    with _opened(store, layer, task) as archive:
        for path, member in _entries(archive):
            targets = wanted.get(path, ()) if member.isreg() else ()
            for number, target in enumerate(targets):
                if number:
                    shutil.copyfile(targets[0], target)
                else:
                    with cast("IO[bytes]", archive.extractfile(member)) as content, target.open("wb") as sink:
                        shutil.copyfileobj(content, sink, CHUNK)
