"""Take a folder out of a mounted repository of CernVM-FS at one revision.

The mount says by extended attributes what it is. Source: CernVM-FS documentation, "Getting Information through
Extended Attributes", and cvmfs/magic_xattr.cc: `user.fqrn`, `user.root_hash`, `user.revision`, `user.tag` of any
path; `user.catalog_counters` with lines `catalog_hash: ` and `catalog_mountpoint: ` of the catalogue that lists a path
(older clients lack the first). A folder where a catalogue begins has a file `.cvmfscatalog`.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from builder.core.errors import HostFailure, InputFailure, WorkFailure
from builder.inside.canonical import DIRECTORY, HARD_LINK, REGULAR, SYMBOLIC_LINK, Content, Entry, walk_source
from builder.lock.model import CvmfsTree
from builder.recipe.model import CvmfsSource

TOP = Path("/cvmfs")
"""Where a host has its repositories."""
VARIABLE = "BOSS_BUILDER_CVMFS"
"""Of the environment: the folder that has them instead."""
MARK = ".cvmfscatalog"
NO_ATTRIBUTE = frozenset({errno.ENODATA, errno.ENOTSUP})
KINDS = frozenset({DIRECTORY, REGULAR, SYMBOLIC_LINK, HARD_LINK})


@dataclass(frozen=True)
class Mount:
    """A mounted repository, and the revision that it shows."""

    repository: str
    folder: Path
    root_hash: str
    tag: str
    revision: int | None


def find_mount(repository: str, top: Path = TOP) -> Mount:
    """Ask what is mounted as a repository. Raises HostFailure where nothing is, with how to mount it."""
    folder = top / repository
    hint = (
        f"mount it: cvmfs_config probe {repository}, or mount -t cvmfs {repository} {folder}; where repositories have "
        f"another place than {top}, name that: --cvmfs FOLDER, or {VARIABLE}"
    )
    try:
        name = _attribute(folder, "fqrn")
        root_hash = _attribute(folder, "root_hash")
        tag, revision = _attribute(folder, "tag"), _attribute(folder, "revision")
    except OSError as error:
        raise HostFailure(
            f"the repository {repository} is not mounted: {folder}: {error.strerror}", hint=hint
        ) from error
    if name is None or root_hash is None:
        raise HostFailure(f"{folder} is no mounted repository: it does not say its name and root hash", hint=hint)
    if name != repository:
        raise HostFailure(f"{folder} is the repository {name!r}, not {repository!r}", hint=hint)
    return Mount(repository, folder, root_hash, tag or "", int(revision) if revision and revision.isdigit() else None)


def _attribute(path: Path, name: str) -> str | None:
    """Read an attribute of a mount; None where it has none of that name."""
    try:
        return os.getxattr(path, f"user.{name}").decode("utf-8", "replace").strip("\0\n ")
    except OSError as error:
        if error.errno in NO_ATTRIBUTE:
            return None
        raise


def difference(source: CvmfsSource, mount: Mount) -> str:
    """Say in what a mount is not the revision that a recipe asks for; "" where it is."""
    if source.root_hash is not None and mount.root_hash != source.root_hash:
        return f"{mount.folder} shows the root hash {mount.root_hash}, not {source.root_hash}"
    if source.tag is not None and mount.tag != source.tag:
        shown = f"the tag {mount.tag!r}" if mount.tag else "no tag"
        return f"{mount.folder} shows {shown}, not {source.tag!r}"
    return ""


def check_revision(source: CvmfsSource, mount: Mount) -> None:
    """Raises HostFailure where a mount is not the revision that a recipe asks for."""
    found = difference(source, mount)
    if found:
        setting = f"CVMFS_ROOT_HASH={source.root_hash}" if source.root_hash else f"CVMFS_REPOSITORY_TAG={source.tag}"
        raise HostFailure(
            found,
            hint=f"write {setting} into /etc/cvmfs/config.d/{source.repository}.local, then: cvmfs_config umount "
            f"{source.repository}; cvmfs_config probe {source.repository}",
        )


def folder_of(source: CvmfsSource, mount: Mount) -> Path:
    """Give the folder that a recipe asks for. Raises InputFailure where it is none, or a link leads to it."""
    below = source.path.removeprefix(f"/cvmfs/{source.repository}").strip("/")
    folder = mount.folder / below
    if not folder.is_dir():
        raise InputFailure(f"there is no folder {folder}", hint="correct `path`, or the revision")
    real = folder.resolve()
    if real != mount.folder.resolve() / below:
        raise InputFailure(f"{folder} leads to {real}", hint="name the folder itself, not a link to it")
    return folder


def read_folder(source: CvmfsSource, mount: Mount, mtime: int) -> Iterator[Content]:
    """Yield a folder and what it holds at its own path in canonical order: owner root, modes 0755 and 0644.

    Raises InputFailure for a device or a pipe, WorkFailure where the mount fails.
    """
    folder = folder_of(source, mount)
    top = source.path.strip("/").encode()
    parts = top.split(b"/")
    for number in range(1, len(parts) + 1):
        yield Entry(b"/".join(parts[:number]), DIRECTORY, 0o755, 0, 0, mtime), None
    try:
        for entry, opener in walk_source(folder, mtime):
            if entry.kind not in KINDS:
                raise InputFailure(f"{folder / os.fsdecode(entry.path)} is no file, link or folder")
            link = top + b"/" + entry.link if entry.kind == HARD_LINK else entry.link
            yield replace(entry, path=top + b"/" + entry.path, link=link), opener
    except OSError as error:
        raise _unreadable(source, error) from error


def describe(source: CvmfsSource, mount: Mount) -> CvmfsTree:
    """Give what the lock says of a folder: the revision, and the digest of every catalogue that lists something of it.

    Raises WorkFailure where the mount fails.
    """
    folder = folder_of(source, mount)
    top = mount.folder
    catalogs = {}
    try:
        for place in (folder, *sorted(mark.parent for mark in folder.rglob(MARK))):
            begins, digest = _catalog(place, "/" + str(place.relative_to(top)).removeprefix("."))
            catalogs[begins] = digest
    except OSError as error:
        raise _unreadable(source, error) from error
    return CvmfsTree(
        repository=source.repository,
        path=source.path,
        root_hash=mount.root_hash,
        tag=mount.tag,
        revision=mount.revision,
        catalogs=catalogs,
    )


def _catalog(folder: Path, path: str) -> tuple[str, str]:
    """Give where the catalogue begins that lists a folder, and its digest, as far as the mount tells."""
    lines = (_attribute(folder, "catalog_counters") or "").splitlines()
    told = dict(line.split(": ", 1) for line in lines if ": " in line)
    return told.get("catalog_mountpoint", path).strip() or "/", told.get("catalog_hash", "").strip()


def _unreadable(source: CvmfsSource, error: OSError) -> WorkFailure:
    about = f"{error.filename}: " if error.filename else ""
    return WorkFailure(
        f"{source.path} can not be read: {about}{error.strerror}",
        hint=f"does its server answer? cvmfs_config probe {source.repository}",
    )
