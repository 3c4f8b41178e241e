"""Which Enterprise Linux an operating system is: what it can read follows from that."""

from __future__ import annotations

import re

from builder.recipe.model import Os

FAMILIES = ("almalinux", "centos", "el", "rhel", "rocky", "scientific", "sl", "slc")
NAMED = re.compile(rf"({'|'.join(FAMILIES)})[-_]?(\d*)", re.IGNORECASE)


def generation(os: Os) -> int | None:
    """Give the number of the Enterprise Linux that family and version name (`el5`, or `slc` and `6.9`), or None."""
    named = NAMED.fullmatch(os.family)
    number = re.match(r"\d+", named[2] or os.version) if named else None
    return int(number[0]) if number else None
