"""Boot the images of a release, run the suites in each, keep the evidence with them."""

from __future__ import annotations

import importlib.metadata
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder import __version__
from builder.boot.boot import boot
from builder.boot.images import missing_shape, release_images
from builder.boot.machine import Machine
from builder.core.digest import Digest
from builder.core.errors import Failure, InputFailure, WorkFailure
from builder.core.files import write_atomically
from builder.core.progress import NoProgress, Progress
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.lock.notes import all_stand_ins
from builder.physics.model import Judgement
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION, SHAPES, Shape
from builder.store.store import Store
from builder.validation.evidence import as_json, as_junit, as_text
from builder.validation.outcome import EVIDENCE_VERSION, Evidence, ImageId, State, Suite, Totals, Unjudged, overall
from builder.validation.report import Page, as_html
from builder.validation.results import Length, store_results
from builder.validation.runner import SuiteFolder, recipe_suite, run_suite, standard_suite
from builder.validation.samples import SampleRun, run_samples

if TYPE_CHECKING:
    from builder.validation.physics import Physics

VALIDATION_TYPE = "application/vnd.boss-builder.validation.v1"
STATE_ANNOTATION = "boss-builder.validation.state"
SUITE_KEY = "validation.suite"
BOOT = "boot"
STANDARD_LIMIT = 300
PHYSICS_FOLDER = "physics"


@dataclass(frozen=True)
class Outcome:
    """An image that was judged: what was found, where it lies, and seconds by step (`boot`, then each suite)."""

    evidence: Evidence
    descriptor: oci.Descriptor
    folder: Path
    """Where the result's files lie for people."""
    seconds: dict[str, float]


@dataclass(frozen=True)
class Validation:
    """A release that was judged: each shape's outcome, the shapes that could not be judged, and the page for people."""

    release: str
    outcomes: tuple[Outcome, ...]
    failures: dict[Shape, Failure]
    report: Path

    @property
    def state(self) -> State:
        """The worst of all shapes; one that could not be judged is UNKNOWN."""
        return overall([*(o.evidence for o in self.outcomes), *(_unjudged(s, f) for s, f in self.failures.items())])


def reference(release: str, shape: Shape) -> str:
    """Reference under which the store keeps the validation of a release in a shape."""
    return f"validation/{release}/{shape}"


def images_to_judge(store: Store, lock: Lock, shape: Shape | None = None) -> dict[Shape, oci.Descriptor]:
    """Give the images to judge: of one shape, or all that the recipe asks for and all that were built from this lock.

    Raises InputFailure where a shape that was asked for has not been built, or was built from another lock.
    """
    release = lock.recipe.full_name
    known = release_images(store, release)
    digest = Digest.of(lock_file.encode(lock))
    present = {s: d for s, d in known.items() if store.manifest(d).annotations.get(LOCK_ANNOTATION) == digest}
    wanted = [shape] if shape else [s for s in SHAPES if s in present or s in lock.recipe.shapes]
    for name in wanted:
        if name not in known:
            raise missing_shape(store, release, name, known)
        if name not in present:
            raise InputFailure(
                f"the {name} image of {release} was not built from its present lock",
                hint=f"boss-builder build {release}",
            )
    return {name: present[name] for name in wanted}


