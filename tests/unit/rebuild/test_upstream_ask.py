"""A lock's addresses are asked, on loopback, without an engine: nothing here has a key, and no metadata changes."""

import datetime as dt
import http
import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import pytest

from builder.core.digest import Digest
from builder.core.errors import HostFailure
from builder.core.progress import NoProgress
from builder.lock.model import LOCK_VERSION, Blob, Key, Lock, Repository, RpmPackage, Signature, Source, Verdict
from builder.rebuild.evidence import Shelf
from builder.rebuild.history import append
from builder.rebuild.model import Answer, Run, State
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream import Manners, Validator, ask_upstream, remembered_validators
from builder.rebuild.upstream.validators import NAME, decode
from builder.recipe.fields import FileRef
from builder.recipe.model import DirectorySource, Os, Package, Recipe, Release, RpmRepository
from builder.store.store import Store
from example.upstream.server import error_reply
from tests.tinyrpm import NotFound, OtherBytes, ServerError, TinyRpm, Vault, build_repository

NOTES, ARCHIVE = b"# Notes\n", b"archive" * 1000
NOW = 1_800_000_000.0
UNCHECKED = Signature(verdict=Verdict.UNCHECKED)


@dataclass(frozen=True)
class Answers:
    """A status, and headers, in place of the file."""

    status: http.HTTPStatus
    headers: dict[str, str] = field(default_factory=dict)

    def spoil(self, _, /):
        reply = error_reply(self.status)
        return replace(reply, headers={**reply.headers, **self.headers})


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    build_repository(folder / "os", [TinyRpm("shell"), TinyRpm("library")])
    (folder / "notes.md").write_bytes(NOTES)
    (folder / "library.tar").write_bytes(ARCHIVE)
    return folder


@pytest.fixture
def served(made, tmp_path):
    return Path(shutil.copytree(made, tmp_path / "served", copy_function=shutil.copy2))


@pytest.fixture
def vault(served):
    with Vault(served) as vault:
        yield vault


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "images")


def blob(store, data):
    return Blob(digest=str(store.put(data)), size=len(data))


def package(store, path):
    name = path.name.partition("-")[0]
    return RpmPackage(
        name=name, epoch=0, version="1.0", release="1", architecture="noarch", location=f"Packages/{path.name}",
        blob=blob(store, path.read_bytes()), signature=UNCHECKED,
    )  # fmt: skip


@pytest.fixture
def lock(served, vault, store):
    repository = Repository(
        name="os",
        url=f"{vault.url}/os/",
        revision="1",
        metadata={
            f"repodata/{path.name}": blob(store, path.read_bytes()) for path in (served / "os" / "repodata").iterdir()
        },
        signature=Signature(verdict=Verdict.UNSIGNED),
        keys=(),
        packages=tuple(package(store, path) for path in sorted((served / "os" / "Packages").iterdir())),
    )
    recipe = Recipe(
        release=Release(name="tiny", version="1.0", title="Tiny", date=dt.date(2020, 3, 1), license="MIT"),
        os=Os(
            family="tiny", version="1", architecture="x86_64", packages=("shell",),
            rpm_repository=(RpmRepository(name="os", url=f"{vault.url}/os/", gpgcheck=False),),
        ),
        package=Package(name="boss", source=DirectorySource(path=FileRef("tiny-1.0", "boss")), install_to="/opt/boss"),
    )  # fmt: skip
    return Lock(
        version=LOCK_VERSION,
        recipe=recipe,
        recipe_files={},
        builder_image=Blob(digest="sha256:" + "0" * 64, size=1),
        repositories=(repository,),
        os_packages=tuple(one.nevra for one in repository.packages),
        frozen_repository={},
        sources={
            "document.notes": Source(source=f"{vault.url}/notes.md", blob=blob(store, NOTES), kind="file"),
            "external_library.lib": Source(
                source=f"{vault.url}/library.tar", blob=blob(store, ARCHIVE), kind="tarball"
            ),
            "bookkeeping": Source(source="mariadb://db:3306/offlinedb", blob=blob(store, b"x"), kind="snapshot"),
            "puppet.manifest": Source(source="tiny-1.0/puppet/site.pp", blob=blob(store, b"y"), kind="file"),
        },
    )


def no_toolbox(_):
    raise HostFailure("there is no Docker Engine")


