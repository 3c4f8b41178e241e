"""An audit examines signatures, receipts and statements of the releases that it covers, and logs what it found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder.audit import log
from builder.audit.examine import Asked, Report, audit
from builder.audit.log import EventType, Outcome
from builder.audit.problems import Code
from builder.audit.signing import artifacts
from builder.cli import audit as audit_command
from builder.cli import key
from builder.core.errors import ExitCode
from builder.core.progress import NoProgress
from builder.store.store import Store
from tests.unit.audit.archive import Clock, put_image, released
from tests.unit.audit.signed_release import FAILED, WHO, SignedSite, judge, keys, signed
from tests.unit.export.release import RELEASE


@pytest.fixture
def release(tmp_path: Path) -> SignedSite:
    return signed(tmp_path)


def audited(release: SignedSite, *releases: str, by: Path | None = None) -> Report:
    asked = Asked(releases, quick=True, allowed_signers=by)
    return audit(release.store, asked, NoProgress(), Clock(), 2)


def validation(store: Store) -> log.Event:
    events = log.read(store.path).events
    return next(event for event in reversed(events) if event.event_type is EventType.SIGNATURE_VALIDATION)


def found(report: Report) -> list[tuple[Code, str]]:
    return [(one.code, one.about) for one in (*report.problems, *report.notes)]


def test_a_good_release_is_well_and_it_is_said_who_signed(release):
    report = audited(release)
    assert (report.problems, report.notes, report.exit_code) == ((), (), ExitCode.OK)
    (good,) = report.signatures.good
    assert (good.release, good.reference, good.identity) == (RELEASE, release.signature, WHO)
    event = validation(release.store)
    assert (event.event_outcome, event.event_detail_extension["signatures"]) == (Outcome.SUCCESS, 1)
    assert event.linking_objects == (release.store.find(release.signature).digest,)


def signature_of_nothing(release: SignedSite) -> None:
    release.replace(release.signature, artifacts.SUMS, b"")


def receipt_of_nothing(release: SignedSite) -> None:
    release.replace(release.receipt, artifacts.RECEIPT_FILE, b"{}")
    release.sign_sums()


def statement_of_nothing(release: SignedSite) -> None:
    release.replace(release.attestation(), artifacts.PROVENANCE_FILE, b"{}")
    release.sign_sums()


def another_validation(release: SignedSite) -> None:
    judge(release.site, "oci", release.store.find(RELEASE), FAILED)


def another_image(release: SignedSite) -> None:
    put_image(release.store, release.site.lock, "oci")
    for shape in ("sif", "vm"):
        put_image(release.store, release.site.lock, shape)


def no_receipt(release: SignedSite) -> None:
    release.store.remove_reference(release.receipt)


CHANGES: dict[str, tuple[Callable[[SignedSite], object], Code, str]] = {
    "the signature": (signature_of_nothing, Code.SIGNATURE_BAD, "is not good"),
    "the receipt": (receipt_of_nothing, Code.SIGNED_DIFFERS, "receipt.dsse.json"),
    "a statement": (statement_of_nothing, Code.SIGNED_DIFFERS, "provenance.dsse.json"),
    "the validation": (another_validation, Code.SIGNED_DIFFERS, "is not signed"),
    "the image": (another_image, Code.SIGNED_DIFFERS, "it is about another image"),
    "no receipt": (no_receipt, Code.SIGNED_DIFFERS, "is missing"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_what_is_not_as_it_was_signed_is_a_problem_with_its_place_and_cure(release, what):
    change, code, seen = CHANGES[what]
    change(release)
    report = audited(release)
    problems = [one for one in report.problems if one.code is code]
    assert {one.about for one in problems} == {release.signature}
    assert any(seen in one.seen for one in problems)
    assert all("restore it from a copy" in one.hint for one in problems)
    assert (report.exit_code, report.signatures.good) == (ExitCode.FOUND, ())
    event = validation(release.store)
    assert event.event_outcome is Outcome.FAIL
    assert f"{code} {release.signature}" in event.event_outcome_detail


def test_who_is_trusted_no_more_is_named(release):
    CliRunner().invoke(key.command, ["untrust", WHO, "--store", str(release.store.path)])
    report = audited(release)
    assert found(report) == [(Code.SIGNER_UNKNOWN, release.signature)]
    assert f"{release.key.public.fingerprint} of {WHO} may not sign" in report.problems[0].message
    assert report.exit_code is ExitCode.FOUND


def test_a_stranger_beside_somebody_who_may_is_named_and_no_damage(release):
    release.sign(keys()[1], "stranger@example")
    report = audited(release)
    name = artifacts.signature_reference(RELEASE, keys()[1].public)
    assert found(report) == [(Code.SIGNER_UNCOUNTED, name)]
    assert "stranger@example" in report.notes[0].message
    assert report.exit_code is ExitCode.OK
    assert validation(release.store).event_outcome is Outcome.WARNING


def test_without_any_list_all_is_checked_by_the_keys_that_signed(release):
    release.allowed.unlink()
    report = audited(release)
    assert (found(report), report.signatures.good) == ([(Code.SIGNER_UNCOUNTED, release.signature)], ())
    assert report.exit_code is ExitCode.OK
    signature_of_nothing(release)
    assert (Code.SIGNATURE_BAD, release.signature) in found(audited(release))


def test_an_auditor_brings_his_own_list(release, tmp_path):
    mine = tmp_path / "mine"
    mine.write_text(f'{WHO} namespaces="boss-builder" {keys()[1].public.line}\n')
    assert found(audited(release, by=mine)) == [(Code.SIGNER_UNKNOWN, release.signature)]
    shutil.copy(release.allowed, mine)
    release.allowed.unlink()
    assert found(audited(release, by=mine)) == []


def test_a_list_that_can_not_be_read_is_not_taken_for_damage(release, tmp_path):
    report = audited(release, by=tmp_path)
    assert {one.code for one in report.problems} == {Code.SIGNATURE_UNCHECKED}
    assert report.exit_code is ExitCode.UNFINISHED


def test_a_host_without_ssh_keygen_is_told_and_is_not_well(release, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    report = audited(release)
    assert found(report) == [(Code.SIGNATURE_UNCHECKED, RELEASE)]
    assert "'ssh-keygen' is not installed" in report.problems[0].message
    assert report.exit_code is ExitCode.UNFINISHED


def test_an_audit_of_another_release_does_not_ask_who_signed_this_one(release):
    released(release.store, "1.1")
    signature_of_nothing(release)
    assert found(audited(release, "tiny-1.1")) == []
    assert found(audited(release, RELEASE)) == [(Code.SIGNATURE_BAD, release.signature)]


def test_what_is_not_signed_is_no_problem_and_no_event(release):
    for name in list(release.store.references()):
        if name.split("/")[0] in {"signature", "receipt", "attestation", "sbom", "crate"}:
            release.store.remove_reference(name)
    report = audited(release)
    assert (found(report), report.signatures.is_any) == ([], False)
    assert EventType.SIGNATURE_VALIDATION not in {event.event_type for event in report.events}


def call(release: SignedSite, *words: str) -> Result:
    return CliRunner().invoke(audit_command.command, [*words, "--store", str(release.store.path)])


def test_the_command_says_who_signed(release):
    shown = call(release)
    assert f"{RELEASE}: signed by {WHO} with {release.key.public.fingerprint}" in shown.stdout.splitlines()
    document = json.loads(call(release, "--json").stdout)
    assert document["signatures"] == [
        {
            "release": RELEASE,
            "reference": release.signature,
            "identity": WHO,
            "fingerprint": release.key.public.fingerprint,
        }
    ]
    assert (shown.exit_code, document["well"], document["signed_heads"]) == (0, True, [])
