"""Could it still be built from upstream? A tiny release is frozen, upstream is broken, and the cause is named.

Servers, dnf, rpm, gpg and the builder image are real. The release is frozen once; every test begins with upstream as it
was then.
"""

from __future__ import annotations

import gzip
import hashlib
import lzma
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from pathlib import Path

import msgspec
import pytest

from builder.core.errors import HostFailure
from builder.core.progress import NoProgress
from builder.engine.engine import Engine
from builder.freeze.primary import is_readable
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.rebuild.evidence import Shelf
from builder.rebuild.model import Answer, State, in_order
from builder.rebuild.taxonomy import Cause, Stage
from builder.rebuild.upstream import Manners, Upstream, ask_upstream
from builder.store.store import Store
from builder.toolbox.toolbox import open_toolbox
from example.upstream.programs import run
from example.upstream.server import Reply, error_reply
from example.upstream.signing import _gpg_home
from tests.integration.spine import Workplace, new_store
from tests.tinyrpm import (
    Exchange,
    Key,
    NotFound,
    OtherBytes,
    StopsAfter,
    TinyRpm,
    Vault,
    build_repository,
    refresh_metadata,
)

pytestmark = pytest.mark.integration
RELEASE = "tiny-1.0"
DAY = 86400
YEAR = 366 * DAY
IN_2040 = 2208988800.0
NOTES = "# Notes\n"
RECIPE = """
release "tiny" "1.0" {
  title   = "Tiny 1.0"
  date    = "2020-03-01"
  license = "MIT"
}

variable "vault" {
  description = "where the repositories are served"
}

os {
  family       = "tiny"
  version      = "1"
  architecture = "x86_64"
  packages     = ["shell"]

  rpm_repository "os" {
    url      = "${var.vault}/os/"
    gpg_keys = ["${var.vault}/os/RPM-GPG-KEY"]
  }
}

package "boss" {
  source "rpm_repository" {
    url      = "${var.vault}/boss"
    gpg_keys = ["keys/boss"]
    packages = ["boss"]
  }
}

document "notes" {
  url    = "${var.vault}/notes.md"
  sha256 = "DIGEST"
}
""".replace("DIGEST", hashlib.sha256(NOTES.encode()).hexdigest())
SYSTEM = (
    TinyRpm("shell", requires=["library >= 2"], provides=["/bin/sh"], files={"/usr/bin/tinysh": "#!shell\n"}),
    TinyRpm("library", version="2.1", epoch=1, files={"/usr/lib/library": "library\n"}),
)
BOSS = (
    TinyRpm("boss", requires=["shell", "extra", "library < 1:3"], files={"/opt/boss": "boss\n"}),
    TinyRpm("extra", files={"/opt/extra": "extra\n"}),
)
IMPATIENT = Manners(tries=3, first_pause=0.01, connect=2, silence=2, whole=10)


@pytest.fixture(scope="module")
def keys(tmp_path_factory) -> dict[str, Key]:
    folder = tmp_path_factory.mktemp("keys")
    made = {name: Key.make(folder / name, name.title()) for name in ("boss", "stranger")}
    return made | {"os": Key.make(folder / "os", "Os", expires="2y")}


@pytest.fixture(scope="module")
def pristine(tmp_path_factory, keys) -> Path:
    folder = tmp_path_factory.mktemp("pristine")
    build_repository(folder / "os", SYSTEM, key=keys["os"])
    build_repository(folder / "boss", BOSS, key=keys["boss"])
    (folder / "notes.md").write_text(NOTES)
    return folder


