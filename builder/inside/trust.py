"""Judge keys and signatures of repositories at a given time: every verdict is answered, none is refused.

Request: {"now": seconds since 1970, "repositories": [{"name", "keys": [file], "metadata": file or "", "signature":
file or "", "frozen_signature": file or "", "packages": [file], "check_packages": bool}]}. Answer: {name: {"keys":
[{"state", "fingerprint", "expires"}], "metadata": signature or null, "packages": [{"expires", "hash", "refused"}]}},
in the order of the request. States of a key: "good", "expired", "revoked", "refused" (these tools do not take it),
"no-key". A signature is what `signatures.metadata_facts` gives, and "frozen_hash", the hash algorithm of the
signature that was frozen. "refused" is what rpm has against a package, or ""; it is asked only with
"check_packages". Times are in seconds since 1970, 0 for never; hash algorithms are OpenPGP's numbers, 0 for unknown.
"""

from __future__ import annotations

import base64
import binascii
import struct
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from builder.inside.program import call, serve
from builder.inside.signatures import check_package, key_facts, metadata_facts, package_verdict

Facts = dict[str, Any]
UNKNOWN = {"expires": 0, "hash": 0}
SIGNATURE_PACKET = 2
HEADER_LIMIT = 1 << 20
"""Bytes of an RPM in which its signatures are looked for."""
LEAD, LEAD_MAGIC, HEADER_MAGIC = 96, b"\xed\xab\xee\xdb", b"\x8e\xad\xe8"
HEADER_SIGNATURES = (268, 267, 1002, 1005)
"""Tags of a signature header that hold an OpenPGP packet, best first: RSA and DSA of the header, then of both parts."""


# -- what a signature says of itself --------------------------------------------------------------------------------


