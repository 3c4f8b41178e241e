"""What is signed is what in-toto, SLSA and DSSE know: their own libraries read it."""

import datetime as dt
import json
from typing import Any

import msgspec
import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey

from builder import __version__
from builder.audit.signing import envelope
from builder.audit.statements.material import gather
from builder.audit.statements.receipt import differences, receipt, spelled
from builder.build.build import build_plan
from builder.build.kept import STAGE_TYPE
from builder.core.digest import Digest
from builder.store import oci
from builder.store.shapes import SHAPES
from builder.toolbox.toolbox import LAYER_PROGRAMS, programs_digest
from tests.unit.audit.signed_release import ERROR, FAILED, SUITE, SignedSite, judge, keys, signed
from tests.unit.export.release import RELEASE


@pytest.fixture
def release(tmp_path) -> SignedSite:
    return signed(tmp_path)


def statement(release: SignedSite, reference: str, title: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(envelope.opened(release.file(reference, title), release.key.public))
    return found


def every_statement(release: SignedSite) -> dict[str, bytes]:
    found = {"receipt": release.file(release.receipt, "receipt.dsse.json")}
    for shape in SHAPES:
        for title in ("provenance.dsse.json", "test-result.dsse.json"):
            found[f"{shape}.{title}"] = release.file(release.attestation(shape), title)
    return found


def test_securesystemslib_verifies_every_envelope(release):
    one, other = keys()
    for data in every_statement(release).values():
        sealed = Envelope.from_dict(json.loads(data))
        key = SSlibKey.from_crypto(one.private.public_key(), keyid=one.public.key_id)
        assert list(sealed.verify([key], 1)) == [one.public.key_id]
        stranger = SSlibKey.from_crypto(other.private.public_key(), keyid=one.public.key_id)
        with pytest.raises(VerificationError):
            sealed.verify([stranger], 1)


def test_in_toto_validates_every_statement(release):
    for data in every_statement(release).values():
        payload = envelope.opened(data, release.key.public)
        parsed = json_format.Parse(payload, statement_pb2.Statement())
        Statement.copy_from_pb(parsed).validate()


def test_the_provenance_is_slsa_s_and_nothing_else(release):
    for shape in SHAPES:
        said = statement(release, release.attestation(shape), "provenance.dsse.json")
        assert said["predicateType"] == "https://slsa.dev/provenance/v1"
        parsed = json_format.ParseDict(
            said["predicate"], provenance_pb2.Provenance()
        )  # refuses fields it does not know
        assert parsed.build_definition.build_type
        assert parsed.run_details.builder.id
        assert not parsed.run_details.HasField("metadata")


def test_the_provenance_names_every_input_by_digest_and_address(release):
    said = statement(release, release.attestation("vm"), "provenance.dsse.json")
    found = {d["name"]: d for d in said["predicate"]["buildDefinition"]["resolvedDependencies"]}
    lock = release.site.lock
    for name, blob in lock.blobs().items():
        assert found[name]["digest"] == {"sha256": Digest(blob.digest).hex}
    assert found["builder image"]["digest"]["sha256"] == Digest(lock.builder_image.digest).hex
    assert found[RELEASE]["digest"]["sha256"] == Digest(release.store.find(RELEASE).digest).hex
    assert found["repository/os/packages/boss-1-1.noarch.rpm"]["uri"] == (
        "http://vault.example/os/Packages/boss-1-1.noarch.rpm"
    )
    assert found["source/external_library.lib"]["uri"] == "http://vault.example/lib-2.tar"
    assert "uri" not in found["source/external_library.geo"]


def test_the_provenance_does_not_claim_the_programs_that_it_can_not_know(release):
    """The stages of this image are not those that this version would find in the store."""
    said = statement(release, release.attestation(), "provenance.dsse.json")["predicate"]
    assert said["buildDefinition"]["internalParameters"] == {}
    assert "version" not in said["runDetails"]["builder"]


def test_the_provenance_names_the_programs_where_the_stages_that_they_make_are_the_image_s(release):
    """As after a build with this very version: every stage is in the store under its key."""
    store, image = release.store, release.store.manifest(release.store.find(RELEASE))
    stages = build_plan(release.site.lock).stages
    blobs = [f"stage {stage.name}".encode() for stage in stages]
    layers = tuple(oci.Descriptor(media_type=oci.LAYER_GZIP, digest=store.put(b), size=len(b)) for b in blobs)
    for stage, layer in zip(stages, layers, strict=True):
        kept = oci.Manifest(config=store.put_empty_config(), layers=(layer,), artifact_type=STAGE_TYPE)
        store.put_manifest(kept, stage.reference)
    made = store.put_manifest(msgspec.structs.replace(image, layers=layers), RELEASE)
    for shape in ("sif", "vm"):
        release.site.put_image(shape, subject=made)
    release.sign()
    said = statement(release, release.attestation(), "provenance.dsse.json")["predicate"]
    programs = str(programs_digest(LAYER_PROGRAMS))
    assert said["buildDefinition"]["internalParameters"] == {"boss-builder": __version__, "programs": programs}
    assert said["runDetails"]["builder"]["version"] == {"boss-builder": __version__}


def test_a_statement_is_about_the_image_and_the_file_that_people_have(release):
    subjects = statement(release, release.attestation("sif"), "provenance.dsse.json")["subject"]
    image = release.store.find(f"image/{RELEASE}/sif")
    file = release.store.manifest(image).layers[0]
    assert [(one["name"], one["digest"]["sha256"]) for one in subjects] == [
        (f"image/{RELEASE}/sif", Digest(image.digest).hex),
        ("tiny-1.0.sif", Digest(file.digest).hex),
    ]


def test_a_test_result_is_in_toto_s_and_nothing_else(release):
    said = statement(release, release.attestation(), "test-result.dsse.json")
    assert said["predicateType"] == "https://in-toto.io/attestation/test-result/v0.1"
    parsed = json_format.ParseDict(said["predicate"], test_result_pb2.TestResult())
    assert (parsed.result, list(parsed.passed_tests)) == ("PASSED", ["recipe/test_boss.py::test_it_runs"])
    assert (list(parsed.warned_tests), list(parsed.failed_tests)) == ([], [])
    named = {one.name: one for one in parsed.configuration}
    assert {"lock", "validation", "validation.json", "junit.xml", "summary.txt", "results"} < set(named)
    assert named["suite recipe"].annotations["suite"] == SUITE


@pytest.mark.parametrize(
    ("more", "problems", "failed"),
    [
        ((FAILED,), (), ["recipe/test_boss.py::test_physics"]),
        ((ERROR,), (), ["recipe/test_boss.py::test_time"]),
        ((), ("pytest was killed",), ["recipe/the suite"]),
    ],
)
def test_what_is_not_known_to_have_passed_has_failed(release, more, problems, failed):
    judge(release.site, "oci", release.store.find(RELEASE), *more, problems=problems)
    release.sign()
    said = statement(release, release.attestation(), "test-result.dsse.json")["predicate"]
    assert (said["result"], said["failedTests"]) == ("FAILED", failed)


def test_the_receipt_binds_everything(release):
    said = statement(release, release.receipt, "receipt.dsse.json")["predicate"]
    lock, store = release.site.lock, release.store
    assert said["lock"] == store.manifest(store.find(f"inputs/{RELEASE}")).config.digest
    assert said["recipe"] == {name: blob.digest for name, blob in lock.recipe_files.items()}
    assert said["builderImage"] == lock.builder_image.digest
    assert said["emulated"] == ["the operating system tiny 1 stands in for an Enterprise Linux"]
    assert (said["state"], said["version"], said["date"]) == ("PASSED", 1, "2020-03-01")
    for image in said["images"]:
        shape = image["shape"]
        assert image["manifest"] == store.find(image["reference"]).digest
        evidence = store.find(f"validation/{RELEASE}/{shape}")
        assert image["validation"]["artifact"] == evidence.digest
        assert image["validation"]["evidence"] == store.manifest(evidence).layers[0].digest
        assert image["validation"]["results"] == store.find(f"results/{RELEASE}/{shape}").digest
        assert image["validation"]["totals"] == {"passed": 1, "failed": 0, "skipped": 1, "error": 0}
    assert [image["shape"] for image in said["images"]] == list(SHAPES)


def test_evidence_that_can_not_be_read_is_not_success(release):
    """The annotation says PASSED, and the result is another version's."""
    data = b'{"version": 1, "state": "PASSED"}'
    release.replace(f"validation/{RELEASE}/oci", "validation.json", data)
    image = receipt(gather(release.store, RELEASE)).images[0]
    assert (image.state, image.validation) == ("UNKNOWN", None)
    assert receipt(gather(release.store, RELEASE)).state == "UNKNOWN"


def test_evidence_of_another_image_is_not_success(release):
    other = release.file(f"validation/{RELEASE}/sif", "validation.json")
    release.replace(f"validation/{RELEASE}/oci", "validation.json", other)
    assert receipt(gather(release.store, RELEASE)).images[0].state == "UNKNOWN"


def test_an_equal_receipt_differs_in_nothing(release):
    material = gather(release.store, RELEASE)
    other = msgspec.structs.replace(receipt(material), software={"boss-builder": "7"})
    assert list(differences(other, receipt(material))) == []
    assert spelled(material) == spelled(material)


def test_no_statement_tells_a_time_or_a_place_of_this_host(release):
    today = dt.datetime.now(dt.UTC).date().isoformat()
    for data in every_statement(release).values():
        text = envelope.opened(data, release.key.public).decode()
        assert today not in text
        assert str(release.store.path) not in text
