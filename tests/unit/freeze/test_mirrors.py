"""Mirrors stand in for addresses; nothing but where the bytes come from changes."""

import hashlib

import pytest

from builder.core.errors import InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.freeze.download import Checksum, Downloader, Wanted
from builder.freeze.mirrors import VARIABLE, Mirrors, read_mirrors
from tests.tinyrpm import Vault

DATA = b"the bytes" * 100_000
ORIGINAL = "http://vault.example/sl"


def test_the_longest_beginning_counts_and_only_whole_parts_of_a_path(tmp_path):
    mirrors = read_mirrors(
        [f"{ORIGINAL}=http://mirror.example/all", f"{ORIGINAL}/7=https://seven.example/", f"{ORIGINAL}/6/={tmp_path}"],
        {},
    )
    assert mirrors.of(f"{ORIGINAL}/5/os/x.rpm") == "http://mirror.example/all/5/os/x.rpm"
    assert mirrors.of(f"{ORIGINAL}/7/os/x.rpm") == "https://seven.example/os/x.rpm"
    assert mirrors.of(f"{ORIGINAL}/7") == "https://seven.example/"
    assert mirrors.of(f"{ORIGINAL}/6/a%20b") == f"{tmp_path.as_uri()}/a%20b"
    for other in ("http://vault.example/slx", "http://vault.example", "https://vault.example/sl/5"):
        assert mirrors.of(other) == other


def test_the_environment_holds_any_number_and_an_option_beats_it(tmp_path):
    environment = {VARIABLE: f" {ORIGINAL}=http://one.example \n http://two.example/=file://{tmp_path}"}
    mirrors = read_mirrors([f"{ORIGINAL}=http://three.example"], environment)
    assert mirrors.of(f"{ORIGINAL}/x") == "http://three.example/x"
    assert mirrors.of("http://two.example/y") == f"{tmp_path.as_uri()}/y"
    assert read_mirrors([], {}) == Mirrors()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("http://vault.example", "FROM=TO"),
        ("http://vault.example=", "FROM=TO"),
        ("vault.example=http://mirror.example", "not the beginning of an address"),
        ("http://=http://mirror.example", "not the beginning of an address"),
        ("http://vault.example=http://", "names no host"),
        ("http://vault.example=ftp://mirror.example", "none of http, https and file"),
        ("http://vault.example=file://host/x", "none of http, https and file"),
        ("http://vault.example=/nowhere/at/all", "is not there"),
    ],
    ids=["no TO", "empty TO", "no scheme", "no host", "TO without host", "ftp", "file of a host", "no folder"],
)
def test_what_is_no_mirror_is_refused_with_the_way_to_write_one(given, said):
    with pytest.raises(InputFailure, match=said):
        read_mirrors([given], {})
    with pytest.raises(InputFailure, match=said):
        read_mirrors([], {VARIABLE: given})


def test_one_address_has_one_mirror():
    with pytest.raises(InputFailure, match="has two mirrors"):
        read_mirrors([f"{ORIGINAL}=http://a.example", f"{ORIGINAL}=http://b.example"], {})


# -- fetching --------------------------------------------------------------------------------------------------------


@pytest.fixture
def staged(tmp_path):
    folder = tmp_path / "staged with a space"
    folder.mkdir()
    (folder / "a file").write_bytes(DATA)
    return folder


def downloader(tmp_path, mirror):
    kept = tmp_path / "kept"
    kept.mkdir()
    return Downloader(
        kept, NoProgress(), mirrors=read_mirrors([f"{ORIGINAL}={mirror}"], {}), pause=lambda _: None, tries=2
    )


def wanted(name="a%20file", data=DATA, size=len(DATA)):
    return Wanted(f"{ORIGINAL}/{name}", Checksum("sha256", hashlib.sha256(data).hexdigest()), size)


def test_a_file_comes_from_a_folder(tmp_path, staged):
    fetching = downloader(tmp_path, staged)
    assert fetching.fetch(wanted()).read_bytes() == DATA
    assert (fetching.fetched_files, fetching.fetched_bytes) == (1, len(DATA))


def test_a_file_comes_from_another_server(tmp_path, staged):
    with Vault(staged) as vault:
        assert downloader(tmp_path, vault.url).fetch(wanted()).read_bytes() == DATA


@pytest.mark.parametrize(
    ("asked", "kind", "said"),
    [
        (wanted("other"), WorkFailure, r"sl/other \(at file:///.*/other\) can not be read: No such file"),
        (wanted("."), WorkFailure, "can not be read: Is a directory"),
        (wanted("../kept/x"), WorkFailure, r"holds no \.\."),
        (wanted("%2e%2e/kept/x"), WorkFailure, r"holds no \.\."),
        (wanted(data=b"x"), InputFailure, r"\(at file:///.*\) is not what it should be"),
        (wanted(size=len(DATA) + 1), InputFailure, "has 900000 bytes, not 900001"),
        (wanted(size=len(DATA) - 1), InputFailure, "is longer than the 899999 bytes"),
    ],
    ids=["missing", "a folder", "climbs", "climbs in disguise", "other bytes", "short", "long"],
)
def test_what_a_folder_has_not_or_has_otherwise(tmp_path, staged, asked, kind, said):
    with pytest.raises(kind, match=said):
        downloader(tmp_path, staged).fetch(asked)


def test_a_server_that_is_not_there_is_named_with_the_original(tmp_path):
    with pytest.raises(WorkFailure, match=r"http://vault.example/sl/a%20file \(at http://127.0.0.1:9/a%20file\)"):
        downloader(tmp_path, "http://127.0.0.1:9").fetch(wanted())
