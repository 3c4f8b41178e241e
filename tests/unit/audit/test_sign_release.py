"""A release is signed: what is stored, that it is always the same, and that plain tools check it."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from builder.audit.signing import artifacts, sums
from builder.audit.signing.check import check_signatures, examine
from builder.audit.signing.files import signature_files
from builder.audit.signing.keys import read_private
from builder.audit.signing.sign import sign
from builder.core.digest import Digest
from builder.core.errors import HostFailure, InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.store.shapes import SHAPES
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.audit.signed_release import FAILED, WHO, SignedSite, complete, judge, judged, keep_lock, keys, signed
from tests.unit.export.release import RELEASE


@pytest.fixture
def release(tmp_path) -> SignedSite:
    return signed(tmp_path)


def test_every_blob_of_the_release_is_signed_and_the_store_stays_whole(release):
    listed = sums.parsed(release.file(release.signature, artifacts.SUMS))
    reached = set()
    for name, descriptor in release.store.references().items():
        if name.startswith(f"{artifacts.SIGNATURE}/"):
            continue
        manifest = release.store.manifest(descriptor)
        reached |= {descriptor.digest, manifest.config.digest, *(layer.digest for layer in manifest.layers)}
    assert listed == reached
    assert verify(release.store) == ()
    assert check_signatures(release.store, RELEASE, release.allowed) == ()


def test_what_is_stored_belongs_to_the_image_that_it_is_about(release):
    for shape in SHAPES:
        image = release.store.find(RELEASE if shape == "oci" else f"image/{RELEASE}/{shape}")
        for name in (release.attestation(shape), f"sbom/{RELEASE}/{shape}"):
            subject = release.store.manifest(release.store.find(name)).subject
            assert (subject.digest, subject.size) == (image.digest, image.size)
    for name in (release.signature, release.receipt, f"crate/{RELEASE}"):
        assert release.store.manifest(release.store.find(name)).subject.digest == release.store.find(RELEASE).digest


def test_signing_twice_gives_the_same_bytes(release):
    before = (release.store.path / "index.json").read_bytes()
    blobs = sorted(path.name for path in (release.store.path / "blobs/sha256").iterdir())
    release.sign()
    assert (release.store.path / "index.json").read_bytes() == before
    assert sorted(path.name for path in (release.store.path / "blobs/sha256").iterdir()) == blobs


def test_another_store_of_the_same_release_gets_the_same_signatures(release, tmp_path):
    other = judged(tmp_path / "elsewhere" / "images")
    sign(other.store, RELEASE, release.key, WHO, NoProgress())
    assert signature_files(other.store, RELEASE) == signature_files(release.store, RELEASE)


def test_two_may_sign_one_release(release):
    other = keys()[1]
    with release.allowed.open("a") as stream:
        stream.write(f'second@example namespaces="boss-builder" {other.public.line}\n')
    release.sign(other, "second@example")
    assert {one.identity for one in examine(release.store, RELEASE, release.allowed).good} == {WHO, "second@example"}


def test_plain_ssh_keygen_and_sha256sum_check_what_was_signed(release, tmp_path):
    folder = tmp_path / "an auditor's folder"
    folder.mkdir()
    for title in (artifacts.SUMS, artifacts.SUMS_SIGNATURE):
        (folder / title).write_bytes(release.file(release.signature, title))
    verify_ = ["ssh-keygen", "-Y", "verify", "-f", release.allowed, "-I", WHO, "-n", "boss-builder"]
    said = subprocess.run(
        [*verify_, "-s", folder / "SHA256SUMS.sig"],
        input=(folder / "SHA256SUMS").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert said.stdout.decode().startswith(f'Good "boss-builder" signature for {WHO} with ED25519 key')
    check = ["sha256sum", "--check", "--strict", "--quiet", folder / "SHA256SUMS"]
    subprocess.run(check, cwd=release.store.path, check=True)
    image = release.store.manifest(release.store.find(f"image/{RELEASE}/sif")).layers[0]
    path = release.store.blob_path(image.digest)
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b"!")
    assert subprocess.run(check, cwd=release.store.path, capture_output=True, check=False).returncode == 1


def test_plain_openssl_checks_an_envelope(release, tmp_path):
    """The commands of docs/commands/sign.md."""
    (tmp_path / "receipt.dsse.json").write_bytes(release.file(release.receipt, artifacts.RECEIPT_FILE))
    shutil.copy(release.key.path.with_name("one.pub"), tmp_path / "librarian.pub")
    script = """
