"""From what was frozen: build in a clean place, compare with the stored images, boot, validate, compare the results."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from builder.boot.images import images
from builder.build.build import build
from builder.build.job import TIME_LIMIT
from builder.core.digest import Digest
from builder.core.errors import Failure, HostFailure, SpaceFailure, TimeLimitFailure
from builder.core.files import is_full
from builder.core.progress import Progress
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.rebuild.check import check_image
from builder.rebuild.differences import ImageAt, as_text, compare_images, summary
from builder.rebuild.evidence import Shelf
from builder.rebuild.model import Answer, Finding, finding, in_order
from builder.rebuild.place import Inputs
from builder.rebuild.taxonomy import Cause
from builder.rebuild.verdicts import judge_validation
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION, SHAPES, Shape
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox
from builder.validation.validate import Validation, validate

OpenToolbox = Callable[[oci.Descriptor | None], Toolbox]


@dataclass
class _Shape:
    """What is known of one shape while the work goes on."""

    shape: Shape
    stored: oci.Descriptor | None = None
    rebuilt: oci.Descriptor | None = None
    findings: list[Finding] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)

    def answer(self) -> Answer:
        """Freeze it."""
        return Answer(
            question="frozen",
            shape=self.shape,
            findings=in_order(self.findings),
            stored=self.stored.digest if self.stored else "",
            rebuilt=self.rebuilt.digest if self.rebuilt else "",
            seconds={name: round(value, 3) for name, value in self.seconds.items()},
        )


@dataclass(frozen=True)
class Frozen:
    """Asks the question of one release; see `answers`."""

    lock: Lock
    store: Store
    """What was frozen, and the images to compare with; only evidence is added to it."""
    place: Store
    """Where it is built: see `place.clean_place`. Releases that share it share their stages."""
    open_toolbox: OpenToolbox
    shelf: Shelf
    progress: Progress
    time_limit: float = TIME_LIMIT
    """Seconds that each stage and each image may take."""
    boot_limit: float | None = None
    """Seconds until a virtual machine must answer; None: as `boot` has it."""
    validates: bool = True
    """Whether images are booted and validated too."""

    @property
    def release(self) -> str:
        """Name of the release."""
        return self.lock.recipe.full_name

    def answers(self, wanted: Collection[Shape] | None = None) -> tuple[Answer, ...]:
        """Answer for each shape that the recipe asks for, or for those that are wanted of them.

        Raises nothing for what is wrong with the release, its store or this host: that is the answer.
        """
        asked = [shape for shape in self.lock.recipe.shapes if wanted is None or shape in wanted]
        shapes = {shape: _Shape(shape, stored=self._stored(shape)) for shape in SHAPES if shape in asked}
        failed: Failure | None = None
        # inputs and stored images are read while images are built; a build looks at each input that it uses, too
        with Inputs(self.lock, self.store, self.place) as inputs, self._stored_checked(shapes.values()) as checked:
            if inputs.bring():
                failed = self._build(shapes)
            with self.progress.task("check inputs and stored images"):
                bad, found = inputs.bad(), checked.result()
        for known, of_stored in zip(shapes.values(), found, strict=True):
            known.findings += [*bad, *of_stored]
            known.seconds["check"] = inputs.seconds
        if not bad:  # what was built counts only then
            self._take(shapes, failed)
            for known in shapes.values():
                if known.rebuilt is not None:
                    with _timed([known], "compare"):
                        known.findings.append(self._compare(known, known.rebuilt))
            if self.validates:
                self._validate(shapes)
        return tuple(known.answer() for known in shapes.values())

    def _stored(self, shape: Shape) -> oci.Descriptor | None:
        """Find the stored image, if it was made from this lock."""
        descriptor = images(self.store).get(self.release, {}).get(shape)
        if descriptor is None:
            return None
        try:
            annotations = self.store.manifest(descriptor).annotations
        except Failure:  # missing or damaged: a finding follows from the check of its blobs
            return descriptor
        return descriptor if annotations.get(LOCK_ANNOTATION) == Digest.of(lock_file.encode(self.lock)) else None

    @contextmanager
    def _stored_checked(self, shapes: Collection[_Shape]) -> Iterator[Future[list[tuple[Finding, ...]]]]:
        """Compare the blobs of stored images with their digests meanwhile; gives what is found of each."""
        stop = Event()
        with ThreadPoolExecutor(1) as pool:
            try:
                yield pool.submit(lambda: [self._check_stored(known, stop) for known in shapes])
            finally:
                stop.set()

    def _check_stored(self, known: _Shape, stop: Event) -> tuple[Finding, ...]:
        if known.stored is None:
            return ()
        return check_image(self.store, known.stored, f"image {known.shape}", self.release, stop)

    # -- build ---------------------------------------------------------------------------------------------------

    def _build(self, shapes: Mapping[Shape, _Shape]) -> Failure | None:
        """Build in the clean place; gives why not all was built."""
        with _timed(shapes.values(), "build"):
            try:
                build(self.lock, self.place, self.open_toolbox, self.progress, list(shapes), time_limit=self.time_limit)
            except Failure as failure:
                return failure
            except OSError as error:
                if not is_full(error):
                    raise
                return SpaceFailure(f"no space is left for the build: {error.strerror}")
        return None

    def _take(self, shapes: Mapping[Shape, _Shape], failure: Failure | None) -> None:
        """Take what was built; a failure is the finding of every shape that was not made."""
        failed = self._build_failed(failure) if failure else None
        made = images(self.place).get(self.release, {})
        for shape, known in shapes.items():
            known.rebuilt = made.get(shape)
            if known.rebuilt is None:
                known.findings.append(
                    failed or self._finding(Cause.MISSING_OUTPUT, f"image {shape}", "it was not made")
                )

    def _build_failed(self, failure: Failure) -> Finding:
        log = self.shelf.keep(f"{self.release}/build.txt", str(failure).encode())
        cause = Cause.BUILD_FAILS
        if isinstance(failure, HostFailure):
            cause = Cause.HOST_LACKS
        elif isinstance(failure, TimeLimitFailure):
            cause = Cause.BUILD_TIMEOUT
        elif isinstance(failure, SpaceFailure):
            cause = Cause.BUILD_OUT_OF_RESOURCES
        return self._finding(cause, "build", failure.problems[0].message, log)

    # -- compare -------------------------------------------------------------------------------------------------

    def _compare(self, known: _Shape, rebuilt: oci.Descriptor) -> Finding:
        about, stored = f"image {known.shape}", known.stored
        if stored is None:
            return self._finding(Cause.NOT_COMPARED, about, "the store has no image that was made from this lock")
        if stored.digest == rebuilt.digest:
            return self._finding(Cause.BIT_IDENTICAL, about, stored.digest)
        try:
            comparison = compare_images(
                known.shape,
                ImageAt(self.store, stored),
                ImageAt(self.place, rebuilt),
                lambda: self.open_toolbox(oci.Descriptor(
                    media_type=oci.MANIFEST,
                    digest=self.lock.builder_image.digest,
                    size=self.lock.builder_image.size,
                )),
                self.progress,
            )  # fmt: skip
        except Failure as failure:
            return self._finding(Cause.NOT_COMPARED, about, failure.problems[0].message)
        name = f"{self.release}/{known.shape}/differences.txt"
        evidence = self.shelf.keep(name, as_text(comparison).encode())
        return self._finding(comparison.cause, about, summary(comparison), evidence)

    # -- boot and validate ---------------------------------------------------------------------------------------

    def _validate(self, shapes: Mapping[Shape, _Shape]) -> None:
        """Boot every rebuilt image and run its suites; compare what it gave with what is stored of the release."""
        rebuilt = {shape: known.rebuilt for shape, known in shapes.items() if known.rebuilt is not None}
        if not rebuilt:
            return
        folder = self.place.path / "reports" / self.release
        try:
            validation = validate(
                self.place, self.lock, rebuilt, report_folder=folder, progress=self.progress, boot_limit=self.boot_limit
            )
        except Failure as failure:
            for shape in rebuilt:
                shapes[shape].findings.append(self._not_judged(shape, failure))
            return
        for shape in rebuilt:
            shapes[shape].findings += self._judged(shape, shapes[shape], validation)
        for outcome in validation.outcomes:
            shapes[outcome.evidence.image.shape].seconds |= outcome.seconds

    def _judged(self, shape: Shape, known: _Shape, validation: Validation) -> Iterator[Finding]:
        about = f"image {shape}"
        if shape in validation.failures:
            yield self._not_booted(about, validation.failures[shape])
            return
        outcome = next((o for o in validation.outcomes if o.evidence.image.shape == shape), None)
        if outcome is None:
            yield self._finding(Cause.NOT_VALIDATED, about, "the validation says nothing of this shape")
            return
        for path in sorted(outcome.folder.iterdir()):
            if path.is_file():
                self.shelf.keep(f"{self.release}/{shape}/{path.name}", path)
        yield from judge_validation(
            outcome.evidence, self.lock, stored_in=self.store, made_in=self.place, image=known.stored, shelf=self.shelf
        )

    def _not_booted(self, about: str, failure: Failure) -> Finding:
        log = self.shelf.keep(f"{self.release}/{about.rpartition(' ')[2]}/boot.txt", str(failure).encode())
        cause = Cause.NO_BOOT
        if isinstance(failure, HostFailure):
            cause = Cause.HOST_LACKS
        elif isinstance(failure, TimeLimitFailure):
            cause = Cause.BOOT_TIMEOUT
        elif isinstance(failure, SpaceFailure):
            cause = Cause.BUILD_OUT_OF_RESOURCES
        return self._finding(cause, about, failure.problems[0].message, log)

    def _not_judged(self, shape: Shape, failure: Failure) -> Finding:
        cause = Cause.HOST_LACKS if isinstance(failure, HostFailure) else Cause.NOT_VALIDATED
        return self._finding(cause, f"image {shape}", failure.problems[0].message)

    def _finding(self, cause: Cause, about: str, message: str, *evidence: str) -> Finding:
        return finding(cause, about, message, release=self.release, evidence=evidence)


@contextmanager
def _timed(shapes: Collection[_Shape], step: str) -> Iterator[None]:
    """Note how long a step took, with every shape that it was for."""
    began = time.monotonic()
    try:
        yield
    finally:
        for known in shapes:
            known.seconds[step] = time.monotonic() - began
