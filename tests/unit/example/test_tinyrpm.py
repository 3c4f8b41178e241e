"""The helper that other tests stand on: its RPMs are real, its signatures hold, and its faults are what they say."""

from __future__ import annotations

import http.client
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tinyrpm import (
    IgnoresRange,
    Key,
    NotFound,
    OtherBytes,
    Request,
    ServerError,
    Slow,
    StopsAfter,
    TinyRpm,
    Vault,
    WrongLength,
    build_repository,
    build_rpm,
    tamper,
)

HELLO = TinyRpm(
    "hello",
    version="2.1",
    requires=("world >= 1",),
    provides=("greeting = 2",),
    files={"/usr/bin/hello": "#!/bin/sh\necho hello\n", "/usr/share/hello/text": "hello\n"},
)
TEXT = bytes(range(256)) * 40


def rpm(*words: str | Path) -> str:
    line: list[str | Path] = ["rpm", *words]
    return subprocess.run(line, capture_output=True, text=True, check=True, timeout=60).stdout


def checked(package: Path, key: Key, folder: Path) -> str:
    """What rpm says of digests and signatures when it knows `key` alone."""
    database = folder / "rpmdb"
    subprocess.run(["rpm", "--dbpath", database, "--import", key.public], check=True, timeout=60)
    words: list[str | Path] = ["rpm", "--dbpath", database, "--checksig", "-v", package]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stdout


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Key:
    return Key.make(tmp_path_factory.mktemp("key"), "Test Vault")


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    (tmp_path / "file").write_bytes(TEXT)
    with Vault(tmp_path) as serving:
        yield serving


def get(url: str, **headers: str) -> tuple[int, bytes]:
    asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - the loopback vault
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:  # noqa: S310 - the loopback vault
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_an_rpm_says_what_its_description_says(tmp_path: Path) -> None:
    package = build_rpm(tmp_path, HELLO)
    assert package.name == HELLO.file_name == "hello-2.1-1.noarch.rpm"
    assert "world >= 1" in rpm("-qp", "--requires", package)
    assert "greeting = 2" in rpm("-qp", "--provides", package)
    assert rpm("-qp", "--queryformat", "[%{FILENAMES} %{FILEMODES:octal}\\n]", package).splitlines() == [
        "/usr/bin/hello 100755",
        "/usr/share/hello/text 100644",
    ]


def test_the_same_description_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (build_rpm(tmp_path / name, HELLO).read_bytes() for name in ("first", "second"))
    assert first == second


def test_a_signed_package_passes_with_its_key_and_with_no_other(tmp_path: Path, key: Key) -> None:
    repository = build_repository(tmp_path / "repository", [HELLO], key=key)
    package = repository / "Packages" / HELLO.file_name
    assert "Signature, key ID " + key.fingerprint[-8:].lower() + ": OK" in checked(package, key, tmp_path)
    other = Key.make(tmp_path / "other", "Other")
    assert "NOKEY" in checked(package, other, tmp_path / "other")


def test_a_tampered_package_fails(tmp_path: Path, key: Key) -> None:
    package = build_repository(tmp_path / "repository", [HELLO], key=key) / "Packages" / HELLO.file_name
    size = package.stat().st_size
    tamper(package)
    assert package.stat().st_size == size
    assert "BAD" in checked(package, key, tmp_path)


def test_metadata_lists_the_packages_and_is_signed(tmp_path: Path, key: Key) -> None:
    repository = build_repository(tmp_path / "repository", [HELLO, TinyRpm("world")], key=key)
    assert (repository / "RPM-GPG-KEY").read_bytes() == key.public.read_bytes()
    home = tmp_path / "gpg"
    home.mkdir(mode=0o700)
    shutil.copyfile(repository / "RPM-GPG-KEY", home / "key.asc")
    ring = home / "key.gpg"
    subprocess.run(["gpg", "--homedir", home, "--dearmor", "-o", ring, home / "key.asc"], check=True, timeout=60)
    repomd = repository / "repodata" / "repomd.xml"
    words: list[str | Path] = ["gpgv", "--homedir", home, "--keyring", ring, f"{repomd}.asc", repomd]
    assert subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0


