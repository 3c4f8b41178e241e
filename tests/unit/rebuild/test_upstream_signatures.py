"""What gpg, rpm and a signature itself say, read without them: real signatures, made-up lines, and noise."""

import datetime as dt
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.freeze.resolving import Asked
from builder.inside.signatures import key_facts, metadata_facts
from builder.inside.trust import packets, rpm_signature, signature_facts, unarmored
from builder.lock.model import Blob, Repository, RpmPackage, Signature, Verdict
from builder.rebuild.evidence import Shelf
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.client import Ask, Reply
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.repositories import Place
from builder.rebuild.upstream.trust import (
    Case,
    PackageFacts,
    RepositoryFacts,
    SignatureFacts,
    judged,
    note_trust,
    refusal_cause,
)
from builder.store.store import Store
from example.upstream.signing import _gpg_home
from tests.tinyrpm import Key, TinyRpm, build_repository

FINGERPRINT = "7ACEE0BEF0181FC28E72FFCA69202FB5A2851A62"
VALID = f"[GNUPG:] VALIDSIG {FINGERPRINT} 2026-11-25 1795621825 1795708225 4 0 1 10 00 {FINGERPRINT}\n"
ERROR = f"[GNUPG:] ERRSIG 69202FB5A2851A62 1 {{0}} 00 1795621825 {{1}} {FINGERPRINT}\n"


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> Key:
    return Key.make(tmp_path_factory.mktemp("key") / "key", "Tester", expires="2y")


def sign(key, tmp_path, *options):
    document = tmp_path / "document"
    document.write_text("signed\n")
    with _gpg_home(key.signing.home) as environment:
        words = ["gpg", "--batch", "--yes", *options, "--output", "signature", "--detach-sign", "document"]
        subprocess.run(
            words, cwd=tmp_path, check=True, capture_output=True, env={"PATH": "/usr/bin:/bin", **environment}
        )
    return (tmp_path / "signature").read_bytes()


# -- a signature by itself ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "number"), [("SHA1", 2), ("SHA256", 8), ("SHA512", 10)])
@pytest.mark.parametrize("armour", [[], ["--armor"]])
def test_a_signature_names_its_hash_algorithm(key, tmp_path, name, number, armour):
    assert signature_facts(sign(key, tmp_path, *armour, "--digest-algo", name)) == {"expires": 0, "hash": number}


def test_a_signature_says_when_it_expires(key, tmp_path):
    before = int(dt.datetime.now(dt.UTC).timestamp())
    expires = signature_facts(sign(key, tmp_path, "--armor", "--default-sig-expire", "3d"))["expires"]
    assert before <= expires - 3 * 86400 <= before + 60


def test_the_signature_of_an_rpm_is_found_and_an_unsigned_one_has_none(key, tmp_path):
    signed = build_repository(tmp_path / "signed", [TinyRpm("hello")], key=key)
    plain = build_repository(tmp_path / "plain", [TinyRpm("hello")])
    (one,), (two,) = (list((folder / "Packages").iterdir()) for folder in (signed, plain))
    assert signature_facts(rpm_signature(one.read_bytes())) == {"expires": 0, "hash": 8}
    assert rpm_signature(two.read_bytes()) == b""


def test_a_signature_of_version_3_has_no_expiry():
    body = bytes([3, 5, 0]) + b"\0" * 12 + bytes([1, 2]) + b"\0\0"
    assert signature_facts(bytes([0xC2, len(body)]) + body) == {"expires": 0, "hash": 2}


@given(st.binary(max_size=300))
def test_noise_is_no_signature_and_no_error(noise):
    for data in (noise, b"\xc2" + noise, b"\x89" + noise, b"-----BEGIN PGP SIGNATURE-----\n\n" + noise):
        facts = signature_facts(data)
        assert set(facts) == {"expires", "hash"}
        assert all(isinstance(value, int) and value >= 0 for value in facts.values())
    rpm_signature(noise)
    rpm_signature(b"\xed\xab\xee\xdb" + b"\0" * 92 + b"\x8e\xad\xe8" + noise)


