"""Files written whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


def sync_directory(folder: Path) -> None:
    """Make renames in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_abandoned(folders: Iterable[Path]) -> None:
    """Remove the folders among these whose owner was killed: a living owner holds a lock (flock) on its folder."""
    for folder in folders:
        try:
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except (FileNotFoundError, NotADirectoryError):  # its owner has just removed it; or a stranger's file
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)


@contextmanager
def atomic_writer(target: Path, *, mode: int = 0o644) -> Iterator[BinaryIO]:
    """Write `target` through a temporary file beside it; it appears, synced, when the block ends well.

    Nothing is left behind when the block raises. `mode` does not depend on the umask.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            os.fchmod(stream.fileno(), mode)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(target.parent)


def write_atomically(target: Path, data: bytes, *, mode: int = 0o644) -> None:
    """Write `data` to `target` whole, synced and with the given mode, or not at all."""
    with atomic_writer(target, mode=mode) as stream:
        stream.write(data)


def is_full(error: OSError) -> bool:
    """Whether an error says that a file system, or the user's share of it, has no room left."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}
