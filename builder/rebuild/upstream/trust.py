"""Tell whether what upstream serves, and what was frozen of it, would be trusted at a given time."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec

from builder.core.digest import Digest
from builder.engine.engine import Folder
from builder.lock.model import Key, Lock, RpmPackage, Verdict
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.client import Ask, Reply, Trouble
from builder.rebuild.upstream.frozen import Frozen
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.packages import about_package
from builder.rebuild.upstream.repositories import SIGNATURE, SIGNATURE_LIMIT, Place, Today
from builder.rebuild.upstream.validators import Validators, question
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox

TRUST_LIMIT = 1800
GUEST_BLOBS = "/boss-builder/blobs"
SHOWN = 3
"""Packages that a message names."""
WEAK = {1: "MD5", 2: "SHA-1", 3: "RIPEMD-160"}
"""Hash algorithms of OpenPGP (RFC 9580, 9.5) that no longer bear a signature."""


# -- what the program inside takes and gives ------------------------------------------------------------------------


class RepositoryRequest(msgspec.Struct, frozen=True):
    """What is to be judged of one repository; files as the program sees them."""

    name: str
    keys: tuple[str, ...]
    metadata: str
    signature: str
    frozen_signature: str
    packages: tuple[str, ...]
    check_packages: bool


class _Request(msgspec.Struct, frozen=True):
    now: int
    repositories: tuple[RepositoryRequest, ...]


class KeyFacts(msgspec.Struct, frozen=True):
    """What a file of a key is worth."""

    state: Literal["good", "expired", "revoked", "refused", "no-key"]
    fingerprint: str
    expires: int


class SignatureFacts(msgspec.Struct, frozen=True):
    """What gpg says of the metadata's signature, and the hash algorithm of the frozen one."""

    verdict: Literal["good", "bad", "unknown-key", "expired", "algorithm", "clock", "other"]
    key_id: str
    hash: int
    expires: int
    said: str
    frozen_hash: int


class PackageFacts(msgspec.Struct, frozen=True):
    """When a package's signature expires, how it hashes, and what rpm has against it."""

    expires: int
    hash: int
    refused: str


class RepositoryFacts(msgspec.Struct, frozen=True):
    """All of one repository, in the order of the request."""

    keys: tuple[KeyFacts, ...]
    metadata: SignatureFacts | None
    packages: tuple[PackageFacts, ...]


# -- keys -----------------------------------------------------------------------------------------------------------


def about_key(key: Key) -> str:
    """Name a key as findings do."""
    return f"key {key.fingerprint}"


def remote_keys(lock: Lock) -> dict[str, Key]:
    """Give the keys that have an address of their own, by address."""
    return {key.source: key for repository in lock.repositories for key in repository.keys if "://" in key.source}


def question_of(key: Key, validators: Validators, frozen: Frozen) -> Ask:
    """Ask for a key."""
    return question(key.source, validators, key.blob.digest if frozen.has(key.blob) else None, SIGNATURE_LIMIT)


def read_key(key: Key, reply: Reply, metadata: Sequence[Reply], frozen: Frozen, notes: Notes) -> bytes | None:
    """Judge what the address of a key answered; gives today's bytes, or None.

    `metadata` are the answers of the repositories that use it: a key that fails like one of them, on the same host,
    is not named again.
    """
    about = about_key(key)
    if reply.trouble is not None:
        host = urlsplit(reply.ask.url).netloc
        if not any(one.trouble is reply.trouble and urlsplit(one.ask.url).netloc == host for one in metadata):
            notes.trouble(reply, about, Cause.KEY_MISSING if reply.trouble is Trouble.GONE else None)
        return None
    data = frozen.read(key.blob, about) if reply.unchanged else reply.body
    if data is not None and Digest.of(data) != key.blob.digest:
        notes.keep(about, "key.asc", data, "application/pgp-keys")
    if data is not None and reply.moved_to:
        notes.add(Cause.MOVED, about, f"{key.source} was moved for good to {reply.moved_to}")
    return data


# -- judging --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ring:
    """A key to judge with: its bytes, and whether they are what its source gives today or only what was frozen."""

    key: Key
    data: bytes
    role: Literal["today", "frozen", "companion"]
    """`companion`: frozen, beside another that is given today; it helps to judge and is not judged."""


@dataclass(frozen=True)
class Case:
    """What is to be judged of one repository. `today` is None where it did not answer, `signed` its answer."""

    place: Place
    today: Today | None
    signed: Reply
    ring: tuple[Ring, ...]
    packages: tuple[RpmPackage, ...]

    @property
    def signature(self) -> bytes | None:
        """Today's signature of the metadata."""
        return self.today.signature if self.today is not None else None


