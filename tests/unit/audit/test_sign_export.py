"""An export has the signatures beside the images, and its HOWTO.md the plain commands that check them."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder.audit.copies.bring_in import bring_in
from builder.audit.copies.find import opened_source
from builder.audit.copies.place import Folder
from builder.audit.signing import allowed, artifacts
from builder.audit.signing.check import examine
from builder.audit.signing.files import signature_files
from builder.cli import export, key
from builder.core.progress import NoProgress
from builder.store.store import Store
from tests.unit.audit.archive import NOW
from tests.unit.audit.signed_release import FAILED, WHO, SignedSite, judge, keys, signed
from tests.unit.export.archives import BLOCK, files, run_blocks
from tests.unit.export.release import RELEASE

SECOND = "second@example"


@pytest.fixture
def release(tmp_path: Path) -> SignedSite:
    return signed(tmp_path)


def call(release: SignedSite, target: Path, *words: str) -> Result:
    """Run the command; the release has no recipe, so that the store's own lock is used."""
    places = ("--recipes", target.with_name("recipes"), "--store", release.store.path)
    return CliRunner().invoke(export.command, [str(word) for word in (RELEASE, target, *places, *words)])


def exported(release: SignedSite, target: Path, *words: str) -> Path:
    done = call(release, target, *words)
    assert done.exit_code == 0, done.output
    return target


def signature_names(folder: Path) -> set[str]:
    return {name.removeprefix("signatures/") for name in files(folder) if name.startswith("signatures/")}


def test_what_was_signed_lies_beside_the_images_with_the_list_of_who_may(release, tmp_path):
    allowed.trust(release.allowed, "somebody@example", keys()[1].public)
    folder = exported(release, tmp_path / "x")
    found = signature_files(release.store, RELEASE)
    assert signature_names(folder) == {*found, "allowed_signers"}
    for name, data in found.items():
        assert (folder / "signatures" / name).read_bytes() == data
    listed = (folder / "signatures/allowed_signers").read_text()
    assert listed == f'{WHO} namespaces="boss-builder" {release.key.public.line}\n'


@pytest.mark.parametrize("shapes", [(), ("oci",), ("sif",), ("vm",)], ids=["all", "oci", "sif", "vm"])
def test_the_commands_of_its_howto_check_who_signed_and_what(release, tmp_path, shapes):
    folder = exported(release, tmp_path / "x", *(word for shape in shapes for word in ("--image", shape)))
    said = run_blocks(folder / "HOWTO.md", folder, "check", "signatures").splitlines()
    good = f'Good "boss-builder" signature for {WHO} with ED25519 key {release.key.public.fingerprint}'
    assert [line for line in said if not line.strip().isdigit()] == [good]
    read = json.loads((folder / f"work/receipt.{release.key.public.short}.json").read_bytes())
    assert read["predicate"]["release"] == RELEASE


def test_two_who_signed_are_both_checked(release, tmp_path):
    allowed.trust(release.allowed, SECOND, keys()[1].public)
    release.sign(keys()[1], SECOND)
    folder = exported(release, tmp_path / "x")
    said = run_blocks(folder / "HOWTO.md", folder, "signatures")
    assert sorted(re.findall(r"signature for (\S+) with", said)) == [WHO, SECOND]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


HARMED = ["sif", "disk", "lock", "document", "evidence", "receipt", "SBOM", "crate", "list", "signature", "signers"]


def place(release: SignedSite, what: str) -> str:
    own = f"signatures/{release.key.public.short}"
    return {
        "sif": f"{RELEASE}.sif", "disk": f"{RELEASE}.qcow2", "lock": "recipe.lock.json",
        "document": "documents/notes.md", "evidence": "evidence/oci/validation.json",
        "receipt": f"{own}/receipt.dsse.json", "SBOM": "signatures/vm.sbom.cdx.json",
        "crate": "signatures/ro-crate-metadata.json", "list": f"{own}/SHA256SUMS",
        "signature": f"{own}/SHA256SUMS.sig", "signers": "signatures/allowed_signers",
    }[what]  # fmt: skip


