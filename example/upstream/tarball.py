"""Archives with the same bytes wherever they are made."""

from __future__ import annotations

import tarfile
from pathlib import Path

IGNORED = {"__pycache__"}


def write_tarball(folder: Path, target: Path, top: str, date: int) -> None:
    """Write what lies in `folder` as an uncompressed tar whose paths begin with `top`.

    Order, owners, modes and times (`date`, seconds since 1970) are fixed, and there is no compressor whose version
    could show. The format is POSIX.1-1988 ustar.
    """
    files = sorted(path for path in folder.rglob("*") if not IGNORED & set(path.relative_to(folder).parts))
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in (folder, *files):
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
