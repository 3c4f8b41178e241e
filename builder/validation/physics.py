"""Compare what an image's samples gave with the recipe's references, and with what they gave in another shape.

Reading and testing is the business of `builder.physics`; here it is decided what is compared with what.
"""

from __future__ import annotations

import io
import itertools
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

import msgspec

from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import Failure
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.physics.comparison import Measured, Planned, Unmeasured, compare
from builder.physics.histograms import read_result
from builder.physics.identity import Identity, Verdict, identity
from builder.physics.model import Comparison, Judgement, Observable, State
from builder.recipe import validation as recipe
from builder.recipe.validation import Reference, Validation
from builder.store.shapes import SHAPES, Shape
from builder.store.store import Store
from builder.validation.outcome import Check, CheckOutcome, Suite
from builder.validation.results import Length, Results, StoredRun, best_results, stored_results

NAME = "physics"
OUTCOMES = {
    State.GOOD: CheckOutcome.PASSED,
    State.WARNING: CheckOutcome.PASSED,
    State.NONCRIT: CheckOutcome.ERROR,
    State.UNKNOWN: CheckOutcome.ERROR,
    State.CRIT: CheckOutcome.ERROR,
    State.BAD: CheckOutcome.FAILED,
}
"""What a state is among checks: what could not be compared is never a pass."""
VERDICTS = {
    Verdict.BIT_IDENTICAL: CheckOutcome.PASSED,
    Verdict.STATISTICALLY_IDENTICAL: CheckOutcome.PASSED,
    Verdict.DIFFERENT: CheckOutcome.FAILED,
    Verdict.UNKNOWN: CheckOutcome.ERROR,
}
Samples = Mapping[str, Measured | Unmeasured]
"""What the samples of a run gave, by name."""


@dataclass(frozen=True)
class Against:
    """A reference as it was found: how reports call it, what it gave, and the digest of what was read."""

    title: str
    samples: Samples
    digest: str = ""
    problem: str = ""

    def sample(self, name: str) -> Measured | Unmeasured:
        """Give what a sample of it gave."""
        return self.samples.get(name) or Unmeasured(self.problem or f"{self.title} has no sample {name}")


class OtherShape(msgspec.Struct, frozen=True):
    """The verdict on the short runs in two shapes of one release."""

    shapes: tuple[Shape, Shape]
    identity: Identity


@dataclass(frozen=True)
class Physics:
    """The samples of one image, judged: what was planned to be compared, what came of it, and the same as checks."""

    results: Results
    length: Length
    """Of the runs that were compared with references: full where there is one."""
    references: tuple[Against, ...]
    planned: tuple[Planned, ...]
    judgement: Judgement
    others: tuple[OtherShape, ...]
    """This shape beside those before it."""
    suite: Suite


def judge(store: Store, validation: Validation, lock: Lock, results: Results) -> Physics:
    """Compare stored results with the recipe's references and with the other shapes of the same lock.

    Raises nothing for what is missing or can not be read: that is UNKNOWN, with the reason.
    """
    length: Length = "full" if any(run.length == "full" for run in results.runs) else "short"
    against = references(store, lock)
    planned = tuple(plan(validation, samples_of(store, results, length), against))
    judgement = compare(planned, validation.family_wise_error_rate)
    others = tuple(_other_shapes(store, results, validation.family_wise_error_rate))
    checks = suite(validation, results, judgement, others)
    return Physics(results, length, tuple(against.values()), planned, judgement, others, checks)


def _other_shapes(store: Store, results: Results, rate: float) -> Iterator[OtherShape]:
    """Compare short runs with those of every shape before this one."""
    short = samples_of(store, results, "short")
    for shape in SHAPES[: SHAPES.index(results.shape)]:
        other = _short_runs(store, results.release, shape, results.lock)
        if other is not None:
            yield OtherShape((shape, results.shape), _identity(other, short, rate))


def shape_pairs(store: Store, lock: Lock, rate: float) -> Iterator[OtherShape]:
    """Compare the short runs of every two shapes of a lock that the store holds results of."""
    digest = str(Digest.of(lock_file.encode(lock)))
    runs = {shape: _short_runs(store, lock.recipe.full_name, shape, digest) for shape in SHAPES}
    known = {shape: found for shape, found in runs.items() if found is not None}
    for one, two in itertools.combinations(known, 2):
        yield OtherShape((one, two), _identity(known[one], known[two], rate))


def _short_runs(store: Store, release: str, shape: Shape, lock: str) -> Samples | Unmeasured | None:
    """Read the short runs of a shape that was made from a lock; None without them, Unmeasured where damaged."""
    try:
        results = stored_results(store, release, shape)
    except Failure as failure:
        return Unmeasured(_reason(store, failure))
    return samples_of(store, results, "short") if results is not None and results.lock == lock else None


