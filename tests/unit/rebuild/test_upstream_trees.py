"""Is the commit still there, the revision? git is real; a folder with a mount's attributes stands in for CernVM-FS."""

import datetime as dt
import os
import shutil

import pytest

from builder.core.progress import NoProgress
from builder.freeze.mirrors import read_mirrors
from builder.freeze.staging import Staging
from builder.freeze.trees import Places
from builder.lock.model import LOCK_VERSION, Blob, CvmfsTree, GitTree, Lock, Source
from builder.rebuild.evidence import Shelf
from builder.rebuild.model import Answer, State
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.trees import ask_for_trees
from builder.recipe.fields import FileRef
from builder.recipe.model import DirectorySource, Os, Package, Recipe, Release, RpmRepository
from builder.store.store import Store
from tests.tinyrpm import Vault
from tests.unit.freeze.repositories_of_git import commit, git, make_repository

URL = "https://git.example/lib.git"
BLOB = Blob(digest="sha256:" + "0" * 64, size=1)
CVMFS = "bes3.ihep.ac.cn"
ROOT_HASH, OTHER_HASH = "0123456789abcdef" * 2 + "01234567", "fedcba9876543210" * 2 + "fedcba98"
GONE = {(Cause.SOURCE_GONE, "input package.boss")}


@pytest.fixture
def repository(tmp_path):
    return make_repository(tmp_path / "served" / "lib.git")


class Asking:
    """A lock with one such source, asked for."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "served").mkdir(exist_ok=True)
        self.places = Places(read_mirrors([f"https://git.example={folder}/served"], {}), folder / "mounts")

    def ask(self, **source):
        recipe = Recipe(
            release=Release(name="tiny", version="1.0", title="Tiny", date=dt.date(2020, 3, 1), license="MIT"),
            os=Os(
                family="tiny", version="1", architecture="x86_64", packages=("shell",),
                rpm_repository=(RpmRepository(name="os", url="http://vault.example/os/"),),
            ),
            package=Package(name="boss", source=DirectorySource(path=FileRef("tiny-1.0", "x")), install_to="/opt/boss"),
        )  # fmt: skip
        lock = Lock(
            version=LOCK_VERSION, recipe=recipe, recipe_files={}, builder_image=BLOB, repositories=(), os_packages=(),
            frozen_repository={}, sources={"package.boss": Source(source="x://", blob=BLOB, kind="x", **source)},
        )  # fmt: skip
        store = Store(self.folder / "images")
        notes = Notes("tiny-1.0", Shelf(store))
        with store.workspace("upstream") as workspace:
            ask_for_trees(lock, Staging(store, workspace), self.places, notes, NoProgress())
        self.findings = notes.findings
        return {(one.cause, one.about) for one in notes.findings}

    def ask_git(self, name, url=URL):
        return self.ask(git=GitTree(url=url, commit=name, tree="0" * 40, swhid=""))

    def ask_cvmfs(self, tag=""):
        frozen = CvmfsTree(repository=CVMFS, path=f"/cvmfs/{CVMFS}/ext/65", root_hash=ROOT_HASH, tag=tag)
        return self.ask(cvmfs=frozen)

    @property
    def message(self):
        (finding,) = self.findings
        return finding.message

    @property
    def is_unknown(self):
        return Answer(question="upstream", findings=self.findings).state is State.UNKNOWN


@pytest.fixture
def asking(tmp_path):
    return Asking(tmp_path)


def test_the_last_commit_of_a_branch_an_earlier_one_and_one_that_no_branch_has(repository, asking):
    first = commit(repository)
    last = commit(repository, "Two")
    assert asking.ask_git(last) == set()
    assert asking.ask_git(first) == set()
    git(repository, "reset", "--quiet", "--soft", first)
    other = commit(repository, "Another two")
    assert asking.ask_git(other) == set()
    git(repository, "reflog", "expire", "--expire=now", "--all")
    git(repository, "gc", "--quiet", "--prune=now")
    assert asking.ask_git(last) == GONE
    assert asking.message == f"{URL} (at {(repository).as_uri()}) no longer has the commit {last}"


def test_a_server_of_files_alone(repository, asking, tmp_path):
    first = commit(repository)
    commit(repository, "Two")
    git(repository, "clone", "--quiet", "--bare", ".", str(tmp_path / "plain" / "lib.git"))
    git(tmp_path / "plain" / "lib.git", "update-server-info")
    with Vault(tmp_path / "plain") as vault:
        assert asking.ask_git(first, f"{vault.url}/lib.git") == set()
        assert asking.ask_git("0" * 39 + "1", f"{vault.url}/lib.git") == GONE
        assert asking.ask_git(first, f"{vault.url}/other.git") == GONE
        assert "not found" in asking.message


def test_a_repository_that_is_gone(repository, asking):
    name = commit(repository)
    shutil.rmtree(repository)
    assert asking.ask_git(name) == GONE


def test_a_server_that_does_not_answer_is_unknown_and_never_rot(asking):
    assert asking.ask_git("0" * 40, "http://127.0.0.1:9/lib.git") == {(Cause.NETWORK_TRANSIENT, "input package.boss")}
    assert asking.is_unknown


def test_a_host_without_git_can_not_tell(asking, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert asking.ask_git("0" * 40) == {(Cause.HOST_LACKS, "input package.boss")}
    assert asking.is_unknown


# -- CernVM-FS -------------------------------------------------------------------------------------------------------


@pytest.fixture
def mount(tmp_path):
    folder = tmp_path / "mounts" / CVMFS
    (folder / "ext" / "65").mkdir(parents=True)
    for name, value in {"fqrn": CVMFS, "root_hash": ROOT_HASH, "tag": "frozen-2019"}.items():
        os.setxattr(folder, f"user.{name}", value.encode())
    return folder


def test_the_frozen_revision_is_mounted(mount, asking):
    assert asking.ask_cvmfs() == set()
    (mount / "ext" / "65").rmdir()
    assert asking.ask_cvmfs() == GONE


def test_a_tag_that_means_another_revision(mount, asking):
    os.setxattr(mount, "user.root_hash", OTHER_HASH.encode())
    assert asking.ask_cvmfs(tag="frozen-2019") == {(Cause.CHECKSUM_CHANGED, "input package.boss")}
    assert OTHER_HASH in asking.message


def test_another_revision_or_no_mount_can_not_tell(mount, asking):
    os.setxattr(mount, "user.root_hash", OTHER_HASH.encode())
    for tag in ("", "other"):
        assert asking.ask_cvmfs(tag=tag) == {(Cause.HOST_LACKS, "input package.boss")}
        assert asking.is_unknown
    shutil.rmtree(mount)
    assert asking.ask_cvmfs() == {(Cause.HOST_LACKS, "input package.boss")}
    assert "is not mounted" in asking.message
