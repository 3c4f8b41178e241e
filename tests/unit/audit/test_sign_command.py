"""The commands key and sign: what they print, and how they end."""

import json
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from builder.audit.signing.check import check_signatures
from builder.cli import key, sign
from tests.unit.audit.signed_release import WHO, SignedSite, judged, signed
from tests.unit.export.release import RELEASE

Call = Callable[..., Result]


@pytest.fixture
def release(tmp_path) -> SignedSite:
    return signed(tmp_path)


def call(command: click.Command, *words: object) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words])


def test_a_key_is_made_trusted_and_signs(tmp_path, monkeypatch):
    """What a librarian types, from the first to the last."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    site = judged(tmp_path / "images")
    store = ("--store", site.store.path)
    private = tmp_path / "config/boss-builder/keys/archive"
    made = call(key.command, "new", "archive", *store)
    assert made.exit_code == 0
    assert made.stdout.startswith(f"{private}: SHA256:")
    assert f"boss-builder key trust IDENTITY {private}.pub" in made.stderr
    assert call(key.command, "trust", WHO, f"{private}.pub", *store).exit_code == 0
    listed = call(key.command, "list", *store).stdout
    fingerprint = made.stdout.split()[1]
    assert f"  archive  {fingerprint}\n" in listed
    assert f'  {WHO}  {fingerprint}  namespaces="boss-builder"\n' in listed
    done = call(sign.command, RELEASE, "--key", private, "--identity", WHO, *store)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{RELEASE}: signed by {WHO} with {fingerprint}")
    assert "  oci: PASSED (1 passed, 1 skipped)\n" in done.stdout
    assert "emulated, not the real thing" in done.stdout
    assert check_signatures(site.store, RELEASE, site.store.path / "audit/allowed_signers") == ()


def test_a_key_is_shown_with_who_may_sign_with_it(release):
    public = release.key.path.with_name("one.pub")
    shown = call(key.command, "show", public, "--store", release.store.path).stdout
    assert f"fingerprint  {release.key.public.fingerprint}\n" in shown
    assert f'may sign as  {WHO} namespaces="boss-builder"\n' in shown
    assert "may not sign" in call(key.command, "show", public, "--allowed-signers", "nowhere").stdout


def test_who_is_untrusted_may_sign_no_more(release):
    gone = call(key.command, "untrust", WHO, "--store", release.store.path)
    assert gone.stdout.startswith(f"{WHO} may no longer sign with {release.key.public.fingerprint}")
    assert "does not name it" in check_signatures(release.store, RELEASE, release.allowed)[0].message
    again = call(key.command, "untrust", WHO, "--store", release.store.path)
    assert (again.exit_code, "does not trust" in again.stderr) == (2, True)


@pytest.mark.parametrize("name", ["", "../x", "a b", "-x", "a/b"])
def test_a_key_has_a_plain_name(tmp_path, name):
    found = call(key.command, "new", "--store", tmp_path, "--", name)
    assert (found.exit_code, "can not be the name of a key" in found.stderr) == (2, True)


def test_a_private_key_is_not_made_in_the_store(release):
    before = sorted(release.store.path.rglob("*"))
    found = call(key.command, "new", "x", "--key", release.store.path / "x", "--store", release.store.path)
    assert (found.exit_code, "lies in the store" in found.stderr) == (2, True)
    assert sorted(release.store.path.rglob("*")) == before


def words_of_json(release: SignedSite) -> dict[str, tuple[click.Command, tuple[object, ...], set[str]]]:
    public = release.key.path.with_name("one.pub")
    of_key = {"public", "comment", "fingerprint", "key_id"}
    signs = (RELEASE, "--key", release.key.path, "--identity", WHO)
    return {
        "list": (key.command, ("list",), {"keys", "allowed_signers", "signers"}),
        "show": (key.command, ("show", public), of_key | {"signers"}),
        "trust": (key.command, ("trust", "x@example", public), of_key | {"identity", "allowed_signers", "changed"}),
        "untrust": (key.command, ("untrust", WHO), {"allowed_signers", "removed"}),
        "new": (key.command, ("new", "x", "--key", release.store.path.parent / "x"), of_key | {"key"}),
        "sign": (
            sign.command,
            signs,
            {
                "release",
                "identity",
                "key_id",
                "fingerprint",
                "references",
                "blobs",
                "digest",
                "receipt",
                "head",
                "not_logged",
            },
        ),
    }


@pytest.mark.parametrize("name", ["list", "show", "trust", "untrust", "new", "sign"])
def test_json_is_one_document(release, name):
    command, words, fields = words_of_json(release)[name]
    found = call(command, *words, "--json", "--store", release.store.path)
    assert set(json.loads(found.stdout)) == fields


def test_a_missing_key_is_the_input_s_fault(release):
    found = call(sign.command, RELEASE, "--key", "nowhere", "--identity", WHO, "--store", release.store.path)
    assert (found.exit_code, "the key nowhere can not be read" in found.stderr) == (2, True)


def test_a_missing_ssh_keygen_is_the_host_s_fault(release, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    words = (RELEASE, "--key", release.key.path, "--identity", WHO, "--store", release.store.path)
    assert call(sign.command, *words).exit_code == 3
    assert call(key.command, "new", "x", "--key", tmp_path / "x", "--store", release.store.path).exit_code == 3


def test_a_damaged_blob_ends_the_work(release):
    path = release.store.blob_path(release.site.lock.packages()[0].blob.digest)
    path.chmod(0o644)
    Path(path).write_bytes(b"x")
    words = (RELEASE, "--key", release.key.path, "--identity", WHO, "--store", release.store.path)
    found = call(sign.command, *words)
    assert (found.exit_code, "is damaged" in found.stderr) == (4, True)