@dataclass
class Place:
    """A frozen release, its upstream, and how to ask."""

    served: Path
    vault: Vault
    store: Store
    lock: Lock
    keys: dict[str, Key]
    engine: Engine
    shelf: Shelf = field(init=False)

    def ask(self, **words) -> Upstream:
        self.shelf = Shelf(self.store)
        words = {"now": time.time(), "manners": IMPATIENT} | words
        lock = words.pop("lock", self.lock)
        return ask_upstream(
            lock,
            self.store,
            words.pop("open_toolbox", lambda _: open_toolbox(self.store, self.engine, NoProgress())),
            self.shelf,
            NoProgress(),
            **words,
        )

    def causes(self, **words) -> set[tuple[Cause, str]]:
        """What is found, and about what."""
        found = self.ask(**words).findings
        assert in_order(found) == found
        names = {descriptor.digest for descriptor in self.shelf.kept}
        assert {digest for one in found for digest in one.evidence} <= names
        assert all(self.store.has(digest) for digest in names)
        return {(one.cause, one.about) for one in found}

    def rpm(self, repository: str, name: str) -> Path:
        (found,) = (self.served / repository / "Packages").glob(f"{name}-*.rpm")
        return found

    def add(self, repository: str, *rpms: TinyRpm) -> None:
        """Add packages to a repository, in place of those of the same file name."""
        folder = self.served.parent / "added"
        shutil.rmtree(folder, ignore_errors=True)
        build_repository(folder, rpms, key=self.keys[repository])
        for made in (folder / "Packages").iterdir():
            shutil.copy2(made, self.served / repository / "Packages" / made.name)
        refresh_metadata(self.served / repository, key=self.keys[repository])

    def sign(self, repository: str, *options: str, key: str = "") -> None:
        """Sign the metadata of a repository anew, with other words for gpg."""
        signer = self.keys[key or repository].signing
        repomd = self.served / repository / "repodata" / "repomd.xml"
        signature = repomd.with_name("repomd.xml.asc")
        with _gpg_home(signer.home) as environment:
            words = ["gpg", "--batch", "--yes", "--local-user", signer.fingerprint, *options]
            run(
                [*words, "--armor", "--output", signature, "--detach-sign", repomd],
                time_limit=60,
                environment=environment,
            )


def list_one_part(repository: Path, primary: Path) -> None:
    """Write a repomd.xml that lists the list of packages, and nothing else."""
    data = primary.read_bytes()
    (repository / "repodata" / "repomd.xml").write_text(
        f'<repomd xmlns="http://linux.duke.edu/metadata/repo"><revision>1</revision><data type="primary">'
        f'<checksum type="sha256">{hashlib.sha256(data).hexdigest()}</checksum>'
        f'<location href="repodata/{primary.name}"/><size>{len(data)}</size></data></repomd>'
    )


def freeze(folder: Path, url: str, key: Key) -> Workplace:
    new_store(folder / "images")
    recipe = folder / "recipes" / RELEASE
    (recipe / "keys").mkdir(parents=True)
    (recipe / "recipe.hcl").write_text(RECIPE)
    shutil.copy(key.public, recipe / "keys" / "boss")
    work = Workplace(folder, {"vault": url})
    ran = work.run("freeze", RELEASE)
    assert ran.code == 0, ran.err
    return work


def read_lock(work: Workplace) -> Lock:
    lock = lock_file.read(work.lock(RELEASE))
    assert lock is not None
    return lock


@pytest.fixture(scope="module")
def frozen(tmp_path_factory, pristine, keys) -> Iterator[tuple[Path, Vault, Store, Lock]]:
    served = tmp_path_factory.mktemp("upstream") / "served"
    shutil.copytree(pristine, served, copy_function=shutil.copy2)
    with Vault(served) as vault:
        work = freeze(tmp_path_factory.mktemp("work"), vault.url, keys["boss"])
        yield served, vault, work.store, read_lock(work)


@pytest.fixture
def place(frozen, pristine, keys, engine) -> Place:
    served, vault, store, lock = frozen
    shutil.rmtree(served)
    shutil.copytree(pristine, served, copy_function=shutil.copy2)
    for path in ("", *(f"/{file.relative_to(served)}" for file in served.rglob("*"))):
        vault.behave(path)
    vault.forget()
    return Place(served, vault, store, lock, keys, engine)