def _identity(first: Samples | Unmeasured, second: Samples | Unmeasured, rate: float) -> Identity:
    if isinstance(first, Unmeasured) or isinstance(second, Unmeasured):
        damaged = tuple(side.why for side in (first, second) if isinstance(side, Unmeasured))
        return Identity(verdict=Verdict.UNKNOWN, histograms=0, not_measured=damaged)
    return identity(first, second, rate)


def samples_of(store: Store, results: Results, length: Length) -> Samples:
    """Read the runs of one length from the store; what is missing or can not be read is Unmeasured, with the reason."""
    return {run.sample: _measured(store, results, run) for run in results.runs if run.length == length}


def _measured(store: Store, results: Results, run: StoredRun) -> Measured | Unmeasured:
    if run.problem:
        return Unmeasured(run.problem)
    where = f"{run.sample} of {results.release} ({results.shape})"
    return _read(store, run.digest, where, run.events)


def _read(store: Store, digest: str, where: str, events: int | None) -> Measured | Unmeasured:
    try:
        return Measured(read_result(store.read(digest), where), events)
    except Failure as failure:
        return Unmeasured(_reason(store, failure))


def _reason(store: Store, failure: Failure) -> str:
    """Say what failed, but not where the store lies: the same results give the same bytes in every place."""
    return str(failure).replace(f"the store {store.path}", "the store")


def references(store: Store, lock: Lock) -> dict[str, Against]:
    """Read every reference of a recipe: results of another release from the store, or the frozen folder."""
    validation = lock.recipe.validation
    return {r.name: _reference(store, lock, r) for r in validation.reference} if validation else {}


def _reference(store: Store, lock: Lock, reference: Reference) -> Against:
    try:
        if reference.release is not None:
            results = best_results(store, reference.release)
            digest = str(Digest.of(documents.readable(results)))
            return Against(reference.title, samples_of(store, results, "full"), digest)
        blob = lock.sources[f"validation.reference.{reference.name}"].blob
        return Against(reference.title, dict(_folder(store.read(blob.digest), reference.title)), blob.digest)
    except Failure as failure:
        return Against(reference.title, {}, problem=_reason(store, failure))


def _folder(data: bytes, title: str) -> Iterator[tuple[str, Measured | Unmeasured]]:
    """Read SAMPLE.json of a frozen folder, a canonical tar. How many events were generated is not known."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            path = PurePosixPath(member.name)
            stream = archive.extractfile(member) if member.isfile() and path.suffix == ".json" else None
            if stream is None:
                continue
            try:
                yield path.stem, Measured(read_result(stream.read(), f"{path.name} of {title}"))
            except Failure as failure:
                yield path.stem, Unmeasured(str(failure))


def plan(validation: Validation, samples: Samples, against: Mapping[str, Against]) -> list[Planned]:
    """Plan a comparison for each observable of a recipe."""
    planned = []
    for asked in validation.observable:
        other = against[asked.reference]
        for observable in observables(asked):
            sample = observable.sample
            result = samples.get(sample) or Unmeasured(f"the sample {sample} was not run")
            planned.append(Planned(observable, other.title, result, other.sample(sample)))
    return planned


def observables(asked: recipe.Observable) -> Iterator[Observable]:
    """Give each histogram of each sample that one block of a recipe names."""
    for sample in asked.samples:
        for histogram in asked.histograms:
            yield Observable(
                name=histogram,
                title="",
                sample=sample,
                histogram=histogram,
                test=asked.test,
                tolerance=asked.tolerance,
                critical=asked.critical,
            )


def suite(validation: Validation, results: Results, judgement: Judgement, others: tuple[OtherShape, ...]) -> Suite:
    """Say the same as checks: one for each run of a sample, each comparison, and each other shape."""
    checks = [_run_check(run) for run in results.runs]
    checks += [_comparison_check(comparison) for comparison in judgement.comparisons]
    checks += [_shape_check(other) for other in others]
    return Suite(name=NAME, digest=str(Digest.of(documents.compact(validation))), checks=tuple(checks))


def _run_check(run: StoredRun) -> Check:
    outcome = CheckOutcome.ERROR if run.problem else CheckOutcome.PASSED
    return Check(name=f"sample::{run.sample} ({run.length})", outcome=outcome, message=run.problem)


def _comparison_check(comparison: Comparison) -> Check:
    name = f"{comparison.observable.sample}::{comparison.observable.name} against {comparison.reference}"
    message = "" if comparison.state is State.GOOD else f"{comparison.state}: {comparison.message}"
    return Check(name=name, outcome=OUTCOMES[comparison.state], message=message)


def _shape_check(other: OtherShape) -> Check:
    one, two = other.shapes
    found = other.identity
    lines = [found.verdict.value, *found.not_measured]
    lines += [f"{d.sample}, {d.histogram}: {d.message}" for d in found.differences]
    message = "" if found.verdict is Verdict.BIT_IDENTICAL else "\n".join(lines)
    return Check(name=f"shapes::{two} as {one}", outcome=VERDICTS[found.verdict], message=message)
