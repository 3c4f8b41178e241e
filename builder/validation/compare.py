"""Compare one release's results with another's, from what the store holds: the release-to-release report."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.lock.stored import stored_lock
from builder.physics.comparison import SUFFIXES, Measured, Planned, Unmeasured, compare
from builder.physics.model import Judgement, Observable, State
from builder.physics.report import Fact
from builder.recipe.validation import Validation
from builder.store.shapes import SHAPES, Shape
from builder.store.store import Store
from builder.validation.physics import Samples, observables, samples_of
from builder.validation.physics_report import PAGE, write_files
from builder.validation.results import Length, Results, stored_results

FAMILY_WISE_ERROR_RATE = 0.01
"""Where neither recipe states one."""


@dataclass(frozen=True)
class ReleaseComparison:
    """Two releases compared: which shape and length of runs, what came of it, and the page for people."""

    before: Results
    after: Results
    length: Length
    judgement: Judgement
    state: State
    page: Path


def compare_releases(
    store: Store, before: str, after: str, *, report_folder: Path, shape: Shape | None = None
) -> ReleaseComparison:
    """Judge the results of the release `after` against those of `before`, and write the report.

    Every histogram of both is compared: what the later recipe names as it says there, the others by chi2 as not
    critical. The results are those of one shape, by default the first that both have.
    Raises InputFailure where the store has no results of them.
    """
    one, two = _results(store, before, after, shape)
    length: Length = "full" if all(any(run.length == "full" for run in r.runs) for r in (one, two)) else "short"
    validation = _validation(store, after) or _validation(store, before)
    rate = validation.family_wise_error_rate if validation else FAMILY_WISE_ERROR_RATE
    planned = tuple(_plan(validation, samples_of(store, two, length), samples_of(store, one, length), one))
    judgement = compare(planned, rate)
    state = write_files(
        report_folder,
        title=f"{two.title} compared with {one.title}",
        subject=f"{two.release} ({two.shape})",
        results=two,
        length=length,
        planned=planned,
        judgement=judgement,
        facts=(
            Fact(f"image {one.release} ({one.shape})", one.image),
            Fact(f"results of {one.release}", str(Digest.of(documents.readable(one)))),
        ),
    )
    return ReleaseComparison(one, two, length, judgement, state, report_folder / PAGE)


def _results(store: Store, before: str, after: str, shape: Shape | None) -> tuple[Results, Results]:
    """Find results of both releases in one shape."""
    for tried in (shape,) if shape else SHAPES:
        found = [stored_results(store, release, tried) for release in (before, after)]
        if found[0] is not None and found[1] is not None:
            return found[0], found[1]
    wanted = shape or "one and the same"
    lacking = [
        release
        for release in (before, after)
        if not any(stored_results(store, release, tried) for tried in ((shape,) if shape else SHAPES))
    ]
    names = " and ".join(lacking or (before, after))
    raise InputFailure(
        f"the store has no results of {names} in {wanted} shape",
        hint="\n".join(f"make them: boss-builder validate {release}" for release in lacking or (before, after)),
    )


def _validation(store: Store, release: str) -> Validation | None:
    """Read what a release's recipe says of its comparisons; None where it is not known.

    Raises InputFailure for a lock that this version can not read: without it nothing would be critical.
    """
    lock = stored_lock(store, release)
    if lock is None and store.find(f"inputs/{release}") is not None:
        raise InputFailure(
            f"the lock of {release} in the store can not be read, so nothing says which comparisons are critical",
            hint=f"make it anew: boss-builder freeze {release} --update",
        )
    return lock.recipe.validation if lock else None


def _plan(validation: Validation | None, samples: Samples, against: Samples, before: Results) -> Iterator[Planned]:
    """Plan a comparison for each histogram, and each efficiency, of every sample of both."""
    for sample in sorted({*samples, *against}):
        result = samples.get(sample) or Unmeasured(f"the release has no sample {sample}")
        other = against.get(sample) or Unmeasured(f"{before.release} has no sample {sample}")
        named = _named(validation, sample)
        all_of_it = (*named, *_unnamed(sample, (result, other), named))
        for observable in all_of_it:
            yield Planned(observable, before.release, result, other)
        if not all_of_it:  # neither release measured anything of it, which is no pass
            nothing = Observable(name="histograms", title="", sample=sample, histogram="histograms", test="chi2")
            why = result.why if isinstance(result, Unmeasured) else f"{result.result.where} has no histograms"
            yield Planned(nothing, before.release, Unmeasured(why), other)


def _named(validation: Validation | None, sample: str) -> tuple[Observable, ...]:
    """Give the recipe's observables of a sample, each histogram and each efficiency once."""
    found: dict[tuple[str, bool], Observable] = {}
    for asked in validation.observable if validation else ():
        for observable in observables(asked):
            if observable.sample == sample:
                found.setdefault(_key(observable), observable)
    return tuple(found.values())


def _key(observable: Observable) -> tuple[str, bool]:
    """Tell observables apart: an efficiency may have the name of a histogram."""
    return observable.histogram, observable.test == "binomial-ratio"


def _unnamed(sample: str, sides: Sequence[Measured | Unmeasured], named: Sequence[Observable]) -> Iterator[Observable]:
    """Give an observable for every histogram that no recipe names; a pair of passed and total is an efficiency."""
    names = {name for side in sides if isinstance(side, Measured) for name in side.result}
    passed, total = SUFFIXES
    stems = {name.removesuffix(passed) for name in names if name.endswith(passed)}
    stems = {stem for stem in stems if stem + total in names}
    parts = {stem + suffix for stem in stems for suffix in SUFFIXES}
    known = {_key(observable) for observable in named}
    for stem in sorted(stems):
        if (stem, True) not in known:
            yield Observable(name=stem, title="", sample=sample, histogram=stem, test="binomial-ratio", critical=False)
    for name in sorted(names - parts):
        if (name, False) not in known:
            yield Observable(name=name, title="", sample=sample, histogram=name, test="chi2", critical=False)
