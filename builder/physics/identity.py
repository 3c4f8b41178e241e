"""Say whether two runs of the same samples, in two shapes of an image, gave the same.

Floating point may differ in its last digit between processors and emulators, and then a few events change bins. So
three verdicts are told apart: bit-identical, statistically identical, different. Both runs have one seed, so their
samples are as good as one, and the tests (made for independent samples) are blind to small differences: statistically
identical says no more than that two runs with other seeds could have differed as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec
import numpy as np

from builder.physics.comparison import SUFFIXES, Measured, Unmeasured, outcome_of
from builder.physics.statistics import NotComparableError, holm, rate_test

MAX_BINS = 20
"""Of bins that differ, this many are named."""


class Verdict(StrEnum):
    """What two runs of the same samples amount to."""

    BIT_IDENTICAL = "bit-identical"
    """Every histogram of every sample holds the same."""
    STATISTICALLY_IDENTICAL = "statistically identical"
    """They differ by no more than chance explains."""
    DIFFERENT = "different"
    """They differ by more, or one has what the other lacks."""
    UNKNOWN = "unknown"
    """Some sample was not measured in both, or there was none. Never a pass."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A histogram that is not the same in both runs."""

    sample: str
    histogram: str
    bins: tuple[int, ...] = ()
    """The first MAX_BINS of the bins that differ; 0 is underflow, n + 1 of n bins overflow."""
    bins_that_differ: int = 0
    p_value: float | None = None
    adjusted_p_value: float | None = None
    """Corrected for the number of all histograms (Holm)."""
    significant: bool
    """Whether it makes the runs different."""
    message: str = ""


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The verdict on two runs, and what differs."""

    verdict: Verdict
    histograms: int
    """How many there are in either."""
    differences: tuple[Difference, ...] = ()
    not_measured: tuple[str, ...] = ()
    """Samples that only one run measured, or none: name and reason."""


def identity(
    first: Mapping[str, Measured | Unmeasured],
    second: Mapping[str, Measured | Unmeasured],
    family_wise_error_rate: float,
) -> Identity:
    """Compare all histograms of all samples of two runs, each a sample's name -> what it gave.

    Histograms that are not the same are tested: NAME_passed with NAME_total as an efficiency, others by chi2, with
    their rates where the generated events are known, and by the rate alone where entries are too few for a shape.
    The whole is one family of the given error rate.
    """
    missing: list[str] = []
    differences: list[Difference] = []
    histograms = 0
    for sample in sorted({*first, *second}):
        one = first.get(sample, Unmeasured("it was not run"))
        other = second.get(sample, Unmeasured("it was not run"))
        missing += [f"{sample}: {run.why}" for run in (one, other) if isinstance(run, Unmeasured)]
        if isinstance(one, Measured) and isinstance(other, Measured):
            histograms += len({*one.result, *other.result})
            differences += _differences(sample, one, other)
    differences = _corrected(differences, histograms, family_wise_error_rate)
    return Identity(
        verdict=_verdict(differences, any_histogram=histograms > 0, all_measured=not missing),
        histograms=histograms,
        differences=tuple(differences),
        not_measured=tuple(missing),
    )


def _verdict(differences: list[Difference], *, any_histogram: bool, all_measured: bool) -> Verdict:
    if any(difference.significant for difference in differences):
        return Verdict.DIFFERENT
    if not (any_histogram and all_measured):
        return Verdict.UNKNOWN
    return Verdict.STATISTICALLY_IDENTICAL if differences else Verdict.BIT_IDENTICAL


def _differences(sample: str, one: Measured, other: Measured) -> list[Difference]:
    """Histograms of a sample that are not the same, with their p-values not yet corrected."""
    found = []
    for name in sorted({*one.result, *other.result}):
        if name not in one.result or name not in other.result:
            lacking = other if name in one.result else one
            message = f"{lacking.result.where} has no such histogram"
            found.append(Difference(sample=sample, histogram=name, significant=True, message=message))
        elif one.result[name].digest != other.result[name].digest:
            found.append(_difference(sample, name, one, other))
    return found


def _difference(sample: str, name: str, one: Measured, other: Measured) -> Difference:
    first, second = one.result[name], other.result[name]
    if not first.same_binning(second):
        return Difference(sample=sample, histogram=name, significant=True, message="the binnings differ")
    apart = np.flatnonzero(
        (first.contents != second.contents) | (first.content_variances != second.content_variances)
    ).tolist()
    try:
        p_value, message = _chance(name, one, other)
    except NotComparableError as error:
        return Difference(sample=sample, histogram=name, significant=True, message=str(error))
    return Difference(
        sample=sample,
        histogram=name,
        bins=tuple(apart[:MAX_BINS]),
        bins_that_differ=len(apart),
        p_value=p_value,
        significant=False,
        message=message,
    )


def _chance(name: str, one: Measured, other: Measured) -> tuple[float, str]:
    """P-value of two histograms and how it came about. Raises NotComparableError where there is no test at all."""
    passed, total = SUFFIXES
    stem = name.removesuffix(passed)
    try:
        if stem != name and stem + total in one.result and stem + total in other.result:
            outcome = outcome_of(stem, "binomial-ratio", one, other)
        else:
            outcome = outcome_of(name, "chi2", one, other)
    except NotComparableError as error:
        if one.events is None or other.events is None:
            raise
        outcome = rate_test(one.result[name], other.result[name], (one.events, other.events))
        return outcome.p_value, f"{error}; entries alone were compared"
    return outcome.p_value, outcome.method


def _corrected(differences: list[Difference], family: int, rate: float) -> list[Difference]:
    """Correct p-values for the number of histograms, and find the significant ones."""
    p_values = [difference.p_value for difference in differences if difference.p_value is not None]
    adjusted = iter(holm(p_values, family))
    corrected = []
    for difference in differences:
        if difference.p_value is None:
            corrected.append(difference)
            continue
        value = next(adjusted)
        corrected.append(msgspec.structs.replace(difference, adjusted_p_value=value, significant=value <= rate))
    return corrected
