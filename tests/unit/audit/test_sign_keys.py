"""Keys are OpenSSH's own: made by ssh-keygen, read as it reads them, never overwritten; so is the list of signers."""

import stat
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import example, given
from hypothesis import strategies as st

from builder.audit.signing import allowed
from builder.audit.signing.keys import (
    PublicKey,
    check_outside,
    keys_folder,
    listed,
    make,
    public_from_blob,
    public_from_line,
    read_private,
    read_public,
)
from builder.core.errors import HostFailure, InputFailure
from tests.unit.audit.signed_release import keys

ONE, OTHER = (key.public for key in keys())


def keygen(*words: str) -> str:
    return subprocess.run(["ssh-keygen", *words], capture_output=True, text=True, check=True).stdout


def test_a_new_key_is_one_that_only_its_owner_can_read(tmp_path):
    path = tmp_path / "new" / "folder" / "archive"
    key = make(path, "archive")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert (key.comment, read_private(path).public.raw) == ("archive", key.raw)
    assert keygen("-l", "-f", str(path)).split()[1] == key.fingerprint


def test_a_key_id_is_what_the_page_says(tmp_path):
    make(tmp_path / "key", "key")
    said = subprocess.run(
        ["sh", "-c", "cut -d' ' -f2 key.pub | base64 -d | sha256sum"], cwd=tmp_path, capture_output=True, check=True
    )
    assert said.stdout.split()[0].decode() == read_public(tmp_path / "key.pub").key_id


@pytest.mark.parametrize("there", ["key", "key.pub"])
def test_a_key_is_never_overwritten(tmp_path, there):
    (tmp_path / there).write_text("precious")
    with pytest.raises(InputFailure, match="is there already"):
        make(tmp_path / "key", "key")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(there, "precious")]


def test_a_link_that_leads_nowhere_is_not_written_through(tmp_path):
    (tmp_path / "key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputFailure, match="is there already"):
        make(tmp_path / "key", "key")


def test_without_ssh_keygen_no_key_is_made(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostFailure, match="'ssh-keygen' is not installed"):
        make(tmp_path / "key", "key")


def test_a_key_with_a_passphrase_is_refused_with_what_to_do(tmp_path):
    keygen("-q", "-t", "ed25519", "-N", "secret", "-f", str(tmp_path / "key"))
    with pytest.raises(InputFailure, match="has a passphrase") as caught:
        read_private(tmp_path / "key")
    assert "neither a passphrase nor an SSH agent is supported" in str(caught.value)
    assert f"ssh-keygen -p -N '' -f {tmp_path}/key" in str(caught.value)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_a_key_of_another_kind_is_refused(tmp_path, kind):
    keygen("-q", "-t", kind, "-N", "", "-f", str(tmp_path / "key"))
    with pytest.raises(InputFailure, match="not a key of ed25519"):
        read_private(tmp_path / "key")
    with pytest.raises(InputFailure, match="no public key of ed25519"):
        read_public(tmp_path / "key.pub")


def pem() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff", b"-----BEGIN OPENSSH PRIVATE KEY-----\n", pem(), b"x" * (1 << 17)],
    ids=["empty", "no text", "only a head", "of another form", "too long"],
)
def test_what_is_no_key_is_refused(tmp_path, data):
    (tmp_path / "key").write_bytes(data)
    for read in (read_private, read_public):
        with pytest.raises(InputFailure):
            read(tmp_path / "key")
        with pytest.raises(InputFailure, match="can not be read"):
            read(tmp_path)


def test_a_public_key_in_the_place_of_the_private_one_is_refused(tmp_path):
    make(tmp_path / "key", "key")
    with pytest.raises(InputFailure, match="no private key"):
        read_private(tmp_path / "key.pub")


def test_a_private_key_in_the_store_is_refused(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "images")
    for path in ("images/key", "images/audit/key", "link/key", "images/../images/key"):
        with pytest.raises(InputFailure, match="lies in the store"):
            check_outside(tmp_path / path, tmp_path / "images")
    check_outside(tmp_path / "images2" / "key", tmp_path / "images")


