"""Freezing from what old vaults and other places have: SHA-1 metadata, mirrors, modules, 32 bit, git, CernVM-FS.

dnf, rpm, gpg, git and the builder image are real. Tiny RPMs stand in for an operating system, and a folder with the
extended attributes of a mount for CernVM-FS.
"""

import hashlib
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest

from builder.core.digest import Digest
from builder.lock import file as lock_file
from builder.render.context import write_inputs
from builder.render.plan import plan
from builder.store.verify import verify
from example.upstream.programs import run
from tests.integration.spine import Workplace, new_store
from tests.tinyrpm import Key, TinyRpm, Vault, build_repository
from tests.unit.freeze.repositories_of_git import commit, git, make_repository

pytestmark = pytest.mark.integration
RELEASE = "tiny-1.0"
VAULT = "http://vault.example"
"""Nobody answers there: everything comes through mirrors."""
CVMFS = "bes3.ihep.ac.cn"
ROOT_HASH = "0123456789abcdef0123456789abcdef01234567"
RECIPE = """
release "tiny" "1.0" {
  title   = "Tiny 1.0"
  date    = "2020-03-01"
  license = "MIT"
}

os {
  family       = "tiny"
  version      = "1"
  architecture = "x86_64"
  packages     = ["shell", "glibc", "glibc.i686", "perl"]

  rpm_repository "os" {
    mirrorlist = "http://vault.example/list?repo=os"
    gpg_keys   = ["keys/old", "keys/new"]
  }
}

external_library "lib" {
  version    = "1"
  install_to = "/opt/lib"

  source "git" {
    url    = "http://vault.example/lib.git"
    commit = "COMMIT"
    path   = "src"
  }
}

external_library "ext" {
  version = "65"

  source "cvmfs" {
    repository = "bes3.ihep.ac.cn"
    path       = "/cvmfs/bes3.ihep.ac.cn/ext/65"
    tag        = "frozen-2019"
  }
}

package "boss" {
  install_to = "/opt/boss"

  source "tarball" {
    url    = "http://vault.example/boss.tar"
    sha256 = "DIGEST"
  }
}
"""
MODULE = """---
document: modulemd
version: 2
data:
  name: perl
  stream: "%s"
  version: 1
  context: "00000000"
  arch: x86_64
  summary: Perl
  description: Perl
  license:
    module: [MIT]
  dependencies:
  - requires:
      platform: [el8]
  artifacts:
    rpms:
    - perl-0:%s-1.x86_64
"""
DEFAULT = """---
document: modulemd-defaults
version: 1
data:
  module: perl
  stream: "5.26"
"""


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("keys")
    return {name: Key.make(folder / name, name.title()) for name in ("old", "new")}


@pytest.fixture(scope="module")
def upstream(tmp_path_factory, keys) -> Path:
    """A vault as of EL5 and EL8 at once: SHA-1 metadata, two keys, two architectures, modules."""
    top = tmp_path_factory.mktemp("upstream")
    old = [
        TinyRpm("shell", requires=["glibc"], files={"/usr/bin/tinysh": "#!shell\n"}),
        TinyRpm("glibc", architecture="x86_64", files={"/lib64/libc": "64"}),
        TinyRpm("glibc", architecture="i686", files={"/lib/libc": "32"}),
    ]
    new = [TinyRpm("perl", version=version, architecture="x86_64") for version in ("5.26", "5.30")]
    build_repository(top / "os", old, key=keys["old"])
    build_repository(top / "new", new, key=keys["new"])
    for rpm in (top / "new" / "Packages").iterdir():
        rpm.rename(top / "os" / "Packages" / rpm.name)
    shutil.rmtree(top / "new")
    shutil.rmtree(top / "os" / "repodata")
    old_kind = ["--quiet", "--checksum=sha", "--no-database", "--general-compress-type=gz"]
    run(["createrepo_c", *old_kind, top / "os"], time_limit=60)
    modules = top / "modules.yaml"
    modules.write_text("".join(MODULE % (stream, stream) for stream in ("5.26", "5.30")) + DEFAULT)
    run(["modifyrepo_c", "--mdtype=modules", "--checksum=sha", modules, top / "os" / "repodata"], time_limit=60)
    (top / "list").write_text(f"# mirrors\n{VAULT}/gone/\n{VAULT}/page/\n{VAULT}/os/\n")
    (top / "page" / "repodata").mkdir(parents=True)
    (top / "page" / "repodata" / "repomd.xml").write_text("<html>Welcome</html>")
    (top / "boss.tar").write_bytes(b"boss" * 3000)
    commit(make_repository(top / "lib.git"))
    return top