def test_the_same_packages_give_the_same_metadata(tmp_path: Path) -> None:
    first, second = (build_repository(tmp_path / name, [HELLO]) / "repodata/repomd.xml" for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()


def test_without_a_key_nothing_is_signed(tmp_path: Path) -> None:
    repository = build_repository(tmp_path / "repository", [HELLO])
    assert not (repository / "repodata" / "repomd.xml.asc").exists()
    assert rpm("-qp", "--queryformat", "%{RSAHEADER:pgpsig}", repository / "Packages" / HELLO.file_name) == "(none)"


def test_a_key_expires_when_it_was_told_to(tmp_path: Path, key: Key) -> None:
    short = Key.make(tmp_path / "short", "Short", expires="seconds=1")
    short.wait_until_expired()
    assert short.signing.has_expired()
    assert not key.signing.has_expired()


def test_waiting_for_a_key_that_does_not_expire_ends(key: Key) -> None:
    with pytest.raises(TimeoutError, match=key.fingerprint):
        key.wait_until_expired(seconds=0)


def test_an_honest_vault_serves_and_takes_notes(vault: Vault) -> None:
    assert get(f"{vault.url}/file") == (200, TEXT)
    assert get(f"{vault.url}/file", Range="bytes=10-19") == (206, TEXT[10:20])
    assert get(f"{vault.url}/missing")[0] == 404
    assert vault.requests == [
        Request("GET", "/file", ""),
        Request("GET", "/file", "bytes=10-19"),
        Request("GET", "/missing", ""),
    ]
    assert vault.asked("/file") == 2
    vault.forget()
    assert vault.requests == []


def test_a_file_can_be_made_missing_and_comes_back(vault: Vault) -> None:
    vault.misbehave("/file", NotFound())
    assert get(f"{vault.url}/file")[0] == 404
    vault.behave("/file")
    assert get(f"{vault.url}/file") == (200, TEXT)


def test_a_server_error_passes_after_its_number_of_times(vault: Vault) -> None:
    vault.misbehave("/file", ServerError(times=2))
    assert [get(f"{vault.url}/file")[0] for _ in range(3)] == [500, 500, 200]


def test_a_transfer_stops_in_the_middle_and_can_be_resumed(vault: Vault) -> None:
    vault.misbehave("/file", StopsAfter(1000, times=1))
    with pytest.raises(http.client.IncompleteRead) as stopped:
        get(f"{vault.url}/file")
    assert stopped.value.partial == TEXT[:1000]
    assert get(f"{vault.url}/file", Range="bytes=1000-") == (206, TEXT[1000:])


def test_a_transfer_that_always_stops_never_ends_well(vault: Vault) -> None:
    vault.misbehave("/file", StopsAfter(10))
    for _ in range(3):
        with pytest.raises(http.client.IncompleteRead):
            get(f"{vault.url}/file")


def test_other_bytes_come_with_their_own_length(vault: Vault) -> None:
    vault.misbehave("/file", OtherBytes(b"something else"))
    assert get(f"{vault.url}/file") == (200, b"something else")


def test_a_length_that_is_too_great_leaves_the_reader_short(vault: Vault) -> None:
    vault.misbehave("/file", WrongLength(len(TEXT) + 5))
    with pytest.raises(http.client.IncompleteRead) as short:
        get(f"{vault.url}/file")
    assert short.value.partial == TEXT


def test_a_length_that_is_too_small_cuts_the_file(vault: Vault) -> None:
    vault.misbehave("/file", WrongLength(100))
    assert get(f"{vault.url}/file") == (200, TEXT[:100])


def test_a_range_can_be_ignored(vault: Vault) -> None:
    vault.misbehave("/file", IgnoresRange())
    assert get(f"{vault.url}/file", Range="bytes=10-19") == (200, TEXT)


def test_a_slow_file_comes_whole_in_the_end(vault: Vault) -> None:
    vault.misbehave("/file", Slow(0.01, size=len(TEXT) // 4))
    assert get(f"{vault.url}/file") == (200, TEXT)


def test_a_fault_of_one_path_leaves_the_others_alone(vault: Vault, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    vault.misbehave("/file", NotFound())
    assert get(f"{vault.url}/other") == (200, b"other")
