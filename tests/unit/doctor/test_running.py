"""What `run` and `build` ask of the host, before they begin and after a program died."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from builder.cli.build import command as build
from builder.doctor import engine, vsyscall
from builder.doctor.running import SEGFAULT, barred_shapes, build_problems, explained
from builder.doctor.vsyscall import program
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.lock.stored import INPUTS_TYPE, LOCK_TYPE
from builder.store import oci
from builder.store.shapes import SHAPES
from builder.store.store import Store
from tests.unit.doctor.hosts import FOREIGN, enterprise_linux
from tests.unit.doctor.test_probes import NO_HOST
from tests.unit.doctor.test_vsyscall import NOWHERE
from tests.unit.export.release import Site, frozen

HUGE = 1 << 60
"""Bytes that no disk has free."""


@pytest.fixture
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel without the page: the program that tries it dies for real. No engine answers."""
    monkeypatch.setattr(vsyscall, "program", lambda: program(NOWHERE))
    monkeypatch.setenv("DOCKER_HOST", NO_HOST)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setenv("DOCKER_HOST", NO_HOST)
    return frozen(Store(tmp_path / "images"))


def with_a_huge_package(lock: Lock) -> Lock:
    first, *others = lock.repositories[0].packages
    first = msgspec.structs.replace(first, blob=msgspec.structs.replace(first.blob, size=HUGE))
    repository = msgspec.structs.replace(lock.repositories[0], packages=(first, *others))
    return msgspec.structs.replace(lock, repositories=(repository,))


@pytest.mark.usefixtures("no_page")
def test_containers_of_an_old_system_are_barred_on_a_kernel_without_the_page() -> None:
    assert set(barred_shapes(enterprise_linux(6))) == {"oci", "sif"}
    assert [barred_shapes(system) for system in (enterprise_linux(7), FOREIGN, None)] == [{}, {}, {}]


def test_the_host_is_not_asked_where_it_makes_no_difference(monkeypatch) -> None:
    def asked() -> None:
        pytest.fail("the host was asked")

    monkeypatch.setattr(vsyscall, "probe", asked)
    monkeypatch.setattr(engine, "probe", asked)
    assert barred_shapes(enterprise_linux(7)) == barred_shapes(None) == {}
    assert explained(0, "boss-1.0", enterprise_linux(6), "oci") is None
    assert explained(SEGFAULT, "boss-1.0", enterprise_linux(6), "vm") is None


@pytest.mark.usefixtures("no_page")
def test_a_death_by_sigsegv_has_its_cause_and_its_cure() -> None:
    problem = explained(SEGFAULT, "boss-1.0", enterprise_linux(6), "oci")
    assert problem is not None
    assert problem.message == ("the command died of SIGSEGV: its programs die on this kernel, which has vsyscall=none")
    assert "vsyscall=emulate" in problem.hint
    assert problem.hint.endswith("boss-builder run boss-1.0 --as vm")
    assert explained(SEGFAULT, "boss-1.0", enterprise_linux(7), "oci") is None, "it has another cause"
    assert explained(138, "boss-1.0", enterprise_linux(6), "oci") is None
    assert explained(SEGFAULT, "boss-1.0", None, "sif") is not None, "an image without its lock"


def test_a_build_that_is_likely_to_fill_the_disk_is_told_so(site: Site) -> None:
    assert build_problems(site.lock, site.store, None) == ()
    (problem,) = build_problems(with_a_huge_package(site.lock), site.store, None)
    assert problem.message.startswith("stages and images are written: about ")
    assert problem.hint


def test_a_build_of_what_is_there_asks_nothing(site: Site, monkeypatch) -> None:
    lock = with_a_huge_package(site.lock)
    for shape in SHAPES:
        site.put_image(shape, lock=lock)
    monkeypatch.setattr(engine, "probe", lambda: pytest.fail("the engine was asked"))
    assert build_problems(lock, site.store, None) == ()


def test_a_damaged_store_is_for_the_build_to_tell(site: Site) -> None:
    image = site.put_image("oci")
    path = site.store.blob_path(image.digest)
    path.chmod(0o644)
    path.write_bytes(b"x" * image.size)
    assert build_problems(with_a_huge_package(site.lock), site.store, None) == ()


def test_build_says_it_before_the_work_begins(site: Site, tmp_path: Path) -> None:
    data = lock_file.encode(with_a_huge_package(site.lock))
    config = oci.Descriptor(media_type=LOCK_TYPE, digest=site.store.put(data), size=len(data))
    site.store.put_manifest(oci.Manifest(config=config, layers=(), artifact_type=INPUTS_TYPE), "inputs/tiny-1.0")
    words = ["tiny-1.0", "--recipes", str(tmp_path / "recipes"), "--store", str(site.store.path)]
    result = CliRunner().invoke(build, words, catch_exceptions=False)
    assert result.exit_code == 3, "no engine answers"
    said = result.stderr.splitlines()
    told = next(number for number, line in enumerate(said) if line.startswith("stages and images are written: about"))
    assert told < said.index("no Docker Engine answers")