set -eu
python3 -c 'import json; print(json.load(open("receipt.dsse.json"))["payload"])' | base64 -d > payload
python3 -c 'import json; print(json.load(open("receipt.dsse.json"))["signatures"][0]["sig"])' | base64 -d > signature
{ printf 'DSSEv1 28 application/vnd.in-toto+json %d ' "$(stat -c %s payload)"; cat payload; } > signed
cut -d' ' -f2 librarian.pub | base64 -d | tail -c 32 > raw
{ printf '\\60\\52\\60\\5\\6\\3\\53\\145\\160\\3\\41\\0'; cat raw; } > key.der
openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in signed -sigfile signature
cut -d' ' -f2 librarian.pub | base64 -d | sha256sum | cut -c 1-64
"""
    said = subprocess.run(["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert said == f"Signature Verified Successfully\n{release.key.public.key_id}\n"
    assert json.loads((tmp_path / "payload").read_bytes())["predicate"]["release"] == RELEASE


def test_signatures_as_files_lie_in_a_folder_for_each_key(release):
    files = signature_files(release.store, RELEASE)
    key = release.key.public.short
    of_shapes = {f"{key}/{shape}.{kind}.dsse.json" for shape in SHAPES for kind in ("provenance", "test-result")}
    assert set(files) == of_shapes | {
        f"{key}/SHA256SUMS", f"{key}/SHA256SUMS.sig", f"{key}/receipt.dsse.json", f"{key}/signer.json",
        "oci.sbom.cdx.json", "sif.sbom.cdx.json", "vm.sbom.cdx.json", "ro-crate-metadata.json",
    }  # fmt: skip
    assert json.loads(files[f"{key}/signer.json"])["identity"] == WHO
    assert signature_files(release.store, "tiny-2.0") == {}


def test_what_is_not_validated_is_signed_as_unknown(tmp_path):
    site = complete(Store(tmp_path / "images"))
    judge(site, "oci", site.put_image("oci"))
    site.put_image("sif")
    done = sign(site.store, RELEASE, keys()[0], WHO, NoProgress())
    assert {image.shape: image.state for image in done.receipt.images} == {"oci": "PASSED", "sif": "UNKNOWN"}
    assert done.receipt.state == "UNKNOWN"


def test_what_failed_is_signed_as_failed(tmp_path):
    site = judged(tmp_path / "images")
    judge(site, "oci", site.store.find(RELEASE), FAILED)
    assert sign(site.store, RELEASE, keys()[0], WHO, NoProgress()).receipt.state == "FAILED"


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_nothing_is_signed_that_is_not_whole(tmp_path, damage):
    site = judged(tmp_path / "images")
    path = site.store.blob_path(site.lock.packages()[0].blob.digest)
    path.chmod(0o644)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-1])
    before = (site.store.path / "index.json").read_bytes()
    with pytest.raises(WorkFailure, match=r"repository/os/packages/boss-1-1\.noarch\.rpm"):
        sign(site.store, RELEASE, keys()[0], WHO, NoProgress())
    assert (site.store.path / "index.json").read_bytes() == before


def test_a_release_that_is_not_there_names_the_next_command(tmp_path):
    with pytest.raises(InputFailure) as caught:
        sign(Store(tmp_path / "images"), RELEASE, keys()[0], WHO, NoProgress())
    assert f"boss-builder freeze {RELEASE}" in str(caught.value)


def test_an_image_of_another_lock_is_not_signed(release):
    release.site.source("document.more", "tiny-1.0/documents/more.md", b"more")
    keep_lock(release.site)
    with pytest.raises(InputFailure, match="was not built from its present lock"):
        release.sign()
    assert "was not built" in check_signatures(release.store, RELEASE, release.allowed)[0].message


@pytest.mark.parametrize("who", ["", "-x", "a b", "*", "a,b", "a\0b", "!x"])
def test_an_identity_that_is_a_pattern_or_an_option_is_refused(release, who):
    with pytest.raises(InputFailure, match="can not be an identity"):
        release.sign(who=who)


def test_without_ssh_keygen_the_host_lacks_something(release, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostFailure, match="'ssh-keygen' is not installed"):
        release.sign()
    with pytest.raises(HostFailure, match="'ssh-keygen' is not installed"):
        check_signatures(release.store, RELEASE, release.allowed)


def test_a_key_in_the_store_is_not_used(release):
    inside = release.store.path / "key"
    shutil.copy(release.key.path, inside)
    with pytest.raises(InputFailure, match="lies in the store"):
        release.sign(read_private(inside))


def test_nothing_of_the_private_key_is_in_the_store(release):
    """Neither the file nor the seed of 32 bytes, in any spelling that a blob may have."""
    seed = release.key.private.private_bytes(Encoding.Raw, PrivateFormat.Raw, NoEncryption())
    for folder, _, names in os.walk(release.store.path):
        for name in names:
            data = (Path(folder) / name).read_bytes()
            for secret in (seed, seed.hex().encode(), base64.b64encode(seed)[:-4], b"PRIVATE KEY"):
                assert secret not in data


def test_the_digest_that_is_shown_is_that_of_the_signed_list(release):
    assert release.sign().digest == Digest.of(release.file(release.signature, artifacts.SUMS))