def unarmored(data: bytes) -> bytes:
    """Give the packets of an armoured block (RFC 9580, 6.2), or the data where it is none; b"" where it is damaged."""
    if not data.lstrip().startswith(b"-----BEGIN PGP"):
        return data
    lines = [line.strip() for line in data.strip().splitlines()]
    body = lines[lines.index(b"") + 1 :] if b"" in lines else []
    kept = []
    for line in body:
        if line.startswith((b"=", b"-")):
            break
        kept.append(line)
    try:
        return base64.b64decode(b"".join(kept), validate=True)
    except binascii.Error:
        return b""


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and body of OpenPGP packets (RFC 9580, 4.2) up to the first that is damaged or of unknown length."""
    at = 0
    while at < len(data) and data[at] & 0x80:
        head = data[at]
        if head & 0x40:
            tag, (length, used) = head & 0x3F, _new_length(data, at + 1)
        else:
            size = (1, 2, 4, 0)[head & 3]
            tag, used = head >> 2 & 0x0F, size
            length = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else -1
        start = at + 1 + used
        if length < 0 or start + length > len(data):
            return
        yield tag, data[start : start + length]
        at = start + length


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    """Read a length of one, two or five bytes; gives it (-1: none, or of a part) and the bytes it took."""
    first = data[at] if at < len(data) else 255
    if first < 192:  # noqa: PLR2004 - RFC 9580, 4.2.1
        return first, 1
    if first < 224 and at + 1 < len(data):  # noqa: PLR2004
        return (first - 192 << 8) + data[at + 1] + 192, 2
    if first == 255 and at + 5 <= len(data):  # noqa: PLR2004
        return int.from_bytes(data[at + 1 : at + 5], "big"), 5
    return -1, 1


def signature_facts(data: bytes) -> Facts:
    """Give {"expires", "hash"} of the first signature among packets, armoured or not (RFC 9580, 5.2)."""
    body = next((body for tag, body in packets(unarmored(data)) if tag == SIGNATURE_PACKET), b"")
    version = body[0] if body else 0
    if version == 3 and len(body) > 16:  # noqa: PLR2004
        return {"expires": 0, "hash": body[16]}
    width = {4: 2, 6: 4}.get(version, 0)
    if not width or len(body) < 4 + width:
        return dict(UNKNOWN)
    length = int.from_bytes(body[4 : 4 + width], "big")
    made, lasts = 0, 0
    for kind, content in _subpackets(body[4 + width : 4 + width + length]):
        number = int.from_bytes(content[:4], "big")
        made, lasts = (number, lasts) if kind == 2 else (made, number) if kind == 3 else (made, lasts)  # noqa: PLR2004
    return {"expires": made + lasts if lasts else 0, "hash": body[3]}


def _subpackets(data: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(data):
        first = data[at]
        if 224 <= first < 255 and at + 1 < len(data):  # noqa: PLR2004 - here two bytes go up to 254
            length, used = (first - 192 << 8) + data[at + 1] + 192, 2
        else:
            length, used = _new_length(data, at)
        start = at + used
        if length < 1 or start + length > len(data):
            return
        yield data[start] & 0x7F, data[start + 1 : start + length]
        at = start + length


def rpm_signature(data: bytes) -> bytes:
    """Give the OpenPGP packet that signs an RPM, from its first bytes; b"" where there is none.

    The format: rpm's docs, manual/format_v4.md, "Lead" and "Header".
    """
    if not data.startswith(LEAD_MAGIC) or data[LEAD : LEAD + 3] != HEADER_MAGIC or len(data) < LEAD + 16:
        return b""
    entries, _ = struct.unpack_from(">II", data, LEAD + 8)
    index = data[LEAD + 16 : LEAD + 16 + entries * 16]
    store = LEAD + 16 + entries * 16
    places = {tag: (offset, count) for tag, _, offset, count in struct.iter_unpack(">IIII", index[: len(index) & ~15])}
    for tag in HEADER_SIGNATURES:
        if tag in places:
            offset, count = places[tag]
            return data[store + offset : store + offset + count]
    return b""


# -- what the tools say ---------------------------------------------------------------------------------------------


def _key(file: str, now: int, home: str, database: str) -> Facts:
    listing = call("gpg", "--batch", "--with-colons", "--show-keys", file, check=False)
    facts = key_facts(listing.stdout)
    if listing.returncode != 0 or facts is None:
        return {"state": "no-key", "fingerprint": "", "expires": 0}
    taken = call("gpg", "--batch", "--quiet", "--homedir", home, "--import", file, check=False).returncode == 0
    if database:
        taken &= call("rpmkeys", "--dbpath", database, "--import", file, check=False).returncode == 0
    state = "good" if taken else "refused"
    if facts["revoked"]:
        state = "revoked"
    elif facts["expires"] and facts["expires"] <= now:
        state = "expired"
    return {"state": state, "fingerprint": facts["fingerprint"], "expires": facts["expires"]}


def _metadata(repository: Facts, now: int, home: str) -> Facts | None:
    if not repository["signature"] or not repository["metadata"] or not repository["keys"]:
        return None
    done = call(
        "gpg", "--batch", "--homedir", home, "--faked-system-time", str(now), "--status-fd", "1",
        "--verify", repository["signature"], repository["metadata"], check=False,
    )  # fmt: skip
    frozen = repository["frozen_signature"]
    frozen_hash = signature_facts(Path(frozen).read_bytes())["hash"] if frozen else 0
    return {**metadata_facts(done.stdout, done.returncode), "frozen_hash": frozen_hash}


def _package(file: str, database: str) -> Facts:
    with Path(file).open("rb") as stream:
        facts = signature_facts(rpm_signature(stream.read(HEADER_LIMIT)))
    refused = ""
    if database:
        text, code = check_package(database, file)
        verdict = package_verdict(text, code)
        refused = verdict if isinstance(verdict, str) else "" if verdict["verdict"] == "good" else "it is not signed"
    return {**facts, "refused": refused.replace(file, "the package")}


def _repository(repository: Facts, now: int) -> Facts:
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
        database = folder if repository["check_packages"] else ""
        return {
            "keys": [_key(file, now, home, database) for file in repository["keys"]],
            "metadata": _metadata(repository, now, home),
            "packages": [_package(file, database) for file in repository["packages"]],
        }


def judge(request: Facts) -> Facts:
    """Answer a request as the module says."""
    return {repository["name"]: _repository(repository, request["now"]) for repository in request["repositories"]}


if __name__ == "__main__":
    serve(judge)