@dataclass(frozen=True)
class Answers:
    """A status, and headers, in place of the file."""

    status: HTTPStatus
    headers: dict[str, str] = field(default_factory=dict)

    def spoil(self, _: Exchange, /) -> Reply:
        reply = error_reply(self.status)
        return replace(reply, headers={**reply.headers, **self.headers})


# -- nothing is wrong -----------------------------------------------------------------------------------------------


def test_nothing_is_found_where_upstream_is_as_it_was(place):
    found = place.ask()
    assert found.findings == ()
    assert found.requests == len(place.vault.requests) == 6
    assert not [request for request in place.vault.requests if request.path.endswith((".gz", ".rpm"))]
    assert Answer(question="upstream", findings=found.findings).state is State.GOOD


def test_what_is_remembered_is_not_sent_again(place):
    first = place.ask()
    assert len(first.validators) == 6
    again = place.ask(validators=first.validators)
    assert (again.findings, again.validators) == ((), first.validators)


def test_metadata_made_anew_of_the_same_packages_is_no_fault(place):
    shutil.rmtree(place.served / "os" / "repodata")
    (place.served / "os" / "repodata").mkdir()
    refresh_metadata(place.served / "os", key=place.keys["os"])
    repomd = place.served / "os" / "repodata" / "repomd.xml"
    repomd.write_text(repomd.read_text().replace("<revision>1577836800<", "<revision>1577836801<"))
    place.sign("os")
    assert place.causes() == set()


def test_metadata_made_anew_with_other_checksums_is_no_fault(place):
    """As repositories of old have them: the frozen packages are known by sha256 alone, and are digested anew."""
    words = ["createrepo_c", "--quiet", "--no-database", "--checksum", "sha1", place.served / "os"]
    run(words, time_limit=60)
    place.sign("os")
    assert place.causes(thorough=True) == set()
    place.add("os", replace(SYSTEM[1], files={"/usr/lib/library": "another library\n"}))
    run(words, time_limit=60)
    place.sign("os")
    assert place.causes() == {(Cause.CHECKSUM_CHANGED, "package library-1:2.1-1.noarch")}


def test_a_list_that_only_dnf_can_unpack_is_compared_by_what_dnf_takes(place):
    place.add("os", replace(SYSTEM[1], files={"/usr/lib/library": "another library\n"}))
    folder = place.served / "os" / "repodata"
    (packed,) = folder.glob("*-primary.xml.gz")
    other = folder / "primary.xml.lzma"
    other.write_bytes(lzma.compress(gzip.decompress(packed.read_bytes()), lzma.FORMAT_ALONE))
    assert not is_readable(other.name)
    list_one_part(place.served / "os", other)
    place.sign("os")
    assert place.causes() == {(Cause.CHECKSUM_CHANGED, "package library-1:2.1-1.noarch")}


def test_a_package_that_nobody_asked_for_is_no_fault(place):
    place.add("os", TinyRpm("unwanted"))
    assert place.causes() == set()


# -- one cause each: fetch --------------------------------------------------------------------------------------------


def test_a_server_that_is_stopped(tmp_path, pristine, keys, engine):
    served = Path(shutil.copytree(pristine, tmp_path / "served", copy_function=shutil.copy2))
    with Vault(served) as vault:
        work = freeze(tmp_path / "work", vault.url, keys["boss"])
    place = Place(served, vault, work.store, read_lock(work), keys, engine)
    abouts = ("repository os", "repository boss", "input document.notes")
    assert place.causes() == {(Cause.NETWORK_TRANSIENT, about) for about in abouts}
    assert Answer(question="upstream", findings=place.ask().findings).state is State.UNKNOWN


def test_a_server_that_stops_in_the_middle_every_time_and_recovers(place):
    place.vault.misbehave("/os/repodata/repomd.xml", StopsAfter(100))
    assert place.causes() == {(Cause.NETWORK_TRANSIENT, "repository os")}
    place.vault.misbehave("/os/repodata/repomd.xml", StopsAfter(100, times=2))
    assert place.causes() == set()


