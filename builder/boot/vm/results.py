"""What a command has changed in a copy of a user's files, brought back to them.

The copy comes as a tar archive of a machine that may hold anything: nothing is written outside the user's folder, and
nothing of theirs is removed.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from builder.core.digest import digest_stream

ITSELF = "."


@dataclass(frozen=True)
class State:
    """What a file or a symbolic link is: its permissions, and the digest of its bytes or the link's target."""

    permissions: int
    content: str


def states(top: Path) -> dict[str, State]:
    """Describe a file (as `.`), or the files and symbolic links below a folder by their path relative to it."""
    if not top.is_dir():
        return {ITSELF: _state(top)}
    paths = (Path(folder, name) for folder, folders, files in os.walk(top) for name in (*folders, *files))
    return {str(p.relative_to(top)): _state(p) for p in paths if p.is_symlink() or p.is_file()}


def _state(path: Path) -> State:
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode):
        return State(0, str(path.readlink()))
    with path.open("rb") as stream:
        return State(mode & 0o777, str(digest_stream(stream)[0]))


def bring_back(archive: Path, top: Path, before: Mapping[str, State]) -> list[str]:
    """Write what differs from `before` to a user's file or folder; each file appears whole or not at all.

    `archive` is a tar of the folder's content, or of the file alone. Returns what could not be written, and why.
    """
    problems = []
    with tarfile.open(archive) as tar:
        for member in tar:
            path = ITSELF if not top.is_dir() else str(PurePosixPath(member.name))
            try:
                _bring(tar, member, top, path, before.get(path))
            except (OSError, KeyError) as error:
                problems.append(f"{path}: {getattr(error, 'strerror', None) or error}")
    return problems


def _bring(tar: tarfile.TarFile, member: tarfile.TarInfo, top: Path, path: str, before: State | None) -> None:
    target = top if path == ITSELF else top / path
    if path != ITSELF and not _is_inside(top, PurePosixPath(path)):
        raise OSError(0, "it leads out of the folder")
    if member.isdir():
        if not target.is_dir():
            target.mkdir()
        return
    with _beside(target) as temporary:
        if member.issym():
            if before == State(0, member.linkname):
                return
            temporary.symlink_to(member.linkname)
        else:
            stream: Any = tar.extractfile(member)
            if stream is None:
                raise OSError(0, "it is neither a file nor a folder")
            if before == State(member.mode & 0o777, str(digest_stream(stream)[0])):
                return
            stream.seek(0)
            with temporary.open("xb") as sink:
                shutil.copyfileobj(stream, sink)
            temporary.chmod(member.mode & 0o777)
            os.utime(temporary, (member.mtime, member.mtime))
        if target.is_dir() and not target.is_symlink():
            raise OSError(0, "a folder of this name is there")
        temporary.replace(target)


def _is_inside(top: Path, path: PurePosixPath) -> bool:
    """Whether the way from the top to a file leads through folders only, not through a link that leads elsewhere."""
    if path.is_absolute() or ".." in path.parts:
        return False
    between = [top / parent for parent in path.parents if parent.parts]
    return all(p.is_dir() and not p.is_symlink() for p in between)


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    """Give a name beside a file, for what takes its place."""
    temporary = target.with_name(f".boss-builder-{os.getpid()}-{target.name}"[:200])
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
