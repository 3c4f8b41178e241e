"""What a store holds, for people: images, what they were made of, and what is known of them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

import msgspec

from builder.store import oci
from builder.store.shapes import SHAPES, Shape, reference, release_and_shape
from builder.store.store import Store

CREATED = "org.opencontainers.image.created"
IMAGE_TITLE = "org.opencontainers.image.title"
VALIDATION_STATE = "boss-builder.validation.state"
REBUILD_STATE = "boss-builder.rebuild.state"
INPUTS, STAGE, BUILDER, VALIDATION, RESULTS = "inputs", "stage", "builder", "validation", "results"
REBUILD = "rebuild"


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the records. Sizes are in bytes, as stored; digests are those of manifests."""

    reference: str
    digest: str
    size: int


class Image(_Record, frozen=True):
    """A release in a shape."""

    release: str
    shape: Shape
    title: str
    created: str
    """The release's date, not the day of the build: the same lock gives the same bytes."""


class Artifact(_Record, frozen=True):
    """Anything that is a number of files: a release's inputs, its samples' results, a stage, a builder image."""

    name: str
    files: int


class Validation(_Record, frozen=True):
    """A validation's result."""

    release: str
    shape: str
    state: str
    of_present_image: bool
    """Whether it judged the image that the store holds for the release today."""


class Rebuilds(msgspec.Struct, frozen=True, kw_only=True):
    """The history of a release: how many runs, and how the latest ended."""

    release: str
    runs: int
    latest: str
    """When the latest began, as its reference has it: 20261125T153614Z."""
    state: str


class Contents(msgspec.Struct, frozen=True, kw_only=True):
    """What the references of a store name."""

    images: tuple[Image, ...]
    validations: tuple[Validation, ...]
    results: tuple[Artifact, ...]
    """Histograms of samples, by release and shape."""
    inputs: tuple[Artifact, ...]
    stages: tuple[Artifact, ...]
    builder_images: tuple[Artifact, ...]
    rebuilds: tuple[Rebuilds, ...]


class Blobs(msgspec.Struct, frozen=True, kw_only=True):
    """All blobs of a store, each counted once, also those that nothing refers to."""

    number: int
    size: int
    """Bytes."""


class _Blob(msgspec.Struct, frozen=True):
    """As much of a descriptor as is shown: a manifest may have thousands."""

    digest: str
    size: int


class _Manifest(msgspec.Struct, frozen=True):
    """As much of a manifest as is shown."""

    config: _Blob
    layers: tuple[_Blob, ...]
    subject: _Blob | None = None
    annotations: dict[str, str] = {}

    @property
    def size(self) -> int:
        """Bytes of what it names, each blob counted once."""
        return sum({blob.digest: blob.size for blob in (self.config, *self.layers)}.values())


def contents(store: Store) -> Contents:
    """Read what a store holds: the index, and of the manifests those that are shown.

    Raises WorkFailure where one is missing or damaged.
    """
    references = store.references()

    def of(kind: str) -> Iterator[tuple[str, oci.Descriptor]]:
        return ((name, descriptor) for name, descriptor in references.items() if name.startswith(f"{kind}/"))

    def artifacts(kind: str) -> tuple[Artifact, ...]:
        return tuple(_artifact(name, kind, descriptor, _read(store, descriptor)) for name, descriptor in of(kind))

    images = tuple(
        _image(name, descriptor, _read(store, descriptor), *named)
        for name, descriptor in references.items()
        if (named := release_and_shape(name, descriptor)) is not None
    )
    return Contents(
        images=tuple(sorted(images, key=lambda image: (image.release, SHAPES.index(image.shape)))),
        validations=tuple(
            _validation(name, references, _read(store, descriptor)) for name, descriptor in of(VALIDATION)
        ),
        results=artifacts(RESULTS),
        inputs=artifacts(INPUTS),
        stages=artifacts(STAGE),
        builder_images=artifacts(BUILDER),
        rebuilds=tuple(_rebuilds(dict(of(REBUILD)))),
    )


def blobs(store: Store) -> Blobs:
    """Count all blobs, with a look at each one's size: of a hundred thousand that takes a while."""
    folder = store.path / "blobs" / "sha256"
    if not folder.is_dir():
        return Blobs(number=0, size=0)
    with os.scandir(folder) as entries:
        sizes = [entry.stat().st_size for entry in entries if entry.is_file()]
    return Blobs(number=len(sizes), size=sum(sizes))


def _read(store: Store, descriptor: oci.Descriptor) -> _Manifest:
    return store.document(descriptor, _Manifest)


def _artifact(name: str, kind: str, descriptor: oci.Descriptor, manifest: _Manifest) -> Artifact:
    return Artifact(
        reference=name,
        digest=descriptor.digest,
        size=manifest.size,
        name=name.removeprefix(f"{kind}/"),
        files=len(manifest.layers),
    )


def _image(name: str, descriptor: oci.Descriptor, manifest: _Manifest, release: str, shape: Shape) -> Image:
    return Image(
        reference=name,
        digest=descriptor.digest,
        size=manifest.size,
        release=release,
        shape=shape,
        title=manifest.annotations.get(IMAGE_TITLE, ""),
        created=manifest.annotations.get(CREATED, ""),
    )


def _validation(name: str, references: Mapping[str, oci.Descriptor], manifest: _Manifest) -> Validation:
    release, _, shape = name.removeprefix(f"{VALIDATION}/").rpartition("/")
    image = next((references.get(reference(release, s)) for s in SHAPES if s == shape), None)
    return Validation(
        reference=name,
        digest=references[name].digest,
        size=manifest.size,
        release=release,
        shape=shape,
        state=manifest.annotations.get(VALIDATION_STATE, "UNKNOWN"),
        of_present_image=image is not None and manifest.subject is not None and manifest.subject.digest == image.digest,
    )


def _rebuilds(histories: Mapping[str, oci.Descriptor]) -> Iterator[Rebuilds]:
    """Count runs by release. Their references alone are read: there may be one for every night of many years."""
    releases: dict[str, list[str]] = {}
    for name in sorted(histories):
        releases.setdefault(name.split("/")[1], []).append(name)
    for release, names in releases.items():
        latest = names[-1].rpartition("/")[2].partition("-")[0]
        state = histories[names[-1]].annotations.get(REBUILD_STATE, "UNKNOWN")
        yield Rebuilds(release=release, runs=len(names), latest=latest, state=state)
