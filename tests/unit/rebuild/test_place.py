"""The clean place: inputs are there at once, and what is wrong with them is told before what is built counts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from builder.core.errors import HostFailure
from builder.core.progress import NoProgress
from builder.rebuild.evidence import Shelf
from builder.rebuild.frozen import Frozen
from builder.rebuild.model import Answer
from builder.rebuild.place import Inputs, clean_place
from builder.rebuild.taxonomy import Cause
from builder.store.store import Store
from tests.unit.export.release import Site, frozen


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return frozen(Store(tmp_path / "images"))


def package(site: Site) -> str:
    return site.lock.repositories[0].packages[0].blob.digest


def suite(site: Site) -> str:
    return site.lock.sources["validation.suite"].blob.digest


def damage(site: Site, digest: str) -> None:
    path = site.store.blob_path(digest)
    data = bytearray(path.read_bytes())
    data[0] ^= 1
    path.unlink()
    path.write_bytes(data)


def bring(site: Site) -> tuple[bool, list[tuple[Cause, str]], set[str]]:
    """Whether all is there, what is bad, and what the place has, while it is checked and afterwards."""
    with clean_place(site.store) as place, Inputs(site.lock, site.store, place) as inputs:
        whole = inputs.bring()
        bad = [(found.cause, found.about) for found in inputs.bad()]
        return whole, bad, {digest for digest in needed(site) if place.has(digest)}


def needed(site: Site) -> set[str]:
    return {blob.digest for blob in site.lock.blobs().values()}


def test_all_inputs_are_in_the_place_and_none_is_bad(site: Site) -> None:
    assert bring(site) == (True, [], needed(site))


def test_an_input_is_a_second_name_of_the_stores_file(site: Site) -> None:
    with clean_place(site.store) as place, Inputs(site.lock, site.store, place) as inputs:
        assert inputs.bring()
        assert place.blob_path(package(site)).samefile(site.store.blob_path(package(site)))


def test_a_missing_input_is_told_before_anything_is_built(site: Site) -> None:
    site.store.blob_path(suite(site)).unlink()
    whole, bad, _ = bring(site)
    assert not whole
    assert bad == [(Cause.BLOB_MISSING, "input source/validation.suite")]


def test_damage_is_found_while_work_goes_on(site: Site) -> None:
    damage(site, package(site))
    whole, bad, present = bring(site)
    assert whole
    assert present == needed(site)
    assert [cause for cause, _ in bad] == [Cause.BLOB_CORRUPT]


def test_every_bad_input_is_told(site: Site) -> None:
    damage(site, package(site))
    site.store.blob_path(suite(site)).unlink()
    assert sorted(cause for cause, _ in bring(site)[1]) == [Cause.BLOB_CORRUPT, Cause.BLOB_MISSING]


def test_a_builder_image_that_is_damaged_is_an_input(site: Site) -> None:
    damage(site, site.lock.builder_image.digest)
    assert bring(site)[1] == [(Cause.BLOB_CORRUPT, "builder image")]


@pytest.mark.timeout(60)
def test_who_leaves_early_does_not_wait_for_the_comparison(site: Site) -> None:
    """The check stops at the next piece: a terabyte of nothing would take an hour."""
    endless = site.store.blob_path(package(site))
    endless.unlink()
    with endless.open("xb") as stream:
        stream.truncate(1 << 40)
    with clean_place(site.store) as place, pytest.raises(KeyboardInterrupt), Inputs(site.lock, site.store, place):
        raise KeyboardInterrupt


# -- the answer ----------------------------------------------------------------------------------------------------


def answers(site: Site) -> tuple[Answer, ...]:
    def without_engine(_: object) -> None:
        raise HostFailure("there is no Docker Engine")

    with clean_place(site.store) as place:
        question = Frozen(
            lock=site.lock,
            store=site.store,
            place=place,
            open_toolbox=without_engine,
            shelf=Shelf(site.store),
            progress=NoProgress(),
            validates=False,
        )
        return question.answers(["oci"])


def causes(given: tuple[Answer, ...]) -> list[Cause]:
    return [found.cause for answer in given for found in answer.findings]


def test_what_is_wrong_with_the_build_counts_where_the_inputs_are_good(site: Site) -> None:
    assert causes(answers(site)) == [Cause.HOST_LACKS]


@pytest.mark.parametrize("victim", [package, suite], ids=["built-in", "of-the-validation"])
def test_a_damaged_input_is_the_only_answer(site: Site, victim: Callable[[Site], str]) -> None:
    damage(site, victim(site))
    (answer,) = answers(site)
    assert causes((answer,)) == [Cause.BLOB_CORRUPT]
    assert answer.rebuilt == ""
    assert "build" in answer.seconds, "the build did not wait for the check"
