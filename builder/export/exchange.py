"""Let two folders change places in one step, so that whoever looks sees one or the other, and never neither."""

from __future__ import annotations

import ctypes
import errno
import os
from pathlib import Path

from builder.core.errors import HostFailure

AT_FDCWD = -100
RENAME_EXCHANGE = 2
CANNOT = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV}


def exchange(one: Path, other: Path) -> None:
    """Exchange what two paths name (renameat2(2), Linux).

    Raises HostFailure where the file system can not do that, OSError for all else; nothing is changed then.
    """
    library = ctypes.CDLL(None, use_errno=True)
    rename = getattr(library, "renameat2", None)
    if rename is None:
        raise _cannot(other)
    if rename(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) != 0:
        code = ctypes.get_errno()
        if code in CANNOT:
            raise _cannot(other)
        raise OSError(code, os.strerror(code), str(other))


def _cannot(path: Path) -> HostFailure:
    return HostFailure(
        f"two folders can not change places in one step on the file system of {path}",
        hint="write the archive on another one (ext4, XFS, btrfs, tmpfs can), and copy it from there",
    )
