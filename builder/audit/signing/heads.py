"""Signed heads of the log: who says that it began with these lines, so that a log rewritten whole is found.

`audit/heads/COUNT-KEY.json` names how many lines the log had, the digest of the last, and who signed; beside it lies
`COUNT-KEY.json.sig`, OpenSSH's signature over it. The chain binds all lines before. They are kept for ever: a later one
does not replace an earlier one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from builder.audit import log
from builder.audit.decoding import decoded
from builder.audit.problems import AuditProblem, Code
from builder.audit.signing import allowed, sshsig
from builder.audit.signing.event import last_generation
from builder.audit.signing.found import FoundSignatures, GoodHead
from builder.audit.signing.keys import PublicKey, SigningKey
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import Failure, FoundFailure, HostFailure
from builder.core.files import sync_directory, write_atomically

NAME = re.compile(r"(?P<count>[1-9][0-9]{0,15})-(?P<key>[0-9a-f]{12})\.json")
UNFINISHED = re.compile(r"\..+\.[0-9a-f]{12}\.tmp")
SUFFIX = ".sig"
LIMIT = 1 << 16
"""Bytes of a head or a signature; the longest known has a hundredth of it."""


class SignedHead(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is signed: as many lines, the last of that digest; and who signs."""

    count: int
    identity: str
    last: str

    @property
    def spelled(self) -> bytes:
        """As it is signed and kept."""
        return documents.compact(self) + b"\n"


@dataclass(frozen=True)
class KeptHead:
    """A head as it lies there: its file's name, its bytes, and those of its signature; None where that is gone."""

    name: str
    data: bytes
    signature: bytes | None

    @property
    def about(self) -> str:
        """Where it is in the store."""
        return place(self.name)


@dataclass(frozen=True)
class Kept:
    """The log, its signed heads in the order of their lengths, and what else lies beside them, all of one moment."""

    state: log.State
    heads: tuple[KeptHead, ...]
    strangers: tuple[AuditProblem, ...]


def place(name: str) -> str:
    """Give the place of a head in a store."""
    return f"{log.FOLDER}/{log.HEADS}/{name}"


def read(store: Path) -> Kept:
    """Read a store's log and its signed heads. Raises OSError where they can not be read."""
    with log.reading(store) as folder:
        return read_locked(folder)


def read_locked(folder: Path) -> Kept:
    """Read an audit folder while its lock is held; see `read`."""
    inner = folder / log.HEADS
    paths = sorted(inner.iterdir()) if inner.is_dir() else []
    found = {path.name: _bytes(path) for path in paths if _is_known(path)}
    heads = [KeptHead(name, data, found.get(name + SUFFIX)) for name, data in found.items() if NAME.fullmatch(name)]
    known = {name for head in heads for name in (head.name, head.name + SUFFIX)}
    strangers = []
    for path in paths:
        if path.name not in found or path.name not in known:  # a signature is written before what it is of
            unfinished = path.name in found or UNFINISHED.fullmatch(path.name)
            strangers.append(AuditProblem(Code.LEFTOVER if unfinished else Code.STRANGER, place(path.name)))
    return Kept(log.read_locked(folder), tuple(sorted(heads, key=_order)), tuple(strangers))


def _is_known(path: Path) -> bool:
    name = path.name.removesuffix(SUFFIX)
    return bool(NAME.fullmatch(name)) and path.is_file() and not path.is_symlink()


def _order(head: KeptHead) -> tuple[int, str]:
    return int(head.name.partition("-")[0]), head.name


def _bytes(path: Path) -> bytes:
    with path.open("rb") as stream:
        return stream.read(LIMIT)


def parsed(kept: KeptHead) -> SignedHead:
    """Read what a head says. Raises ValueError where it is none, or not that of its name."""
    head = decoded(kept.data, SignedHead)
    if head.spelled != kept.data:
        raise ValueError("it is not spelled as it was written")
    if kept.name.partition("-")[0] != str(head.count):
        raise ValueError(f"it is of {head.count} lines")
    Digest(head.last)
    return head


