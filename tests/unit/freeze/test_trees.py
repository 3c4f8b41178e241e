"""Commits of git and folders of CernVM-FS: what the archive holds, what the lock says, and what is refused.

git is real; folders with the extended attributes of a mount stand in for CernVM-FS, which no test can mount.
"""

import os
import shutil
import tarfile

import pytest

from builder.core.errors import Failure, HostFailure, InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.freeze.mirrors import read_mirrors
from builder.freeze.staging import Staging
from builder.freeze.trees import Places, freeze_trees
from builder.lock.model import LOCK_VERSION, Lock
from builder.recipe.load import load
from builder.store.store import Store
from tests.tinyrpm import Vault
from tests.unit.freeze.repositories_of_git import commit, git, make_repository

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
  packages     = ["shell"]

  rpm_repository "os" {
    url = "http://vault.example/os/"
  }
}

external_library "lib" {
  version = "1"
  %s
  source "%s" {
    %s
  }
}

package "boss" {
  install_to = "/opt/boss"

  source "directory" {
    path = "boss"
  }
}
"""
URL = "https://git.example/group/lib.git"
KEY = "external_library.lib"
DATE = 1583020800
"""2020-03-01, in seconds."""
CVMFS = "bes3.ihep.ac.cn"
ROOT_HASH = "0123456789abcdef0123456789abcdef01234567"
NESTED = "fedcba9876543210fedcba9876543210fedcba98"


class Freezing:
    """A recipe with one such source, and a store."""

    def __init__(self, folder):
        self.folder = folder
        self.store = Store(folder / "images")
        self.places = Places()

    def asks_for(self, kind, **attributes):
        """Write the recipe anew."""
        place = self.folder / "recipes" / "tiny-1.0"
        (place / "boss").mkdir(parents=True, exist_ok=True)
        said = "\n".join(f'{name} = "{value}"' for name, value in attributes.items())
        where = "" if kind == "cvmfs" else 'install_to = "/opt/lib"'
        (place / "recipe.hcl").write_text(RECIPE % (where, kind, said))
        self.loaded = load(place / "recipe.hcl", {}, {})
        return self

    def freeze(self, before=None, *, update=False):
        """Freeze the source; give what the lock would say of it, and put it into the store."""
        with self.store.workspace("freeze") as workspace:
            staging = Staging(self.store, workspace)
            frozen = freeze_trees(self.loaded, before, staging, self.places, NoProgress(), update=update)
            staging.commit()
        assert list(frozen) == [KEY]
        return frozen[KEY]

    def lock(self, source):
        """Give a lock that has this source."""
        return Lock(
            version=LOCK_VERSION, recipe=self.loaded.recipe, recipe_files={}, builder_image=source.blob,
            repositories=(), os_packages=(), frozen_repository={}, sources={KEY: source},
        )  # fmt: skip

    def refused(self, kind, *said):
        """Freezing fails in this way, and names the source's place in the recipe."""
        with pytest.raises(Failure) as failure:
            self.freeze()
        assert type(failure.value) is kind
        for words in said:
            assert words in str(failure.value)
        line = RECIPE[: RECIPE.index('source "')].count("\n") + 1
        assert {str(one.location).rpartition("recipe.hcl")[2] for one in failure.value.problems} == {f":{line}:3"}

    def held(self, source):
        """Give what the archive of a source holds: of each path the mode and the bytes, or the target of a link."""
        with tarfile.open(self.store.blob_path(source.blob.digest)) as archive:
            members = archive.getmembers()
            assert all((one.uid, one.gid, one.mtime) == (0, 0, DATE) for one in members)
            assert [os.fsencode(one.name) for one in members] == sorted(os.fsencode(one.name) for one in members)
            found = {}
            for one in members:
                content = archive.extractfile(one).read() if one.isreg() else one.linkname.encode()
                found[os.fsencode(one.name)] = (one.mode, content)
            return found


@pytest.fixture
def freezing(tmp_path):
    return Freezing(tmp_path)


