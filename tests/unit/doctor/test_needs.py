"""What a release needs: of its lock, its family, and what the store has."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from builder.doctor.needs import Needs, needs_of, system_in_image, system_of, version_of
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.recipe.model import Recipe
from builder.store.shapes import SHAPES
from builder.store.store import Store
from tests.unit.export.release import RECIPE, Site, frozen


def of_system(family: str, version: str) -> Recipe:
    return msgspec.structs.replace(
        RECIPE, os=msgspec.structs.replace(RECIPE.os, family=family, version=version, stands_in_for="")
    )


def with_package(lock: Lock, name: str, version: str) -> Lock:
    """A lock whose first package is another one."""
    first, *rest = lock.repositories
    package, *others = first.packages
    package = msgspec.structs.replace(package, name=name, version=version)
    first = msgspec.structs.replace(first, packages=(package, *others))
    return msgspec.structs.replace(lock, repositories=(first, *rest))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


@pytest.fixture
def site(store: Store) -> Site:
    return frozen(store)


@pytest.fixture
def built(site: Site) -> Site:
    """The release in every shape, and its lock in the store."""
    for shape in SHAPES:
        site.put_image(shape)
    site.store.put(lock_file.encode(site.lock))
    return site


@pytest.mark.parametrize(
    ("text", "version"),
    [("2.12", (2, 12)), ("2.36-9+deb12u9", (2, 36)), ("219", (219,)), ("252.39", (252, 39)), ("git", None), ("", None)],
)
def test_a_version_is_the_numbers_that_it_begins_with(text: str, version: tuple[int, ...] | None) -> None:
    assert version_of(text) == version


@pytest.mark.parametrize(
    ("family", "version", "calls", "systemd"),
    [
        ("el5", "5.11", True, None), ("sl", "6.10", True, None), ("centos", "7", False, (219,)),
        ("almalinux", "9", False, (252,)), ("tiny", "1", None, None), ("el", "99", None, None),
    ],
)  # fmt: skip
def test_without_a_lock_the_family_tells(family, version, calls, systemd) -> None:
    system = system_of(of_system(family, version), None)
    assert (system.calls_vsyscall, system.systemd) == (calls, systemd)
    assert system.title.startswith(f"{family} {version}")


def test_a_system_that_stands_in_for_another_is_not_what_its_family_says() -> None:
    real = of_system("el", "6")
    stand_in = msgspec.structs.replace(real, os=msgspec.structs.replace(real.os, stands_in_for="an Enterprise Linux"))
    assert (system_of(real, None).calls_vsyscall, system_of(stand_in, None).calls_vsyscall) == (True, None)


@pytest.mark.parametrize(
    ("package", "version", "calls"),
    [("glibc", "2.5", True), ("glibc", "2.12", True), ("glibc", "2.13", True), ("glibc", "2.14", False),
     ("libc6", "2.36", False), ("glibc-common", "2.12", None)],
)  # fmt: skip
def test_the_glibc_of_the_lock_goes_first(site: Site, package: str, version: str, calls: bool | None) -> None:
    assert system_of(RECIPE, with_package(site.lock, package, version)).calls_vsyscall is calls
    assert system_of(of_system("centos", "7"), with_package(site.lock, package, version)).calls_vsyscall is bool(calls)


def test_a_lock_without_systemd_has_none(site: Site) -> None:
    assert system_of(of_system("centos", "7"), site.lock).systemd is None
    assert system_of(RECIPE, with_package(site.lock, "systemd", "219")).systemd == (219,)


def test_what_is_frozen_and_not_built_needs_all(store: Store, site: Site) -> None:
    needs = needs_of(RECIPE, site.lock, store)
    sizes = {blob.digest: blob.size for blob in site.lock.blobs().values()}
    assert (needs.inputs, needs.stored.missing_inputs) == (sum(sizes.values()), 0)
    assert needs.to_build() == ("oci", "sif", "vm")
    assert (needs.stored.built, needs.stored.layers) == (frozenset(), 0)
    assert needs.stored.builder_image
    package = site.lock.packages()[0].blob
    store.blob_path(package.digest).unlink()
    assert needs_of(RECIPE, site.lock, store).stored.missing_inputs == package.size


def test_what_is_built_needs_nothing(built: Site) -> None:
    needs = needs_of(RECIPE, built.lock, built.store)
    assert (needs.stored.built, needs.to_build(), needs.store_space(), needs.engine_space()) == (set(SHAPES), (), 0, 0)
    assert needs.stored.layers > 0
    again = needs_of(RECIPE, with_package(built.lock, "shell", "2"), built.store)
    assert (again.stored.built, again.stored.current) == (set(SHAPES), set()), "built, from another lock"


def test_without_a_lock_the_image_tells_the_system(store: Store, site: Site) -> None:
    site.lock = with_package(site.lock, "glibc", "2.12")
    image = site.put_image("oci")
    lock = store.put(lock_file.encode(site.lock))
    found = system_in_image(store, image)
    assert found is not None
    assert found.glibc == (2, 12)
    assert needs_of(RECIPE, None, store).system == found
    store.blob_path(lock).unlink()
    assert system_in_image(store, image) is None
    assert needs_of(RECIPE, None, store).system.glibc is None


@pytest.mark.parametrize("damaged", ["lock", "manifest"])
def test_an_image_that_is_not_whole_tells_nothing(store: Store, site: Site, damaged: str) -> None:
    image = site.put_image("oci")
    lock = str(store.put(lock_file.encode(site.lock)))
    assert system_in_image(store, image) is not None
    path = store.blob_path(lock if damaged == "lock" else image.digest)
    path.chmod(0o644)
    path.write_bytes(b"{}")
    assert system_in_image(store, image) is None


def test_an_empty_store_and_no_lock_leave_the_space_unknown(store: Store) -> None:
    needs: Needs = needs_of(RECIPE, None, store)
    assert (needs.inputs, needs.store_space(), needs.engine_space()) == (None, None, None)
    assert not needs.stored.builder_image
    assert needs.memory == 1 << 30
