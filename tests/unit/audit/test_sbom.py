"""The SBOM is CycloneDX, names everything that is in an image, and is the same on every day."""

import gzip
import json
from typing import Any

import msgspec
import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from builder.audit.sbom import components, sbom
from builder.audit.statements.licenses import licenses
from builder.audit.statements.material import gather
from builder.core.digest import Digest
from builder.core.errors import WorkFailure
from builder.lock.model import Lock
from builder.store.shapes import SHAPES
from tests.unit.audit.signed_release import SignedSite, primary, signed
from tests.unit.export.release import RELEASE, blob


@pytest.fixture
def release(tmp_path) -> SignedSite:
    return signed(tmp_path)


def document(release: SignedSite, shape: str = "oci") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(release.file(f"sbom/{RELEASE}/{shape}", "sbom.cdx.json"))
    return found


def component(found: dict[str, Any], name: str) -> dict[str, Any]:
    one: dict[str, Any] = next(c for c in found["components"] if c["name"] == name)
    return one


@pytest.mark.parametrize("shape", SHAPES)
def test_it_satisfies_the_schema_of_cyclonedx(release, shape):
    data = release.file(f"sbom/{RELEASE}/{shape}", "sbom.cdx.json").decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(data) is None
    assert json.loads(data)["specVersion"] == "1.6"


def test_the_schema_refuses_what_is_wrong(release):
    found = document(release)
    found["components"][0]["hashes"][0]["content"] = "x"
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(json.dumps(found)) is not None


def test_every_package_is_there_with_digest_address_and_licence(release):
    found = component(document(release), "shell")
    package = release.site.lock.package("shell-0:1-1.noarch")
    assert found["version"] == "0:1-1"
    assert PackageURL.from_string(found["purl"]).to_dict() == {
        "type": "rpm", "namespace": "tiny", "name": "shell", "version": "1-1",
        "qualifiers": {"arch": "noarch"}, "subpath": None,
    }  # fmt: skip
    assert found["hashes"] == [{"alg": "SHA-256", "content": Digest(package.blob.digest).hex}]
    assert found["externalReferences"][0]["url"] == "http://vault.example/os/Packages/shell-1-1.noarch.rpm"
    assert {"name": "boss-builder:architecture", "value": "noarch"} in found["properties"]


def test_a_licence_is_an_id_an_expression_or_a_name(release):
    found = document(release, "vm")
    assert component(found, "boss")["licenses"] == [{"license": {"id": "MIT"}}]
    assert component(found, "kernel")["licenses"] == [{"license": {"name": "GPLv2+ and BSD"}}]
    assert component(found, "shell")["licenses"] == [{"expression": "Apache-2.0 OR MIT"}]


def test_the_kernel_is_in_the_virtual_machine_alone(release):
    names = {shape: {c["name"] for c in document(release, shape)["components"]} for shape in SHAPES}
    assert names["oci"] == names["sif"] == {"shell", "boss", "lib", "geo"}
    assert names["vm"] == names["oci"] | {"kernel"}


def test_the_software_and_its_libraries_are_there(release):
    found = document(release)
    assert component(found, "boss")["type"] == "application"
    library = component(found, "lib")
    assert (library["type"], library["version"]) == ("library", "2")
    assert PackageURL.from_string(library["purl"]).qualifiers["download_url"] == "http://vault.example/lib-2.tar"
    assert "download_url" not in PackageURL.from_string(component(found, "geo")["purl"]).qualifiers


def test_it_is_about_the_image_and_depends_on_all_parts(release):
    found = document(release, "sif")
    image = release.store.find(f"image/{RELEASE}/sif")
    root = found["metadata"]["component"]
    assert root["bom-ref"] == image.digest
    assert root["hashes"][0]["content"] == Digest(release.store.manifest(image).layers[0].digest).hex
    tree = {one["ref"]: one.get("dependsOn", []) for one in found["dependencies"]}
    assert set(tree[image.digest]) == {c["bom-ref"] for c in found["components"]}


def test_its_time_is_the_release_s_and_its_number_the_image_s(release):
    found = {shape: document(release, shape) for shape in SHAPES}
    assert {one["metadata"]["timestamp"] for one in found.values()} == {"2020-03-01T00:00:00+00:00"}
    assert len({one["serialNumber"] for one in found.values()}) == len(SHAPES)
    material = gather(release.store, RELEASE)
    known = licenses(release.store, material.lock)
    made = {sbom(material, material.oci, known) for _ in range(3)}
    assert made == {release.file(f"sbom/{RELEASE}/oci", "sbom.cdx.json")}


def test_a_package_with_an_epoch_has_it_in_its_address(release):
    material = gather(release.store, RELEASE)
    repository = material.lock.repositories[0]
    packages = tuple(msgspec.structs.replace(p, epoch=2) if p.name == "shell" else p for p in repository.packages)
    lock = msgspec.structs.replace(
        material.lock,
        repositories=(msgspec.structs.replace(repository, packages=packages),),
        os_packages=("shell-2:1-1.noarch",),
    )
    shell = next(one for one in components(lock, "oci", {}) if one.name == "shell")
    assert (shell.version, str(shell.purl)) == ("2:1-1", "pkg:rpm/tiny/shell@1-1?arch=noarch&epoch=2")
    assert not shell.licenses


# -- licences -----------------------------------------------------------------------------------------------------


def with_primary(release: SignedSite, data: bytes, name: str = "0a-primary.xml.gz") -> Lock:
    return msgspec.structs.replace(release.site.lock, frozen_repository={name: blob(release.store, data)})


def test_licences_are_found_by_the_digest_of_the_package(release):
    digest = str(Digest.of(b"package"))
    data = gzip.compress(primary({digest: "LGPLv2+"}))
    assert licenses(release.store, with_primary(release, data)) == {digest: "LGPLv2+"}


def test_a_package_without_licence_or_with_another_digest_has_none(release):
    text = primary({str(Digest.of(b"a")): ""}).replace(b"</metadata>", b"")
    text += b'<package><checksum type="sha1">00</checksum><format><rpm:license>X</rpm:license></format></package>'
    assert licenses(release.store, with_primary(release, gzip.compress(text + b"</metadata>"))) == {}


@pytest.mark.parametrize(
    "data",
    [b"", b"plain", gzip.compress(b""), gzip.compress(b"<other/>")],
    ids=["nothing", "plain", "nothing packed", "other"],
)
def test_what_is_no_list_is_refused(release, data):
    with pytest.raises(WorkFailure, match="the list of the frozen repository is damaged: 0a-primary"):
        licenses(release.store, with_primary(release, data))


def test_a_list_that_is_packed_in_another_way_gives_no_licences(release):
    assert licenses(release.store, with_primary(release, b"zstd", "0a-primary.xml.zst")) == {}
