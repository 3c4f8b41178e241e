"""Check the signatures of a release: are they good, may those sign who did, does the store have what they signed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

from builder.audit.signing import allowed, artifacts, envelope, sshsig, sums
from builder.audit.signing.artifacts import SignatureConfig
from builder.audit.signing.keys import PublicKey
from builder.audit.signing.sign import statements
from builder.audit.statements import provenance, reading
from builder.audit.statements.material import Material, gather, references
from builder.audit.statements.receipt import PREDICATE, Receipt, differences, receipt, spelled
from builder.audit.statements.statement import ResourceDescriptor, Statement
from builder.core.errors import Failure, HostFailure, Problem, WorkFailure
from builder.store import oci
from builder.store.store import Store

SHOWN = 10
"""Blobs that are named one by one where many differ."""


@dataclass(frozen=True)
class Signature:
    """A signature of a release: its reference, who says that he made it, and the key that did."""

    reference: str
    identity: str
    key: PublicKey
    subject: oci.Descriptor | None
    """The image that it is about."""


class Kind(StrEnum):
    """What a problem is one of."""

    BAD = "bad"
    """A signature that is not good, or can not be read."""
    DIFFERS = "differs"
    """What is signed is not what the store has."""
    UNKNOWN = "unknown"
    """Nobody who may sign has signed."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: the reference, or the release, that it is about."""

    kind: Kind
    about: str
    problem: Problem