@pytest.fixture
def ask(store, lock):
    def ask(**words):
        manners = Manners(first_pause=0.01, connect=2, silence=2, whole=5)
        shelf = Shelf(store)
        given = {"now": NOW, "manners": manners} | words
        found = ask_upstream(given.pop("lock", lock), store, no_toolbox, shelf, NoProgress(), **given)
        ask.kept = {one.annotations["org.opencontainers.image.title"]: one for one in shelf.kept}
        assert {digest for one in found.findings for digest in one.evidence} <= {one.digest for one in shelf.kept}
        return found

    return ask


def causes(found):
    return {(one.cause, one.about) for one in found.findings}


def test_nothing_is_found_and_nothing_of_a_package_is_asked_for(ask, vault):
    found = ask()
    assert found.findings == ()
    assert sorted(request.path for request in vault.requests) == [
        "/library.tar", "/notes.md", "/os/repodata/repomd.xml", "/os/repodata/repomd.xml.asc",
    ]  # fmt: skip
    assert found.requests == 4


def test_what_is_remembered_comes_from_the_shelf_of_the_last_run_and_saves_every_body(ask, vault, lock, store):
    first = ask()
    assert decode(store.read(ask.kept[NAME].digest)) == first.validators
    run = Run(
        release="tiny-1.0", title="Tiny", lock="sha256:" + "0" * 64, began="2026-01-01T00:00:00Z", seconds=1.0,
        environment={}, answers=(Answer(question="upstream", findings=first.findings),),
    )  # fmt: skip
    append(store, run, ask.kept.values())
    remembered = remembered_validators(store, "tiny-1.0")
    assert remembered == first.validators
    assert {url.rpartition("/")[2]: known.sha256 for url, known in remembered.items()} == {
        "notes.md": lock.sources["document.notes"].blob.digest,
        "library.tar": lock.sources["external_library.lib"].blob.digest,
        "repomd.xml": lock.repositories[0].metadata["repodata/repomd.xml"].digest,
    }

    class OnlyUnchanged:
        def spoil(self, exchange, /):
            reply = exchange.honest_reply()
            assert reply.status == http.HTTPStatus.NOT_MODIFIED
            return reply

    for path in ("/notes.md", "/library.tar", "/os/repodata/repomd.xml"):
        vault.misbehave(path, OnlyUnchanged())
    again = ask(validators=remembered)
    assert (again.findings, again.validators) == ((), first.validators)


def test_no_history_and_a_damaged_one_remember_nothing(store):
    assert remembered_validators(store, "tiny-1.0") == {}
    assert decode(b"{") == decode(b'{"a": 1}') == {}


def test_a_memory_of_other_bytes_does_not_make_them_the_frozen_ones(ask, vault):
    known = {f"{vault.url}/notes.md": Validator('"tag"', "sha256:" + "1" * 64)}
    vault.misbehave("/notes.md", Answers(http.HTTPStatus.NOT_MODIFIED))
    found = ask(validators=known)
    assert causes(found) == {(Cause.CHECKSUM_CHANGED, "input document.notes")}
    assert found.validators[f"{vault.url}/notes.md"] == known[f"{vault.url}/notes.md"]


def test_other_bytes_of_the_same_length_are_found_by_their_digest_and_of_another_without_reading(ask, vault):
    vault.misbehave("/notes.md", OtherBytes(b"# Votes\n"))
    vault.misbehave("/library.tar", OtherBytes(ARCHIVE + b"x"))
    found = ask()
    assert causes(found) == {
        (Cause.CHECKSUM_CHANGED, "input document.notes"),
        (Cause.CHECKSUM_CHANGED, "input external_library.lib"),
    }
    notes, library = sorted((one.message for one in found.findings), key=len, reverse=True)
    assert Digest.of(b"# Votes\n") in notes
    assert "7000" in library
    assert not any(url.endswith("library.tar") for url in found.validators)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (404, Cause.SOURCE_GONE), (410, Cause.SOURCE_GONE), (401, Cause.AUTH_REQUIRED), (403, Cause.AUTH_REQUIRED),
        (407, Cause.AUTH_REQUIRED), (503, Cause.NETWORK_TRANSIENT),
    ],
)  # fmt: skip
def test_what_a_status_is_the_cause_of(ask, vault, status, cause):
    fault = Answers(http.HTTPStatus(status))
    vault.misbehave("/notes.md", fault)
    vault.misbehave("/os/repodata/repomd.xml", fault)
    found = ask(thorough=True)
    assert causes(found) == {(cause, "input document.notes"), (cause, "repository os")}
    assert all(one.evidence or cause is Cause.NETWORK_TRANSIENT for one in found.findings)
    assert ask(thorough=True).findings == found.findings