@given(st.lists(st.tuples(st.integers(1, 60), st.binary(max_size=500)), max_size=5))
def test_packets_are_read_back_as_they_were_written(written):
    def packet(tag, body):
        return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body

    assert list(packets(b"".join(packet(tag, body) for tag, body in written))) == written


@given(st.binary(max_size=200))
def test_armour_is_taken_off(data):
    import base64

    block = (
        b"-----BEGIN PGP SIGNATURE-----\nVersion: x\n\n"
        + base64.encodebytes(data)
        + b"=abcd\n-----END PGP SIGNATURE-----\n"
    )
    assert unarmored(block) == data


# -- what gpg says ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code", "verdict", "number"),
    [
        (VALID, 0, "good", 10),
        ("[GNUPG:] EXPKEYSIG 69202FB5A2851A62 A\n" + VALID, 0, "good", 10),  # of the key, that is told of the key
        ("[GNUPG:] EXPSIG 69202FB5A2851A62 A\n" + VALID, 1, "expired", 10),
        ("[GNUPG:] EXPSIG 69202FB5A2851A62 A\n" + VALID, 0, "expired", 10),
        ("[GNUPG:] BADSIG 69202FB5A2851A62 A\n", 1, "bad", 0),
        (ERROR.format(10, 9) + "[GNUPG:] NO_PUBKEY 69202FB5A2851A62\n", 2, "unknown-key", 0),
        (ERROR.format(1, 5), 2, "algorithm", 1),
        (ERROR.format(2, 4), 2, "algorithm", 2),
        (ERROR.format(10, 39), 2, "clock", 0),
        ("[GNUPG:] NODATA 4\n", 2, "other", 0),
        ("", 2, "other", 0),
        ("gpg: Good signature\n", 0, "other", 0),
    ],
)
def test_what_gpg_says_of_a_signature(status, code, verdict, number):
    facts = metadata_facts(status, code)
    assert (facts["verdict"], facts["hash"]) == (verdict, number)


@given(st.text(max_size=300), st.integers(0, 2))
def test_no_line_of_gpg_is_an_error(text, code):
    assert metadata_facts("[GNUPG:] " + text, code)["verdict"] in {
        "good", "bad", "unknown-key", "expired", "algorithm", "clock", "other",
    }  # fmt: skip


def test_a_key_is_read_with_its_expiry_and_a_file_without_one_is_none():
    listing = f"pub:e:2048:1:69202FB5A2851A62:1795621825:1795794625::u:::sc::::::23::0:\nfpr:::::::::{FINGERPRINT}:\n"
    assert key_facts(listing) == {"fingerprint": FINGERPRINT, "expires": 1795794625, "revoked": False}
    assert key_facts(listing.replace("pub:e", "pub:r"))["revoked"]
    assert key_facts("") is None


# -- what it means ----------------------------------------------------------------------------------------------------


def facts(verdict, number=8, frozen=8):
    return SignatureFacts(
        verdict=verdict, key_id="69202fb5a2851a62", hash=number, expires=1795708225, said="", frozen_hash=frozen
    )


