"""What samples gave is kept in the store as an artifact of the image, always under the same digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.lock import file as lock_file
from builder.store import oci
from builder.store.store import Store
from builder.validation.results import RESULTS_TYPE, best_results, reference, store_results, stored_results
from tests.unit.validation.measured import EVENTS, GOOD, damage, image, lock, measure, run, validation

LOCK = lock(validation(samples=("mumu", "ee")))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_the_same_results_make_the_same_artifact(store: Store, tmp_path: Path) -> None:
    runs = (run(), run(b"{}", name="ee"))
    first, one = store_results(store, LOCK, "oci", image(), {"full": runs})
    again, two = store_results(store, LOCK, "oci", image(), {"full": runs})
    elsewhere, three = store_results(Store(tmp_path / "other"), LOCK, "oci", image(), {"full": runs})
    assert first == again == elsewhere
    assert one.digest == two.digest == three.digest
    _, other = store_results(store, LOCK, "oci", image(), {"full": runs[:1]})
    assert other.digest != one.digest


def test_the_artifact_points_to_its_image_and_holds_the_files_as_written(store: Store) -> None:
    made, descriptor = store_results(
        store, LOCK, "vm", image("vm"), {"short": (run(),), "full": (run(b"", name="ee", problem="it crashed"),)}
    )
    manifest = store.manifest(descriptor)
    assert manifest.artifact_type == RESULTS_TYPE
    assert manifest.subject is not None
    assert (manifest.subject.digest, manifest.subject.size) == (image("vm").digest, 3)
    (layer,) = manifest.layers
    assert store.read(layer.digest) == GOOD
    assert layer.annotations[oci.TITLE] == "mumu.short.json"
    assert (made.release, made.shape, made.image) == ("tiny-2", "vm", image("vm").digest)
    assert made.lock == Digest.of(lock_file.encode(LOCK))
    assert made.stands_in_for == ("pseudo-data stands in for data of the real experiment",)


def test_stored_results_are_read_back_whole(store: Store) -> None:
    made = measure(store, LOCK, run(), run(b"", name="ee", problem="it crashed"), lengths=("full",))
    assert stored_results(store, "tiny-2", "oci") == made
    good, bad = made.run("mumu", "full"), made.run("ee", "full")
    assert good is not None
    assert bad is not None
    assert (good.digest, good.events, good.problem) == (Digest.of(GOOD), EVENTS, "")
    assert (bad.digest, bad.problem) == ("", "it crashed")
    assert made.run("mumu", "short") is None
    assert stored_results(store, "tiny-2", "sif") is None
    assert stored_results(store, "tiny", "oci") is None


def test_later_results_of_a_shape_take_the_place_of_earlier_ones(store: Store) -> None:
    measure(store, LOCK, run())
    later = measure(store, LOCK, run(b"{}"))
    assert stored_results(store, "tiny-2", "oci") == later
    assert list(store.references("results/")) == [reference("tiny-2", "oci")]


def test_the_best_results_are_those_of_the_first_shape_that_has_some(store: Store) -> None:
    machine = measure(store, LOCK, shape="vm")
    assert best_results(store, "tiny-2") == machine
    container = measure(store, LOCK, shape="oci")
    assert best_results(store, "tiny-2") == container


def test_a_release_without_results_is_refused_with_the_command_that_makes_them(store: Store) -> None:
    with pytest.raises(InputFailure, match=r"no results of tiny-1\n +make them: boss-builder validate tiny-1"):
        best_results(store, "tiny-1")


def test_damaged_results_are_no_results(store: Store) -> None:
    measure(store, LOCK)
    damage(store, store.manifest(store.references()["results/tiny-2/oci"]).config.digest)
    with pytest.raises(WorkFailure, match="is damaged"):
        stored_results(store, "tiny-2", "oci")


def test_what_is_no_document_of_results_is_refused(store: Store) -> None:
    data = b'{"version": 1}'
    config = oci.Descriptor(media_type="application/json", digest=store.put(data), size=len(data))
    store.put_manifest(oci.Manifest(config=config, layers=()), reference("tiny-2", "oci"))
    with pytest.raises(WorkFailure, match="is not what it should be"):
        stored_results(store, "tiny-2", "oci")