def test_a_repository_that_is_gone(place):
    shutil.rmtree(place.served / "os")
    assert place.causes() == {(Cause.SOURCE_GONE, "repository os")}


def test_a_document_that_is_gone_and_one_that_changed(place):
    (place.served / "notes.md").write_text("# Other\n")
    assert place.causes() == {(Cause.CHECKSUM_CHANGED, "input document.notes")}
    (place.served / "notes.md").unlink()
    assert place.causes() == {(Cause.SOURCE_GONE, "input document.notes")}


def test_a_web_page_in_the_place_of_a_repository(place):
    place.vault.misbehave("/boss/repodata/repomd.xml", OtherBytes(b"<html>This domain is for sale</html>"))
    assert place.causes() == {(Cause.SOURCE_GONE, "repository boss")}


def test_a_repository_that_moved(place):
    shutil.move(place.served / "os", place.served / "vault")
    for path in ("repodata/repomd.xml", "repodata/repomd.xml.asc"):
        location = {"Location": f"/vault/{path}"}
        place.vault.misbehave(f"/os/{path}", Answers(HTTPStatus.MOVED_PERMANENTLY, location))
    key = {"Location": "/vault/RPM-GPG-KEY"}
    place.vault.misbehave("/os/RPM-GPG-KEY", Answers(HTTPStatus.FOUND, key))
    assert place.causes() == {(Cause.MOVED, "repository os")}
    (found,) = place.ask().findings
    assert f"{place.vault.url}/vault/" in found.message


def test_packages_that_lie_elsewhere_in_the_repository(place):
    (place.served / "os" / "Packages" / "l").mkdir()
    rpm = place.rpm("os", "library")
    rpm.rename(rpm.parent / "l" / rpm.name)
    refresh_metadata(place.served / "os", key=place.keys["os"])
    assert place.causes(thorough=True) == {(Cause.MOVED, "package library-1:2.1-1.noarch")}


def test_an_rpm_that_was_replaced(place):
    place.add("os", replace(SYSTEM[1], files={"/usr/lib/library": "another library\n"}))
    assert place.causes() == {(Cause.CHECKSUM_CHANGED, "package library-1:2.1-1.noarch")}
    assert not [request for request in place.vault.requests if request.path.endswith(".rpm")]


def test_metadata_that_is_not_what_the_repository_says(place):
    place.add("os", TinyRpm("unwanted"))
    (primary,) = (place.served / "os" / "repodata").glob("*-primary.xml.gz")
    path = f"/os/repodata/{primary.name}"
    place.vault.misbehave(path, OtherBytes(b"x" * primary.stat().st_size))
    assert place.causes() == {(Cause.CHECKSUM_CHANGED, "repository os")}
    place.vault.misbehave(path, NotFound())
    assert place.causes() == {(Cause.SOURCE_GONE, "repository os")}


@pytest.mark.parametrize("status", [HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN])
def test_a_repository_that_asks_who_we_are(place, status):
    for path in ("repodata/repomd.xml", "repodata/repomd.xml.asc", "RPM-GPG-KEY"):
        place.vault.misbehave(f"/os/{path}", Answers(status))
    assert place.causes() == {(Cause.AUTH_REQUIRED, "repository os")}


def test_a_package_that_is_listed_and_not_there_is_found_when_every_one_is_asked_for(place):
    place.rpm("boss", "extra").unlink()
    assert place.causes() == set()
    assert place.causes(thorough=True) == {(Cause.SOURCE_GONE, "package extra-0:1.0-1.noarch")}


def test_a_package_of_another_length_is_found_when_every_one_is_asked_for(place):
    place.vault.misbehave("/boss/Packages/extra-1.0-1.noarch.rpm", OtherBytes(b"not it"))
    assert place.causes() == set()
    assert place.causes(thorough=True) == {(Cause.CHECKSUM_CHANGED, "package extra-0:1.0-1.noarch")}