@pytest.mark.parametrize(
    ("found", "was_good", "unchanged", "cause"),
    [
        (facts("good"), True, True, None),
        (facts("good", 2, 2), True, True, None),  # as weak as it was, and accepted still
        (facts("good", 2, 8), True, False, Cause.ALGORITHM_REJECTED),
        (facts("good", 1, 10), True, False, Cause.ALGORITHM_REJECTED),
        (facts("good", 2, 8), False, False, None),  # nobody vouched for it when it was frozen
        (facts("good", 8, 2), True, False, None),
        (facts("algorithm", 1), True, True, Cause.ALGORITHM_REJECTED),
        (facts("expired"), True, True, Cause.METADATA_EXPIRED),
        (facts("unknown-key"), True, False, Cause.KEY_MISSING),
        (facts("bad"), True, False, Cause.SIGNATURE_BAD),
        (facts("other"), True, True, Cause.ALGORITHM_REJECTED),
        (facts("other"), True, False, Cause.SIGNATURE_BAD),
        (facts("other"), False, True, Cause.SIGNATURE_BAD),
        (facts("clock"), True, True, Cause.HOST_LACKS),
    ],
)
def test_what_is_wrong_with_the_signature_of_metadata(found, was_good, unchanged, cause):
    told = judged(found, was_good=was_good, unchanged=unchanged)
    assert (told and told[0]) == cause
    assert told is None or told[1]


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ("it is signed by the key ab, which the recipe does not name", Cause.KEY_MISSING),
        ("payload sha256 digest: bad: its bytes were changed after it was made", Cause.BLOB_CORRUPT),
        ("rpm says: Header V4 RSA/SHA1 Signature, key ID ab: NOTTRUSTED", Cause.ALGORITHM_REJECTED),
        ("it is not signed", Cause.ALGORITHM_REJECTED),
    ],
)
def test_what_the_refusal_of_a_frozen_package_means(words, cause):
    assert refusal_cause(words) is cause


# -- frozen packages --------------------------------------------------------------------------------------------------


def case_of(*names):
    packages = tuple(
        RpmPackage(
            name=name, epoch=0, version="1", release="1", architecture="noarch", location=f"{name}.rpm",
            blob=Blob(digest="sha256:" + "0" * 64, size=1), signature=Signature(verdict=Verdict.GOOD),
        )
        for name in names
    )  # fmt: skip
    place = Place(Repository(
        name="os", url="http://127.0.0.1:9/", revision="", metadata={}, signature=Signature(verdict=Verdict.UNSIGNED),
        keys=(), packages=packages,
    ), Asked(
        "os", "http://127.0.0.1:9/", (), gpgcheck=True, repo_gpgcheck=False, weak_signatures=False, where=("os",)
    ))  # fmt: skip
    return Case(place, None, Reply(Ask("http://127.0.0.1:9/")), (), packages)


def test_expired_signatures_of_packages_are_one_finding_with_all_of_them_as_evidence(tmp_path):
    store = Store(tmp_path / "images")
    notes = Notes("tiny-1.0", Shelf(store))
    facts = tuple(PackageFacts(expires=86400 if name != "e" else 0, hash=8, refused="") for name in "abcde")
    note_trust(case_of(*"abcde"), RepositoryFacts(keys=(), metadata=None, packages=facts), 2e9, notes)
    (found,) = notes.findings
    assert (found.cause, found.about) == (Cause.SIGNATURE_EXPIRED, "packages of repository os")
    assert found.message == (
        "the signatures of packages have expired: a-0:1-1.noarch, b-0:1-1.noarch, c-0:1-1.noarch and 1 more"
    )
    assert store.read(found.evidence[0]).splitlines()[3] == b"d-0:1-1.noarch: the signature expired on 1970-01-02"


def test_signatures_of_packages_that_expire_later_are_no_finding(tmp_path):
    notes = Notes("tiny-1.0", Shelf(Store(tmp_path / "images")))
    facts = (PackageFacts(expires=2_000_000_001, hash=2, refused=""),)
    note_trust(case_of("a"), RepositoryFacts(keys=(), metadata=None, packages=facts), 2e9, notes)
    assert notes.findings == ()


def test_what_todays_rpm_refuses_is_named_by_its_reason(tmp_path):
    notes = Notes("tiny-1.0", Shelf(Store(tmp_path / "images")))
    words = ("rpm says: Header V3 DSA/SHA1 Signature, key ID ab: NOTTRUSTED", "key ab, which the recipe does not name")
    facts = tuple(PackageFacts(expires=0, hash=2, refused=one) for one in words)
    note_trust(case_of("a", "b"), RepositoryFacts(keys=(), metadata=None, packages=facts), 2e9, notes)
    assert {one.cause for one in notes.findings} == {Cause.ALGORITHM_REJECTED, Cause.KEY_MISSING}
