"""Compare two contents: where they differ, in how many bytes, and whether in dates, or in the order of lines, alone."""

from __future__ import annotations

import difflib
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal

from builder.core.digest import CHUNK
from builder.rebuild.differences.dates import differ_in_dates_only
from builder.rebuild.differences.text import LONG, printable, shortened

ContentKind = Literal["time", "order", "content"]
LOOKED_INTO = 16 << 20
"""Bytes up to which a content is read as a whole."""
ROW = 16
ROWS = 4
LINES = 400
SHOWN_LINES = 24
KEPT_SPOTS = 64
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
GZIP_TIME = range(4, 8)
PYC_TIMES = (range(4, 8), range(8, 12))
"""Where Python before 3.7, and from 3.7 on (PEP 552), keeps the time of the source in a .pyc."""


@dataclass(frozen=True)
class Spots:
    """Where two contents differ, byte by byte, as far as the shorter one goes."""

    first: int
    """Offset of the first byte that differs; the length of the shorter one where it is the other's beginning."""
    count: int
    """How many bytes differ, those included that only the longer one has."""
    begin: tuple[int, ...]
    """Offsets of the first bytes that differ."""


@dataclass(frozen=True)
class Looked:
    """What looking into two contents gave."""

    kind: ContentKind
    detail: str


def look_into(name: str, stored: Path, rebuilt: Path) -> Looked:
    """Compare the content of two files that differ; `name` is the path in the image."""
    sizes = stored.stat().st_size, rebuilt.stat().st_size
    with stored.open("rb") as one, rebuilt.open("rb") as two:
        spots = find_spots(one, two)
        if max(sizes) <= LOOKED_INTO:
            one.seek(0)
            two.seek(0)
            return judge(name, one.read(), two.read(), spots)
        start = spots.first // ROW * ROW
        one.seek(start)
        two.seek(start)
        dump = hexdump(one.read(ROWS * ROW), two.read(ROWS * ROW), start)
    return Looked("content", f"{_told(spots, *sizes)}\n{dump}")


def find_spots(one: BinaryIO, two: BinaryIO) -> Spots:
    """Compare two streams byte by byte, in pieces."""
    import numpy as np

    offset = count = 0
    begin: list[int] = []
    while True:
        a, b = one.read(CHUNK), two.read(CHUNK)
        common = min(len(a), len(b))
        if a[:common] != b[:common]:
            differ = np.frombuffer(a, np.uint8, common) != np.frombuffer(b, np.uint8, common)
            count += int(np.count_nonzero(differ))
            room = KEPT_SPOTS - len(begin)
            begin += [offset + int(at) for at in np.flatnonzero(differ)[:room]] if room else []
        if len(a) != len(b) and not begin:
            begin.append(offset + common)
        count += max(len(a), len(b)) - common
        if not a and not b:
            return Spots(begin[0] if begin else offset, count, tuple(begin))
        offset += common


def judge(name: str, one: bytes, two: bytes, spots: Spots) -> Looked:
    """Tell of what nature a difference is, and show it; pure."""
    texts = _text(one), _text(two)
    told = _told(spots, len(one), len(two))
    kind: ContentKind = "content"
    if _is_time_only(name, one, two, spots):
        kind, told = "time", f"timestamp only: {told}"
    elif texts[0] is not None and texts[1] is not None and sorted(texts[0].split("\n")) == sorted(texts[1].split("\n")):
        kind, told = "order", f"the same lines in another order: {told}"
    if texts[0] is not None and texts[1] is not None:
        shown = unified(texts[0], texts[1])
    else:
        start = spots.first // ROW * ROW
        shown = hexdump(one[start : start + ROWS * ROW], two[start : start + ROWS * ROW], start)
    return Looked(kind, f"{told}\n{shown}")


def _told(spots: Spots, one: int, two: int) -> str:
    sizes = "" if one == two else f"; {one} and {two} bytes long"
    return f"first at byte {spots.first}, {spots.count} bytes differ{sizes}"


def _text(data: bytes) -> str | None:
    if b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


# -- times -----------------------------------------------------------------------------------------------------------


def _is_time_only(name: str, one: bytes, two: bytes, spots: Spots) -> bool:
    if len(one) == len(two) and spots.count == len(spots.begin):
        where = set(spots.begin)
        if one.startswith(GZIP) and where <= set(GZIP_TIME):
            return True
        if name.endswith((".pyc", ".pyo")) and any(where <= set(place) for place in PYC_TIMES):
            return True
    if one.startswith(ZIP) and two.startswith(ZIP):
        return _same_zip_but_times(one, two)
    return differ_in_dates_only(one, two)


def _same_zip_but_times(one: bytes, two: bytes) -> bool:
    listings = []
    times = []
    for data in (one, two):
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                entries = archive.infolist()
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            return False
        listings.append([(e.filename, e.CRC, e.file_size, e.compress_size, e.external_attr) for e in entries])
        times.append([(e.date_time, e.extra) for e in entries])
    return listings[0] == listings[1] and times[0] != times[1]


# -- what people see -------------------------------------------------------------------------------------------------


def hexdump(one: bytes, two: bytes, start: int) -> str:
    """Show two pieces of bytes from one offset on, a row of each where they differ."""
    lines = []
    for at in range(0, max(len(one), len(two)), ROW):
        a, b = one[at : at + ROW], two[at : at + ROW]
        if a == b:
            lines.append(_row(" ", start + at, a))
        else:
            lines += [_row(sign, start + at, piece) for sign, piece in (("-", a), ("+", b)) if piece]
    return "\n".join(lines)


def _row(sign: str, offset: int, piece: bytes) -> str:
    letters = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in piece)  # noqa: PLR2004 - what ASCII prints
    return f"{sign}{offset:08x}  {piece.hex(' '):<{3 * ROW - 1}}  |{letters}|"


def unified(one: str, two: str) -> str:
    """Show the lines that differ, with a few around them; long texts from the first difference on."""
    before, after = one.split("\n"), two.split("\n")
    same = 0
    while same < min(len(before), len(after)) and before[same] == after[same]:
        same += 1
    same = max(0, same - 2)
    pieces = before[same : same + LINES], after[same : same + LINES]
    rows = list(difflib.unified_diff(pieces[0], pieces[1], lineterm="", n=1))[2:]
    rows = [row for row in rows if not row.startswith("@@")]
    shown = [shortened(printable(row[: 2 * LONG])) for row in rows[:SHOWN_LINES]]
    more = [f"... {len(rows) - SHOWN_LINES} more lines"] if len(rows) > SHOWN_LINES else []
    return "\n".join([f"from line {same + 1} on:", *shown, *more])
