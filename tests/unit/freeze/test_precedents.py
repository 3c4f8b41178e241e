"""When the answer that another release got from the same repositories is taken over, and when it must not be."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from builder.freeze.download import Checksum
from builder.freeze.fetched import Fetched
from builder.freeze.metadata import Contents, Part
from builder.freeze.precedents import FrozenRepositories, precedent
from builder.freeze.resolving import asked_repositories
from builder.lock.model import Blob, Key, Lock, Repository, RpmPackage, Signature, Verdict
from builder.lock.stored import store_lock
from builder.recipe.model import Recipe
from builder.store.store import Store
from tests.unit.render.test_plan import RECIPE, blob, lock, package

SIGNED = Signature(verdict=Verdict.GOOD, key_id="0123456789abcdef")
OTHER = msgspec.structs.replace(RECIPE, release=msgspec.structs.replace(RECIPE.release, version="2.0"))


def new_store(path: Path) -> Store:
    store = Store(path)
    store.create()
    return store


def listing(package: RpmPackage, checksum_type: str = "sha256") -> str:
    return f"""<metadata xmlns="http://linux.duke.edu/metadata/common"><package type="rpm"><name>{package.name}</name>
    <arch>{package.architecture}</arch><version epoch="0" ver="{package.version}" rel="{package.release}"/>
    <checksum type="{checksum_type}" pkgid="YES">{package.blob.digest.removeprefix("sha256:")}</checksum>
    <location href="{package.location}"/></package></metadata>"""


class Site:
    """A store with one lock, and what its two repositories give today."""

    def __init__(self, folder: Path) -> None:
        self.store = new_store(folder / "images")
        self.folder = folder / "fetched"
        self.folder.mkdir()
        self.fetched: dict[str, Fetched] = {}
        self.signatures = {"os": SIGNED, "boss": SIGNED}
        repositories = tuple(self._repository(name) for name in ("os", "boss"))
        self.lock = lock(repositories=repositories, frozen_repository={"repomd.xml": self._put("frozen")})
        for text in ("text", "builder", "site", "node", "table", "notes"):
            self._put(text)  # what else the sample lock names
        store_lock(self.lock, self.store)

    def _put(self, text: str) -> Blob:
        self.store.put(text.encode())
        return blob(text)

    def _file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def _repository(self, name: str) -> Repository:
        (asked,) = (asked for asked in asked_repositories(RECIPE) if asked.name == name)
        content = f"package of {name}"
        own = package("shell" if name == "os" else "boss", content)
        metadata = {"repodata/repomd.xml": f"repomd of {name}", "repodata/primary.xml": listing(own)}
        self.fetched[name] = Fetched(
            asked,
            Contents("1", (Part("primary", "repodata/primary.xml", Checksum("sha256", ""), None),), b""),
            {location: self._file(f"{name}-{Path(location).name}", text) for location, text in metadata.items()},
            self._file(f"{name}.asc", f"signature of {name}"),
            {f"keys/{name}": self._file(f"{name}.key", f"key of {name}")},
            self.folder,
        )
        metadata["repodata/repomd.xml.asc"] = f"signature of {name}"
        self._put(content)
        return Repository(
            name=name,
            url=asked.url,
            revision="1",
            metadata={location: self._put(text) for location, text in metadata.items()},
            signature=SIGNED,
            keys=(Key(source=f"keys/{name}", fingerprint="A" * 40, blob=self._put(f"key of {name}")),),
            packages=(own,),
        )

    def found(self, recipe: Recipe = OTHER, builder: str = "builder") -> Lock | None:
        return precedent(recipe, self.fetched, self.signatures, blob(builder).digest, self.store)

    def lists(self, text: str) -> None:
        """Let the store's lock, and the repository `os` today, have this list of packages."""
        path = self.fetched["os"].metadata["repodata/primary.xml"]
        path.write_text(text)
        os, boss = self.lock.repositories
        os = msgspec.structs.replace(os, metadata={**os.metadata, "repodata/primary.xml": self._put(text)})
        self.lock = msgspec.structs.replace(self.lock, repositories=(os, boss))
        store_lock(self.lock, self.store)

    def package(self, number: int) -> RpmPackage:
        return self.lock.repositories[number].packages[0]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_same_question_to_the_same_repositories_has_its_answer(site: Site) -> None:
    assert site.found() == site.lock
    assert FrozenRepositories.of(site.lock).repositories == site.lock.repositories


def test_a_store_without_locks_has_none(site: Site, tmp_path: Path) -> None:
    site.store = new_store(tmp_path / "empty")
    assert site.found() is None


def test_another_builder_image_answers_for_itself(site: Site) -> None:
    assert site.found(builder="another") is None


@pytest.mark.parametrize(
    "change",
    [
        lambda r: msgspec.structs.replace(r, os=msgspec.structs.replace(r.os, packages=("shell", "extra"))),
        lambda r: msgspec.structs.replace(r, os=msgspec.structs.replace(r.os, architecture="i686")),
        lambda r: msgspec.structs.replace(
            r,
            os=msgspec.structs.replace(
                r.os, rpm_repository=(msgspec.structs.replace(r.os.rpm_repository[0], weak_signatures=True),)
            ),
        ),
        lambda r: msgspec.structs.replace(
            r,
            package=msgspec.structs.replace(
                r.package, source=msgspec.structs.replace(r.package.source, packages=("boss", "more"))
            ),
        ),
    ],
    ids=["packages", "architecture", "policy", "boss"],
)
def test_another_question_has_no_answer_yet(site: Site, change: Callable[[Recipe], Recipe]) -> None:
    assert site.found(change(OTHER)) is None


@pytest.mark.parametrize("name", ["os-primary.xml", "boss-repomd.xml", "os.asc", "boss.key"])
def test_one_other_byte_that_a_repository_gives_is_another_repository(site: Site, name: str) -> None:
    with (site.folder / name).open("a") as file:
        file.write("\n")
    assert site.found() is None


def test_a_signature_that_went_or_another_verdict_is_another_repository(site: Site) -> None:
    site.signatures["os"] = Signature(verdict=Verdict.UNSIGNED)
    assert site.found() is None


def test_a_repository_more_or_less_is_another_question(site: Site) -> None:
    del site.fetched["boss"]
    assert site.found() is None


def test_what_the_store_lost_must_be_fetched_and_judged_anew(site: Site) -> None:
    lost = site.store.blob_path(site.package(1).blob.digest)
    kept = lost.read_bytes()
    lost.unlink()
    assert site.found() is None
    site.store.put(kept)
    assert site.found() == site.lock


def test_a_lock_is_not_believed_what_the_repository_does_not_list(site: Site) -> None:
    shell = site.package(0)
    site.lists(listing(shell) + "\n")
    assert site.found() == site.lock
    for text in (
        listing(msgspec.structs.replace(shell, blob=blob("what the repository really has"))),
        listing(msgspec.structs.replace(shell, version="2")),
        listing(msgspec.structs.replace(shell, location="Packages/another.rpm")),
        listing(shell, "sha"),
        '<metadata xmlns="http://linux.duke.edu/metadata/common"/>',
        "no list that is read here",
    ):
        site.lists(text)
        assert site.found() is None, text


def test_a_lock_that_can_not_be_read_is_passed_over(site: Site) -> None:
    other = msgspec.structs.replace(site.lock, recipe=OTHER)
    store_lock(other, site.store)
    descriptor = site.store.find(f"inputs/{RECIPE.full_name}")
    assert descriptor is not None
    site.store.blob_path(site.store.manifest(descriptor).config.digest).unlink()
    assert site.found() == other
