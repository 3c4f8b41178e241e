"""What a store holds, and how `list` shows it."""

import json

import pytest
from click.testing import CliRunner

from builder.cli.list import command
from builder.core.errors import WorkFailure
from builder.store import oci
from builder.store.contents import Blobs, blobs, contents
from builder.store.shapes import reference
from builder.store.store import Store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "images")


def put(store: Store, name: str, *layers: bytes, **more) -> oci.Descriptor:
    described = tuple(oci.Descriptor(media_type="x", digest=store.put(data), size=len(data)) for data in layers)
    annotations = more.pop("said", None)
    manifest = oci.Manifest(config=store.put_empty_config(), layers=described, **more)
    return store.put_manifest(manifest, name, annotations)


@pytest.fixture
def filled(store) -> Store:
    image = put(store, "boss-1.0", b"layer" * 100, annotations={"org.opencontainers.image.title": "BOSS"})
    put(store, reference("boss-1.0", "sif"), b"sif", subject=image)
    put(store, "inputs/boss-1.0", b"one", b"one", b"two", artifact_type="inputs")
    put(store, "stage/os/1234", b"stage", artifact_type="stage")
    put(store, "validation/boss-1.0/oci", b"ok", subject=image, annotations={"boss-builder.validation.state": "PASSED"})
    put(store, "validation/boss-1.0/vm", b"ok", subject=image)
    for day, state in ((1, "GOOD"), (2, "BAD")):
        put(store, f"rebuild/boss-1.0/2026010{day}T000000Z-abcdef", b"r", said={"boss-builder.rebuild.state": state})
    return store


def test_images_artifacts_validations_and_histories_are_told_apart(filled):
    found = contents(filled)
    assert [(one.release, one.shape, one.title) for one in found.images] == [
        ("boss-1.0", "oci", "BOSS"),
        ("boss-1.0", "sif", ""),
    ]
    assert [(one.name, one.files, one.size) for one in found.inputs] == [("boss-1.0", 3, 2 + 3 + 3)]
    assert [one.name for one in found.stages] == ["os/1234"]
    assert [(one.shape, one.state, one.of_present_image) for one in found.validations] == [
        ("oci", "PASSED", True),
        ("vm", "UNKNOWN", False),
    ]
    assert [(one.runs, one.latest, one.state) for one in found.rebuilds] == [(2, "20260102T000000Z", "BAD")]
    assert (found.results, found.builder_images) == ((), ())


def test_every_blob_is_counted_once_also_what_nothing_refers_to(store):
    assert blobs(store) == Blobs(number=0, size=0)
    store.put(b"nobody's")
    store.put(b"nobody's")
    assert blobs(store) == Blobs(number=1, size=8)


def test_only_what_is_shown_is_read(filled):
    descriptor = put(filled, "sbom/boss-1.0/oci", b"sbom")
    filled.blob_path(descriptor.digest).unlink()
    assert contents(filled).images
    filled.blob_path(filled.references()["stage/os/1234"].digest).unlink()
    with pytest.raises(WorkFailure, match="missing"):
        contents(filled)


def test_the_command_shows_the_tables_first_and_the_whole_last(filled):
    words = ["--store", str(filled.path)]
    lines = CliRunner().invoke(command, words).stdout.splitlines()
    assert lines[:2] == ["images", "  release   shape  size   created  digest"]
    whole = blobs(filled)
    assert lines[-1].startswith(f"{whole.number} blobs, ")
    shown = json.loads(CliRunner().invoke(command, [*words, "--json"]).stdout)
    assert (shown["blobs"], shown["total_size"]) == (whole.number, whole.size)
    assert shown["inputs"][0]["reference"] == "inputs/boss-1.0"