@pytest.fixture(scope="module")
def mounts(tmp_path_factory) -> Path:
    top = tmp_path_factory.mktemp("mounts")
    folder = top / CVMFS / "ext" / "65"
    folder.mkdir(parents=True)
    (folder / "data").write_text("data\n")
    for name, value in {"fqrn": CVMFS, "root_hash": ROOT_HASH, "tag": "frozen-2019", "revision": "7"}.items():
        os.setxattr(top / CVMFS, f"user.{name}", value.encode())
    return top


@pytest.fixture
def work(tmp_path, upstream, keys) -> Workplace:
    new_store(tmp_path / "images")
    recipe = tmp_path / "recipes" / RELEASE
    (recipe / "keys").mkdir(parents=True)
    name = git(upstream / "lib.git", "rev-parse", "HEAD")
    digest = hashlib.sha256((upstream / "boss.tar").read_bytes()).hexdigest()
    (recipe / "recipe.hcl").write_text(RECIPE.replace("COMMIT", name).replace("DIGEST", digest))
    for key in ("old", "new"):
        shutil.copy(keys[key].public, recipe / "keys" / key)
    return Workplace(tmp_path)


def frozen(work: Workplace, *words: str) -> dict:
    ran = work.run("freeze", RELEASE, "--json", *words)
    assert ran.code == 0, ran.err + ran.out
    return json.loads(work.lock(RELEASE).read_text())


def nevras(lock: dict) -> list[str]:
    return lock["os_packages"]


def change(work: Workplace, old: str, new: str) -> None:
    path = work.recipes / RELEASE / "recipe.hcl"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def test_everything_through_a_folder_and_through_a_server_gives_one_lock(work, upstream, mounts, keys, tmp_path):
    lock = frozen(work, "--mirror", f"{VAULT}={upstream}", "--cvmfs", str(mounts))
    assert nevras(lock) == [
        "glibc-0:1.0-1.i686", "glibc-0:1.0-1.x86_64", "perl-0:5.26-1.x86_64", "shell-0:1.0-1.noarch",
    ]  # fmt: skip
    (repository,) = lock["repositories"]
    assert (repository["mirrorlist"], repository["url"]) == (f"{VAULT}/list?repo=os", f"{VAULT}/os/")
    assert any(name.endswith("modules.yaml.gz") for name in repository["metadata"])
    signers = {package["name"]: package["signature"]["key_id"] for package in repository["packages"]}
    assert signers["shell"] == keys["old"].fingerprint.lower()[-16:]
    assert signers["perl"] == keys["new"].fingerprint.lower()[-16:]
    for package in repository["packages"]:
        data = (upstream / "os" / package["location"]).read_bytes()
        assert package["blob"]["digest"] == f"sha256:{hashlib.sha256(data).hexdigest()}"
    tree = git(upstream / "lib.git", "rev-parse", "HEAD:src")
    assert lock["sources"]["external_library.lib"]["git"]["swhid"] == f"swh:1:dir:{tree}"
    assert lock["sources"]["external_library.ext"]["cvmfs"]["root_hash"] == ROOT_HASH
    assert verify(work.store) == ()
    data = work.lock(RELEASE).read_bytes()
    assert str(upstream).encode() not in data

    planned = plan(lock_file.read(work.lock(RELEASE)), Digest.of(b"tools"))
    held = {}
    for stage in (stage for stage in planned.stages if stage.name.startswith("library-")):
        write_inputs(stage, work.store, tmp_path / "context")
        with tarfile.open(tmp_path / "context" / stage.name / "tree.tar") as tar:
            held[stage.instructions.splitlines()[-1]] = [member.name for member in tar]
    assert held == {
        "ADD library-lib/tree.tar /opt/lib/": ["main.cc", "run.sh"],
        "ADD library-ext/tree.tar /": ["cvmfs", f"cvmfs/{CVMFS}", f"cvmfs/{CVMFS}/ext", *(
            f"cvmfs/{CVMFS}/ext/65{name}" for name in ("", "/data")
        )],
    }  # fmt: skip

    again = work.run("freeze", RELEASE, "--json")
    assert (again.code, again.json["fetched_files"], again.json["lock_changed"]) == (0, 0, False)

    work.lock(RELEASE).unlink()
    new_store(tmp_path / "other")
    bare = tmp_path / "served"
    shutil.copytree(upstream, bare, ignore=shutil.ignore_patterns("lib.git"), copy_function=shutil.copy2)
    git(upstream / "lib.git", "clone", "--quiet", "--bare", ".", str(bare / "lib.git"))
    git(bare / "lib.git", "update-server-info")
    with Vault(bare) as vault:
        words = ("--mirror", f"{VAULT}={vault.url}", "--cvmfs", str(mounts))
        frozen(work, "--store", str(tmp_path / "other"), *words)
        assert work.lock(RELEASE).read_bytes() == data
        asked = work.run("rebuild", RELEASE, "--only-upstream", "--json", *words)
        assert asked.code == 0, asked.out + asked.err
        shutil.rmtree(bare / "lib.git")
        (bare / "boss.tar").write_bytes(b"other")
        asked = work.run("rebuild", RELEASE, "--only-upstream", *words)
    assert asked.code == 1
    assert f"{VAULT}/lib.git (at {vault.url}/lib.git): fatal: repository" in asked.out
    assert f"{VAULT}/boss.tar gives other bytes" in asked.out