# -- one cause each: trust --------------------------------------------------------------------------------------------


def test_a_key_that_has_expired(place):
    about = f"key {place.keys['os'].fingerprint}"
    assert place.causes(now=time.time() + 3 * YEAR) == {(Cause.SIGNATURE_EXPIRED, about)}


def test_a_clock_of_2040_says_the_same_whatever_was_remembered(place):
    about = f"key {place.keys['os'].fingerprint}"
    first = place.ask(now=IN_2040)
    assert {(one.cause, one.about) for one in first.findings} == {(Cause.SIGNATURE_EXPIRED, about)}
    assert place.ask(now=IN_2040 + DAY, validators=first.validators).findings == first.findings


def test_a_key_that_is_gone(place):
    (place.served / "os" / "RPM-GPG-KEY").unlink()
    assert place.causes() == {(Cause.KEY_MISSING, f"key {place.keys['os'].fingerprint}")}


def test_a_key_that_was_renewed_in_time_and_one_that_was_revoked(place, tmp_path):
    key = place.keys["os"]
    home = Path(shutil.copytree(key.signing.home, tmp_path / "home", ignore=shutil.ignore_patterns("S.*")))
    served = place.served / "os" / "RPM-GPG-KEY"

    def publish(*words: str) -> None:
        with _gpg_home(home) as environment:
            for said in (words, ("--armor", "-o", str(served), "--export")):
                run(["gpg", "--batch", "--yes", *said], time_limit=60, environment=environment)

    publish("--quick-set-expire", key.fingerprint, "never")
    assert place.causes(now=time.time() + 3 * YEAR) == set()
    revocation = home / "openpgp-revocs.d" / f"{key.fingerprint}.rev"
    revocation.write_text(revocation.read_text().replace(":-----BEGIN", "-----BEGIN"))
    publish("--import", str(revocation))
    assert place.causes() == {(Cause.SIGNATURE_EXPIRED, f"key {key.fingerprint}")}
    assert place.ask().findings[0].message == "the key is revoked by its owner"


def test_a_repository_that_took_another_key_for_its_metadata(place):
    shutil.copyfile(place.keys["stranger"].public, place.served / "os" / "RPM-GPG-KEY")
    place.sign("os", key="stranger")
    assert place.causes() == {(Cause.KEY_MISSING, f"key {place.keys['os'].fingerprint}")}


def test_another_key_at_the_address_of_the_key(place):
    shutil.copyfile(place.keys["stranger"].public, place.served / "os" / "RPM-GPG-KEY")
    assert place.causes() == {(Cause.KEY_MISSING, f"key {place.keys['os'].fingerprint}")}
    (found,) = place.ask().findings
    assert place.keys["stranger"].fingerprint in found.message


def test_a_web_page_at_the_address_of_the_key(place):
    (place.served / "os" / "RPM-GPG-KEY").write_text("<html></html>")
    assert place.causes() == {(Cause.KEY_MISSING, f"key {place.keys['os'].fingerprint}")}


def test_metadata_signed_by_a_stranger(place):
    place.sign("os", key="stranger")
    assert place.causes() == {(Cause.KEY_MISSING, "repository os")}


def test_metadata_signed_with_sha1(place):
    place.sign("os", "--digest-algo", "SHA1")
    assert place.causes() == {(Cause.ALGORITHM_REJECTED, "repository os")}


def test_metadata_signed_with_what_gpg_refuses(place):
    place.sign("os", "--digest-algo", "MD5", "--allow-weak-digest-algos")
    assert place.causes() == {(Cause.ALGORITHM_REJECTED, "repository os")}


def test_metadata_past_the_time_for_which_it_was_signed(place):
    place.sign("boss", "--default-sig-expire", "2d")
    assert place.causes() == set()
    assert place.causes(now=time.time() + 3 * DAY) == {(Cause.METADATA_EXPIRED, "repository boss")}


