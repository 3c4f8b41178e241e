"""A folder for archives: plain files and folders only, with names that every file system and checking tool takes."""

from __future__ import annotations

import re
import tarfile
from pathlib import Path, PurePosixPath

from builder.export.folder import GrowingFolder

ODD = re.compile(rb"[^A-Za-z0-9._+-]|\+(?=[0-9A-F]{2})")


class PlainFolder(GrowingFolder):
    """Names are of letters, digits and `. _ + -`: any other byte is written as `+` and two hexadecimal digits.

    A folder that is unpacked here and has odd names, links or empty folders is kept as `NAME.tar`, as it was frozen.
    """

    def spell(self, name: str) -> str:
        """Give a name as this folder writes it; two names are never written the same."""
        return "/".join(plain_name(part) for part in name.split("/"))

    def extract(self, archive: tarfile.TarFile, target: Path) -> None:
        """Unpack into an empty folder. Raises ValueError for odd names, links, devices and empty folders."""
        members = archive.getmembers()
        names = {member.name.strip("/") for member in members}
        above = {str(parent) for name in names for parent in PurePosixPath(name).parents}
        for member in members:
            name = member.name.strip("/")
            if name and self.spell(name) != name:
                raise ValueError(f"{name} has an odd name")
            if not (member.isfile() or (member.isdir() and (not name or name in above))):
                raise ValueError(f"{name} is no plain file")
        super().extract(archive, target)


def plain_name(part: str) -> str:
    """Write one part of a path with letters, digits and `. _ + -` alone: `a b` is `a+20b`, `a+20b` is `a+2B20b`."""
    return ODD.sub(lambda found: b"+%02X" % found[0][0], part.encode("utf-8", "surrogateescape")).decode("ascii")
