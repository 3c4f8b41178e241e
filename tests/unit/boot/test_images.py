"""Which images a store has, and what is said where one is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.boot.images import find_image, images
from builder.core.errors import InputFailure
from builder.store import oci
from builder.store.shapes import SIF_CONFIG, VM_TYPE, Shape, reference
from builder.store.store import Store


def put(store: Store, name: str, artifact_type: str | None = None) -> oci.Descriptor:
    manifest = oci.Manifest(config=store.put_empty_config(), layers=(), artifact_type=artifact_type)
    return store.put_manifest(manifest, name)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path)
    for name in ("boss-1", "boss-2", "image/boss-2/sif"):
        put(store, name)
    put(store, "image/boss-2/vm", VM_TYPE)
    for name in ("validation/boss-2/oci", "inputs/boss-3", "odd"):
        put(store, name, SIF_CONFIG)
    return store


def test_images_are_known_by_release_and_shape(store: Store) -> None:
    assert {release: list(shapes) for release, shapes in images(store).items()} == {
        "boss-1": ["oci"],
        "boss-2": ["oci", "sif", "vm"],
    }


@pytest.mark.parametrize("shape", ["oci", "sif", "vm"])
def test_an_image_is_found_by_its_shape(store: Store, shape: Shape) -> None:
    assert find_image(store, "boss-2", shape) == store.find(reference("boss-2", shape))


def test_a_shape_that_is_missing_is_named_with_those_that_are_there_and_the_cure(store: Store) -> None:
    with pytest.raises(InputFailure) as raised:
        find_image(store, "boss-1", "sif")
    assert "no sif image of boss-1" in str(raised.value)
    assert "it has: oci" in str(raised.value)
    assert "boss-builder build boss-1 --image sif" in str(raised.value)


def test_a_release_that_is_missing_is_named_with_those_that_are_there(store: Store) -> None:
    with pytest.raises(InputFailure, match=r"no image of boss-3\n.*it has: boss-1, boss-2"):
        find_image(store, "boss-3", "vm")