def test_a_signature_of_the_metadata_that_is_gone(place):
    (place.served / "os" / "repodata" / "repomd.xml.asc").unlink()
    assert place.causes() == {(Cause.SIGNATURE_BAD, "repository os")}


def test_metadata_that_was_changed_after_it_was_signed(place):
    repomd = place.served / "os" / "repodata" / "repomd.xml"
    repomd.write_text(repomd.read_text().replace("</repomd>", "<!-- changed --></repomd>"))
    assert place.causes() == {(Cause.SIGNATURE_BAD, "repository os")}


def test_frozen_packages_are_checked_anew_by_other_tools(place):
    other = msgspec.structs.replace(place.lock.builder_image, digest="sha256:" + "0" * 64)
    assert place.causes(lock=msgspec.structs.replace(place.lock, builder_image=other)) == set()


# -- one cause each: resolve ------------------------------------------------------------------------------------------


def test_a_package_that_was_removed(place):
    place.rpm("os", "library").unlink()
    refresh_metadata(place.served / "os", key=place.keys["os"])
    assert place.causes() == {(Cause.PACKAGE_MISSING, "package library-1:2.1-1.noarch")}


def test_a_newer_version(place):
    place.add("os", replace(SYSTEM[1], version="2.2"))
    assert place.causes() == {(Cause.VERSION_CHANGED, "package library-1:2.1-1.noarch")}
    (found,) = place.ask().findings
    assert found.message == "frozen 1:2.1-1, resolved today 1:2.2-1"


def test_a_newer_version_that_brings_another_package(place):
    place.add("os", replace(SYSTEM[1], version="2.2", requires=["more"]), TinyRpm("more"))
    abouts = {"package library-1:2.1-1.noarch", "package more-0:1.0-1.noarch"}
    assert place.causes() == {(Cause.VERSION_CHANGED, about) for about in abouts}


def test_a_dependency_that_no_longer_resolves(place):
    place.add("os", replace(SYSTEM[1], version="3.0"))
    assert place.causes() == {(Cause.DEPENDENCY_CONFLICT, "packages of boss")}
    (found,) = place.ask().findings
    assert "library < 1:3" in found.message
    assert place.ask().findings == (found,)


# -- several at once --------------------------------------------------------------------------------------------------


def test_the_first_stage_that_fails_is_named_first(place):
    place.add("os", replace(SYSTEM[1], version="2.2"))
    place.sign("os", "--digest-algo", "SHA1")
    (place.served / "notes.md").unlink()
    found = place.ask().findings
    assert [one.stage for one in found] == [Stage.FETCH, Stage.TRUST, Stage.RESOLVE]
    decisive = Answer(question="upstream", findings=found).decisive
    assert decisive is not None
    assert decisive.cause is Cause.SOURCE_GONE


def test_a_replaced_rpm_and_an_expired_key_and_a_server_that_fails(place):
    place.add("os", replace(SYSTEM[1], files={"/usr/lib/library": "another library\n"}))
    place.vault.misbehave("/boss/repodata/repomd.xml", Answers(HTTPStatus.BAD_GATEWAY))
    found = place.ask(now=IN_2040).findings
    assert {(one.cause, one.about) for one in found} == {
        (Cause.CHECKSUM_CHANGED, "package library-1:2.1-1.noarch"),
        (Cause.NETWORK_TRANSIENT, "repository boss"),
        (Cause.SIGNATURE_EXPIRED, f"key {place.keys['os'].fingerprint}"),
    }
    assert found[-1].stage is Stage.TRUST


def test_a_host_without_an_engine_still_tells_what_the_addresses_say(place):
    def lacks(_):
        raise HostFailure("there is no Docker Engine")

    (place.served / "notes.md").unlink()
    assert place.causes(open_toolbox=lacks) == {
        (Cause.SOURCE_GONE, "input document.notes"),
        (Cause.HOST_LACKS, "the tools that judge"),
    }


# -- how much is asked ------------------------------------------------------------------------------------------------

MANY = 500
NAMES = [f"part{number:03}" for number in range(MANY)]


