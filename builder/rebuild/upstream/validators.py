"""Remember what a server called a document, so that the next run can ask whether it still is that one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from builder.core import documents
from builder.rebuild.upstream.client import SMALL, Ask, Reply

NAME = "upstream/validators.json"
"""Of the evidence that holds them."""
MEDIA_TYPE = "application/json"


class Validator(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A strong entity tag (RFC 9110, 8.8.3), and the digest of the document that had it."""

    etag: str
    sha256: str


Validators = Mapping[str, Validator]
"""By address."""


def encode(validators: Validators) -> bytes:
    """Give them as evidence holds them."""
    return documents.readable(dict(validators))


def decode(data: bytes) -> dict[str, Validator]:
    """Read them from evidence; those of a document that is damaged, or of another version, are none."""
    try:
        return documents.decode(data, dict[str, Validator])
    except msgspec.DecodeError:
        return {}


def remembered(validators: Validators, url: str, expected: str = "") -> str:
    """Give the tag to ask an address with, or ""; with `expected`, only that of the document of this digest."""
    known = validators.get(url)
    return known.etag if known is not None and expected in {"", known.sha256} else ""


def digest_of(reply: Reply, validators: Validators) -> str:
    """Give the digest of the document that an address has today, or "" where that is not known."""
    if reply.unchanged:
        return validators[reply.ask.url].sha256
    return reply.sha256


def learned(replies: Iterable[Reply], validators: Validators) -> dict[str, Validator]:
    """Give what to remember: what was read whole and has a strong tag, and what is as it was remembered.

    An address that gave nothing keeps what is known of it; one that was not asked is forgotten.
    """
    answers = list(replies)
    known = {reply.ask.url: validators[reply.ask.url] for reply in answers if reply.ask.url in validators}
    for reply in answers:
        if reply.unchanged or reply.trouble is not None or reply.ask.method != "GET":
            continue
        if reply.etag and reply.sha256:
            known[reply.ask.url] = Validator(reply.etag, reply.sha256)
        else:
            known.pop(reply.ask.url, None)
    return known


def question(url: str, validators: Validators, expected: str | None, limit: int = SMALL) -> Ask:
    """Ask for a document of at most `limit` bytes; not anew where it is known to be the expected one still.

    `expected` is None where that one is not at hand.
    """
    etag = "" if expected is None else remembered(validators, url, expected)
    return Ask(url, etag=etag, limit=limit)
