"""Unpack a tar without letting it out of its folder.

Python's own extraction filters came with 3.11.4; Debian 12 has 3.11.2.
"""

from __future__ import annotations

import os
import shutil
import tarfile
from pathlib import Path, PurePosixPath

from builder.core.digest import CHUNK


def extract(archive: tarfile.TarFile, folder: Path) -> None:
    """Unpack files, folders and links into `folder`, with their modes (without setuid, setgid and sticky bits).

    Files belong to the caller and bear the time of the archive. Raises ValueError for whatever leads, or links, out of
    the folder, and for devices; tarfile.TarError for what is no tar; OSError where the folder can not be written.
    """
    top = folder.resolve()
    modes: list[tuple[Path, tarfile.TarInfo]] = []
    for member in archive:
        target = _inside(top, member.name)
        if target == top:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.parent.resolve().is_relative_to(top):
            raise ValueError(f"{member.name} leads through a link out of the folder")
        if member.isdir():
            target.mkdir(exist_ok=True)
            modes.append((target, member))
        elif member.issym():
            _inside(top, str(PurePosixPath(member.name).parent / member.linkname), link=member.linkname)
            target.symlink_to(member.linkname)
        elif member.islnk():
            os.link(_inside(top, member.linkname), target, follow_symlinks=False)
        elif member.isfile():
            _write(archive, member, target)
            modes.append((target, member))
        else:
            raise ValueError(f"{member.name} is a device or a pipe")
    for path, member in reversed(modes):  # a folder may not be writable once it has its mode
        path.chmod(member.mode & 0o777)
        os.utime(path, (member.mtime, member.mtime))


def _inside(top: Path, name: str, link: str = "") -> Path:
    """Path of a name below `top`. Raises ValueError where it leads out of it."""
    path = os.path.normpath(name.lstrip("/") if not link else name)
    if path == os.pardir or path.startswith(os.pardir + os.sep) or Path(link).is_absolute():
        raise ValueError(f"{link or name} leads out of the folder")
    return top / path


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    stream = archive.extractfile(member)
    if stream is None:
        raise ValueError(f"{member.name} has no content")
    with stream, target.open("xb") as sink:
        shutil.copyfileobj(stream, sink, CHUNK)