def write(folder: Path, key: SigningKey, identity: str) -> tuple[str, SignedHead]:
    """Sign the present head and keep it, while the lock is held (`log.writing`); gives its name and what it says.

    Raises FoundFailure where the log is not the one that was signed before: nothing is vouched for then.
    """
    kept = read_locked(folder)
    for one in kept.heads:
        try:
            problem = _differing(kept.state, one, parsed(one))
        except ValueError:  # an audit tells
            continue
        if problem is not None:
            raise FoundFailure(f"the head of the log was not signed: {problem.message}", hint=problem.hint)
    present = kept.state.head
    head = SignedHead(count=present.count, identity=identity, last=present.last)
    name = f"{head.count}-{key.public.short}.json"
    path = folder / log.HEADS / name
    path.parent.mkdir(exist_ok=True)
    sync_directory(folder)
    write_atomically(path.with_name(name + SUFFIX), sshsig.sign(head.spelled, key))
    write_atomically(path, head.spelled)
    return name, head


def _differing(state: log.State, kept: KeptHead, head: SignedHead) -> AuditProblem | None:
    """Say where the log no longer is what the head says."""
    found = state.last_at(head.count)
    if found == head.last:
        return None
    seen = f"line {head.count} is another" if found else f"the log has {len(state.lines)} of {head.count} lines"
    return AuditProblem(Code.LOG_REWRITTEN, kept.about, seen)


def examine(kept: Kept, allowed_signers: Path) -> FoundSignatures:
    """Check every kept head: is its signature good, may its signer sign, does the log still have what it names."""
    keys = {signer.key.raw for signer in allowed.signers(allowed_signers)} if kept.heads else set()
    problems = [*kept.strangers]
    good: list[GoodHead] = []
    for one in kept.heads:
        try:
            head, key = parsed(one), _key(one)
            found = tuple(_problems(kept.state, one, head, key, allowed_signers if key.raw in keys else None))
        except ValueError as error:
            problems.append(AuditProblem(Code.SIGNED_HEAD_BAD, one.about, str(error)))
            continue
        problems += found
        if not found:
            good.append(GoodHead(one.about, head.count, head.identity, key.fingerprint))
    missed = last_generation(kept.state.events)
    if missed > max((_order(one)[0] for one in kept.heads), default=0):
        problems.append(AuditProblem(Code.SIGNED_HEAD_MISSING, f"line {missed}"))
    objects = tuple(str(Digest.of(one.data)) for one in kept.heads)
    return FoundSignatures(heads=tuple(good), problems=tuple(problems), objects=objects)


def _key(kept: KeptHead) -> PublicKey:
    """Give the key that a head was signed with. Raises ValueError where its signature is none, or another's."""
    if kept.signature is None:
        raise ValueError("it has no signature")
    try:
        key = sshsig.signed_by(kept.signature)
    except Failure as failure:
        raise ValueError(failure.problems[0].message) from failure
    if f"-{key.short}." not in kept.name:
        raise ValueError(f"it is signed with another key: {key.fingerprint}")
    return key


def _problems(
    state: log.State, kept: KeptHead, head: SignedHead, key: PublicKey, allowed_signers: Path | None
) -> Iterator[AuditProblem]:
    """Judge a head; without a list its signature is judged by its own key, and its signer is unknown."""
    data, signature = head.spelled, kept.signature or b""
    who = f"{head.identity}, {key.fingerprint}"
    try:
        allowed.check_identity(head.identity)
        reason = (
            sshsig.verify(data, signature, head.identity, allowed_signers)
            if allowed_signers is not None
            else sshsig.check(data, signature)
        )
    except HostFailure as failure:
        yield AuditProblem(Code.SIGNATURE_UNCHECKED, kept.about, failure.problems[0].message)
        reason = ""
    except Failure as failure:
        reason = failure.problems[0].message
    if reason:
        yield AuditProblem(Code.SIGNED_HEAD_BAD, kept.about, f"{who}: {reason}")
        return
    if allowed_signers is None:
        yield AuditProblem(Code.SIGNER_UNCOUNTED, kept.about, who)
    problem = _differing(state, kept, head)
    if problem is not None:
        yield problem
