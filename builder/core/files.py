"""Files written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import glob
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from builder.core.errors import Failure, HostFailure, SpaceFailure, WorkFailure


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
        except OSError:  # its owner has just removed it; or it is a stranger's, or can not be read
            continue
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # its owner lives; or the file system can not tell
            continue
        finally:
            os.close(descriptor)


def remove_unfinished(target: Path) -> None:
    """Remove what killed processes left of `atomic_writer`; for files that are written under a lock, which is held."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        with contextlib.suppress(OSError):  # it is in nobody's way, and the next one tries again
            path.unlink()


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


DISK = frozenset({errno.EIO, errno.ESTALE, errno.ENXIO, errno.ENODEV, errno.EUCLEAN, errno.EREMOTEIO})
RIGHTS = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
LIMITS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})


def as_failure(error: OSError) -> Failure | None:
    """Say what the host does not give in words for people; None where it is none of the host's faults."""
    where = f" ({error.filename})" if error.filename else ""
    why = error.strerror or str(error)
    if is_full(error):
        return SpaceFailure(f"no space is left{where}", hint="free some, and run it again: nothing is half-written")
    if error.errno in DISK:
        return WorkFailure(
            f"the disk errs{where}: {why}", hint="look at the disk; then run it again: nothing is half-written"
        )
    if error.errno in RIGHTS:
        return HostFailure(f"the host does not allow it{where}: {why}", hint="look at the rights, and run it again")
    if error.errno in LIMITS:
        return HostFailure(f"the host gives no more{where}: {why}", hint="raise the limit (ulimit), and run it again")
    return None
