"""The command verify with a RELEASE: the whole store, and who signed."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from builder.audit.signing import artifacts
from builder.cli import verify
from tests.unit.audit.signed_release import WHO, SignedSite, keys, signed
from tests.unit.export.release import RELEASE


@pytest.fixture
def release(tmp_path) -> SignedSite:
    return signed(tmp_path)


def call(release: SignedSite, *words: object) -> Result:
    return CliRunner().invoke(verify.command, [*map(str, words), "--store", str(release.store.path)])


def test_a_good_release_is_told_with_who_signed_it(release):
    found = call(release, RELEASE)
    fingerprint = release.key.public.fingerprint
    assert found.exit_code == 0
    assert found.stdout == f"{release.store.path}: well\n{RELEASE}: signed by {WHO} with {fingerprint}\n"


def test_without_a_release_it_is_as_it_was(release):
    release.replace(release.signature, artifacts.SUMS, b"")
    assert (call(release).exit_code, call(release).stdout) == (0, f"{release.store.path}: well\n")
    assert json.loads(call(release, "--json").stdout) == {"store": str(release.store.path), "problems": []}


def test_a_bad_signature_ends_with_1(release):
    release.replace(release.signature, artifacts.SUMS, b"")
    found = call(release, RELEASE)
    assert (found.exit_code, "is not good" in found.stderr) == (1, True)
    assert "is not good" in json.loads(call(release, RELEASE, "--json").stdout)["problems"][0]["message"]


def test_damage_and_signatures_are_told_together(release):
    path = release.store.blob_path(release.site.lock.packages()[0].blob.digest)
    path.chmod(0o644)
    path.write_bytes(b"x")
    release.store.remove_reference(release.signature)
    found = call(release, RELEASE)
    assert found.exit_code == 1
    assert "is damaged" in found.stderr
    assert "is not signed" in found.stderr


def test_another_list_may_be_named(release, tmp_path):
    (tmp_path / "mine").write_text(f'{WHO} namespaces="boss-builder" {keys()[1].public.line}\n')
    found = call(release, RELEASE, "--allowed-signers", tmp_path / "mine")
    assert (found.exit_code, f"{tmp_path}/mine does not name it" in found.stderr) == (1, True)


def test_a_list_without_a_release_says_nothing(release):
    found = call(release, "--allowed-signers", release.allowed)
    assert (found.exit_code, "needs a RELEASE" in found.stderr) == (2, True)


def test_a_stranger_s_signature_is_told_and_not_counted(release):
    release.sign(keys()[1], "stranger@example")
    found = call(release, RELEASE)
    assert (found.exit_code, "not counted" in found.stderr) == (0, True)
    shown = json.loads(call(release, RELEASE, "--json").stdout)
    assert [one["identity"] for one in shown["not_counted"]] == ["stranger@example"]


def test_json_tells_who_signed(release):
    shown = json.loads(call(release, RELEASE, "--json").stdout)
    assert shown["problems"] == []
    assert shown["signatures"] == [
        {"reference": release.signature, "identity": WHO, "fingerprint": release.key.public.fingerprint}
    ]


def test_a_host_without_ssh_keygen_lacks_something(release, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(Path(tmp_path) / "empty"))
    assert call(release, RELEASE).exit_code == 3
    assert call(release).exit_code == 0
