"""Differences as people read them; whatever stands in an image is shown without harm to a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from builder.inside.listing import NANO
from builder.rebuild.differences.model import GRAVITY, Comparison, Difference

ESCAPED = 0xDC00
"""Where surrogateescape puts the bytes that are not UTF-8."""
LONG = 160


def printable(text: str) -> str:
    """Spell letters that do not print, and backslashes, as escapes."""
    return "".join(letter if letter.isprintable() and letter != "\\" else _escape(letter) for letter in text)


def _escape(letter: str) -> str:
    code = ord(letter)
    if ESCAPED < code <= ESCAPED + 0xFF:
        return f"\\x{code - ESCAPED:02x}"
    return letter.encode("unicode_escape").decode("ascii")


def shown(data: bytes) -> str:
    """Spell bytes that should be UTF-8: a path, a link, an attribute."""
    return printable(data.decode("utf-8", "surrogateescape"))


def shortened(text: str, length: int = LONG) -> str:
    """Cut a text that is longer than people read."""
    return text if len(text) <= length else f"{text[:length]}... ({len(text)} letters)"


def shown_path(path: bytes) -> str:
    """Spell a path of an image, from its root."""
    return "/" + shown(path)


def shown_time(nanoseconds: int) -> str:
    """Spell nanoseconds since 1970 as RFC 3339 in UTC; as a number where no calendar has the day."""
    seconds, fraction = divmod(nanoseconds, NANO)
    try:
        day = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{nanoseconds / NANO:.0f} s"
    return f"{day}.{fraction:09d}Z" if fraction else f"{day}Z"


def as_text(comparison: Comparison) -> str:
    """Write a comparison for people: the cause, then each difference in a few lines."""
    lines = [f"{comparison.cause.value}: {comparison.cause.entry.meaning}"]
    for difference in comparison.differences:
        lines += _lines(difference)
    if comparison.truncated:
        lines.append(f"and {comparison.truncated} more")
    return "\n".join(lines) + "\n"


def summary(comparison: Comparison, most: int = 8) -> str:
    """Say what differs, the gravest first, in a line each: where, which field, what kind; no digests, no contents."""
    told = sorted(comparison.differences, key=lambda difference: -GRAVITY.index(difference.cause))
    lines = list(dict.fromkeys(_head(difference) for difference in told if not _follows(difference)))
    more = len(lines) - most + comparison.truncated
    return "\n".join([*lines[:most], *([f"and {more} more"] if more > 0 else [])])


def _follows(difference: Difference) -> bool:
    """Whether a difference only says, by a digest, that another one is there."""
    return difference.kind == "metadata" and not difference.path and "sha256:" in difference.stored


def _head(difference: Difference) -> str:
    where = f"{difference.part}: {difference.path}" if difference.path else difference.part
    return f"{where}: {difference.field} ({difference.kind})"


def _lines(difference: Difference) -> list[str]:
    lines = [_head(difference)]
    lines += [f"    stored:  {difference.stored or 'nothing'}", f"    rebuilt: {difference.rebuilt or 'nothing'}"]
    return [*lines, *(f"        {line}" for line in difference.detail.splitlines())]
