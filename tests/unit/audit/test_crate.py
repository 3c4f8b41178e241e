"""The RO-Crate has the entities that its specification asks for, and names every file by its digest."""

import base64
import json
from typing import Any

import jsonschema
import pytest

from builder.audit.crate import crate, identifier
from builder.audit.statements.material import gather
from builder.core.digest import Digest
from builder.store.shapes import SHAPES
from tests.unit.audit.signed_release import FAILED, SignedSite, judge, signed
from tests.unit.export.release import RELEASE

POINTER = {
    "type": "object",
    "properties": {"@id": {"type": "string"}},
    "required": ["@id"],
    "additionalProperties": False,
}
POINTERS = {"type": "array", "items": POINTER, "uniqueItems": True}
SCHEMA = {
    "type": "object",
    "required": ["@context", "@graph"],
    "additionalProperties": False,
    "properties": {
        "@context": {"type": "array", "prefixItems": [{"const": "https://w3id.org/ro/crate/1.1/context"}]},
        "@graph": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["@id", "@type"],
                "allOf": [
                    {
                        "if": {"properties": {"@type": {"const": "File"}}},
                        "then": {
                            "required": ["name", "sha256"],
                            "properties": {
                                "sha256": {"pattern": "^[0-9a-f]{64}$"},
                                "@id": {"pattern": "^ni:///sha-256;"},
                            },
                        },
                    },
                    {
                        "if": {"properties": {"@type": {"const": "CreateAction"}}},
                        "then": {
                            "required": ["name", "instrument", "object", "result"],
                            "properties": {"instrument": POINTER, "object": POINTERS, "result": POINTERS},
                        },
                    },
                    {
                        "if": {"properties": {"@id": {"const": "./"}}},
                        "then": {
                            "required": ["name", "description", "datePublished", "license", "hasPart", "conformsTo"],
                            "properties": {"@type": {"const": "Dataset"}, "hasPart": POINTERS, "mentions": POINTERS},
                        },
                    },
                    {
                        "if": {"properties": {"@id": {"const": "ro-crate-metadata.json"}}},
                        "then": {
                            "required": ["about", "conformsTo"],
                            "properties": {
                                "@type": {"const": "CreativeWork"},
                                "about": {"const": {"@id": "./"}},
                                "conformsTo": {"const": {"@id": "https://w3id.org/ro/crate/1.1"}},
                            },
                        },
                    },
                ],
            },
            "contains": {"properties": {"@id": {"const": "ro-crate-metadata.json"}}, "required": ["about"]},
        },
    },
}
"""RO-Crate 1.1, "Root Data Entity" and "Data Entities"; Process Run Crate 0.5, "Requirements"."""


@pytest.fixture
def release(tmp_path) -> SignedSite:
    return signed(tmp_path)


def document(release: SignedSite) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(crate(gather(release.store, RELEASE)))
    return found


def entities(found: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {entity["@id"]: entity for entity in found["@graph"]}


def pointers(value: Any) -> list[str]:
    """Every @id that something points at."""
    if isinstance(value, list):
        return [name for item in value for name in pointers(item)]
    if isinstance(value, dict):
        return [value["@id"]] if set(value) == {"@id"} else [n for item in value.values() for n in pointers(item)]
    return []


def test_it_has_the_entities_that_the_specification_asks_for(release):
    jsonschema.Draft202012Validator(SCHEMA).validate(document(release))


@pytest.mark.parametrize("gone", ["ro-crate-metadata.json", "./"])
def test_a_crate_without_them_would_be_found(release, gone):
    found = document(release)
    entity = entities(found)[gone]
    del entity["about" if gone.endswith("json") else "datePublished"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(SCHEMA).validate(found)


def test_every_entity_is_there_once_and_every_pointer_leads_to_one(release):
    found = document(release)
    names = [entity["@id"] for entity in found["@graph"]]
    assert len(names) == len(set(names))
    outside = {"https://w3id.org/ro/crate/1.1", "http://schema.org/CompletedActionStatus"}
    assert {n for entity in found["@graph"] for n in pointers(list(entity.values()))} - set(names) == outside


def test_every_part_of_the_root_is_a_file_that_the_store_has(release):
    found = entities(document(release))
    parts = pointers(found["./"]["hasPart"])
    assert set(parts) == {name for name, entity in found.items() if entity["@type"] == "File"}
    for name in parts:
        digest = f"sha256:{found[name]['sha256']}"
        assert release.store.has(digest)
        assert name == identifier(digest)


def test_every_input_image_and_result_is_a_part(release):
    digests = {entity.get("sha256") for entity in document(release)["@graph"]}
    expected = {blob.digest for blob in release.site.lock.blobs().values()}
    for shape in SHAPES:
        image = release.store.find(RELEASE if shape == "oci" else f"image/{RELEASE}/{shape}")
        expected |= {image.digest, *(layer.digest for layer in release.store.manifest(image).layers)}
        expected.add(release.store.find(f"results/{RELEASE}/{shape}").digest)
    assert {Digest(digest).hex for digest in expected} <= digests


def test_builds_and_validations_are_actions_of_the_root(release):
    found = entities(document(release))
    actions = [f"#build-{shape}" for shape in SHAPES] + [f"#validate-{shape}" for shape in SHAPES]
    assert pointers(found["./"]["mentions"]) == actions
    image = identifier(release.store.find(f"image/{RELEASE}/vm").digest)
    assert image in pointers(found["#build-vm"]["result"])
    assert pointers(found["#validate-vm"]["object"]) == [image]


def test_a_validation_that_failed_is_an_action_that_failed(release):
    judge(release.site, "oci", release.store.find(RELEASE), FAILED)
    action = entities(document(release))["#validate-oci"]
    assert action["actionStatus"] == {"@id": "http://schema.org/FailedActionStatus"}
    assert "FAILED (1 passed, 1 failed, 1 skipped)" in action["name"]


def test_what_is_only_imitated_is_told(release):
    assert "Emulated, not the real thing" in entities(document(release))["./"]["description"]


def test_it_is_always_the_same(release):
    assert crate(gather(release.store, RELEASE)) == release.file(f"crate/{RELEASE}", "ro-crate-metadata.json")


def test_a_name_by_digest_is_that_of_its_specification():
    """The example of RFC 6920, section 8.1: the digest of "Hello World!"."""
    assert identifier(str(Digest.of(b"Hello World!"))) == "ni:///sha-256;f4OxZX_x_FO5LcGBSKHWXfwtSx-j1ncoSt3SABJtkGk"
    raw = identifier(str(Digest.of(b""))).partition(";")[2]
    assert base64.urlsafe_b64decode(raw + "=").hex() == Digest.of(b"").hex
