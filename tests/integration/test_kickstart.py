"""A kickstart file of a release that was frozen, as the command writes it: of a lock, and with the template's files.

The system is made of tiny packages and calls itself an Enterprise Linux. No installer runs.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pykickstart.parser import KickstartParser
from pykickstart.version import makeVersion

from builder.lock import file as lock_file
from tests.integration.spine import Workplace, new_store
from tests.tinyrpm import TinyRpm, Vault, build_repository

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("kickstart")]
RELEASE = "iron-1.0"
RECIPE = """\
release "iron" "1.0" {
  title   = "iron 1.0"
  date    = "2020-03-01"
  license = "MIT"
}

variable "vault" {
  description = "all packages"
}

os {
  family        = "el"
  version       = "5.11"
  architecture  = "x86_64"
  stands_in_for = "an Enterprise Linux; its packages are empty"
  packages      = ["glibc.i686", "glibc.x86_64", "puppet"]

  rpm_repository "os" {
    url      = "${var.vault}/os"
    gpgcheck = false
  }
}

puppet {
  manifest = "puppet/site.pp"
}

package "boss" {
  source "rpm_repository" {
    url      = "${var.vault}/boss"
    gpgcheck = false
    packages = ["boss"]
  }
}

image "vm" {
  disk             = "4GiB"
  packages         = ["grub", "kernel"]
  kernel_arguments = ["quiet"]
}
"""
MANIFEST = "node default {\n  notify { 'configured': }\n}\n"


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("iron")
    system = [TinyRpm("glibc", architecture=name) for name in ("i686", "x86_64")]
    system += [TinyRpm(name, requires=["glibc"]) for name in ("grub", "kernel", "puppet")]
    build_repository(folder / "vault" / "os", system)
    build_repository(folder / "vault" / "boss", [TinyRpm("boss")])
    new_store(folder / "images")
    recipe = folder / "recipes" / RELEASE
    (recipe / "puppet").mkdir(parents=True)
    (recipe / "recipe.hcl").write_text(RECIPE)
    (recipe / "puppet" / "site.pp").write_text(MANIFEST)
    with Vault(folder / "vault") as vault:
        work = Workplace(folder, {"vault": vault.url})
        ran = work.run("freeze", RELEASE)
    assert ran.code == 0, ran.err
    return work


def test_the_command_writes_what_the_installer_of_that_version_reads(frozen: Workplace, tmp_path: Path) -> None:
    target = tmp_path / "ks.cfg"
    ran = frozen.run("render", RELEASE, "--format", "kickstart", "--url", "http://host.example/inputs", str(target))
    assert ran.code == 0, ran.err
    assert "http://host.example/inputs" in ran.err
    text = target.read_text()
    handler = makeVersion("RHEL5")
    KickstartParser(handler).readKickstartFromString(text)
    lock = lock_file.read(frozen.lock(RELEASE))
    assert lock is not None
    assert handler.packages.packageList == sorted(f"{p.name}.{p.architecture}" for p in lock.packages())
    assert {"glibc.i686", "glibc.x86_64", "kernel.noarch"} <= set(handler.packages.packageList)
    (script,) = handler.scripts
    assert MANIFEST in script.script
    assert "puppet apply" in script.script
    shown = frozen.run("render", RELEASE, "--format", "kickstart", "--url", "http://host.example/inputs", "-")
    assert (shown.code, shown.out) == (0, text)


def test_the_frozen_repository_can_be_read_by_the_installer_of_that_version(frozen: Workplace) -> None:
    """The yum of Enterprise Linux 5 knows no checksum but sha1, which createrepo of its time called sha."""
    lock = lock_file.read(frozen.lock(RELEASE))
    assert lock is not None
    repomd = frozen.store.read(lock.frozen_repository["repomd.xml"].digest).decode()
    assert 'type="sha"' in repomd
    assert 'type="sha256"' not in repomd


def test_an_address_goes_with_a_kickstart_file_alone(frozen: Workplace, tmp_path: Path) -> None:
    ran = frozen.run("render", RELEASE, "--url", "http://host.example/inputs", str(tmp_path / "context"))
    assert ran.code == 2
    assert "--url goes with --format kickstart" in ran.err
