"""What looks like a date or a time in bytes: the commonest reason why two builds of the same differ.

Sources of the spellings: date(1), ctime(3), RFC 2822 and RFC 3339, syslog, the macros __DATE__ and __TIME__ of C, and
seconds (or milliseconds) since 1970 from 2001 on.
"""

from __future__ import annotations

import re

_WEEKDAY = rb"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs)?|Fri|Sat(?:ur)?|Sun)(?:day)?"
_MONTH = (
    rb"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sep(?:tember)?|Oct(?:ober)?"
    rb"|Nov(?:ember)?|Dec(?:ember)?)"
)
_CLOCK = rb"[0-2]?[0-9]:[0-5][0-9](?::[0-6][0-9](?:[.,][0-9]{1,9})?)?(?:[ ]?[AP]M)?"
_ZONE = rb"(?:Z|[A-Z]{3,5}|[+-][0-9]{2}:?[0-9]{2})"
_YEAR = rb"(?:19|20)[0-9]{2}"
_BEGIN, _END = rb"(?<![0-9A-Za-z])", rb"(?![0-9A-Za-z])"

_NAMED_MONTH_FIRST = (
    rb"(?:" + _WEEKDAY + rb",?[ ]{1,2})?" + _MONTH + rb"[ ]{1,2}[0-9]{1,2}(?:[ ]{1,2}" + _CLOCK
    + rb")?(?:[ ]" + _ZONE + rb")?(?:,?[ ]{1,2}" + _YEAR + rb")?"
)  # fmt: skip
_DAY_FIRST = (
    rb"(?:" + _WEEKDAY + rb",?[ ]{1,2})?[0-9]{1,2}[ -]" + _MONTH + rb"[ -]" + _YEAR
    + rb"(?:[ ]{1,2}" + _CLOCK + rb"(?:[ ]?" + _ZONE + rb")?)?"
)  # fmt: skip
_NUMBERS = _YEAR + rb"[-/.][0-1][0-9][-/.][0-3][0-9](?:[T _]" + _CLOCK + rb"(?:[ ]?" + _ZONE + rb")?)?"
_COMPACT = _YEAR + rb"[0-1][0-9][0-3][0-9](?:[T_-]?[0-2][0-9][0-5][0-9](?:[0-6][0-9])?Z?)?"
_CLOCK_ALONE = rb"[0-2][0-9]:[0-5][0-9]:[0-6][0-9](?:[.,][0-9]{1,9})?"
_SECONDS = rb"[12][0-9]{9}(?:[0-9]{3})?(?:\.[0-9]{1,9})?"
DATE = re.compile(
    _BEGIN
    + rb"(?:" + rb"|".join((_NAMED_MONTH_FIRST, _DAY_FIRST, _NUMBERS, _COMPACT, _CLOCK_ALONE, _SECONDS)) + rb")"
    + _END
)  # fmt: skip


def differ_in_dates_only(stored: bytes, rebuilt: bytes) -> bool:
    """Whether two different pieces of bytes are the same but for what looks like dates and times in both."""
    if stored == rebuilt:
        return False
    return DATE.sub(b"\0date\0", stored) == DATE.sub(b"\0date\0", rebuilt)


def is_date(text: str) -> bool:
    """Whether a text is a date or a time and nothing else."""
    return DATE.fullmatch(text.encode("utf-8", "surrogateescape")) is not None