# -- git -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path, freezing):
    made = make_repository(tmp_path / "served" / "group" / "lib.git")
    freezing.places = Places(read_mirrors([f"https://git.example={tmp_path / 'served'}"], {}))
    return made


def test_the_files_of_a_commit_are_taken_as_git_keeps_them(repository, freezing):
    name = commit(repository)
    source = freezing.asks_for("git", url=URL, commit=name).freeze()
    tree = git(repository, "rev-parse", f"{name}^{{tree}}")
    assert (source.source, source.kind) == (f"git+{URL}@{name}", "git")
    assert (source.git.url, source.git.commit, source.git.tree) == (URL, name, tree)
    assert source.git.swhid == f"swh:1:dir:{tree}"
    held = freezing.held(source)
    assert held[b"src/main.cc"] == (0o644, b"int main() {}\n")
    assert held[b"src/run.sh"] == (0o755, b"#!/bin/sh\n")
    assert held[b"src"][0] == 0o755
    assert held[b"link"] == (0o777, b"src/main.cc")
    assert held[b"REVISION"] == (0o644, b"$Format:%H$\n")
    assert {b"src.txt", b"empty", b"caf\xe9 \n name"} < held.keys()
    assert not any(path.startswith(b".git/") for path in held)


def test_a_folder_of_a_commit_alone(repository, freezing):
    name = commit(repository)
    source = freezing.asks_for("git", url=URL, commit=name, path="src").freeze()
    tree = git(repository, "rev-parse", f"{name}:src")
    assert source.source == f"git+{URL}@{name}#subdirectory=src"
    assert (source.git.path, source.git.tree, source.git.swhid) == ("src", tree, f"swh:1:dir:{tree}")
    assert freezing.held(source).keys() == {b"main.cc", b"run.sh"}


def test_a_commit_that_is_no_branchs_last_one_and_the_same_again_from_another_store(repository, freezing, tmp_path):
    name = commit(repository)
    (repository / "src" / "main.cc").write_text("later")
    git(repository, "commit", "--quiet", "--all", "--message=Two")
    freezing.asks_for("git", url=URL, commit=name)
    first = freezing.freeze()
    assert freezing.held(first)[b"src/main.cc"][1] == b"int main() {}\n"
    freezing.store = Store(tmp_path / "other")
    assert freezing.freeze() == first


def test_a_commit_that_the_lock_and_the_store_have_is_not_fetched_again(repository, freezing):
    source = freezing.asks_for("git", url=URL, commit=commit(repository)).freeze()
    before = freezing.lock(source)
    mirrored, freezing.places = freezing.places, Places(read_mirrors(["https://git.example=http://127.0.0.1:9"], {}))
    assert freezing.freeze(before, update=True) == source
    freezing.store.blob_path(source.blob.digest).unlink()
    with pytest.raises(WorkFailure, match="could not be fetched"):
        freezing.freeze(before)
    freezing.places = mirrored
    assert freezing.freeze(before) == source
    assert freezing.store.has(source.blob.digest)
    other = commit(repository, "Two")
    assert freezing.asks_for("git", url=URL, commit=other).freeze(before).git.commit == other


def test_a_repository_with_names_of_sha256_has_an_swhid_of_sha1(tmp_path, freezing, repository):
    made = make_repository(tmp_path / "served" / "group" / "new.git", algorithm="sha256")
    source = freezing.asks_for("git", url="https://git.example/group/new.git", commit=commit(made)).freeze()
    assert len(source.git.tree) == 64
    same = commit(repository)
    assert source.git.swhid == "swh:1:dir:" + git(repository, "rev-parse", f"{same}^{{tree}}")


def test_a_server_of_files_alone_has_it_too(tmp_path, repository, freezing):
    """It gives no single commit, so that all is fetched; the address is http, as it is in a recipe."""
    name = commit(repository)
    commit(repository, "Two")
    git(repository, "clone", "--quiet", "--bare", ".", str(tmp_path / "plain" / "lib.git"))
    git(tmp_path / "plain" / "lib.git", "update-server-info")
    with Vault(tmp_path / "plain") as vault:
        freezing.places = Places()
        source = freezing.asks_for("git", url=f"{vault.url}/lib.git", commit=name).freeze()
    assert source.git.tree == git(repository, "rev-parse", f"{name}^{{tree}}")


