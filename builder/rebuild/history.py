"""The history of a release: every run is an artifact of the store, added once and never changed.

A run's reference tells when it began and, so that two runs that go on at once do not meet, the beginning of its
configuration's digest. The configuration is the Run; the layers are its evidence.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import Failure, Problem, WorkFailure
from builder.rebuild.model import RUN_VERSION, Run
from builder.store import oci
from builder.store.store import Store

RUN_TYPE = "application/vnd.boss-builder.rebuild.v1"
CONFIG_TYPE = "application/vnd.boss-builder.rebuild.config.v1+json"
RELEASE_ANNOTATION = "boss-builder.release"
STATE_ANNOTATION = "boss-builder.rebuild.state"
REBUILD = "rebuild"
SHORT = 6
"""Digits of the configuration's digest in a reference."""


@dataclass(frozen=True)
class History:
    """What the store remembers of a release: its runs, oldest first, and what ails those that can not be read."""

    runs: tuple[Run, ...]
    problems: tuple[Problem, ...]


class _Versioned(msgspec.Struct, frozen=True):
    """As much of a run as every version has."""

    version: int


def reference(run: Run, config: Digest) -> str:
    """Reference of a run whose configuration has this digest: `rebuild/boss-7.0.5/20261125T153614Z-0a1b2c`."""
    began = datetime.fromisoformat(run.began).astimezone(UTC)
    return f"{REBUILD}/{run.release}/{began:%Y%m%dT%H%M%SZ}-{config.hex[:SHORT]}"


def append(store: Store, run: Run, evidence: Iterable[oci.Descriptor] = ()) -> oci.Descriptor:
    """Add a run, with the evidence that it names, to the history of its release; gives the artifact's descriptor.

    Raises WorkFailure where the store lacks some of the evidence, or where another run has the reference already.
    """
    config = documents.readable(run)
    digest = store.put(config)
    manifest = oci.Manifest(
        config=oci.Descriptor(media_type=CONFIG_TYPE, digest=digest, size=len(config)),
        layers=tuple(evidence),
        artifact_type=RUN_TYPE,
        annotations={RELEASE_ANNOTATION: run.release, STATE_ANNOTATION: run.state.value},
    )
    name = reference(run, digest)
    there = store.find(name)
    if there is not None and there.digest != Digest.of(documents.compact(manifest)):
        raise WorkFailure(f"the store has another run as {name}", hint="nothing of it was changed; run it again")
    return store.put_manifest(manifest, name, annotations={STATE_ANNOTATION: run.state.value})


def read(store: Store, release: str) -> History:
    """Read the history of a release. A run that is damaged, or another version's, is told and left out."""
    runs: list[tuple[str, str, Run]] = []
    problems: list[Problem] = []
    for name, descriptor in store.references(f"{REBUILD}/{release}/").items():
        try:
            run = _read(store, descriptor)
        except Failure as failure:
            problems += [Problem(f"{name}: {problem.message}", hint=problem.hint) for problem in failure.problems]
        else:
            runs.append((run.began, name, run))
    return History(tuple(run for _, _, run in sorted(runs, key=lambda kept: kept[:2])), tuple(problems))


def runs(store: Store, release: str) -> tuple[Run, ...]:
    """Give the runs of a release that can be read, oldest first."""
    return read(store, release).runs


def releases(store: Store) -> tuple[str, ...]:
    """Give the releases that the store has a history of, by name."""
    return tuple(sorted({name.split("/")[1] for name in store.references(f"{REBUILD}/") if name.count("/") > 1}))


def _read(store: Store, descriptor: oci.Descriptor) -> Run:
    """Read a run. Raises WorkFailure where it is missing, damaged, or of another version."""
    config = store.manifest(descriptor).config
    try:
        version = store.document(config, _Versioned).version
        if version == RUN_VERSION:
            return store.document(config, Run)
    except ValueError as error:  # a digest that is none
        raise WorkFailure(f"the run can not be found: {error}", hint="boss-builder verify tells what is damaged") from (
            error
        )
    raise WorkFailure(
        f"the run was written by another version of boss-builder (version {version} of its form; this one reads "
        f"{RUN_VERSION})",
        hint="read it with that version; the runs of this one are judged without it",
    )
