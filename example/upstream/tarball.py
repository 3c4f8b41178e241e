"""Archives with the same bytes wherever they are made."""

from __future__ import annotations

import tarfile
from fnmatch import fnmatch
from pathlib import Path

CACHES = ("__pycache__", ".*")
"""What interpreters and checkers leave in a folder of sources, as shell patterns."""


def source_files(folder: Path) -> list[Path]:
    """Give what lies below `folder`, folders too, without caches, in the order of their paths."""

    def is_source(path: Path) -> bool:
        return not any(fnmatch(part, pattern) for part in path.relative_to(folder).parts for pattern in CACHES)

    return sorted(path for path in folder.rglob("*") if is_source(path))


def write_tarball(folder: Path, target: Path, top: str, date: int) -> None:
    """Write what lies in `folder` as an uncompressed tar whose paths begin with `top`.

    Order, owners, modes and times (`date`, seconds since 1970) are fixed, and there is no compressor whose version
    could show. The format is POSIX.1-1988 ustar.
    """
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in (folder, *source_files(folder)):
            member = tarfile.TarInfo(f"{top}/{path.relative_to(folder).as_posix()}".removesuffix("/."))
            member.mtime = date
            member.uname = member.gname = "root"
            if path.is_dir():
                member.type = tarfile.DIRTYPE
                member.mode = 0o755
                archive.addfile(member)
            else:
                member.size = path.stat().st_size
                member.mode = 0o644
                with path.open("rb") as stream:
                    archive.addfile(member, stream)
