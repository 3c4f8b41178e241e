"""A Debian package made on the spot becomes an RPM with the same files, in the places of a merged /usr."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from example.upstream.apt import assumed_status, configuration
from example.upstream.convert import convert, repair_of
from example.upstream.deb import read_control
from example.upstream.native import SOURCES, build_filesystem, build_setup
from example.upstream.packages import DIRECTORIES, LINKS
from example.upstream.programs import UpstreamError

CONTROL = """\
Package: odd
Version: 1:2.0~rc1-3
Architecture: amd64
Maintainer: nobody <nobody@example.invalid>
Pre-Depends: libc6 (>= 2.34)
Depends: dpkg, kmod | udev (>> 1)
Provides: strange (= 2)
Description: 50% odd
 A package with everything that is awkward.
"""


def query(rpm: Path, text: str) -> list[str]:
    words: list[str | Path] = ["rpm", "-qp", "--queryformat", text, rpm]
    return subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout.splitlines()


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("deb") / "odd"
    texts = {
        "bin/odd": "#!/bin/sh\n",
        "usr/bin/[": "#!/bin/sh\n",
        "usr/share/odd/a b%c": "text\n",
        "usr/share/odd/.hidden.": "text\n",
        "usr/share/doc/odd/copyright": "licence\n",
        "usr/share/doc/odd/changelog": "dropped\n",
        "etc/odd.conf": "configuration\n",
        "DEBIAN/control": CONTROL,
        "DEBIAN/conffiles": "/etc/odd.conf\n",
    }
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "bin/odd").chmod(0o4755)
    (root / "usr/bin/odd").symlink_to("/bin/odd")
    os.link(root / "usr/share/odd/a b%c", root / "usr/share/odd/again")
    file = root.parent / "odd.deb"
    words: list[str | Path] = ["dpkg-deb", "--root-owner-group", "--build", root, file]
    subprocess.run(words, capture_output=True, check=True, timeout=60)
    return file


@pytest.fixture(scope="module")
def rpm(deb: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rpm")
    return convert(deb, folder / "out", folder)


def test_files_keep_modes_and_move_below_usr(rpm: Path) -> None:
    files = dict(line.rsplit(" ", 1) for line in query(rpm, "[%{FILENAMES} %{FILEMODES:octal}\\n]"))
    assert files == {
        "/etc/odd.conf": "100644",
        "/usr/bin/[": "100644",
        "/usr/bin/odd": "104755",
        "/usr/share/doc/odd": "40755",
        "/usr/share/doc/odd/copyright": "100644",
        "/usr/share/odd": "40755",
        "/usr/share/odd/.hidden.": "100644",
        "/usr/share/odd/a b%c": "100644",
        "/usr/share/odd/again": "100644",
    }


def test_a_conffile_is_kept_when_it_was_changed(rpm: Path) -> None:
    words: list[str | Path] = ["rpm", "-qp", "--configfiles", rpm]
    assert subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout == "/etc/odd.conf\n"


def test_hard_links_stay_links(rpm: Path) -> None:
    inodes = dict(line.rsplit(" ", 1) for line in query(rpm, "[%{FILENAMES} %{FILEINODES}\\n]"))
    assert inodes["/usr/share/odd/again"] == inodes["/usr/share/odd/a b%c"] != inodes["/etc/odd.conf"]


def test_relations_and_old_names_are_carried_over(rpm: Path) -> None:
    assert query(rpm, "%{NEVRA}") == ["odd-1:2.0~rc1-3.x86_64"]
    required = query(rpm, "[%{REQUIRENEVRS}\\n]")
    assert {"filesystem", "setup", "libc6 >= 2.34", "(kmod or udev >= 1)"} <= set(required)
    assert not [name for name in required if name.startswith("dpkg")]
    assert {"/bin/odd", "strange = 2"} <= set(query(rpm, "[%{PROVIDENEVRS}\\n]"))


def test_the_same_package_gives_the_same_rpm(deb: Path, rpm: Path, tmp_path: Path) -> None:
    assert convert(deb, tmp_path / "out", tmp_path).read_bytes() == rpm.read_bytes()


def test_what_is_no_debian_package_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "broken.deb"
    file.write_bytes(b"!<arch>\nnonsense")
    with pytest.raises(UpstreamError, match=r"broken\.deb is not a Debian package"):
        read_control(file)


def test_a_kernel_lists_its_modules_when_it_is_installed() -> None:
    repair = repair_of("linux-image-6.1.0-56-cloud-amd64")
    assert "depmod 6.1.0-56-cloud-amd64" in repair.scripts
    assert repair_of("linux-image-cloud-amd64").scripts == ""


def test_filesystem_holds_the_directories_and_the_links(tmp_path: Path) -> None:
    made = build_filesystem(tmp_path / "out", tmp_path)
    paths = dict(line.rsplit(" ", 1) for line in query(made, "[%{FILENAMES} %{FILEMODES:octal}\\n]"))
    assert set(paths) == set(DIRECTORIES) | set(LINKS)
    assert paths["/tmp"] == "41777"
    assert paths["/root"] == "40700"
    assert paths["/bin"].startswith("120")


def test_setup_holds_all_of_its_files_and_hides_the_passwords(tmp_path: Path) -> None:
    made = build_setup(tmp_path / "out", tmp_path)
    paths = dict(line.rsplit(" ", 1) for line in query(made, "[%{FILENAMES} %{FILEMODES:octal}\\n]"))
    sources = SOURCES / "setup"
    assert {f"/{path.relative_to(sources)}" for path in sources.rglob("*") if path.is_file()} <= set(paths)
    assert paths["/etc/shadow"] == paths["/etc/gshadow"] == "100600"


def test_every_account_has_a_group_and_a_locked_password() -> None:
    etc = SOURCES / "setup" / "etc"
    accounts = [line.split(":") for line in (etc / "passwd").read_text().splitlines()]
    groups = {line.split(":")[2] for line in (etc / "group").read_text().splitlines()}
    shadow = {line.split(":")[0]: line.split(":")[1] for line in (etc / "shadow").read_text().splitlines()}
    assert {account[3] for account in accounts} <= groups
    assert shadow == {account[0]: "*" for account in accounts}


def test_apt_keeps_to_its_folder_and_runs_none_of_the_host_s_hooks(tmp_path: Path) -> None:
    config = tmp_path / "apt.conf"
    config.write_text(configuration(tmp_path))
    words: list[str | Path] = ["apt-config", "-c", config, "dump"]
    dumped = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    lines = [line.rstrip(";").split(" ", 1) for line in dumped.splitlines()]
    settings = {name: value.strip('"') for name, value in lines}
    own = ("Dir::State", "Dir::State::lists", "Dir::State::status", "Dir::Cache", "Dir::Cache::archives", "Dir::Log")
    assert all(settings[name].startswith(str(tmp_path)) for name in own)
    assert [value for name, value in lines if ("-Invoke" in name or "Pre-Install" in name) and value != '""'] == []


def test_assumed_packages_count_as_installed() -> None:
    stanzas = assumed_status({"b", "a"}).split("\n\n")
    assert [stanza.splitlines()[:2] for stanza in stanzas] == [
        ["Package: a", "Status: install ok installed"],
        ["Package: b", "Status: install ok installed"],
    ]
