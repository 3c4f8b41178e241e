"""The five real releases from end to end against a stand-in upstream: freeze, build, boot in three shapes, validate.

Everything but the upstream is real: dnf, rpm, puppet, the engine, apptainer, qemu, MariaDB. What is served has the
layout, the paths and the package names of the real one, and tiny content; no report may hide that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.standin.upstream import RELEASES, ROOT_HASH
from tests.standin.workplace import Standing, standing

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("standin"), pytest.mark.timeout(2400)]
FIRST = "boss-6.6.4.p03"
SHAPES = ("oci", "sif", "vm")
SAID = "was frozen from a stand-in upstream (repositories "


@dataclass(frozen=True)
class Built:
    """All five releases, frozen and built in every shape; `said` is what `build --json` printed, by release."""

    here: Standing
    said: dict[str, Any]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    with standing(tmp_path_factory.mktemp("standin")) as here:
        said = {}
        for release in RELEASES:
            ran = here.run("freeze", release)
            assert ran.code == 0, ran.err
            ran = here.run("build", release, "--json")
            assert ran.code == 0, ran.err
            said[release] = ran.json
        # the first release has none before it: it is compared with its successor, which is validated after it
        ran = here.run("validate", FIRST, "--image", "oci")
        assert ran.code == 1, ran.err
        yield Built(here, said)


def lock_of(built: Built, release: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(built.here.work.lock(release).read_text())
    return document


@pytest.mark.parametrize("release", RELEASES)
def test_the_lock_keeps_the_original_addresses(built: Built, release: str) -> None:
    lock = lock_of(built, release)
    addresses = [repository["url"] for repository in lock["repositories"]]
    addresses += [key["source"] for repository in lock["repositories"] for key in repository["keys"]]
    assert {address.partition("//")[0] for address in addresses} == {"https:"}
    assert built.here.url not in built.here.work.lock(release).read_text()
    assert {repository["signature"]["verdict"] for repository in lock["repositories"]} <= {"good", "unchecked"}
    assert {p["signature"]["verdict"] for repository in lock["repositories"] for p in repository["packages"]} == {
        "good"
    }


@pytest.mark.parametrize("release", [release for release, system in RELEASES.items() if system != "el5"])
def test_what_comes_from_cvmfs_is_of_the_revision_that_the_recipe_names(built: Built, release: str) -> None:
    sources = lock_of(built, release)["sources"]
    trees = [sources[f"external_library.{name}"]["cvmfs"] for name in ("ExternalLib", "cmthome")]
    trees.append(sources["package.boss"]["cvmfs"])
    assert {tree["root_hash"] for tree in trees} == {ROOT_HASH}
    assert trees[2]["path"].endswith(f"/Boss/{release.removeprefix('boss-')}")


@pytest.mark.parametrize(("first", "second"), [("boss-6.6.5.p01", "boss-7.0.5"), ("boss-7.0.9.p01", "boss-7.1.0")])
def test_a_second_release_of_a_system_shares_its_base(built: Built, first: str, second: str) -> None:
    made = {stage["name"] for stage in built.said[first]["stages"] if not stage["stored"]}
    again = {stage["name"] for stage in built.said[second]["stages"] if not stage["stored"]}
    assert {"os", "site"} <= made
    assert not {"os", "site"} & again


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("release", [*(release for release in RELEASES if release != FIRST), FIRST])
def test_a_release_boots_and_validates_and_says_what_it_is(built: Built, release: str, shape: str) -> None:
    ran = built.here.run("validate", release, "--image", shape)
    assert ran.code == 0, ran.out + ran.err
    assert SAID in ran.out
    reports = built.here.work.folder / "images" / "reports" / release
    assert SAID in (reports / "index.html").read_text()
    assert SAID in next(Path(reports).rglob("junit.xml")).read_text()
