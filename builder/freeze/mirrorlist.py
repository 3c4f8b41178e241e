"""Read a list of mirrors: an address a line, as yum and dnf take it."""

from __future__ import annotations

import re

from builder.core.errors import InputFailure
from builder.recipe.fields import URL

LINES = 1000
REPOMD = "repodata/repomd.xml"


def read_mirrorlist(data: bytes, url: str) -> tuple[str, ...]:
    """Give the addresses of http in a list that came from `url`, in their order.

    Empty lines, comments and addresses of other kinds (ftp, rsync) are left out. Raises InputFailure where none is
    left.
    """
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines()[:LINES]]
    if lines and lines[0].startswith("<"):
        raise InputFailure(
            f"{url} is no list of mirrors with an address a line, but a page or a metalink",
            hint="take the address that gives the plain list, as mirrorlist=... does where metalink=... does not",
        )
    bases = tuple(dict.fromkeys(line.removesuffix(REPOMD) for line in lines if re.fullmatch(URL, line)))
    if not bases:
        raise InputFailure(
            f"{url} names no mirror", hint="lists of what is at its end of life are empty: name a vault, with `url`"
        )
    return bases
