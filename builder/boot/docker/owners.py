"""Who owns what a container's root has written into a user's own folders."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from builder.boot.binds import Bind

ROOT = 0
Identity = tuple[int, int]
"""Device and inode."""


def roots_files(binds: Iterable[Bind]) -> dict[Identity, str]:
    """Find what belongs to root below what is bound writable; gives the machine's paths.

    Folders that this process may not read are left out, with all that is in them.
    """
    found: dict[Identity, str] = {}
    for bind in binds:
        if bind.writable:
            for path in _walk(bind.host):
                status = path.lstat()
                if status.st_uid == ROOT:
                    inner = path.relative_to(bind.host)
                    guest = bind.guest if inner == Path() else f"{bind.guest}/{inner}"
                    found[status.st_dev, status.st_ino] = guest
    return found


def _walk(top: Path) -> Iterator[Path]:
    yield top
    if top.is_dir():
        for folder, folders, files in os.walk(top):
            for name in (*folders, *files):
                yield Path(folder, name)


def new_paths(before: dict[Identity, str], after: dict[Identity, str]) -> list[str]:
    """Give the machine's paths that were not root's before, the shortest first; a path below another is left out."""
    new = sorted((path for identity, path in after.items() if identity not in before), key=lambda p: (p.count("/"), p))
    kept: list[str] = []
    for path in new:
        if not any(path.startswith(f"{above}/") for above in kept):
            kept.append(path)
    return kept