def test_what_the_users_git_is_told_does_not_reach_ours(tmp_path, repository, freezing, monkeypatch):
    name = commit(repository)
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text(
        f'[url "{tmp_path}/nowhere/"]\n\tinsteadOf = file:///\n[core]\n\tautocrlf = true\n'
    )
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    monkeypatch.setenv("GIT_ALLOW_PROTOCOL", "none")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.hooksPath")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", str(home))
    assert freezing.asks_for("git", url=URL, commit=name).freeze().git.commit == name


def test_hooks_and_filters_of_the_repository_never_run(tmp_path, repository, freezing):
    ran = tmp_path / "ran"
    (repository / ".gitattributes").write_text("* filter=evil\n")
    git(repository, "add", ".gitattributes")
    name = commit(repository)
    git(repository, "config", "filter.evil.smudge", f"touch {ran}")
    git(repository, "config", "uploadpack.packObjectsHook", f"touch {ran}; false")
    for hook in ("post-checkout", "reference-transaction", "pre-auto-gc"):
        path = repository / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {ran}\n")
        path.chmod(0o755)
    assert freezing.asks_for("git", url=URL, commit=name).freeze().git.commit == name
    assert not ran.exists()


def test_a_commit_that_is_not_there(repository, freezing):
    commit(repository)
    freezing.asks_for("git", url=URL, commit="0" * 39 + "1")
    freezing.refused(InputFailure, f"{URL} (at file://", "has no commit 000", "--mirror FROM=TO")


def test_the_name_of_a_tree_is_not_that_of_a_commit(repository, freezing):
    commit(repository)
    freezing.asks_for("git", url=URL, commit=git(repository, "rev-parse", "HEAD^{tree}"))
    freezing.refused(InputFailure, "has no commit")


def test_a_repository_that_is_not_there(repository, freezing):
    shutil.rmtree(repository)
    freezing.asks_for("git", url=URL, commit="0" * 40)
    freezing.refused(WorkFailure, "could not be fetched: fatal:", "is it a repository of git")


def test_a_server_without_such_a_repository(tmp_path, freezing):
    (tmp_path / "plain").mkdir()
    with Vault(tmp_path / "plain") as vault:
        freezing.asks_for("git", url=f"{vault.url}/lib.git", commit="0" * 40)
        freezing.refused(WorkFailure, "could not be fetched: fatal: repository", "not found")


@pytest.mark.parametrize("path", ["other", "src/main.cc"], ids=["nothing", "a file"])
def test_a_folder_that_is_not_there(repository, freezing, path):
    freezing.asks_for("git", url=URL, commit=commit(repository), path=path)
    freezing.refused(InputFailure, f"has no folder '{path}'")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"160000 commit %b\tvendor", "vendor is a submodule"),
        (b"100664 blob %b\told", "holds modes that git has not written for many years"),
        (b"100644 blob %b\t.wh.name", "'.wh.name' has a meaning in images"),
    ],
    ids=["submodule", "old mode", "whiteout"],
)
def test_what_no_image_could_hold_is_refused_in_words(repository, freezing, line, said):
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=b"text\n")
    entry = line % blob.encode()
    mode, rest = entry.split(b" ", 1)
    _, _, name = rest.partition(b"\t")
    raw = b"tree", mode + b" " + name + b"\0" + bytes.fromhex(blob)
    tree = git(repository, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw[1])
    name = git(repository, "commit-tree", tree, "-m", "Odd")
    git(repository, "update-ref", "refs/heads/odd", name)
    freezing.asks_for("git", url=URL, commit=name)
    freezing.refused(InputFailure, said)


