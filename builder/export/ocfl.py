"""A release as an object of an OCFL storage root: an export of something new adds a version, and blobs lie there once.

A version is made beside the storage root, whole, with hard links to what the object has already; then the new object
takes the old one's place in one step, and the links go with the old one.
Source: Oxford Common File Layout Specification 1.1; OCFL extension 0002, "Flat Direct Storage Layout".
"""

from __future__ import annotations

import datetime as dt
import errno
import fcntl
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import builder
from builder.core import documents
from builder.core.digest import Digest, digest_file
from builder.core.errors import InputFailure, WorkFailure
from builder.core.files import sync_directory
from builder.core.progress import Progress
from builder.export import inventory
from builder.export.content import Advance
from builder.export.exchange import exchange
from builder.export.export import refuse_in_store
from builder.export.folder import FOLDER_MODE, GrowingFolder, bare_folder, unwritable, work_beside
from builder.export.guide import guide
from builder.export.inventory import Inventory, User, Version, by_digest
from builder.export.layout import Layout, blob_name, release_layout, write_beside, write_blobs, write_index
from builder.export.names import HOWTO
from builder.export.plain import PlainFolder
from builder.lock.model import Lock
from builder.recipe.epoch import release_epoch
from builder.store.shapes import Shape
from builder.store.store import Store

ROOT, OBJECT = "0=ocfl_1.1", "0=ocfl_object_1.1"
LAYOUT_FILE = "ocfl_layout.json"
LAYOUT_RULE = {
    "extension": "0002-flat-direct-storage-layout",
    "description": "an object lies in the folder of its name, which is that of a release",
}
UNLINKABLE = {errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


class _Folder(PlainFolder):
    """A folder for archives that has the two files with `=` in their names that OCFL asks for."""

    def spell(self, name: str) -> str:
        return name if name in {ROOT, OBJECT} else super().spell(name)


@dataclass(frozen=True)
class Archived:
    """An object in a storage root: its latest version, and whether this export made it.

    `files` and `size` (bytes) are those of the whole object; `digest` is that of its inventory, which names every file.
    """

    release: str
    folder: Path
    shapes: tuple[Shape, ...]
    version: str
    new: bool
    files: int
    size: int
    digest: Digest


def export_ocfl(lock: Lock, store: Store, root: Path, progress: Progress) -> Archived:
    """Write all that belongs to a release as a version of an object in a storage root, new or there already.

    It appears whole or not at all; where the object's latest version holds the same, nothing is written. Raises as
    `builder.export.export.export`; WorkFailure too where the object is damaged, HostFailure where the file system can
    not put a new object in an old one's place in one step.
    """
    refuse_in_store(root, store)
    layout = release_layout(store, lock)
    epoch = release_epoch(lock.recipe)
    size = layout.size + sum(source.blob.size for source in lock.sources.values())
    with progress.task(f"archive {layout.release}", size) as task:
        if _is_new(root):
            with bare_folder(root, epoch, _Folder, size=size) as folder:
                folder.write_text(ROOT, "ocfl_1.1\n")
                folder.write(LAYOUT_FILE, documents.readable(LAYOUT_RULE))
                _write_object(layout, lock, store, folder.below(layout.release), old=None, advance=task.advance)
            new = True
        else:
            new = _add(layout, lock, store, root, task.advance)
    return _archived(layout, root, new=new)


def _is_new(root: Path) -> bool:
    """Whether there is nothing there yet; what is no folder is refused later."""
    try:
        return not (root.is_dir() and any(root.iterdir()))
    except OSError as error:
        raise unwritable(root, error) from error


def _archived(layout: Layout, root: Path, *, new: bool) -> Archived:
    place = root / layout.release
    sizes = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
    return Archived(
        release=layout.release,
        folder=root,
        shapes=tuple(image.shape for image in layout.images),
        version=inventory.read(place, layout.release).head,
        new=new,
        files=len(sizes),
        size=sum(sizes),
        digest=Digest.of((place / inventory.NAME).read_bytes()),
    )


def _add(layout: Layout, lock: Lock, store: Store, root: Path, advance: Advance) -> bool:
    """Add a new object, or a version, to a storage root; tells whether there was something to add."""
    root = Path(os.path.abspath(root))  # noqa: PTH100 - `..` goes, links stay
    _check_root(root)
    place = root / layout.release
    try:
        with _locked(root):
            old = _old_object(place, layout, advance)
            there = old.manifest if old else {}
            size = sum(size for digest, size in layout.blobs.items() if digest.hex not in there)
            with work_beside(root, size=size) as work:
                folder = _Folder(work / "object", release_epoch(lock.recipe))
                folder.path.mkdir()
                if not _write_object(layout, lock, store, folder, old=old, advance=advance):
                    return False
                folder.settle()
                if old is None:
                    folder.path.rename(place)
                else:
                    _take_over(place, folder)
                    exchange(folder.path, place)
                sync_directory(root)
            return True
    except OSError as error:
        raise unwritable(root, error) from error


def _check_root(root: Path) -> None:
    if not (root / ROOT).is_file():
        raise InputFailure(
            f"{root} is neither empty nor an OCFL 1.1 storage root", hint=f"name a new folder, or one that has {ROOT}"
        )
    try:
        rule = documents.decode((root / LAYOUT_FILE).read_bytes(), dict[str, str]).get("extension")
    except (OSError, ValueError):
        rule = None
    if rule != LAYOUT_RULE["extension"]:
        raise InputFailure(
            f"the storage root {root} does not lay out its objects by {LAYOUT_RULE['extension']}",
            hint="name a storage root of its own for releases: a new folder",
        )
    if root.stat().st_dev != root.parent.stat().st_dev:
        raise InputFailure(
            f"{root} is a file system of its own, and versions are made beside the storage root",
            hint="name a folder in it",
        )


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    """Hold the storage root against other exports; they wait."""
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _old_object(place: Path, layout: Layout, advance: Advance) -> Inventory | None:
    """Read the object that is there, if one is. What a new version takes from it is compared with its digest.

    Raises as `inventory.read`; WorkFailure where something of it is damaged.
    """
    if not os.path.lexists(place):
        return None
    if not (place / OBJECT).is_file() or place.is_symlink():
        raise InputFailure(f"{place} is not an OCFL object", hint="name another storage root")
    old = inventory.read(place, layout.release)
    for digest, size in layout.blobs.items():
        for path in old.manifest.get(digest.hex, ()):
            advance(size)
            if not _is_whole(place / path, digest):
                raise WorkFailure(
                    f"the object {place} is damaged: {path} is not what its digest says",
                    hint="restore it from another copy of the archive; the store's copy is well",
                )
    return old


def _is_whole(path: Path, digest: Digest) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode) and digest_file(path)[0] == digest
    except OSError:
        return False


