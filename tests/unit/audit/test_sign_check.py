"""What is wrong with signatures is found: edited lists, other keys, other namespaces, lies of those who may sign."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.audit.signing import allowed, artifacts, envelope, sshsig, sums
from builder.audit.signing.check import check_signatures, examine
from builder.audit.statements.statement import Statement
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import WorkFailure
from builder.core.process import run
from builder.store import oci
from tests.unit.audit.signed_release import ERROR, WHO, SignedSite, judge, keep_lock, keys, signed
from tests.unit.export.release import RELEASE

ALIEN = Digest.of(b"of another release")
DEEP = b'{"a":' * 1000 + b"1" + b"}" * 1000
DEEP_LIST = b"[" * 1000 + b"]" * 1000


@pytest.fixture
def release(tmp_path) -> SignedSite:
    return signed(tmp_path)


def problems(release: SignedSite) -> str:
    return "\n".join(str(problem) for problem in check_signatures(release.store, RELEASE, release.allowed))


def allow(release: SignedSite, options: str, who: str = WHO) -> None:
    release.allowed.write_text(f"{who} {options} {release.key.public.line} a comment\n")


def payload(release: SignedSite, reference: str, title: str) -> dict[str, Any]:
    opened = envelope.opened(release.file(reference, title), release.key.public)
    found: dict[str, Any] = json.loads(opened)
    return found


def say(release: SignedSite, reference: str, title: str, statement: Any) -> None:
    """Let somebody who may sign say something else, and sign all of it."""
    release.replace(reference, title, envelope.seal(documents.compact(statement), release.key))
    release.sign_sums()


def test_a_signed_release_has_no_problem_and_checking_it_changes_nothing(release):
    def state() -> list[tuple[str, int, int]]:
        found = [path for path in release.store.path.rglob("*") if path.is_file()]
        return sorted((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in found)

    before = state()
    examined = examine(release.store, RELEASE, release.allowed)
    assert [(one.reference, one.identity) for one in examined.good] == [(release.signature, WHO)]
    assert (examined.problems, examined.strangers) == ((), ())
    assert state() == before


def test_a_release_without_signature_is_a_problem(release):
    release.store.remove_reference(release.signature)
    assert problems(release).startswith(f"{RELEASE} is not signed\n    boss-builder sign {RELEASE}")


def test_a_release_that_is_not_there_is_a_problem(release):
    assert "has no lock of tiny-2.0" in str(check_signatures(release.store, "tiny-2.0", release.allowed)[0])


# -- the signed list ----------------------------------------------------------------------------------------------


def test_an_edited_list_is_found(release):
    listed = release.file(release.signature, artifacts.SUMS)
    digit = b"1" if listed[:1] == b"0" else b"0"
    release.replace(release.signature, artifacts.SUMS, digit + listed[1:])
    assert f"the signature of {WHO} is not good" in problems(release)
    assert "incorrect signature" in problems(release)


def test_a_list_without_its_last_line_is_found(release):
    listed = release.file(release.signature, artifacts.SUMS)
    release.replace(release.signature, artifacts.SUMS, listed[: listed.rindex(b"\n", 0, -1) + 1])
    assert "is not good" in problems(release)


def test_a_signature_in_another_namespace_is_found(release):
    """Made with the right key, by somebody who tricked its owner into signing a letter."""
    release.replace(release.signature, artifacts.SUMS_SIGNATURE, other_signature(release, "file"))
    assert "namespace does not match" in problems(release)


def other_signature(release: SignedSite, namespace: str) -> bytes:
    listed = release.file(release.signature, artifacts.SUMS)
    sign = ["ssh-keygen", "-Y", "sign", "-f", release.key.path, "-n", namespace]
    return run(sign, stdin=listed, time_limit=60).stdout.encode()


def test_a_signature_by_a_key_that_nobody_is_trusted_for_is_found(release):
    listed = release.file(release.signature, artifacts.SUMS)
    release.replace(release.signature, artifacts.SUMS_SIGNATURE, sshsig.sign(listed, keys()[1]))
    assert f"the key {keys()[1].public.fingerprint} of {WHO} may not sign" in problems(release)


def test_a_stranger_s_signature_counts_for_nothing_beside_a_good_one(release):
    release.sign(keys()[1], "stranger@example")
    examined = examine(release.store, RELEASE, release.allowed)
    assert [one.identity for one in examined.good] == [WHO]
    assert [one.identity for one in examined.strangers] == ["stranger@example"]
    assert examined.problems == ()


def test_a_bad_signature_by_a_trusted_key_is_told_beside_a_good_one(release):
    other = keys()[1]
    allowed.trust(release.allowed, "second@example", other.public)
    release.sign(other, "second@example")
    release.replace(release.signature, artifacts.SUMS, b"")
    assert f"{release.signature}: the signature of {WHO} is not good" in problems(release)


def test_a_signature_of_another_release_is_found(release):
    """All of it is good, and about something else."""
    release.put_sums(f"{ALIEN.hex}  blobs/sha256/{ALIEN.hex}\n".encode())
    said = problems(release)
    assert f"a blob ({ALIEN}) is signed and missing" in said
    assert f"inputs/{RELEASE} ({release.store.find(f'inputs/{RELEASE}').digest}) is not signed" in said
    assert "more blobs are not what was signed" in said


@pytest.mark.parametrize(
    "line",
    [
        f"{ALIEN.hex}  ../../../etc/passwd\n",
        f"{ALIEN.hex}  blobs/sha256/{'0' * 64}\n",
        f"{ALIEN.hex} *blobs/sha256/{ALIEN.hex}\n",
        f"{ALIEN.hex.upper()}  blobs/sha256/{ALIEN.hex.upper()}\n",
        f"{ALIEN.hex}  blobs/sha256/{ALIEN.hex}\r\n",
        "# a comment\n",
        "\n",
        "\0\n",
    ],
)
def test_a_line_that_names_no_blob_is_found(release, line):
    release.put_sums(release.file(release.signature, artifacts.SUMS) + line.encode())
    assert "of SHA256SUMS does not name a blob by its digest" in problems(release)


def test_a_list_whose_last_line_does_not_end_is_found(release):
    release.put_sums(release.file(release.signature, artifacts.SUMS)[:-1])
    assert "does not end with a line's end" in problems(release)


@given(st.sets(st.binary(max_size=4), max_size=20))
def test_a_list_is_read_as_it_was_written(contents):
    digests = {str(Digest.of(data)): "" for data in contents}
    assert sums.parsed(sums.spelled(digests)) == digests.keys()


@given(st.one_of(st.binary(), st.text(alphabet="0123456789abcdef/ \nblos").map(str.encode)))
@example(b"")
def test_what_is_no_list_is_refused_or_empty(data):
    try:
        assert b"".join(sums.spelled({digest: ""}) for digest in sorted(sums.parsed(data))) == data
    except WorkFailure as failure:
        assert "SHA256SUMS" in str(failure)  # noqa: PT017


# -- who may sign -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ('namespaces="boss-builder",valid-before="20200101"', "key has expired"),
        ('namespaces="boss-builder",valid-after="20990101"', "key is not yet valid"),
        ('namespaces="file"', 'not permitted for use in signature namespace "boss-builder"'),
    ],
)
def test_a_key_that_may_not_sign_this_today_is_found(release, options, said):
    allow(release, options)
    assert said in problems(release)
    assert f"{release.allowed} says who may sign" in problems(release)


def test_an_identity_that_the_list_does_not_know_is_found(release):
    allow(release, 'namespaces="boss-builder"', "somebody@example")
    assert f"is the key that of {WHO}?" in problems(release)


def test_a_pattern_in_the_list_is_ssh_keygen_s_business(release):
    allow(release, 'namespaces="boss-builder",valid-before="20990101"', "*@example")
    assert problems(release) == ""


@pytest.mark.parametrize("text", ["", "# nobody\n", "garbage\n", "librarian@example ssh-ed25519 AAAA\n"])
def test_a_list_that_names_nobody_allows_nobody(release, text):
    release.allowed.write_text(text)
    assert f"{release.allowed} does not name it" in problems(release)


def test_without_a_list_nobody_may_sign(release):
    release.allowed.unlink()
    assert f"{release.allowed} is not there" in problems(release)


def test_a_list_that_can_not_be_read_is_a_problem(release):
    release.allowed.write_bytes(b"\xff\xfe")
    assert "can not be read" in problems(release)


# -- what the store has now ---------------------------------------------------------------------------------------


def test_a_new_validation_is_not_signed(release):
    judge(release.site, "sif", release.store.find(f"image/{RELEASE}/sif"), ERROR)
    said = problems(release)
    assert f"validation/{RELEASE}/sif: validation.json" in said
    assert "what it says of the validation of the sif image is not what the store says" in said
    assert "its state is not that of the store" in said
    release.sign()
    assert problems(release) == ""


@pytest.mark.parametrize("other", ["none", "others"])
def test_results_that_nobody_judged_are_found_and_not_signed(release, other):
    name = f"results/{RELEASE}/oci"
    if other == "none":
        release.store.remove_reference(name)
    else:
        results = release.store.manifest(release.store.find(name))
        release.store.put_manifest(msgspec.structs.replace(results, annotations={"more": "1"}), name)
    assert "the validation of the oci image of tiny-1.0 judged other results than the store has" in problems(release)
    with pytest.raises(WorkFailure, match="judged other results"):
        release.sign()


def test_an_image_that_was_exchanged_is_found(release):
    image = release.store.find(f"image/{RELEASE}/vm")
    manifest = release.store.manifest(image)
    layers = (
        msgspec.structs.replace(manifest.layers[0], digest=release.store.put(b"evil"), size=4),
        *manifest.layers[1:],
    )
    release.store.put_manifest(msgspec.structs.replace(manifest, layers=layers), f"image/{RELEASE}/vm")
    assert "receipt.dsse.json: its vm image is not that of the store" in problems(release)
    assert "is not signed" in problems(release)


def test_an_image_that_was_added_is_found(release):
    name = f"image/{RELEASE}/vm"
    vm = release.store.find(name)
    release.store.remove_reference(name)
    assert "it names a vm image, which the store does not have" in problems(release)
    release.sign()
    assert problems(release) == ""
    release.store.put_manifest(release.store.manifest(vm), name)
    assert "it does not name the vm image" in problems(release)


def test_another_lock_is_found(release):
    release.site.source("document.more", "tiny-1.0/documents/more.md", b"more")
    keep_lock(release.site)
    assert "was not built from its present lock" in problems(release)


def test_a_signature_of_an_earlier_image_is_found(release):
    release.site.source("document.more", "tiny-1.0/documents/more.md", b"more")
    keep_lock(release.site)
    for shape in ("oci", "sif", "vm"):
        release.site.put_image(shape)
    assert "it is about another image than the present one" in problems(release)


@pytest.mark.parametrize("part", ["receipt", "attestation", "sbom", "crate"])
def test_a_part_that_is_gone_is_found(release, part):
    name = next(name for name in release.store.references(f"{part}/"))
    release.store.remove_reference(name)
    assert f"{name} is missing" in problems(release)


def test_a_blob_that_is_gone_is_found(release):
    digest = release.site.lock.packages()[0].blob.digest
    release.store.blob_path(digest).unlink()
    assert f"repository/os/packages/boss-1-1.noarch.rpm ({digest}) is signed and missing" in problems(release)


def test_a_damaged_document_is_found(release):
    found = release.store.manifest(release.store.find(release.receipt)).layers[0]
    path = release.store.blob_path(found.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"keyid", b"kEyid"))
    assert f"the blob {found.digest} is damaged" in problems(release)


# -- statements ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Lie:
    """Something that somebody says who may sign, and what is said of it."""

    part: str
    title: str
    way: tuple[str | int, ...]
    value: Any
    said: str


DEPENDENCY = {"name": "source/evil", "digest": {"sha256": ALIEN.hex}}
DEPENDENCIES = ("predicate", "buildDefinition", "resolvedDependencies")
PARAMETERS = ("predicate", "buildDefinition", "externalParameters")
LIES = [
    Lie("attestation", "provenance.dsse.json", (*DEPENDENCIES, 0), DEPENDENCY, f"it names source/evil ({ALIEN})"),
    Lie("attestation", "provenance.dsse.json", (*DEPENDENCIES, 0), DEPENDENCY, "it does not name lock"),
    Lie("attestation", "provenance.dsse.json", DEPENDENCIES, 7, "it is no provenance"),
    Lie("attestation", "provenance.dsse.json", (*PARAMETERS, "lock"), ALIEN, "what it says was asked for"),
    Lie("attestation", "provenance.dsse.json", ("subject", 0), DEPENDENCY, "it is about source/evil"),
    Lie("attestation", "provenance.dsse.json", ("subject", 0), DEPENDENCY, f"it is not about {RELEASE}"),
    Lie("attestation", "provenance.dsse.json", ("subject",), [], f"it is not about {RELEASE}"),
    Lie("attestation", "provenance.dsse.json", ("predicateType",), "evil", "it is a statement of the type 'evil'"),
    Lie("attestation", "provenance.dsse.json", ("_type",), "evil", "it is a statement of the type"),
    Lie("attestation", "provenance.dsse.json", ("subject",), "x", "is not what it should be"),
    Lie("attestation", "test-result.dsse.json", ("predicate", "result"), "FAILED", "is not what the store says"),
    Lie("attestation", "test-result.dsse.json", ("predicate", "passedTests"), [], "is not what the store says"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "lock"), ALIEN, "its lock is not that of the store"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "recipe"), {}, "its recipe is not that of the store"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "builderImage"), ALIEN, "its builder image is not that"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "emulated"), [], "its emulated is not that of the store"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "images", 0, "manifest"), ALIEN, "its oci image is not that"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "images", 0, "state"), "FAILED", "of the validation of the oci"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "images", 0, "state"), "GREAT", "is no receipt of this version"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "images", 0, "validation"), None, "of the validation of the oci"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "version"), 2, "is no receipt of this version"),
    Lie("receipt", "receipt.dsse.json", ("predicate", "more"), 1, "is no receipt of this version"),
    Lie("receipt", "receipt.dsse.json", ("subject", 0), DEPENDENCY, "it is about source/evil"),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: "/".join(map(str, lie.way)))
def test_a_statement_that_does_not_say_what_the_store_says_is_found(release, lie):
    """Signed by somebody who may, in a list that he signed too: only what is said is wrong."""
    reference = release.receipt if lie.part == "receipt" else release.attestation()
    statement = payload(release, reference, lie.title)
    part: Any = statement
    for step in lie.way[:-1]:
        part = part[step]
    part[lie.way[-1]] = lie.value
    say(release, reference, lie.title, statement)
    assert lie.said in problems(release)


def test_another_version_of_the_software_may_have_signed(release):
    provenance = payload(release, release.attestation(), "provenance.dsse.json")
    provenance["predicate"]["buildDefinition"]["internalParameters"] = {"boss-builder": "0.0.9"}
    say(release, release.attestation(), "provenance.dsse.json", provenance)
    receipt = payload(release, release.receipt, "receipt.dsse.json")
    receipt["predicate"]["software"] = {"boss-builder": "0.0.9"}
    say(release, release.receipt, "receipt.dsse.json", receipt)
    assert problems(release) == ""


def test_an_altered_payload_is_found_even_where_the_list_is_signed_anew(release):
    sealed = json.loads(release.file(release.receipt, artifacts.RECEIPT_FILE))
    statement = payload(release, release.receipt, artifacts.RECEIPT_FILE)
    statement["predicate"]["state"] = "FAILED"
    sealed["payload"] = msgspec.to_builtins(documents.compact(statement))
    release.replace(release.receipt, artifacts.RECEIPT_FILE, documents.compact(sealed))
    release.sign_sums()
    assert "the signature in the envelope is not one of" in problems(release)


def test_an_envelope_of_another_key_is_found(release):
    text = envelope.opened(release.file(release.receipt, artifacts.RECEIPT_FILE), release.key.public)
    release.replace(release.receipt, artifacts.RECEIPT_FILE, envelope.seal(text, keys()[1]))
    release.sign_sums()
    assert "the signature in the envelope is not one of" in problems(release)


SIGNATURE = {"keyid": keys()[0].public.key_id, "sig": "AAAA"}
BAD_ENVELOPES: dict[str, bytes] = {
    "no JSON": b"{",
    "no object": b"[]",
    "a thousand levels of objects": DEEP,
    "a thousand levels of lists": DEEP_LIST,
    "a thousand levels in a field that is not known": b'{"x":' + DEEP_LIST + b"}",
    "no field": b"{}",
    "no UTF-8": b'{"payload":"\xff"}',
    "no base64": json.dumps({"payload": "!", "payloadType": envelope.PAYLOAD_TYPE, "signatures": [SIGNATURE]}).encode(),
    "no signature": json.dumps({"payload": "e30=", "payloadType": envelope.PAYLOAD_TYPE, "signatures": []}).encode(),
    "a signature twice": json.dumps(
        {"payload": "e30=", "payloadType": envelope.PAYLOAD_TYPE, "signatures": [SIGNATURE, SIGNATURE]}
    ).encode(),
    "a short signature": json.dumps(
        {"payload": "e30=", "payloadType": envelope.PAYLOAD_TYPE, "signatures": [SIGNATURE]}
    ).encode(),
    "another type": json.dumps({"payload": "e30=", "payloadType": "text/plain", "signatures": [SIGNATURE]}).encode(),
}


@pytest.mark.parametrize("data", BAD_ENVELOPES.values(), ids=BAD_ENVELOPES)
def test_what_is_no_envelope_is_refused(release, data):
    release.replace(release.attestation("vm"), "provenance.dsse.json", data)
    release.sign_sums()
    assert f"provenance.dsse.json of {release.attestation('vm')}: the " in problems(release)


@pytest.mark.parametrize("data", [DEEP, DEEP_LIST, b"{}", b"", b"\xff"])
def test_a_signed_payload_that_is_no_statement_is_refused(release, data):
    release.replace(release.receipt, artifacts.RECEIPT_FILE, envelope.seal(data, release.key))
    release.sign_sums()
    assert "the statement is not what it should be" in problems(release)


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_payload_comes_out_of_an_envelope_as_it_went_in(data):
    key = keys()[0]
    assert envelope.opened(envelope.seal(data, key), key.public) == data
    assert envelope.seal(data, key) == envelope.seal(data, key)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_other_document_is_no_envelope(value):
    with pytest.raises(WorkFailure):
        envelope.opened(documents.compact(value), keys()[0].public)


# -- manifests ----------------------------------------------------------------------------------------------------


def put_raw(release: SignedSite, reference: str, data: bytes) -> None:
    """Let a reference name something that no software of ours would write."""
    index = release.store.index()
    descriptors = tuple(
        msgspec.structs.replace(one, digest=str(release.store.put(data)), size=len(data))
        if one.annotations[oci.REF_NAME] == reference
        else one
        for one in index.manifests
    )
    changed = documents.readable(msgspec.structs.replace(index, manifests=descriptors))
    (release.store.path / "index.json").write_bytes(changed)


def manifest_with(digest: str) -> bytes:
    return documents.compact(oci.Manifest(config=oci.Descriptor(media_type="x", digest=digest, size=1), layers=()))


BAD_MANIFESTS = {"deep": DEEP, "list": b"[]", "empty": b"", "outside": manifest_with("sha256:../../../etc/passwd")}
EVERY_REFERENCE = [
    RELEASE, f"image/{RELEASE}/sif", f"inputs/{RELEASE}", f"validation/{RELEASE}/oci", f"results/{RELEASE}/oci",
    f"sbom/{RELEASE}/oci", f"crate/{RELEASE}", *(f"{part}/{RELEASE}" for part in ("signature", "receipt")),
    f"attestation/{RELEASE}/oci",
]  # fmt: skip


@pytest.mark.parametrize("data", BAD_MANIFESTS.values(), ids=BAD_MANIFESTS)
@pytest.mark.parametrize("reference", EVERY_REFERENCE)
def test_a_hostile_manifest_is_told_and_not_followed(release, reference, data):
    short = release.key.public.short
    name = (
        f"{reference}/{short}" if reference.partition("/")[0] in {"signature", "receipt", "attestation"} else reference
    )
    put_raw(release, name, data)
    assert "is not what it should be" in problems(release)


def test_a_reference_to_a_digest_that_is_none_is_told(release):
    index = (release.store.path / "index.json").read_text()
    digest = release.store.find(release.signature).digest
    (release.store.path / "index.json").write_text(index.replace(digest, "sha256:../../x"))
    assert "what is named can not be in a store" in problems(release)


@pytest.mark.parametrize(
    ("field", "value"), [("identity", "a\0b"), ("identity", "-x"), ("identity", 7), ("more", 1), ("version", "x")]
)
def test_a_hostile_configuration_is_told(release, field, value):
    manifest = release.store.manifest(release.store.find(release.signature))
    config = json.loads(release.store.read(manifest.config.digest)) | {field: value}
    data = json.dumps(config).encode()
    changed = msgspec.structs.replace(manifest.config, digest=str(release.store.put(data)), size=len(data))
    release.store.put_manifest(msgspec.structs.replace(manifest, config=changed), release.signature)
    assert "its configuration is not" in problems(release) or "can not be an identity" in problems(release)


@pytest.mark.parametrize("data", [b"", b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----", b"\xff", DEEP])
def test_what_is_no_signature_is_told(release, data):
    release.replace(release.signature, artifacts.SUMS_SIGNATURE, data)
    assert "it is no signature of OpenSSH" in problems(release)


@given(st.binary(max_size=200))
def test_no_bytes_harm_who_reads_a_signature(data):
    armoured = f"{sshsig.BEGIN}\n{base64.b64encode(sshsig.MAGIC + data).decode()}\n{sshsig.END}\n".encode()
    for one in (data, armoured):
        with pytest.raises(WorkFailure):
            sshsig.signed_by(one)


def test_a_statement_is_spelled_in_one_way():
    statement = Statement(type_="t", subject=(), predicate_type="p", predicate={"b": 1, "a": 2})
    assert documents.compact(statement) == b'{"_type":"t","predicate":{"a":2,"b":1},"predicateType":"p","subject":[]}'