def case_of(
    place: Place, today: Today | None, signed: Reply, served: Mapping[str, bytes | None], frozen: Frozen
) -> Case:
    """Gather what is to be judged. `served` are the keys that have an address, as they are today, by address."""
    ring = []
    for key in place.frozen.keys:
        data = served.get(key.source)
        if data is not None:
            ring.append(Ring(key, data, "today"))
        if data is None or Digest.of(data) != key.blob.digest:
            kept = frozen.read(key.blob, about_key(key))
            role: Literal["today", "frozen", "companion"] = (
                "companion" if data is not None else "frozen" if key.source in served else "today"
            )
            ring += [Ring(key, kept, role)] if kept is not None else []
    packages = []
    for package in place.frozen.packages:
        if package.signature.verdict is Verdict.GOOD:
            if frozen.has(package.blob):
                packages.append(package)
            else:
                frozen.lacks(package.blob, about_package(package))
    return Case(place, today, signed, tuple(ring), tuple(packages))


def judge(
    cases: Sequence[Case],
    *,
    lock: Lock,
    store: Store,
    toolbox: Toolbox,
    work: Path,
    now: float,
    frozen: Frozen,
) -> dict[str, RepositoryFacts]:
    """Let gpg and rpm of the builder image judge; gives the facts by repository. `work` is an empty folder.

    What was frozen is checked by rpm anew only with other tools than froze it: the same would say the same.
    """
    requests = []
    for number, case in enumerate(cases):
        top = work / f"{number:03}"
        top.mkdir()
        blob = case.place.frozen.metadata.get(SIGNATURE)
        kept = frozen.read(blob, case.place.about) if blob is not None else None
        files = {
            "repomd.xml": case.today.repomd if case.today else None,
            "repomd.xml.asc": case.signature,
            "frozen.asc": kept,
            **{f"key-{place:03}": ring.data for place, ring in enumerate(case.ring)},
        }
        names = {}
        for name, data in files.items():
            if data is not None:
                (top / name).write_bytes(data)
            names[name] = f"{top.name}/{name}" if data is not None else ""
        requests.append(
            RepositoryRequest(
                name=case.place.frozen.name,
                keys=tuple(names[f"key-{place:03}"] for place in range(len(case.ring))),
                metadata=names["repomd.xml"],
                signature=names["repomd.xml.asc"],
                frozen_signature=names["frozen.asc"],
                packages=tuple(f"{GUEST_BLOBS}/{Digest(p.blob.digest).hex}" for p in case.packages),
                check_packages=toolbox.descriptor.digest != lock.builder_image.digest,
            )
        )
    blobs = Folder(store.blob_path(lock.builder_image.digest).parent, GUEST_BLOBS)
    return toolbox.run(
        "trust", _Request(int(now), tuple(requests)), dict[str, RepositoryFacts],
        work=work, folders=[blobs], time_limit=TRUST_LIMIT,
    )  # fmt: skip


# -- what it means --------------------------------------------------------------------------------------------------


def note_trust(case: Case, facts: RepositoryFacts, now: float, notes: Notes) -> None:
    """Note what the judgement of a repository means."""
    for ring, key in zip(case.ring, facts.keys, strict=True):
        if ring.role != "companion":
            _note_key(ring, key, notes)
    if case.today is not None:
        _note_signature(case, facts.metadata, notes)
    _note_packages(case, facts.packages, now, notes)


def _note_key(ring: Ring, facts: KeyFacts, notes: Notes) -> None:
    key, about = ring.key, about_key(ring.key)
    if facts.state == "no-key":
        notes.add(Cause.KEY_MISSING, about, f"{key.source} gives no public key any more")
    elif facts.fingerprint.upper() != key.fingerprint.upper():
        notes.add(Cause.KEY_MISSING, about, f"{key.source} gives another key, {facts.fingerprint}")
    elif facts.state == "expired":
        notes.add(Cause.SIGNATURE_EXPIRED, about, f"the key expired on {day(facts.expires)}")
    elif facts.state == "revoked":
        notes.add(Cause.SIGNATURE_EXPIRED, about, "the key is revoked by its owner")
    elif facts.state == "refused":
        notes.add(Cause.ALGORITHM_REJECTED, about, "today's gpg or rpm does not take the key any more")