def list_under_many_names(repository: Path, key: Key, names: list[str]) -> None:
    """Let a repository of one RPM list it under many names, each at a place of its own."""
    (primary,) = (repository / "repodata").glob("*-primary.xml.gz")
    text = gzip.decompress(primary.read_bytes()).decode()
    (package,) = re.findall(r"<package .*?</package>", text, re.DOTALL)
    renamed = [package.replace("part-1.0", f"{name}-1.0").replace(">part<", f">{name}<") for name in names]
    renamed = [one.replace('name="part"', f'name="{name}"') for one, name in zip(renamed, names, strict=True)]
    data = gzip.compress(text.replace(package, "\n".join(renamed)).encode(), mtime=0)
    shutil.rmtree(repository / "repodata")
    (repository / "repodata").mkdir()
    (repository / "repodata" / "primary.xml.gz").write_bytes(data)
    list_one_part(repository, repository / "repodata" / "primary.xml.gz")
    key.signing.sign_detached(repository / "repodata" / "repomd.xml")


@pytest.fixture(scope="module")
def many(tmp_path_factory, keys) -> Iterator[tuple[Path, Vault, Workplace]]:
    folder = tmp_path_factory.mktemp("many")
    served = folder / "served"
    build_repository(served / "boss", BOSS[1:], key=keys["boss"])
    build_repository(served / "os", [TinyRpm("part")], key=keys["os"])
    shutil.copytree(served / "os", folder / "one")
    list_under_many_names(served / "os", keys["os"], NAMES)
    for name in NAMES:
        shutil.copy(
            served / "os" / "Packages" / "part-1.0-1.noarch.rpm",
            served / "os" / "Packages" / f"{name}-1.0-1.noarch.rpm",
        )
    (served / "notes.md").write_text(NOTES)
    new_store(folder / "images")
    recipe = folder / "recipes" / RELEASE
    (recipe / "keys").mkdir(parents=True)
    packages = ", ".join(f'"{name}"' for name in NAMES)
    text = RECIPE.replace('"shell"', packages).replace('["boss"]', '["extra"]')
    (recipe / "recipe.hcl").write_text(text)
    shutil.copy(keys["boss"].public, recipe / "keys" / "boss")
    with Vault(served) as vault:
        work = Workplace(folder, {"vault": vault.url})
        ran = work.run("freeze", RELEASE)
        assert ran.code == 0, ran.err
        yield served, vault, work


def test_one_rpm_listed_under_500_names_takes_few_requests_and_seconds(many, keys, engine, record_property):
    served, vault, work = many
    place = Place(served, vault, work.store, read_lock(work), keys, engine)
    assert len(place.lock.packages()) == MANY + 1
    place.ask()  # the builder image is in the engine now
    began = time.monotonic()
    unchanged = place.ask()
    seconds = {"unchanged": time.monotonic() - began}
    shutil.rmtree(served / "os" / "repodata")
    shutil.copytree(served.parent / "one" / "repodata", served / "os" / "repodata")
    list_under_many_names(served / "os", keys["os"], [*NAMES, "unwanted"])
    began = time.monotonic()
    changed = place.ask()
    seconds["changed"] = time.monotonic() - began
    record_property("seconds", seconds)
    assert (unchanged.findings, changed.findings) == ((), ())
    assert unchanged.requests == 6
    assert changed.requests <= 20
    assert max(seconds.values()) < 5, seconds


def test_one_rpm_listed_under_500_names_is_asked_for_500_times_when_every_one_is(many, keys, engine):
    served, vault, work = many
    place = Place(served, vault, work.store, read_lock(work), keys, engine)
    (served / "os" / "Packages" / "part007-1.0-1.noarch.rpm").unlink()
    vault.forget()
    assert place.causes(thorough=True) == {(Cause.SOURCE_GONE, "package part007-0:1.0-1.noarch")}
    assert sum(request.method == "HEAD" for request in vault.requests) == MANY + 1
