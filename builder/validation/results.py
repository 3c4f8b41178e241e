"""Results of samples in the store: an artifact for each image, whose layers are the files of histograms as written.

A later release is compared with them, shapes are compared with each other, and a rebuild compares with what was found
before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.lock.notes import all_stand_ins
from builder.store import oci
from builder.store.shapes import SHAPES, Shape
from builder.store.store import Store
from builder.validation.samples import SampleRun

RESULTS_TYPE = "application/vnd.boss-builder.results.v1"
CONFIG_TYPE = "application/vnd.boss-builder.results.config.v1+json"
HISTOGRAMS_TYPE = "application/vnd.boss-builder.histograms.v1+json"
VERSION = 1

Length = Literal["full", "short"]
"""A full run has all events of a sample; a short one few enough for an emulated processor."""


class StoredRun(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of a sample: which, how long, with which seed, and the digest of its histograms (empty: none)."""

    sample: str
    channel: str
    length: Length
    events: int
    """Asked for, and generated where there are histograms."""
    seed: int
    digest: str = ""
    problem: str = ""


class Results(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that an image's samples gave."""

    version: int = VERSION
    release: str
    title: str
    shape: Shape
    image: str
    """Digest of the image's manifest."""
    lock: str
    stands_in_for: tuple[str, ...] = ()
    runs: tuple[StoredRun, ...]

    def run(self, sample: str, length: Length) -> StoredRun | None:
        """Find a run."""
        return next((run for run in self.runs if (run.sample, run.length) == (sample, length)), None)


def reference(release: str, shape: Shape) -> str:
    """Reference under which the store keeps the results of a release in a shape."""
    return f"results/{release}/{shape}"


def store_results(
    store: Store, lock: Lock, shape: Shape, image: oci.Descriptor, runs: Mapping[Length, Sequence[SampleRun]]
) -> tuple[Results, oci.Descriptor]:
    """Store what the samples of an image gave, as an artifact whose subject is the image; gives both."""
    stored, layers = [], []
    for length, made in runs.items():
        for run in made:
            digest = ""
            if run.result:
                digest = str(store.put(run.result))
                title = {oci.TITLE: f"{run.sample.name}.{length}.json"}
                layers.append(
                    oci.Descriptor(media_type=HISTOGRAMS_TYPE, digest=digest, size=len(run.result), annotations=title)
                )
            stored.append(
                StoredRun(
                    sample=run.sample.name,
                    channel=run.sample.channel,
                    length=length,
                    events=run.events,
                    seed=run.sample.seed,
                    digest=digest,
                    problem=run.problem,
                )
            )
    results = Results(
        release=lock.recipe.full_name,
        title=lock.recipe.release.title,
        shape=shape,
        image=str(image.digest),
        lock=str(Digest.of(lock_file.encode(lock))),
        stands_in_for=all_stand_ins(lock),
        runs=tuple(stored),
    )
    config = documents.readable(results)
    manifest = oci.Manifest(
        config=oci.Descriptor(media_type=CONFIG_TYPE, digest=store.put(config), size=len(config)),
        layers=tuple(layers),
        artifact_type=RESULTS_TYPE,
        subject=oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size),
    )
    return results, store.put_manifest(manifest, reference(results.release, shape))


def stored_results(store: Store, release: str, shape: Shape) -> Results | None:
    """Read the results of a release in a shape; None where there are none. Raises WorkFailure for damaged ones."""
    descriptor = store.find(reference(release, shape))
    return None if descriptor is None else store.document(store.manifest(descriptor).config, Results)


def best_results(store: Store, release: str) -> Results:
    """Give the results of a release in the first shape that has some. Raises InputFailure where none has."""
    for shape in SHAPES:
        found = stored_results(store, release, shape)
        if found is not None:
            return found
    raise InputFailure(f"the store has no results of {release}", hint=f"make them: boss-builder validate {release}")