def test_keys_lie_where_the_user_keeps_what_he_configures():
    assert str(keys_folder({"XDG_CONFIG_HOME": "/c", "HOME": "/h"})) == "/c/boss-builder/keys"
    assert str(keys_folder({"HOME": "/h"})) == "/h/.config/boss-builder/keys"


def test_keys_are_listed_by_name_and_what_is_none_is_left_out(tmp_path):
    make(tmp_path / "one", "one")
    (tmp_path / "bad.pub").write_text("ssh-rsa AAAA")
    assert list(listed(tmp_path)) == ["one"]
    assert listed(tmp_path / "nowhere") == {}


@given(st.binary(min_size=32, max_size=32))
def test_a_public_key_is_read_as_it_is_spelled(raw):
    key = PublicKey(raw)
    assert public_from_blob(key.blob) == key
    assert public_from_line(f"{key.line} a comment") == PublicKey(raw, "a comment")


@given(st.binary() | st.binary().map(lambda data: ONE.blob[:10] + data))
@example(ONE.blob + b"\0")
@example(ONE.blob[:-1])
def test_what_is_no_public_key_is_refused(blob):
    if blob != ONE.blob:
        with pytest.raises(ValueError, match="no ed25519 key"):
            public_from_blob(blob)


# -- who may sign -------------------------------------------------------------------------------------------------


def test_trust_adds_a_line_that_ssh_keygen_reads_and_untrust_takes_it_out(tmp_path):
    path = tmp_path / "audit" / "allowed_signers"
    assert allowed.trust(path, "librarian@example", ONE)
    assert not allowed.trust(path, "librarian@example", ONE)
    assert allowed.trust(path, "second@example", OTHER)
    lines = path.read_text().splitlines()
    assert lines[0] == f'librarian@example namespaces="boss-builder" {ONE.line}'
    assert [signer.principals for signer in allowed.signers(path)] == ["librarian@example", "second@example"]
    assert [signer.key for signer in allowed.untrust(path, "librarian@example")] == [ONE]
    assert path.read_text().splitlines() == lines[1:]


def test_other_lines_stay_as_they_are(tmp_path):
    path = tmp_path / "allowed_signers"
    kept = f'# the library\n\n*@example cert-authority,namespaces="x" {OTHER.line}\nold@example ssh-rsa AAAA'
    path.write_text(kept)
    allowed.trust(path, "librarian@example", ONE)
    assert path.read_text().startswith(kept + "\n")
    allowed.untrust(path, "librarian@example")
    assert path.read_text() == kept + "\n"


def test_one_of_two_keys_of_a_person_is_taken_out(tmp_path):
    path = tmp_path / "allowed_signers"
    allowed.trust(path, "librarian@example", ONE)
    allowed.trust(path, "librarian@example", OTHER)
    allowed.untrust(path, "librarian@example", ONE)
    assert [signer.key for signer in allowed.signers(path)] == [OTHER]


def test_whom_nobody_trusts_can_not_be_untrusted(tmp_path):
    path = tmp_path / "allowed_signers"
    with pytest.raises(InputFailure, match="does not trust librarian@example"):
        allowed.untrust(path, "librarian@example")
    allowed.trust(path, "librarian@example", ONE)
    with pytest.raises(InputFailure, match="does not trust librarian@example"):
        allowed.untrust(path, "librarian@example", OTHER)


def test_options_are_shown_as_they_stand_there():
    line = f'who@example  namespaces="boss-builder",valid-before="20300101" {ONE.line} note\n'
    (signer,) = allowed.parse(line)
    assert (signer.principals, signer.options) == ("who@example", 'namespaces="boss-builder",valid-before="20300101"')
    assert signer.key == PublicKey(ONE.raw, "note")


@given(st.text())
@example(f"a {ONE.line}")
@example(f"a\t{ONE.line}")
@example("a ssh-ed25519 " + "A" * 68)
def test_any_text_is_read_without_harm(text):
    for signer in allowed.parse(text):
        assert len(signer.key.raw) == 32


def test_a_list_that_can_not_be_written_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputFailure, match="can not be"):
        allowed.trust(tmp_path / "file" / "allowed_signers", "librarian@example", ONE)