@pytest.mark.parametrize("name", [b"..", b".", b".git", b"a/../../b"], ids=["above", "here", "git", "climbing"])
def test_a_path_that_climbs_is_refused(repository, freezing, name):
    blob = git(repository, "hash-object", "-w", "--stdin", stdin=b"text\n")
    raw = b"100644 " + name + b"\0" + bytes.fromhex(blob)
    tree = git(repository, "hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=raw)
    evil = git(repository, "commit-tree", tree, "-m", "Evil")
    git(repository, "update-ref", "refs/heads/evil", evil)
    freezing.asks_for("git", url=URL, commit=evil)
    freezing.refused(InputFailure, "leads out of the repository")


# -- CernVM-FS -------------------------------------------------------------------------------------------------------


def describe(folder, **attributes):
    """Give a folder the extended attributes of a mount."""
    for name, value in attributes.items():
        os.setxattr(folder, f"user.{name}", value.encode())


@pytest.fixture
def mount(tmp_path, freezing):
    """A folder that stands in for a mount."""
    top = tmp_path / "mounts"
    folder = top / CVMFS
    (folder / "ext" / "65" / "bin").mkdir(parents=True)
    (folder / "other").mkdir()
    (folder / "other" / "file").write_text("of no use\n")
    (folder / "ext" / "65" / "bin" / "program").write_text("#!/bin/sh\n")
    (folder / "ext" / "65" / "bin" / "program").chmod(0o555)
    (folder / "ext" / "65" / "data").write_text("data\n")
    os.link(folder / "ext" / "65" / "data", folder / "ext" / "65" / "same")
    (folder / "ext" / "65" / "latest").symlink_to("data")
    (folder / "ext" / "65" / "bin" / ".cvmfscatalog").touch()
    (folder / "ext" / "now").symlink_to("65")
    describe(folder, fqrn=CVMFS, root_hash=ROOT_HASH, tag="frozen-2019", revision="4711")
    above = f"catalog_hash: {ROOT_HASH}\ncatalog_mountpoint: \nself_regular,5\n"
    describe(folder / "ext" / "65", catalog_counters=above)
    inner = f"catalog_hash: {NESTED}\ncatalog_mountpoint: /ext/65/bin\nself_regular,2\n"
    describe(folder / "ext" / "65" / "bin", catalog_counters=inner)
    freezing.places = Places(cvmfs=top)
    return folder


PATH = f"/cvmfs/{CVMFS}/ext/65"


@pytest.mark.usefixtures("mount")
def test_a_folder_of_a_mount_is_taken_at_its_own_path_with_the_digests_of_its_catalogues(freezing):
    source = freezing.asks_for("cvmfs", repository=CVMFS, path=PATH, tag="frozen-2019").freeze()
    assert (source.source, source.kind) == (f"cvmfs://{CVMFS}/ext/65", "cvmfs")
    told = source.cvmfs
    assert (told.repository, told.path, told.root_hash) == (CVMFS, PATH, ROOT_HASH)
    assert (told.tag, told.revision) == ("frozen-2019", 4711)
    assert told.catalogs == {"/": ROOT_HASH, "/ext/65/bin": NESTED}
    top = f"cvmfs/{CVMFS}/ext/65"
    held = {path.decode(): one for path, one in freezing.held(source).items()}
    assert held[f"{top}/bin/program"] == (0o755, b"#!/bin/sh\n")
    assert held[f"{top}/data"] == (0o644, b"data\n")
    assert held[f"{top}/same"] == (0o644, f"{top}/data".encode())
    assert held[f"{top}/latest"] == (0o777, b"data")
    files = {"bin/program", "bin/.cvmfscatalog", "data", "same", "latest"}
    assert held.keys() - {f"{top}/{name}" for name in files} == {
        "cvmfs", f"cvmfs/{CVMFS}", f"cvmfs/{CVMFS}/ext", top, f"{top}/bin",
    }  # fmt: skip


@pytest.mark.usefixtures("mount")
def test_the_library_fills_its_own_path(freezing):
    freezing.asks_for("cvmfs", repository=CVMFS, path=PATH, root_hash=ROOT_HASH)
    (library,) = freezing.loaded.recipe.external_library
    assert (library.install_to, library.place) == (None, PATH)


def test_a_tag_is_read_again_when_all_is_taken_anew_and_a_root_hash_never(mount, freezing):
    (mount / "ext" / "65" / "more").write_text("more\n")
    by_tag = freezing.asks_for("cvmfs", repository=CVMFS, path=PATH, tag="frozen-2019").freeze()
    (mount / "ext" / "65" / "more").write_text("other\n")
    assert freezing.freeze(freezing.lock(by_tag)) == by_tag
    again = freezing.freeze(freezing.lock(by_tag), update=True)
    assert again.blob != by_tag.blob
    pinned = freezing.asks_for("cvmfs", repository=CVMFS, path=PATH, root_hash=ROOT_HASH).freeze()
    assert pinned.blob == again.blob
    shutil.rmtree(mount)
    assert freezing.freeze(freezing.lock(pinned), update=True) == pinned


def test_a_mount_that_tells_less_is_enough_with_a_root_hash(mount, freezing):
    for name in ("tag", "revision"):
        os.removexattr(mount, f"user.{name}")
    os.removexattr(mount / "ext" / "65" / "bin", "user.catalog_counters")
    source = freezing.asks_for("cvmfs", repository=CVMFS, path=PATH, root_hash=ROOT_HASH).freeze()
    assert (source.cvmfs.tag, source.cvmfs.revision) == ("", None)
    assert source.cvmfs.catalogs == {"/": ROOT_HASH, "/ext/65/bin": ""}


def test_another_revision_is_not_what_the_recipe_asks_for(mount, freezing):
    freezing.asks_for("cvmfs", repository=CVMFS, path=PATH, root_hash=NESTED)
    freezing.refused(HostFailure, f"shows the root hash {ROOT_HASH}, not {NESTED}", f"CVMFS_ROOT_HASH={NESTED}")
    freezing.asks_for("cvmfs", repository=CVMFS, path=PATH, tag="other")
    freezing.refused(HostFailure, "shows the tag 'frozen-2019', not 'other'", "CVMFS_REPOSITORY_TAG=other")
    os.removexattr(mount, "user.tag")
    freezing.refused(HostFailure, "shows no tag, not 'other'")


@pytest.mark.usefixtures("mount")
def test_a_repository_that_is_not_mounted_says_how_to_mount_it(freezing):
    freezing.asks_for("cvmfs", repository="sft.cern.ch", path="/cvmfs/sft.cern.ch/x", tag="a")
    freezing.refused(
        HostFailure, "the repository sft.cern.ch is not mounted", "mount -t cvmfs sft.cern.ch", "--cvmfs FOLDER"
    )


def test_a_folder_that_is_no_mount_or_that_of_another_repository(mount, freezing):
    freezing.asks_for("cvmfs", repository=CVMFS, path=PATH, root_hash=ROOT_HASH)
    describe(mount, fqrn="sft.cern.ch")
    freezing.refused(HostFailure, f"is the repository 'sft.cern.ch', not '{CVMFS}'")
    os.removexattr(mount, "user.root_hash")
    freezing.refused(HostFailure, "is no mounted repository")


@pytest.mark.usefixtures("mount")
def test_a_path_that_is_not_there_or_a_link(freezing):
    freezing.asks_for("cvmfs", repository=CVMFS, path=f"{PATH}/nothing", root_hash=ROOT_HASH)
    freezing.refused(InputFailure, "there is no folder")
    freezing.asks_for("cvmfs", repository=CVMFS, path=f"/cvmfs/{CVMFS}/ext/now", root_hash=ROOT_HASH)
    freezing.refused(InputFailure, "leads to", "name the folder itself")


def test_a_mount_that_goes_on_while_it_is_read(mount, freezing, monkeypatch):
    from builder.freeze import cvmfs

    read = cvmfs.read_folder

    def publish(*words):
        yield from read(*words)
        describe(mount, root_hash=NESTED)

    monkeypatch.setattr(cvmfs, "read_folder", publish)
    freezing.asks_for("cvmfs", repository=CVMFS, path=PATH, tag="frozen-2019")
    freezing.refused(WorkFailure, "went on to another revision")