def validate(
    store: Store,
    lock: Lock,
    images: Mapping[Shape, oci.Descriptor],
    *,
    report_folder: Path,
    progress: Progress | None = None,
    boot_limit: float | None = None,
) -> Validation:
    """Boot each image with networking off and run the standard and the recipe's suite in it.

    `images` are those of this lock; see `images_to_judge`. Each image's evidence is stored as an artifact whose
    subject is the image; it is written for people to `report_folder`, with a page that shows every shape of the
    release. `boot_limit` is that of `boot`. A shape that can not be booted does not keep the others from being judged:
    its failure is in the result. A suite that can not be run makes the evidence UNKNOWN. Raises WorkFailure where the
    store lacks something.
    """
    listener = progress or NoProgress()
    release = lock.recipe.full_name
    outcomes: list[Outcome] = []
    compared: list[Physics] = []
    failures: dict[Shape, Failure] = {}
    with _workspace(store) as folder:
        (folder / lock_file.NAME).write_bytes(lock_file.encode(lock))
        suites = _suites(store, lock, folder)
        for shape, image in images.items():
            work = folder / shape
            work.mkdir()
            logs = report_folder / "validation" / shape
            logs.mkdir(parents=True, exist_ok=True)
            began = time.monotonic()
            try:
                with listener.task(f"boot {release} ({shape})"):
                    machine = boot(store, shape, image, progress=listener, time_limit=boot_limit)
            except Failure as failure:
                failures[shape] = failure
                continue
            booted = time.monotonic() - began
            with machine:
                judged, seconds = _run(
                    shape, suites, machine, folder / lock_file.NAME, folder=work, logs=logs, progress=listener
                )
                began = time.monotonic()
                runs = _run_samples(store, lock, machine, work=work, logs=logs, progress=listener)
            judgement: dict[str, Any] = {}
            if runs:
                physics, stored = _judge_physics(store, lock, shape, image, runs=runs, progress=listener)
                compared.append(physics)
                seconds[physics.suite.name] = time.monotonic() - began
                judged.append(physics.suite)
                judgement = {"results": str(stored.digest), "physics": physics.judgement}
            evidence = _evidence(lock, shape, image, judged, **judgement)
            stored = store_evidence(store, evidence, image)
            _write_files(evidence, logs)
            outcomes.append(Outcome(evidence, stored, logs, {BOOT: booted, **seconds}))
    if compared:
        from builder.validation.physics_report import write_report  # it takes a second to load what draws

        with listener.task("physics report"):
            write_report(store, lock, compared[0], report_folder / PHYSICS_FOLDER)
    page = _page(store, lock, [o.evidence for o in outcomes], failures, has_physics=bool(compared))
    write_atomically(report_folder / "index.html", as_html(page).encode())
    return Validation(release, tuple(outcomes), failures, report_folder / "index.html")


def _suites(store: Store, lock: Lock, folder: Path) -> list[tuple[SuiteFolder, int]]:
    """Give the suites, ready to run, with the seconds that each may take."""
    planned = [(standard_suite(folder / "standard"), STANDARD_LIMIT)]
    if lock.recipe.validation is not None:
        suite = recipe_suite(store, lock.sources[SUITE_KEY], folder / "recipe")
        planned.append((suite, lock.recipe.validation.time_limit))
    return planned


def _unjudged(shape: Shape, failure: Failure) -> Unjudged:
    return Unjudged(shape=shape, problems=tuple(str(problem) for problem in failure.problems))


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
    shape: Shape,
    planned: Sequence[tuple[SuiteFolder, int]],
    machine: Machine,
    lock: Path,
    *,
    folder: Path,
    logs: Path,
    progress: Progress,
) -> tuple[list[Suite], dict[str, float]]:
    suites, seconds = [], {}
    for suite, limit in planned:
        began = time.monotonic()
        work = folder / suite.name
        work.mkdir()
        log = logs / f"pytest-{suite.name}.log"
        log.unlink(missing_ok=True)
        with progress.task(f"suite {suite.name}"):
            suites.append(
                run_suite(suite, machine, lock, shape=shape, work=work, log_file=log, time_limit=float(limit))
            )
        seconds[suite.name] = time.monotonic() - began
    return suites, seconds


def _run_samples(
    store: Store, lock: Lock, machine: Machine, *, work: Path, logs: Path, progress: Progress
) -> dict[Length, list[SampleRun]]:
    """Run the samples of a recipe: all events where the processor is the host's, few in every machine.

    The few are the same everywhere, so that shapes can be compared.
    """
    validation = lock.recipe.validation
    if validation is None or not validation.sample:
        return {}
    log = logs / "samples.log"
    log.unlink(missing_ok=True)
    lengths: list[Length] = ["short"] if machine.is_emulated else ["short", "full"]
    return {
        length: run_samples(
            store, lock, validation, machine, short=length == "short", work=work, log_file=log, progress=progress
        )
        for length in lengths
    }


