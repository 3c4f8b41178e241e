"""Sizes as a recipe writes them: a whole number and a binary unit, as in `8GiB`."""

from __future__ import annotations

import re

UNITS = {"MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
SIZE = r"^[1-9][0-9]{0,6}(MiB|GiB|TiB)$"
_NEARLY = re.compile(r"([1-9][0-9]{0,6})\s*([MGT])i?B?", re.IGNORECASE)


def size_in_bytes(text: str) -> int:
    """Give a size in bytes: `8GiB` is 8589934592. Raises ValueError where `text` is not written as a size."""
    if not re.fullmatch(SIZE, text):
        raise ValueError(text)
    return int(text[:-3]) * UNITS[text[-3:]]


def size_text(size: int) -> str:
    """Write a whole number of MiB in the largest unit that has no fraction: 67108864 is `64MiB`."""
    unit = next(unit for unit in reversed(UNITS) if size % UNITS[unit] == 0)
    return f"{size // UNITS[unit]}{unit}"


def nearest_size(text: str) -> str:
    """Give the size that was probably meant by `8GB`, `8 gib` or `8G`; nothing where that is not to be seen."""
    found = _NEARLY.fullmatch(text.strip())
    return f"{found.group(1)}{found.group(2).upper()}iB" if found else ""
