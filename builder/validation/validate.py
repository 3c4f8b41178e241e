"""Boot an image, run the suites in it, keep the evidence with it."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder import __version__
from builder.boot.docker import DockerMachine
from builder.boot.machine import Machine
from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.core.files import write_atomically
from builder.core.progress import NoProgress, Progress
from builder.engine.engine import Engine
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.recipe.model import Recipe
from builder.store import oci
from builder.store.store import Store
from builder.validation.evidence import as_json, as_junit, as_text
from builder.validation.outcome import EVIDENCE_VERSION, Evidence, ImageId, Suite, Totals, overall
from builder.validation.report import as_html
from builder.validation.runner import SuiteFolder, recipe_suite, run_suite, standard_suite

VALIDATION_TYPE = "application/vnd.boss-builder.validation.v1"
LOCK_ANNOTATION = "boss-builder.lock"
STATE_ANNOTATION = "boss-builder.validation.state"
SUITE_KEY = "validation.suite"
SHAPE = "oci"
BOOT = "boot"
STANDARD_LIMIT = 300


@dataclass(frozen=True)
class Outcome:
    """A validation that was done: what it found, where it lies, and seconds by step (`boot`, then each suite)."""

    evidence: Evidence
    descriptor: oci.Descriptor
    report: Path
    seconds: dict[str, float]


def reference(release: str) -> str:
    """Reference under which the store keeps a release's validation."""
    return f"validation/{release}/{SHAPE}"


def validate(
    store: Store,
    engine: Engine,
    lock: Lock,
    descriptor: oci.Descriptor,
    *,
    report_folder: Path,
    progress: Progress | None = None,
) -> Outcome:
    """Boot the image that `descriptor` names with networking off and run the standard and the recipe's suite in it.

    The evidence is stored as an artifact whose subject is the image, and written for people to `report_folder`.
    Raises InputFailure where the image was not built from this lock; WorkFailure where it does not boot or the store
    lacks something. A suite that can not be run is no failure of this function: it makes the evidence UNKNOWN.
    """
    listener = progress or NoProgress()
    data = lock_file.encode(lock)
    release = lock.recipe.full_name
    if store.manifest(descriptor).annotations.get(LOCK_ANNOTATION) != Digest.of(data):
        raise InputFailure(
            f"the image of {release} was not built from its present lock", hint=f"boss-builder build {release}"
        )
    evidence_folder = report_folder / "validation"
    evidence_folder.mkdir(parents=True, exist_ok=True)
    with _workspace(store) as folder:
        (folder / lock_file.NAME).write_bytes(data)
        planned = [(standard_suite(folder / "standard"), STANDARD_LIMIT)]
        if lock.recipe.validation is not None:
            suite = recipe_suite(store, lock.sources[SUITE_KEY], folder / "recipe")
            planned.append((suite, lock.recipe.validation.time_limit))
        began = time.monotonic()
        with listener.task(f"boot {release}"):
            machine = DockerMachine.boot(engine, store, descriptor)
        booted = time.monotonic() - began
        with machine:
            suites, seconds = _run(planned, machine, folder, evidence_folder, listener)
    if lock.recipe.validation is None:
        problem = "the recipe names no validation suite, so nothing says that BOSS works in the image"
        suites.append(Suite(name="recipe", digest="", checks=(), problems=(problem,)))
    evidence = _evidence(lock, descriptor, Digest.of(data), tuple(suites))
    stored = store_evidence(store, evidence, descriptor)
    return Outcome(evidence, stored, _write_report(evidence, report_folder), {BOOT: booted, **seconds})


@contextmanager
def _workspace(store: Store) -> Iterator[Path]:
    """Give a workspace whose read-only suites can be removed by an ordinary user too."""
    with store.workspace("validate") as folder:
        try:
            yield folder
        finally:
            for path in folder.rglob("*"):
                if path.is_dir() and not path.is_symlink():
                    path.chmod(0o755)


def _run(
    planned: list[tuple[SuiteFolder, int]], machine: Machine, folder: Path, logs: Path, progress: Progress
) -> tuple[list[Suite], dict[str, float]]:
    suites, seconds = [], {}
    for suite, limit in planned:
        began = time.monotonic()
        work = folder / f"{suite.name}-work"
        work.mkdir()
        log = logs / f"pytest-{suite.name}.log"
        log.unlink(missing_ok=True)
        with progress.task(f"suite {suite.name}"):
            suites.append(
                run_suite(suite, machine, folder / lock_file.NAME, work=work, log_file=log, time_limit=float(limit))
            )
        seconds[suite.name] = time.monotonic() - began
    return suites, seconds


def _evidence(lock: Lock, image: oci.Descriptor, lock_digest: str, suites: tuple[Suite, ...]) -> Evidence:
    recipe = lock.recipe
    tools = {name: importlib.metadata.version(name) for name in ("pytest", "pytest-testinfra")}
    return Evidence(
        version=EVIDENCE_VERSION,
        release=recipe.full_name,
        title=recipe.release.title,
        image=ImageId(shape=SHAPE, media_type=image.media_type, digest=str(image.digest), size=image.size),
        lock=str(lock_digest),
        stands_in_for=tuple(_stand_ins(recipe)),
        tools={"boss-builder": __version__, **tools},
        state=overall(suites),
        totals=Totals.of(check for suite in suites for check in suite.checks),
        suites=suites,
    )


def _stand_ins(recipe: Recipe) -> Iterator[str]:
    if recipe.os.stands_in_for:
        yield f"the operating system {recipe.os.family} {recipe.os.version} stands in for {recipe.os.stands_in_for}"
    if recipe.package.stands_in_for:
        yield f"the package of {recipe.full_name} stands in for {recipe.package.stands_in_for}"


def store_evidence(store: Store, evidence: Evidence, image: oci.Descriptor) -> oci.Descriptor:
    """Store a result as an artifact whose subject is the image; equal results give the same artifact."""
    files = (
        ("validation.json", "application/json", as_json(evidence)),
        ("junit.xml", "application/xml", as_junit(evidence)),
        ("summary.txt", "text/plain", as_text(evidence).encode()),
    )
    manifest = oci.Manifest(
        config=store.put_empty_config(),
        layers=tuple(
            oci.Descriptor(media_type=kind, digest=store.put(data), size=len(data), annotations={oci.TITLE: name})
            for name, kind, data in files
        ),
        artifact_type=VALIDATION_TYPE,
        subject=oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size),
        annotations={STATE_ANNOTATION: evidence.state.value},
    )
    return store.put_manifest(
        manifest, reference(evidence.release), annotations={STATE_ANNOTATION: evidence.state.value}
    )


def _write_report(evidence: Evidence, folder: Path) -> Path:
    write_atomically(folder / "validation" / "validation.json", as_json(evidence))
    write_atomically(folder / "validation" / "junit.xml", as_junit(evidence))
    write_atomically(folder / "validation" / "summary.txt", as_text(evidence).encode())
    page = folder / "index.html"
    write_atomically(page, as_html(evidence).encode())
    return page
