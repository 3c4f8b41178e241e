"""A system whose own rpm reads Berkeley DB, as that of Enterprise Linux 5 to 7 does, made by an rpm that writes sqlite.

The system is tinyel, which is made of Debian binaries, with rpm 4.16 of Debian 11: no package of an Enterprise Linux.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from builder.build.os_stage import write_repository
from builder.core.progress import PlainProgress
from builder.engine.archive import read_layer
from builder.engine.engine import Engine, Folder
from builder.export.inputs import make_os_script, os_packages
from builder.inside.berkeley import canonical_database
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.store.store import Store
from builder.toolbox.toolbox import open_toolbox
from tests.integration.old_rpm import build_old_rpm
from tests.integration.spine import Ran, Workplace, builder_store, example_upstream, new_store
from tests.tinyrpm import TinyRpm, Vault, build_repository, build_rpm, refresh_metadata

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("old-systems")]
RELEASE = "old-1.0"
OS_DATE, RELEASE_DATE = 1577836800, 1583020800
OF_DOCKER = ("/etc/hostname", "/etc/hosts", "/etc/resolv.conf")
TWIN = {"/usr/share/twin": "one file of two packages\n"}
RECIPE = """\
release "old" "1.0" {
  title   = "old 1.0"
  date    = "2020-03-01"
  license = "MIT"
}

variable "upstream" {
  description = "the example upstream"
}

variable "vault" {
  description = "an old rpm, and the packages of BOSS"
}

os {
  family        = "el"
  version       = "5.11"
  architecture  = "x86_64"
  date          = "2020-01-01"
  stands_in_for = "an Enterprise Linux; it is made of Debian binaries"
  packages = [
    "bash", "coreutils", "filesystem", "findutils", "grep", "libc-bin", "old-rpm", "sed", "setup", "twin.i686",
    "twin.x86_64",
  ]

  rpm_repository "os" {
    url      = "${var.upstream}/tinyel/1/x86_64/os/"
    gpg_keys = ["${var.upstream}/tinyel/1/x86_64/os/RPM-GPG-KEY-tinyel"]
  }

  rpm_repository "old" {
    url      = "${var.vault}/old"
    gpgcheck = false
  }
}