# -- an object -------------------------------------------------------------------------------------------------------


def _write_object(
    layout: Layout, lock: Lock, store: Store, folder: GrowingFolder, *, old: Inventory | None, advance: Advance
) -> bool:
    """Write what is new in an object, and its inventory, last; tells whether anything is new.

    Files for people are written anew in each version, so that a version is got by copying folders over each other.
    """
    number = old.number + 1 if old else 1
    there = old.manifest if old else {}
    kept = {digest for digest in layout.blobs if digest.hex in there}
    content = folder.below(f"v{number}/{inventory.CONTENT}")
    write_index(layout, content)
    content.write_text(HOWTO, guide("ocfl", lock, layout))
    write_beside(layout, lock, store, content, advance)
    texts = content.sums()
    state = by_digest({name: sha256 for name, (sha256, _) in texts.items()} | _blob_state(layout))
    if old is not None and old.latest == state:
        return False
    write_blobs(layout, store, content, advance, but=kept)
    made = _inventory(layout, lock, old=old, number=number, state=state, written=content.sums())
    data = documents.readable(made)
    folder.write_text(OBJECT, "ocfl_object_1.1\n")
    for top in (f"v{number}/", ""):
        folder.write(top + inventory.NAME, data)
        folder.write(top + inventory.SIDECAR, inventory.sidecar(data))
    return True


def _blob_state(layout: Layout) -> dict[str, str]:
    return {blob_name(digest): digest.hex for digest in layout.blobs}


def _inventory(
    layout: Layout,
    lock: Lock,
    *,
    old: Inventory | None,
    number: int,
    state: inventory.Paths,
    written: Mapping[str, tuple[str, str]],
) -> Inventory:
    """Describe an object with a new version of this state; `written` has sha256 and md5 of its new content."""
    above = f"v{number}/{inventory.CONTENT}/"
    created = dt.datetime.fromtimestamp(release_epoch(lock.recipe), dt.UTC)
    version = Version(
        created=f"{created:%Y-%m-%dT%H:%M:%SZ}",
        state=state,
        message=f"{layout.release} as the store has it; `created` is the date of the release, as of all made from it",
        user=User(name=f"boss-builder {builder.__version__}"),
    )
    return Inventory(
        id=layout.release,
        head=f"v{number}",
        manifest=_merged(old.manifest if old else {}, by_digest({above + n: sums[0] for n, sums in written.items()})),
        versions={**(old.versions if old else {}), f"v{number}": version},
        fixity={
            **(old.fixity if old else {}),
            "md5": _merged(
                old.fixity.get("md5", {}) if old else {}, by_digest({above + n: sums[1] for n, sums in written.items()})
            ),
        },
    )


def _merged(one: inventory.Paths, other: inventory.Paths) -> inventory.Paths:
    return {digest: (*one.get(digest, ()), *other.get(digest, ())) for digest in sorted({*one, *other})}


def _take_over(old: Path, folder: GrowingFolder) -> None:
    """Give what earlier versions hold a second name in a new object, or where that can not be, a copy.

    Raises WorkFailure for what OCFL does not allow there: links, devices.
    """
    for path in sorted(old.iterdir()):
        if path.is_dir() and not path.is_symlink():
            _link_tree(path, folder.path / path.name)
        elif not (folder.path / path.name).exists():
            _link(path, folder.path / path.name)
    os.utime(folder.path, (folder.epoch, folder.epoch))
    sync_directory(folder.path)


def _link_tree(source: Path, target: Path) -> None:
    target.mkdir()
    target.chmod(FOLDER_MODE)
    for path in sorted(source.iterdir()):
        if path.is_dir() and not path.is_symlink():
            _link_tree(path, target / path.name)
        else:
            _link(path, target / path.name)
    shutil.copystat(source, target)
    sync_directory(target)


def _link(source: Path, target: Path) -> None:
    if not stat.S_ISREG(source.lstat().st_mode):
        raise WorkFailure(
            f"{source} is no plain file, and nothing else may be in an OCFL object",
            hint="restore the object from another copy of the archive",
        )
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in UNLINKABLE:
            raise
        shutil.copy2(source, target)
        with target.open("rb") as stream:
            os.fsync(stream.fileno())