def _judge_physics(
    store: Store,
    lock: Lock,
    shape: Shape,
    image: oci.Descriptor,
    *,
    runs: Mapping[Length, Sequence[SampleRun]],
    progress: Progress,
) -> tuple[Physics, oci.Descriptor]:
    from builder.validation.physics import judge  # it takes a second to load what tests histograms

    assert lock.recipe.validation is not None  # noqa: S101 - there were samples
    results, stored = store_results(store, lock, shape, image, runs)
    with progress.task(f"compare {len(lock.recipe.validation.observable)} observables"):
        return judge(store, lock.recipe.validation, lock, results), stored


def _evidence(
    lock: Lock,
    shape: Shape,
    image: oci.Descriptor,
    judged: Sequence[Suite],
    *,
    results: str = "",
    physics: Judgement | None = None,
) -> Evidence:
    recipe = lock.recipe
    suites = tuple(judged)
    if recipe.validation is None:
        problem = "the recipe names no validation suite, so nothing says that BOSS works in the image"
        suites += (Suite(name="recipe", digest="", checks=(), problems=(problem,)),)
    tools = {name: importlib.metadata.version(name) for name in ("pytest", "pytest-testinfra")}
    return Evidence(
        version=EVIDENCE_VERSION,
        release=recipe.full_name,
        title=recipe.release.title,
        image=ImageId(shape=shape, media_type=image.media_type, digest=str(image.digest), size=image.size),
        lock=str(Digest.of(lock_file.encode(lock))),
        stands_in_for=all_stand_ins(lock),
        tools={"boss-builder": __version__, **tools},
        state=overall(suites),
        totals=Totals.of(check for suite in suites for check in suite.checks),
        suites=suites,
        results=results,
        physics=physics,
    )


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
        manifest,
        reference(evidence.release, evidence.image.shape),
        annotations={STATE_ANNOTATION: evidence.state.value},
    )


def _write_files(evidence: Evidence, folder: Path) -> None:
    write_atomically(folder / "validation.json", as_json(evidence))
    write_atomically(folder / "junit.xml", as_junit(evidence))
    write_atomically(folder / "summary.txt", as_text(evidence).encode())


def _page(
    store: Store, lock: Lock, fresh: Sequence[Evidence], failures: Mapping[Shape, Failure], *, has_physics: bool
) -> Page:
    """Gather what is known of every shape that the store has an image of, today's results before kept ones."""
    found = {evidence.image.shape: evidence for evidence in fresh}
    parts: list[Evidence | Unjudged] = []
    for shape, image in release_images(store, lock.recipe.full_name).items():
        if shape in failures:
            parts.append(_unjudged(shape, failures[shape]))
        elif evidence := found.get(shape) or kept_evidence(store, lock.recipe.full_name, shape, image):
            parts.append(evidence)
        else:
            hint = f"boss-builder validate {lock.recipe.full_name} --image {shape}"
            parts.append(Unjudged(shape=shape, problems=(f"the present image has not been judged: {hint}",)))
    return Page(
        release=lock.recipe.full_name,
        title=lock.recipe.release.title,
        state=overall(parts),
        parts=tuple(parts),
        physics=f"{PHYSICS_FOLDER}/index.html" if has_physics else "",
    )


def kept_evidence(store: Store, release: str, shape: Shape, image: oci.Descriptor) -> Evidence | None:
    """Read what the store knows of an image; None where nothing is, or it was found of another image."""
    descriptor = store.find(reference(release, shape))
    if descriptor is None:
        return None
    manifest = store.manifest(descriptor)
    if manifest.subject is None or manifest.subject.digest != image.digest:
        return None
    try:
        return store.document(manifest.layers[0], Evidence)
    except WorkFailure:  # damaged, or an older version's: a new validation replaces it
        return None
