"""What is written into a store folder: a blob at a time, checked, nothing lost; the references last."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from builder.core import documents
from builder.core.digest import Digest, digest_stream
from builder.core.errors import HostFailure, SpaceFailure, WorkFailure
from builder.core.files import is_full, sync_directory
from builder.core.progress import amount_text
from builder.store import oci
from builder.store.store import Store

QUARANTINE = "quarantine"


class Lacking(WorkFailure):
    """A blob that a reference needs is not in the store."""


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Turn what the file system says into a Failure: SpaceFailure where it is full, else WorkFailure."""
    try:
        yield
    except HostFailure as failure:
        cause = failure.__cause__
        if isinstance(cause, OSError) and is_full(cause):
            raise _told(name, cause) from cause
        raise
    except OSError as error:
        raise _told(name, error) from error


def _told(name: str, error: OSError) -> WorkFailure:
    if is_full(error):
        return SpaceFailure(
            f"no space is left in {name}",
            hint="free some, and run it again: what is there is whole, and is not copied again",
        )
    return WorkFailure(f"{name} can not be written: {error.strerror}", hint="what is there is whole; run it again")


def free_room(path: Path) -> int:
    """Bytes that are free where a folder lies, or will lie."""
    there = next(parent for parent in (path.absolute(), *path.absolute().parents) if parent.exists())
    return shutil.disk_usage(there).free


def check_room(path: Path, size: int, what: str) -> None:
    """Raise SpaceFailure where a folder's file system has no room for so many bytes; `what` needs them."""
    free = free_room(path)
    if size > free:
        raise SpaceFailure(
            f"no space is left in {path} for all of it: {what} needs {amount_text(size)}, {amount_text(free)} are free",
            hint="make room, or name a place on another disk; nothing was copied",
        )


def write_blob(path: Path, pieces: Iterable[bytes], done: Callable[[int], None]) -> None:
    """Write what comes to a new file, synced."""
    with path.open("xb") as stream:
        for piece in pieces:
            stream.write(piece)
            done(len(piece))
        stream.flush()
        os.fsync(stream.fileno())


def read_back(store: Store, digest: str, done: Callable[[int], None] = lambda _: None) -> bool:
    """Whether a blob's bytes are what its name says, as the disk gives them: not from memory, where that can be had."""
    path = store.blob_path(digest)
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as stream:
            os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            found, size = digest_stream(stream)
    except OSError:
        return False
    done(size)
    return found == digest


def adopt(store: Store, path: Path, digest: str, now: datetime) -> Path | None:
    """Give a checked file the name of its digest; gives where what had the name is kept, if it was anything.

    The old one gets its second name first, so that it is never lost. `path` lies in a workspace of the store.
    """
    place = store.blob_path(digest)
    aside = set_aside(store, place, now) if os.path.lexists(place) else None
    store.put_file(path, digest)
    return aside


def set_aside(store: Store, path: Path, now: datetime) -> Path:
    """Keep a damaged file under `quarantine/NAME-TIME`; a file keeps its name too until another takes it."""
    folder = store.path / QUARANTINE
    folder.mkdir(exist_ok=True)
    stem = f"{path.name}-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
    names = (stem, *(f"{stem}-{number}" for number in range(2, 1000)))
    kept = next(folder / name for name in names if not os.path.lexists(folder / name))
    if stat.S_ISREG(path.lstat().st_mode):
        os.link(path, kept)
    else:
        path.rename(kept)
    sync_directory(folder)
    return kept


def add_references(store: Store, descriptors: Iterable[oci.Descriptor], needs: Mapping[str, Iterable[str]]) -> bool:
    """Point references at manifests that the store holds already; says whether anything changed.

    What each needs is looked for under the store's lock, so that whatever the index reaches is there at every moment.
    Raises Lacking where something is not.
    """
    added = tuple(descriptors)
    with store.locked():
        for descriptor in added:
            for digest in (descriptor.digest, *needs.get(descriptor.digest, ())):
                if not store.has(digest):
                    raise Lacking(f"{key_of(descriptor)} needs {digest}, which {store.path} does not hold")
        before = store.index()
        after = merged(before, added)
        if after == before:
            return False
        store.write_index(documents.readable(after))
        return True


def key_of(descriptor: oci.Descriptor) -> str:
    """Name of a reference; its digest where it has none."""
    return descriptor.annotations.get(oci.REF_NAME, descriptor.digest)


def merged(index: oci.Index, added: Iterable[oci.Descriptor]) -> oci.Index:
    """Give an index with more references; one of a name that is there already takes its place."""
    named = {key_of(descriptor): descriptor for descriptor in (*index.manifests, *added)}
    return oci.Index(manifests=tuple(named[key] for key in sorted(named)), annotations=index.annotations)


def replace_index(store: Store, data: bytes, now: datetime) -> Path | None:
    """Write another index in the place of a damaged one; gives where that is kept."""
    path = store.path / "index.json"
    with store.locked():
        aside = set_aside(store, path, now) if os.path.lexists(path) else None
        store.write_index(data)
    return aside


class Folder:
    """A store in a folder, as something to copy to."""

    def __init__(self, store: Store, now: datetime) -> None:
        """Write to `store`; what is set aside bears the time `now`."""
        self.store = store
        self.set_aside: list[Path] = []
        self._now = now
        self._work: Path | None = None

    @property
    def name(self) -> str:
        """Its path."""
        return str(self.store.path)

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Work on it: a living workspace also tells a collection of garbage that somebody is at work."""
        with telling(self.name), self.store.workspace("copy") as folder:
            self._work = folder
            yield

    def index(self) -> oci.Index:
        """Read what it holds. Raises InputFailure where its index is damaged."""
        return self.store.index()

    def check_room(self, size: int) -> None:
        """Raise SpaceFailure where so many bytes find no room."""
        check_room(self.store.path, size, "the copy")

    def has(self, digest: str, size: int) -> bool:
        """Whether it has a blob of this size."""
        try:
            found = self.store.blob_path(digest).lstat()
        except FileNotFoundError:
            return False
        return stat.S_ISREG(found.st_mode) and found.st_size == size

    has_manifest = has

    def intact(self, digest: str, done: Callable[[int], None]) -> bool:
        """Whether the bytes that it gives for a blob are the right ones."""
        return read_back(self.store, digest, done)

    intact_manifest = intact

    def put(self, digest: str, size: int, pieces: Iterable[bytes], done: Callable[[int], None]) -> None:  # noqa: ARG002
        """Take a blob in. Raises SpaceFailure, WorkFailure; whatever the pieces raise."""
        if self._work is None:
            raise RuntimeError("not opened")
        path = self._work / Digest(digest).hex
        try:
            write_blob(path, pieces, done)
            kept = adopt(self.store, path, digest, self._now)
        finally:
            path.unlink(missing_ok=True)
        if kept is not None:
            self.set_aside.append(kept)

    put_manifest = put

    def finish(self, descriptors: Iterable[oci.Descriptor], needs: Mapping[str, Iterable[str]]) -> None:
        """Point references at what has come. Raises Lacking where something of it is not there."""
        add_references(self.store, descriptors, needs)