@dataclass(frozen=True)
class Examined:
    """What was found of the signatures of a release."""

    good: tuple[Signature, ...] = ()
    strangers: tuple[Signature, ...] = ()
    """Made with keys that nobody is trusted for: they say nothing, and count as nothing."""
    findings: tuple[Finding, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong, each with the reference of the signature that it is of."""
        return tuple(
            Problem(f"{one.about}: {one.problem.message}" if one.about else one.problem.message, one.problem.hint)
            for one in self.findings
        )


def check_signatures(store: Store, release: str, allowed_signers: Path) -> tuple[Problem, ...]:
    """Every problem of the signatures and statements of a release. Blobs are looked for, not read: that is fixity.

    Raises HostFailure where there is no `ssh-keygen`.
    """
    return examine(store, release, allowed_signers).problems


def examine(store: Store, release: str, allowed_signers: Path) -> Examined:
    """Check every signature of a release by somebody who may sign; there must be one. Raises as `check_signatures`."""
    try:
        material = gather(store, release)
        signers = {signer.key.raw for signer in allowed.signers(allowed_signers)}
        found = store.references(f"{artifacts.SIGNATURE}/{release}/")
    except HostFailure:
        raise
    except Failure as failure:
        return Examined(findings=tuple(Finding(Kind.DIFFERS, "", problem) for problem in failure.problems))
    if not found:
        return Examined(findings=(Finding(Kind.UNKNOWN, "", _unsigned(release)),))
    good: list[Signature] = []
    strangers: list[Signature] = []
    findings: list[Finding] = []
    for name, descriptor in found.items():
        try:
            signature, files = _read(store, name, descriptor)
            if signature.key.raw not in signers:
                strangers.append(signature)
                continue
            wrong = _judged(store, material, signature, files, allowed_signers)
        except HostFailure:
            raise
        except Failure as failure:
            problems = (Problem(one.message, one.hint or _again(release)) for one in failure.problems)
            findings += (Finding(Kind.BAD, name, problem) for problem in problems)
            continue
        findings += wrong
        if not wrong:
            good.append(signature)
    if not good and not findings:
        findings += [
            Finding(Kind.UNKNOWN, signature.reference, _not_allowed(signature, allowed_signers))
            for signature in strangers
        ]
    return Examined(tuple(good), tuple(strangers), tuple(findings))


def claimed(store: Store, release: str) -> str:
    """Spell a list that lets everybody sign who has signed a release: what they signed can be checked by it."""
    try:
        found = store.references(f"{artifacts.SIGNATURE}/{release}/")
    except Failure:  # checking tells
        return ""
    lines = []
    for name, descriptor in found.items():
        with contextlib.suppress(Failure):
            signature, _ = _read(store, name, descriptor)
            lines.append(f'{signature.identity} namespaces="{allowed.NAMESPACE}" {signature.key.line}\n')
    return "".join(lines)


def _again(release: str) -> str:
    return (
        f"restore it from a copy of the store; or, where the change is meant, sign again: boss-builder sign {release}"
    )


def _unsigned(release: str) -> Problem:
    return Problem(f"{release} is not signed", hint=f"boss-builder sign {release} --key FILE --identity WHO")


def _not_allowed(signature: Signature, path: Path) -> Problem:
    why = f"{path} {'does not name it' if path.exists() else 'is not there'}"
    return Problem(
        f"the key {signature.key.fingerprint} of {signature.identity} may not sign: {why}",
        hint="if you know whose it is: boss-builder key trust IDENTITY FILE.pub; or name a list with --allowed-signers",
    )


def _read(store: Store, name: str, descriptor: oci.Descriptor) -> tuple[Signature, Mapping[str, bytes]]:
    """Read a signature. Raises WorkFailure where it is none."""
    manifest = reading.manifest(store, descriptor)
    if manifest.artifact_type != artifacts.SIGNATURE_TYPE:
        raise WorkFailure(f"it is no signature, but {manifest.artifact_type}")
    config = reading.parse(reading.read(store, manifest.config), SignatureConfig, "its configuration")
    allowed.check_identity(config.identity)
    files = reading.files(store, manifest)
    for title in (artifacts.SUMS, artifacts.SUMS_SIGNATURE):
        if title not in files:
            raise WorkFailure(f"it has no {title}")
    key = sshsig.signed_by(files[artifacts.SUMS_SIGNATURE])
    return Signature(name, config.identity, key, manifest.subject), files


def _judged(
    store: Store, material: Material, signature: Signature, files: Mapping[str, bytes], allowed_signers: Path
) -> list[Finding]:
    """Ask ssh-keygen whether a signature is good, and compare what is signed with what the store has."""
    listed, made = files[artifacts.SUMS], files[artifacts.SUMS_SIGNATURE]
    reason = sshsig.verify(listed, made, signature.identity, allowed_signers)
    if not reason:
        if signature.subject is None or signature.subject.digest != material.oci.image.descriptor.digest:
            message = f"it is about another image than the present one of {material.release}"
            return [Finding(Kind.DIFFERS, signature.reference, Problem(message, _again(material.release)))]
        different = _differing(store, material, signature.key, files)
        return [Finding(Kind.DIFFERS, signature.reference, one) for one in different]
    hint = f"{allowed_signers} says who may sign, as what, with which key and when"
    problem = Problem(f"the signature of {signature.identity} is not good: {reason}", hint)
    return [Finding(Kind.BAD, signature.reference, problem)]


def _differing(store: Store, material: Material, key: PublicKey, files: Mapping[str, bytes]) -> Iterator[Problem]:
    """Compare what was signed well with what the store has."""
    yield from _covered(store, material, key, sums.parsed(files[artifacts.SUMS]))
    yield from _receipt(store, material, key)
    for judged in material.images:
        expected = statements(store, material, judged)
        name = artifacts.attestation_reference(material.release, judged.shape, key)
        yield from _statements(store, material, name, expected, key)


def _covered(store: Store, material: Material, key: PublicKey, listed: frozenset[str]) -> Iterator[Problem]:
    """Compare what is signed with what the release consists of now."""
    again = _again(material.release)
    present = references(material)
    for name in artifacts.expected(material, key):
        descriptor = store.find(name)
        if descriptor is None:
            yield Problem(f"{name} is missing", again)
        else:
            present[name] = descriptor
    blobs = sums.blobs(store, present)
    missing = [digest for digest in sorted(listed) if not store.has(digest)]
    wrong = [f"{blobs.get(digest, 'a blob')} ({digest}) is signed and missing" for digest in missing]
    wrong += [f"{blobs[digest]} ({digest}) is not signed" for digest in blobs if digest not in listed]
    strangers = sorted(listed - blobs.keys() - set(missing))
    wrong += [f"{digest} is signed and no longer a part of the release" for digest in strangers]
    yield from (Problem(message, again) for message in wrong[:SHOWN])
    if len(wrong) > SHOWN:
        yield Problem(f"and {len(wrong) - SHOWN} more blobs are not what was signed", again)


def _opened(store: Store, name: str, title: str, key: PublicKey) -> tuple[bytes, Statement]:
    """Read a signed statement. Raises WorkFailure where it is missing, damaged, or not signed by the key."""
    descriptor = store.find(name)
    if descriptor is None:
        raise WorkFailure(f"{name} is missing")
    files = reading.files(store, reading.manifest(store, descriptor))
    if title not in files:
        raise WorkFailure(f"{name} has no {title}")
    try:
        payload = envelope.opened(files[title], key)
        return payload, reading.parse(payload, Statement, "the statement")
    except WorkFailure as failure:
        raise WorkFailure(*(Problem(f"{title} of {name}: {p.message}", p.hint) for p in failure.problems)) from failure


def _receipt(store: Store, material: Material, key: PublicKey) -> Iterator[Problem]:
    name, title = artifacts.receipt_reference(material.release, key), artifacts.RECEIPT_FILE
    try:
        payload, found = _opened(store, name, title, key)
    except WorkFailure as failure:
        yield from failure.problems
        return
    expected = reading.parse(spelled(material), Statement, "the receipt")
    if payload == spelled(material):
        return
    for message in _differing_heads(found, expected):
        yield Problem(f"{title}: {message}", _again(material.release))
    if found.predicate_type != PREDICATE:
        return
    try:
        signed = msgspec.convert(found.predicate, Receipt)
    except msgspec.ValidationError as error:
        yield Problem(f"{title} is no receipt of this version of the software: {error}", _again(material.release))
        return
    for message in differences(signed, receipt(material)):
        yield Problem(f"{title}: {message}", _again(material.release))


def _statements(
    store: Store, material: Material, name: str, expected: Mapping[str, bytes], key: PublicKey
) -> Iterator[Problem]:
    for title, text in expected.items():
        try:
            payload, found = _opened(store, name, title, key)
        except WorkFailure as failure:
            yield from failure.problems
            continue
        if payload == text:
            continue
        wanted = reading.parse(text, Statement, title)
        messages = [*_differing_heads(found, wanted)]
        if not messages and wanted.predicate_type == provenance.PREDICATE:
            messages += _differing_provenance(found.predicate, wanted.predicate)
        elif not messages and found.predicate != wanted.predicate:
            messages.append("what it says is not what the store says")
        for message in messages:
            yield Problem(f"{title} of {name}: {message}", _again(material.release))


def _differing_heads(found: Statement, wanted: Statement) -> Iterator[str]:
    if (found.type_, found.predicate_type) != (wanted.type_, wanted.predicate_type):
        yield f"it is a statement of the type {found.predicate_type!r}, not {wanted.predicate_type!r}"
    ours = {(one.name, one.sha256) for one in wanted.subject}
    theirs = {(one.name, one.sha256) for one in found.subject}
    for name, digest in sorted(theirs - ours):
        yield f"it is about {name} ({digest}), which is not in the store as that"
    for name, digest in sorted(ours - theirs):
        yield f"it is not about {name} ({digest})"


class _Definition(msgspec.Struct, rename="camel"):
    """As much of provenance as must be what the store says; the rest tells which software made the image."""

    build_type: str
    external_parameters: Any
    resolved_dependencies: tuple[ResourceDescriptor, ...]


class _Provenance(msgspec.Struct, rename="camel"):
    build_definition: _Definition


def _differing_provenance(found: Any, wanted: Any) -> Iterator[str]:
    try:
        theirs = msgspec.convert(found, _Provenance).build_definition
    except msgspec.ValidationError as error:
        yield f"it is no provenance: {error}"
        return
    ours = msgspec.convert(wanted, _Provenance).build_definition
    if (theirs.build_type, theirs.external_parameters) != (ours.build_type, ours.external_parameters):
        yield "what it says was asked for (type, parameters) is not what the store says"
    there = {(one.name, one.sha256, one.uri) for one in theirs.resolved_dependencies}
    here = {(one.name, one.sha256, one.uri) for one in ours.resolved_dependencies}
    for name, digest, uri in sorted(there - here)[:SHOWN]:
        yield f"it names {name} ({digest or uri}), which the release is not made of"
    for name, digest, _ in sorted(here - there)[:SHOWN]:
        yield f"it does not name {name} ({digest})"