@pytest.mark.parametrize("what", HARMED)
def test_the_commands_of_its_howto_find_what_was_changed(release, tmp_path, what):
    folder = exported(release, tmp_path / "x")
    flip(folder / place(release, what))
    script = "".join(block for name, block in BLOCK.findall((folder / "HOWTO.md").read_text()) if name == "signatures")
    done = subprocess.run(["sh", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    if what not in {"list", "signature", "signers"}:
        assert f"{place(release, what)} is not what was signed" in done.stdout


def test_a_layer_of_the_image_that_was_not_signed_is_found(release, tmp_path):
    folder = exported(release, tmp_path / "x", "--image", "oci")
    path = folder / f"{RELEASE}.oci.tar"
    data = path.read_bytes()
    layer = release.store.manifest(release.store.find(RELEASE)).layers[0]
    at = data.index(release.store.read(layer.digest))
    path.write_bytes(data[:at] + b"\0" + data[at + 1 :])
    script = "".join(block for name, block in BLOCK.findall((folder / "HOWTO.md").read_text()) if name == "signatures")
    done = subprocess.run(["sh", "-eu", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode != 0, f"{layer.digest[7:]} is not what was signed" in done.stdout) == (True, True)


def unsign(release: SignedSite) -> None:
    release.store.remove_reference(release.signature)


def change(release: SignedSite) -> None:
    judge(release.site, "oci", release.store.find(RELEASE), FAILED)


def forge(release: SignedSite) -> None:
    release.replace(release.signature, artifacts.SUMS, b"")


def untrust(release: SignedSite) -> None:
    CliRunner().invoke(key.command, ["untrust", WHO, "--store", str(release.store.path)])


LEFT_OUT: dict[str, tuple[Callable[[SignedSite], object], str]] = {
    "not signed": (unsign, ""),
    "changed since": (change, "is not signed"),
    "forged": (forge, "is not good"),
    "trusted no more": (untrust, "may not sign"),
}


@pytest.mark.parametrize("what", LEFT_OUT)
def test_what_could_not_be_checked_is_left_out_and_it_is_said_why(release, tmp_path, what):
    harm, said = LEFT_OUT[what]
    harm(release)
    done = call(release, tmp_path / "x")
    assert done.exit_code == 0
    assert signature_names(tmp_path / "x") == set()
    assert "signatures" not in (tmp_path / "x/HOWTO.md").read_text()
    assert ("a signature is left out" in done.stderr, said in done.stderr) == (bool(said), True)


def test_a_stranger_s_signature_is_left_out_beside_a_good_one(release, tmp_path):
    release.sign(keys()[1], "stranger@example")
    done = call(release, tmp_path / "x")
    assert f"nobody is trusted for {keys()[1].public.fingerprint}" in done.stderr
    names = signature_names(tmp_path / "x")
    assert {name.partition("/")[0] for name in names if "/" in name} == {release.key.public.short}
    run_blocks(tmp_path / "x/HOWTO.md", tmp_path / "x", "signatures")


def test_two_exports_are_equal_and_the_command_says_who_signed(release, tmp_path):
    shown = json.loads(call(release, tmp_path / "one", "--json").stdout)
    fingerprint = release.key.public.fingerprint
    assert shown["signatures"] == [{"identity": WHO, "fingerprint": fingerprint}]
    assert f"signed by {WHO} with {fingerprint}" in call(release, tmp_path / "two").stdout.splitlines()
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_an_export_gives_the_signatures_back(release, tmp_path):
    folder = exported(release, tmp_path / "x", "--inputs")
    back = Store(tmp_path / "back")
    with opened_source(str(folder), back, NoProgress()) as source:
        bring_in(source, Folder(back, NOW), (), NoProgress())
    found = examine(back, RELEASE, folder / "signatures/allowed_signers")
    assert ([one.identity for one in found.good], found.problems) == ([WHO], ())


def test_a_signed_release_needs_ssh_keygen(release, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert call(release, tmp_path / "x").exit_code == 3
    assert not (tmp_path / "x").exists()