package "boss" {
  source "rpm_repository" {
    url      = "${var.vault}/boss"
    gpgcheck = false
    packages = ["old-boss"]
  }
  stands_in_for = "BOSS; it is a shell script"
}
"""


def must(ran: Ran) -> Ran:
    assert ran.code == 0, ran.err + ran.out
    return ran


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("old")
    shelf = folder / "vault" / "old" / "Packages"
    build_old_rpm(shelf)
    for architecture in ("i686", "x86_64"):
        build_rpm(shelf, TinyRpm("twin", architecture=architecture, files=TWIN))
    refresh_metadata(shelf.parent)
    boss = TinyRpm("old-boss", files={"/opt/boss/bin/boss.exe": "#!/bin/sh\necho 'BOSS version: 1.0'\n"})
    build_repository(folder / "vault" / "boss", [boss])
    new_store(folder / "images")
    recipe = folder / "recipes" / RELEASE / "recipe.hcl"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(RECIPE)
    with example_upstream() as upstream, Vault(folder / "vault") as vault:
        work = Workplace(folder, {"upstream": upstream, "vault": vault.url})
        must(work.run("freeze", RELEASE))
    must(work.run("build", RELEASE))
    return work


def inside(work: Workplace, script: str) -> list[str]:
    """Run a script in the image, with its own programs; give the lines that it prints."""
    return must(work.run("run", RELEASE, "--", "sh", "-c", script)).out.splitlines()


def lock_of(work: Workplace) -> Lock:
    lock = lock_file.read(work.lock(RELEASE))
    assert lock is not None
    return lock


def test_the_database_is_the_one_that_the_systems_own_rpm_reads(old: Workplace) -> None:
    said = inside(old, "rpm --version; rpm --eval '%{_db_backend}'; ls -A /var/lib/rpm")
    assert said[:2] == ["RPM version 4.16.1.2", "bdb"]
    assert "Packages" in said
    assert [name for name in said if name.startswith(("rpmdb.sqlite", "__db", "."))] == []


def test_the_systems_own_rpm_knows_what_the_lock_names_in_both_architectures(old: Workplace) -> None:
    lock = lock_of(old)
    listed = inside(old, "rpm -qa --qf '%{name}-%{epochnum}:%{version}-%{release}.%{arch}\\n'")
    assert sorted(listed) == sorted((*lock.os_packages, *lock.boss_packages))
    assert {"twin-0:1.0-1.i686", "twin-0:1.0-1.x86_64"} <= set(listed)


def test_the_systems_own_rpm_finds_nothing_changed(old: Workplace) -> None:
    # Docker puts files of its own over these three while a container runs
    assert [line for line in inside(old, "rpm -Va || true") if line.split()[-1] not in OF_DOCKER] == []


def test_the_systems_own_rpm_can_make_its_database_anew(old: Workplace) -> None:
    # of a copy: it renames the folder, which a file system of layers does not let it do with one of a lower layer
    script = "cp -a /var/lib/rpm /tmp/rpm && rpm --dbpath /tmp/rpm --rebuilddb && rpm --dbpath /tmp/rpm -qa"
    assert sorted(inside(old, script)) == sorted(inside(old, "rpm -qa"))


def test_packages_bear_the_dates_of_what_they_belong_to(old: Workplace) -> None:
    said = inside(old, "rpm -q --qf '%{installtime} %{installtid}\\n' bash old-boss")
    assert said == [f"{OS_DATE} {OS_DATE}", f"{RELEASE_DATE} {RELEASE_DATE}"]


def test_the_same_lock_gives_the_same_image_again(old: Workplace, tmp_path: Path) -> None:
    again = old.copy(tmp_path, without="stage/")
    again.store.remove_reference(RELEASE)
    must(again.run("build", RELEASE))
    found, first = again.store.find(RELEASE), old.store.find(RELEASE)
    assert found is not None
    assert first is not None
    assert found.digest == first.digest


def test_the_exported_script_makes_the_same_system_by_hand(old: Workplace, engine: Engine, tmp_path: Path) -> None:
    """All but what a Berkeley DB has beside its entries, which the script says it can not make the same."""
    inputs, work = tmp_path / "inputs", tmp_path / "work"
    for folder in (inputs, work):
        folder.mkdir()
    write_repository(lock_of(old), old.store, inputs / "repository")
    (inputs / "os-packages.txt").write_text(os_packages(lock_of(old)))
    (inputs / "make-os.sh").write_text(make_os_script(lock_of(old)))
    done = engine.run(
        open_toolbox(Store(builder_store()), engine, PlainProgress()).image_id,
        ["sh", "/inputs/make-os.sh", "/inputs", "/job/os.tar"],
        folders=[Folder(inputs, "/inputs"), Folder(work, "/job", writable=True)],
        time_limit=600,
    )
    assert done.exit_code == 0, done.tail
    found = old.store.find(RELEASE)
    assert found is not None
    with (tmp_path / "os-layer.tar").open("wb") as sink:
        sink.writelines(read_layer(old.store, old.store.manifest(found).layers[0]))
    by_hand, ours = contents(work / "os.tar"), contents(tmp_path / "os-layer.tar")
    assert by_hand.keys() == ours.keys()
    assert {name for name in ours if by_hand[name] != ours[name]} == set()


def contents(path: Path) -> dict[str, tuple[int, bytes]]:
    """Mode and content of every file of a tar; of a Berkeley DB, its canonical form."""
    found = {}
    with tarfile.open(path) as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isfile() else None
            data = b"" if stream is None else stream.read()
            if "var/lib/rpm/" in member.name:
                data = canonical_database(member.name.rpartition("/")[2].encode(), data)
            found[member.name.removeprefix("./").rstrip("/")] = (member.mode & 0o7777, data)
    found.pop(".", None)
    found.pop("", None)
    return found
