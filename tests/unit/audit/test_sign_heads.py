"""Signed heads of the log: a signature is logged, the log's head signed; a log that is written anew is found."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder.audit import log
from builder.audit.log import EventType, Happening, Outcome
from builder.audit.problems import Code
from builder.audit.signing import heads, sshsig
from builder.audit.signing.audited import of_log
from builder.audit.signing.heads import SignedHead
from builder.audit.signing.keys import SigningKey
from builder.audit.signing.release import Vouched, vouch
from builder.cli import audit, key, sign
from builder.core.digest import Digest
from builder.core.progress import NoProgress
from tests.unit.audit.signed_release import WHO, SignedSite, keys, signed
from tests.unit.export.release import RELEASE

NOW = datetime(2040, 1, 1, 12, 0, 0, tzinfo=UTC)
STRANGER = "stranger@example"
Change = Callable[[SignedSite], object]


@pytest.fixture
def release(tmp_path: Path) -> SignedSite:
    """A release that was signed, in a store whose log has three lines, the second of which is signed."""
    made = signed(tmp_path)
    note(made, "first")
    vouched(made)
    note(made, "third")
    return made


def note(release: SignedSite, detail: str) -> None:
    log.append(release.store.path, Happening(EventType.FIXITY_CHECK, detail, Outcome.SUCCESS), now=NOW)


def vouched(release: SignedSite, by: SigningKey | None = None, who: str = WHO) -> Vouched:
    return vouch(release.store, RELEASE, by or release.key, who, progress=NoProgress(), clock=lambda: NOW)


def folder(release: SignedSite) -> Path:
    return release.store.path / "audit"


def head_file(release: SignedSite, count: int = 2) -> Path:
    return folder(release) / "heads" / f"{count}-{release.key.public.short}.json"


def codes(release: SignedSite) -> list[Code]:
    return [one.code for one in of_log(release.store, None)[1].problems]


def shown(release: SignedSite, *words: object) -> Result:
    return CliRunner().invoke(audit.command, [*map(str, words), "--store", str(release.store.path)])


def write_log_anew(release: SignedSite, *details: str) -> None:
    """Do what somebody can who may write all of `audit/`: another log, with a chain and a head that are right."""
    for name in ("log.jsonl", "head.json"):
        (folder(release) / name).unlink()
    for detail in details:
        note(release, detail)
    assert log.read(release.store.path).problems == ()


def test_a_signature_is_an_event_in_the_words_of_premis(release):
    event = log.read(release.store.path).events[1]
    assert (event.event_type, event.event_outcome) == (EventType.SIGNATURE_GENERATION, Outcome.SUCCESS)
    listed = release.file(release.signature, "SHA256SUMS")
    assert event.linking_objects == (Digest.of(listed),)
    public = release.key.public
    assert event.event_detail == f"SHA256SUMS of {RELEASE}, signed by {WHO} with {public.fingerprint}"
    facts = {"release": RELEASE, "identity": WHO, "key": public.key_id, "blobs": len(listed.splitlines())}
    assert event.event_detail_extension == facts


def test_the_head_that_is_signed_is_that_of_the_line_that_tells_of_it(release):
    line = (folder(release) / "log.jsonl").read_bytes().splitlines(keepends=True)[1]
    assert json.loads(head_file(release).read_bytes()) == {"count": 2, "identity": WHO, "last": Digest.of(line)}
    found = of_log(release.store, None)[1]
    assert found.problems == ()
    assert [(one.count, one.identity) for one in found.heads] == [(2, WHO)]


def test_plain_tools_check_a_head(release):
    """The commands of docs/commands/audit.md."""
    page = (Path(__file__).parents[3] / "docs/commands/audit.md").read_text("utf-8")
    lines = [line.strip() for line in page.splitlines() if "heads/8-14050a97c5c2" in line or "sed -n 8p" in line]
    assert [line.split()[0] for line in lines] == ["ssh-keygen", "cat", "sed"]
    script = "\n".join(lines).replace("8-14050a97c5c2", head_file(release).stem).replace("sed -n 8p", "sed -n 2p")
    done = subprocess.run(["sh", "-eu", "-c", script], cwd=folder(release), capture_output=True, text=True, check=True)
    good, head, digest = done.stdout.splitlines()
    assert good.startswith(f'Good "boss-builder" signature for {WHO} with ED25519 key')
    assert json.loads(head)["last"] == f"sha256:{digest.split()[0]}"


def test_signing_again_keeps_both_heads(release):
    done = vouched(release)
    assert (done.not_logged, done.place) == ("", f"audit/heads/4-{release.key.public.short}.json")
    found = of_log(release.store, None)[1]
    assert ([one.count for one in found.heads], found.problems) == ([2, 4], ())
    assert [one.count for one in found.longest] == [4]


REWRITTEN: dict[str, tuple[Change, str]] = {
    "every line chained anew": (lambda r: write_log_anew(r, "first", "another", "third"), "line 2 is another"),
    "the first alone is another": (lambda r: write_log_anew(r, "another", "second", "third"), "line 2 is another"),
    "fewer lines": (lambda r: write_log_anew(r, "first"), "the log has 1 of 2 lines"),
    "none": (write_log_anew, "the log has 0 of 2 lines"),
}


@pytest.mark.parametrize("how", REWRITTEN)
def test_a_log_that_is_written_anew_is_found_by_its_signed_head(release, how):
    change, seen = REWRITTEN[how]
    change(release)
    (problem,) = of_log(release.store, None)[1].problems
    about = f"audit/heads/{head_file(release).name}"
    assert (problem.code, problem.about, problem.seen) == (Code.LOG_REWRITTEN, about, seen)
    of_command = shown(release, "--log")
    assert (of_command.exit_code, f"log-rewritten: {about}" in of_command.stdout) == (1, True)


def test_an_audit_finds_it_too_and_says_so_in_the_log(release):
    write_log_anew(release, "first", "another", "third")
    found = shown(release)
    assert (found.exit_code, "log-rewritten: audit/heads/2-" in found.stdout) == (1, True)
    event = next(e for e in log.read(release.store.path).events if e.event_type is EventType.SIGNATURE_VALIDATION)
    assert event.event_outcome is Outcome.FAIL
    assert "log-rewritten" in event.event_outcome_detail


def test_of_a_log_that_was_written_anew_no_head_is_signed(release):
    write_log_anew(release, "first", "another")
    before = (folder(release) / "heads").stat().st_mtime_ns, sorted((folder(release) / "heads").iterdir())
    words = (RELEASE, "--key", release.key.path, "--identity", WHO, "--store", release.store.path)
    done = CliRunner().invoke(sign.command, [str(word) for word in words])
    assert done.exit_code == 0
    assert "NOT LOGGED" in done.stderr
    assert "it was rewritten" in done.stderr
    assert before == ((folder(release) / "heads").stat().st_mtime_ns, sorted((folder(release) / "heads").iterdir()))


def edit_head(release: SignedSite, **fields: object) -> None:
    """Change what a head says, without its key."""
    path = head_file(release)
    changed = SignedHead(**(json.loads(path.read_bytes()) | fields))
    path.write_bytes(changed.spelled)


def resign(release: SignedSite, by: SigningKey, who: str, count: int = 2, last: str = "") -> None:
    """Put a head of somebody else beside that of the librarian."""
    lines = log.read(release.store.path).lines
    head = SignedHead(count=count, identity=who, last=last or str(lines[count - 1]))
    path = folder(release) / "heads" / f"{count}-{by.public.short}.json"
    path.write_bytes(head.spelled)
    path.with_name(f"{path.name}.sig").write_bytes(sshsig.sign(head.spelled, by))


def signature_file(release: SignedSite) -> Path:
    return head_file(release).with_name(head_file(release).name + ".sig")


def other_signature(release: SignedSite) -> None:
    signature_file(release).write_bytes(sshsig.sign(b"something else", release.key))


def stranger_s_signature(release: SignedSite) -> None:
    signature_file(release).write_bytes(sshsig.sign(head_file(release).read_bytes(), keys()[1]))


BAD: dict[str, tuple[Change, str]] = {
    "another digest": (lambda r: edit_head(r, last=str(log.NOTHING)), f"{WHO}, SHA256:"),
    "another signer's name": (lambda r: edit_head(r, identity=STRANGER), f"{STRANGER}, SHA256:"),
    "an odd name": (lambda r: edit_head(r, identity="-x"), "can not be an identity"),
    "another length": (lambda r: edit_head(r, count=3), "it is of 3 lines"),
    "no JSON": (lambda r: head_file(r).write_bytes(b"{"), "truncated"),
    "spelled otherwise": (
        lambda r: head_file(r).write_bytes(head_file(r).read_bytes() + b"\n"), "not spelled as it was written"
    ),
    "no signature": (lambda r: signature_file(r).unlink(), "it has no signature"),
    "no signature but text": (lambda r: signature_file(r).write_bytes(b"good"), "it is no signature of OpenSSH"),
    "a signature of something else": (other_signature, f"{WHO}, SHA256:"),
    "a signature with another key": (stranger_s_signature, "it is signed with another key"),
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_a_head_whose_signature_is_not_good_is_told_as_that(release, what):
    change, seen = BAD[what]
    change(release)
    problem = next(one for one in of_log(release.store, None)[1].problems if not one.is_note)
    assert (problem.code, seen in problem.seen) == (Code.SIGNED_HEAD_BAD, True), problem.message
    assert Code.LOG_REWRITTEN not in codes(release)
    assert shown(release, "--log").exit_code == 1


def test_a_stranger_s_head_counts_for_nothing_and_is_no_damage(release):
    resign(release, keys()[1], STRANGER)
    found = of_log(release.store, None)[1]
    assert [(one.code, one.seen) for one in found.problems] == [
        (Code.SIGNER_UNCOUNTED, f"{STRANGER}, {keys()[1].public.fingerprint}")
    ]
    assert [one.identity for one in found.heads] == [WHO]
    assert shown(release, "--log").exit_code == 0


def test_a_head_says_that_the_log_is_another_whoever_signed_it(release):
    resign(release, keys()[1], STRANGER, last=str(log.NOTHING))
    assert codes(release) == [Code.SIGNER_UNCOUNTED, Code.LOG_REWRITTEN]


def test_heads_of_who_is_trusted_no_more_are_named_and_not_counted(release):
    CliRunner().invoke(key.command, ["untrust", WHO, "--store", str(release.store.path)])
    found = of_log(release.store, None)[1]
    assert ([one.code for one in found.problems], found.heads) == ([Code.SIGNER_UNCOUNTED], ())
    assert WHO in found.problems[0].seen


def test_an_auditor_brings_his_own_list(release, tmp_path):
    mine = tmp_path / "mine"
    shutil.copy(release.allowed, mine)
    release.allowed.unlink()
    assert codes(release) == [Code.SIGNER_UNCOUNTED]
    assert of_log(release.store, mine)[1].problems == ()
    listed = shown(release, "--log", "--allowed-signers", mine)
    assert (listed.exit_code, f"log: its first 2 lines signed by {WHO} with" in listed.stdout) == (0, True)


def test_a_head_that_is_gone_whole_is_told_until_a_later_one_is_there(release):
    head_file(release).unlink()
    signature_file(release).unlink()
    (note_,) = of_log(release.store, None)[1].problems
    assert (note_.code, note_.about, note_.is_note) == (Code.SIGNED_HEAD_MISSING, "line 2", True)
    vouched(release)
    assert codes(release) == []


def test_what_is_no_head_is_a_stranger_and_what_a_stopped_process_left_a_note(release):
    (folder(release) / "heads" / "x").write_text("x")
    (folder(release) / "heads" / f".{head_file(release).name}.0123456789ab.tmp").write_text("x")
    shutil.copy(signature_file(release), folder(release) / "heads" / f"9-{release.key.public.short}.json.sig")
    assert codes(release) == [Code.LEFTOVER, Code.LEFTOVER, Code.STRANGER]
    found = of_log(release.store, None)[1]
    assert [one.count for one in found.heads] == [2]


def test_a_pipe_and_a_link_in_the_place_of_a_head_are_not_read(release, tmp_path):
    signature_file(release).unlink()
    os.mkfifo(signature_file(release))
    assert codes(release) == [Code.STRANGER, Code.SIGNED_HEAD_BAD]
    head_file(release).rename(tmp_path / "head")
    head_file(release).symlink_to(tmp_path / "head")
    assert codes(release) == [Code.STRANGER, Code.STRANGER, Code.SIGNED_HEAD_MISSING]


def test_a_sign_that_was_stopped_between_the_event_and_the_head_leaves_no_damage(release):
    """The signature is written first, then the head: whoever is killed between leaves the signature."""
    vouched(release)
    head_file(release, 4).unlink()
    found = of_log(release.store, None)[1]
    assert [(one.code, one.is_note) for one in found.problems] == [
        (Code.LEFTOVER, True), (Code.SIGNED_HEAD_MISSING, True)
    ]  # fmt: skip
    vouched(release)
    assert codes(release) == [Code.LEFTOVER]


def test_every_flipped_bit_of_a_head_is_found(release):
    path = head_file(release)
    data = path.read_bytes()
    missed = []
    for at in range(0, len(data), 5):
        changed = bytearray(data)
        changed[at] ^= 1
        path.write_bytes(changed)
        if Code.SIGNED_HEAD_BAD not in codes(release):
            missed.append(at)
    assert missed == []


def test_a_log_that_can_not_be_written_does_not_unsign_the_release(release):
    shutil.rmtree(folder(release))
    folder(release).write_text("a file in the place of the folder")
    done = vouched(release)
    assert (done.head, done.signed.identity) == (None, WHO)
    assert "can not be written" in done.not_logged


def test_without_ssh_keygen_a_head_is_compared_and_not_called_good(release, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    found = of_log(release.store, None)[1]
    assert ([one.code for one in found.problems], found.heads) == ([Code.SIGNATURE_UNCHECKED], ())
    assert shown(release, "--log").exit_code == 4
    write_log_anew(release, "first")
    assert codes(release) == [Code.SIGNATURE_UNCHECKED, Code.LOG_REWRITTEN]


def test_the_log_for_programs_has_the_heads(release):
    found = json.loads(shown(release, "--log", "--json").stdout)
    (head,) = found["signed_heads"]
    assert (found["well"], found["head"]["count"]) == (True, 3)
    assert head == {
        "file": f"audit/heads/{head_file(release).name}",
        "count": 2,
        "identity": WHO,
        "fingerprint": release.key.public.fingerprint,
    }


def test_a_head_is_judged_by_the_log_of_the_same_moment(release):
    """What was read at once is judged, whatever is signed meanwhile."""
    kept = heads.read(release.store.path)
    vouched(release)
    assert heads.examine(kept, release.allowed).problems == ()
