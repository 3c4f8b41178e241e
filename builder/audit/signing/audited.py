"""The signatures of a store as an audit sees them: of every release that it covers, and of the heads of the log."""

from __future__ import annotations

import tempfile
from pathlib import Path

from builder.audit.log import State
from builder.audit.problems import AuditProblem, Code
from builder.audit.signing import allowed, artifacts, heads
from builder.audit.signing.check import Examined, Finding, Kind, claimed, examine
from builder.audit.signing.found import FoundSignatures, GoodSignature
from builder.core.errors import Failure, HostFailure, InputFailure
from builder.store.store import Store

CODES = {Kind.BAD: Code.SIGNATURE_BAD, Kind.DIFFERS: Code.SIGNED_DIFFERS, Kind.UNKNOWN: Code.SIGNER_UNKNOWN}


def of_release(store: Store, release: str, allowed_signers: Path | None) -> FoundSignatures:
    """Check signatures, receipt and statements of a release that is signed, by a list, or by the store's own.

    Where neither is there, everything is checked by the keys that signed: whose they are is then not known. Raises
    OSError where something can not be read.
    """
    try:
        return _of_release(store, release, allowed_signers)
    except (HostFailure, InputFailure) as failure:
        return _unchecked(release, failure)


def _of_release(store: Store, release: str, allowed_signers: Path | None) -> FoundSignatures:
    own = allowed.default_path(store.path)
    if allowed_signers is not None or own.exists():
        allowed.signers(allowed_signers or own)  # a list that can not be read says nothing of a release
        return _found(store, release, examine(store, release, allowed_signers or own))
    with tempfile.TemporaryDirectory(prefix="boss-builder-") as folder:
        path = Path(folder) / own.name
        path.write_text(claimed(store, release), "utf-8")
        examined = examine(store, release, path)
    return _found(store, release, Examined(strangers=examined.good, findings=examined.findings))


def _found(store: Store, release: str, examined: Examined) -> FoundSignatures:
    unknown = any(one.kind is Kind.UNKNOWN for one in examined.findings)
    notes = [
        AuditProblem(Code.SIGNER_UNCOUNTED, one.reference, f"{one.identity}, {one.key.fingerprint}")
        for one in (() if unknown else examined.strangers)
    ]
    return FoundSignatures(
        good=tuple(GoodSignature(release, one.reference, one.identity, one.key.fingerprint) for one in examined.good),
        problems=(*(_problem(release, one) for one in examined.findings), *notes),
        objects=tuple(one.digest for one in store.references(f"{artifacts.SIGNATURE}/{release}/").values()),
    )


def _problem(release: str, finding: Finding) -> AuditProblem:
    return AuditProblem(CODES[finding.kind], finding.about or release, finding.problem.message)


def of_log(store: Store, allowed_signers: Path | None) -> tuple[State, FoundSignatures]:
    """Check the signed heads of a store's log, by a list, or by the store's own; gives the log of that moment too.

    Raises OSError where something can not be read.
    """
    kept = heads.read(store.path)
    try:
        return kept.state, heads.examine(kept, allowed_signers or allowed.default_path(store.path))
    except InputFailure as failure:
        return kept.state, _unchecked(heads.place(""), failure)


def _unchecked(about: str, failure: Failure) -> FoundSignatures:
    problem = AuditProblem(Code.SIGNATURE_UNCHECKED, about, failure.problems[0].message)
    return FoundSignatures(problems=(problem,))