def _note_signature(case: Case, facts: SignatureFacts | None, notes: Notes) -> None:
    """Note what is wrong with the signature of the metadata."""
    place, about = case.place, case.place.about
    was_good = place.frozen.signature.verdict is Verdict.GOOD
    url = case.signed.ask.url
    if facts is None:
        if was_good and case.signed.trouble is Trouble.GONE:
            why = f"the signature of its metadata is gone: {case.signed.words}"
            notes.add(Cause.SIGNATURE_BAD, about, why, notes.answer(case.signed, about))
        elif was_good:
            notes.trouble(case.signed, about)
        return
    what = judged(facts, was_good=was_good, unchanged=_is_unchanged(case))
    if what is not None:
        cause, why = what
        said = notes.keep(about, "gpg.txt", f"{facts.said}\n".encode())
        notes.add(cause, about, f"{url}: {why}", said, notes.keep(about, "repomd.xml.asc", case.signature or b""))


def judged(facts: SignatureFacts, *, was_good: bool, unchanged: bool) -> tuple[Cause, str] | None:
    """Tell what the facts of the metadata's signature mean, beside what was frozen; None where nothing is wrong."""
    name = WEAK.get(facts.hash, f"algorithm {facts.hash}")
    if facts.verdict == "good":
        weaker = facts.hash in WEAK and facts.frozen_hash not in WEAK and was_good
        return (Cause.ALGORITHM_REJECTED, f"the signature is made with {name} today") if weaker else None
    if facts.verdict == "other" and was_good and unchanged:
        return Cause.ALGORITHM_REJECTED, "gpg no longer accepts the signature that it accepted at the freeze"
    return {
        "expired": (
            Cause.METADATA_EXPIRED,
            f"the metadata was signed for a time that ended on {day(facts.expires)}",
        ),
        "unknown-key": (
            Cause.KEY_MISSING,
            f"it is signed by the key {facts.key_id}, which is none of the repository's keys",
        ),
        "bad": (
            Cause.SIGNATURE_BAD,
            "the signature does not match: repomd.xml was changed after it was signed",
        ),
        "algorithm": (Cause.ALGORITHM_REJECTED, f"gpg refuses the signature, which is made with {name}"),
        "clock": (Cause.HOST_LACKS, "the signature or its key is from the future: is the clock right?"),
        "other": (Cause.SIGNATURE_BAD, "gpg does not accept the signature"),
    }[facts.verdict]


def _note_packages(case: Case, packages: Sequence[PackageFacts], now: float, notes: Notes) -> None:
    """Note what is wrong with the signatures of frozen packages, together for a repository."""
    wrong: dict[Cause, list[tuple[RpmPackage, str]]] = defaultdict(list)
    for package, facts in zip(case.packages, packages, strict=True):
        if facts.expires and facts.expires <= now:
            wrong[Cause.SIGNATURE_EXPIRED].append((package, f"the signature expired on {day(facts.expires)}"))
        if facts.refused:
            wrong[refusal_cause(facts.refused)].append((package, facts.refused))
    for cause, found in wrong.items():
        names = [package.nevra for package, _ in found]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        text = "".join(f"{package.nevra}: {why}\n" for package, why in found)
        notes.add(
            cause, f"packages of {case.place.about}",
            f"{_WORDS[cause]}: {', '.join(names[:SHOWN])}{more}",
            notes.keep(case.place.about, f"{cause.short}.txt", text.encode()),
        )  # fmt: skip


_WORDS = {
    Cause.SIGNATURE_EXPIRED: "the signatures of packages have expired",
    Cause.KEY_MISSING: "packages are signed by a key that is none of the repository's today",
    Cause.BLOB_CORRUPT: "the store has other bytes than were signed",
    Cause.ALGORITHM_REJECTED: "rpm no longer accepts signatures that it accepted when they were frozen",
}


def refusal_cause(words: str) -> Cause:
    """Tell what rpm's refusal of a frozen package means; the words are those of `inside.signatures`."""
    if "does not name" in words:
        return Cause.KEY_MISSING
    return Cause.BLOB_CORRUPT if "bytes were changed" in words else Cause.ALGORITHM_REJECTED


def _is_unchanged(case: Case) -> bool:
    blob = case.place.frozen.metadata.get(SIGNATURE)
    return (
        case.today is not None
        and not case.today.changed
        and blob is not None
        and Digest.of(case.signature or b"") == blob.digest
    )


def day(seconds: int) -> str:
    """Spell a day: YYYY-MM-DD, UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).date().isoformat()