def test_another_module_stream_and_one_that_is_not_there(work, upstream, mounts):
    words = ("--mirror", f"{VAULT}={upstream}", "--cvmfs", str(mounts))
    change(work, "keys/new", 'keys/new"]\n    modules = ["perl:5.30')
    change(work, '"glibc", "glibc.i686"', '"glibc"')
    lock = frozen(work, *words)
    assert nevras(lock) == ["glibc-0:1.0-1.x86_64", "perl-0:5.30-1.x86_64", "shell-0:1.0-1.noarch"]
    change(work, "perl:5.30", "perl:5.32")
    ran = work.run("freeze", RELEASE, *words)
    assert ran.code == 2
    assert "the module stream 'perl:5.32' can not be enabled: no repository has it" in ran.err


def test_packages_of_an_architecture_that_is_left_out_are_not_there(work, upstream, mounts):
    change(work, "keys/new", 'keys/new"]\n    architectures = ["x86_64')
    ran = work.run("freeze", RELEASE, "--mirror", f"{VAULT}={upstream}", "--cvmfs", str(mounts))
    assert ran.code == 2
    assert "no repository of the OS has the package 'glibc.i686'" in ran.err


def test_what_a_mirror_lacks_is_not_asked_of_the_original(work, upstream, mounts, tmp_path):
    staged = Path(shutil.copytree(upstream, tmp_path / "staged", symlinks=True))
    (staged / "boss.tar").unlink()
    (package,) = (staged / "os" / "Packages").glob("shell-*.rpm")
    package.write_bytes(package.read_bytes()[:-1] + b"\0")
    environment = {**work.environment(), "BOSS_BUILDER_MIRRORS": f"{VAULT}={staged}", "BOSS_BUILDER_CVMFS": str(mounts)}
    ran = work.run("freeze", RELEASE, environment=environment)
    assert ran.code == 2
    assert f"shell-1.0-1.noarch.rpm (at {staged.as_uri()}" in ran.err
    assert "is not what it should be: sha1 is" in ran.err
    package.write_bytes((upstream / "os" / "Packages" / package.name).read_bytes())
    ran = work.run("freeze", RELEASE, environment=environment)
    assert ran.code == 4
    assert f"{VAULT}/boss.tar (at {(staged / 'boss.tar').as_uri()}) can not be read: No such file" in ran.err
    assert not work.lock(RELEASE).exists()