def test_a_failure_that_may_pass_is_unknown_and_never_rot(ask, vault):
    vault.misbehave("/notes.md", ServerError(times=99))
    found = ask()
    assert causes(found) == {(Cause.NETWORK_TRANSIENT, "input document.notes")}
    assert Answer(question="upstream", findings=found.findings).state is State.UNKNOWN
    vault.misbehave("/notes.md", ServerError(times=2))
    assert ask().findings == ()


def test_a_document_that_moved_for_good_and_one_whose_mirror_is_elsewhere(ask, vault, served):
    (served / "new.md").write_bytes(NOTES)
    (served / "new.tar").write_bytes(ARCHIVE)
    vault.misbehave("/notes.md", Answers(http.HTTPStatus.MOVED_PERMANENTLY, {"Location": "/new.md"}))
    vault.misbehave("/library.tar", Answers(http.HTTPStatus.FOUND, {"Location": "/new.tar"}))
    found = ask()
    assert causes(found) == {(Cause.MOVED, "input document.notes")}
    assert f"{vault.url}/new.md" in found.findings[0].message


def test_a_document_that_was_sent_on_to_something_else_has_not_moved(ask, vault, served):
    (served / "home.html").write_bytes(b"<html>Welcome</html>")
    vault.misbehave("/notes.md", Answers(http.HTTPStatus.MOVED_PERMANENTLY, {"Location": "/home.html"}))
    assert causes(ask()) == {(Cause.CHECKSUM_CHANGED, "input document.notes")}


def test_every_package_is_asked_for_its_length_where_that_is_wanted(ask, vault):
    assert ask(thorough=True).findings == ()
    vault.misbehave("/os/Packages/shell-1.0-1.noarch.rpm", NotFound())
    vault.misbehave("/os/Packages/library-1.0-1.noarch.rpm", OtherBytes(b"short"))
    assert causes(ask(thorough=True)) == {
        (Cause.SOURCE_GONE, "package shell-0:1.0-1.noarch"),
        (Cause.CHECKSUM_CHANGED, "package library-0:1.0-1.noarch"),
    }
    assert not [request for request in vault.requests if request.path.endswith(".rpm") and request.method != "HEAD"]


def test_packages_of_a_server_that_fails_are_one_finding(ask, vault):
    for name in ("shell", "library"):
        vault.misbehave(f"/os/Packages/{name}-1.0-1.noarch.rpm", ServerError(times=99))
    assert causes(ask(thorough=True)) == {(Cause.NETWORK_TRANSIENT, "packages of repository os")}


def test_metadata_that_changed_is_looked_up_even_without_an_engine(ask, vault, served, tmp_path):
    other = build_repository(tmp_path / "other", [TinyRpm("shell", files={"/etc/new": "new\n"}), TinyRpm("more")])
    for path in (other / "repodata").iterdir():
        target = served / "os" / "repodata" / path.name
        if path.name != "repomd.xml":
            target.write_bytes(path.read_bytes())
    vault.misbehave("/os/repodata/repomd.xml", OtherBytes((other / "repodata" / "repomd.xml").read_bytes()))
    found = ask(thorough=True)
    assert causes(found) == {
        (Cause.CHECKSUM_CHANGED, "package shell-0:1.0-1.noarch"),
        (Cause.PACKAGE_MISSING, "package library-0:1.0-1.noarch"),
        (Cause.HOST_LACKS, "the tools that judge"),
    }
    assert not [request for request in vault.requests if request.path.endswith(".rpm")]
    assert "upstream/repository-os/repomd.xml" in ask.kept


def test_a_key_that_the_store_lacks_can_not_vouch_for_anything(ask, lock, vault):
    missing = Key(source="tiny-1.0/keys/os", fingerprint="A" * 40, blob=Blob(digest="sha256:" + "2" * 64, size=9))
    repository = msgspec.structs.replace(lock.repositories[0], keys=(missing,))
    found = ask(lock=msgspec.structs.replace(lock, repositories=(repository,)))
    assert causes(found) == {
        (Cause.BLOB_MISSING, f"key {'A' * 40}"),
        (Cause.HOST_LACKS, "the tools that judge"),
    }
    assert vault.requests
