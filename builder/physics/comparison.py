"""Judge a family of comparisons: test each, correct for their number, give each its state.

What can not be compared is never a pass: a missing or empty histogram, another binning, too few entries. The family is
all that was planned, so that leaving something out does not make the others' tests sharper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from builder.physics.efficiencies import Efficiency, ratio_test
from builder.physics.histograms import Histogram, Result
from builder.physics.model import Comparison, Judgement, Observable, State, Test
from builder.physics.statistics import NotComparableError, Outcome, chi2_test, holm, ks_test, rate_test

SUFFIXES = ("_passed", "_total")
"""Of the two histograms of an efficiency."""


class Measured(msgspec.Struct, frozen=True):
    """What a sample gave: its histograms and, where it is known, how many events were generated for it."""

    result: Result
    events: int | None = None


class Unmeasured(msgspec.Struct, frozen=True):
    """A sample that gave nothing to compare: its job failed, its file can not be read, the store lacks it."""

    why: str


class Planned(msgspec.Struct, frozen=True):
    """One comparison that is to be made."""

    observable: Observable
    reference: str
    """What it is compared with, in words for a person."""
    result: Measured | Unmeasured
    against: Measured | Unmeasured


def compare(plan: Sequence[Planned], family_wise_error_rate: float) -> Judgement:
    """Make all planned comparisons and judge them as one family, in the order of the plan.

    GOOD: the p-value, corrected by Holm's method for the number of planned comparisons, is above the rate. BAD, or
    WARNING where the observable is not critical: it is not. CRIT, or NONCRIT: the two can not be compared. UNKNOWN:
    one of the two was not measured.
    """
    tried = [_tried(planned) for planned in plan]
    found = [index for index, outcome in enumerate(tried) if isinstance(outcome, Outcome)]
    corrected = holm([outcome.p_value for outcome in tried if isinstance(outcome, Outcome)], len(plan))
    adjusted = dict(zip(found, corrected, strict=True))
    comparisons = [
        _judged(planned, outcome, adjusted[index], family_wise_error_rate)
        if isinstance(outcome, Outcome)
        else _not_compared(planned, outcome)
        for index, (planned, outcome) in enumerate(zip(plan, tried, strict=True))
    ]
    return Judgement(family_wise_error_rate=family_wise_error_rate, comparisons=tuple(comparisons))


def outcome_of(name: str, test: Test, first: Measured, second: Measured, *, tolerance: float = 0.0) -> Outcome:
    """Test one histogram, or efficiency, of two results.

    Where the generated events of both are known, chi2 and ks look at the rate too: of the shape's p and the rate's the
    smaller is doubled (Bonferroni), and the effect is of the part that has it. Otherwise only shapes are compared.
    Entries that must come several to an event, as there are more of them than events, are taken as clusters.
    Raises NotComparableError.
    """
    if test == "binomial-ratio":
        return ratio_test(_efficiency(name, first), _efficiency(name, second), tolerance=tolerance)
    one, other = _histogram(name, first), _histogram(name, second)
    shape_test = chi2_test if test == "chi2" else ks_test
    if 0 in {first.events, second.events}:
        raise NotComparableError("no events were generated")
    clustering = max(_clustering(one, first.events), _clustering(other, second.events))
    shape = shape_test(one, other, tolerance=tolerance, clustering=clustering)
    if first.events is None or second.events is None:
        return shape
    rate = rate_test(one, other, (first.events, second.events), tolerance=tolerance, clustering=clustering)
    by_rate = rate.p_value < shape.p_value
    part = rate if by_rate else shape
    change = f"entries for each event: {rate.statistic:.4g} times the reference's" if by_rate else "shape"
    return msgspec.structs.replace(
        shape, p_value=min(1.0, 2 * part.p_value), effect=part.effect, method=f"{change}; {part.method}"
    )


def _tried(planned: Planned) -> Outcome | Unmeasured | NotComparableError:
    if isinstance(planned.result, Unmeasured):
        return planned.result
    if isinstance(planned.against, Unmeasured):
        return planned.against
    observable = planned.observable
    try:
        return outcome_of(
            observable.histogram, observable.test, planned.result, planned.against, tolerance=observable.tolerance
        )
    except NotComparableError as error:
        return error


def _judged(planned: Planned, outcome: Outcome, adjusted: float, rate: float) -> Comparison:
    """Give the comparison that a test led to."""
    observable = planned.observable
    differs = adjusted <= rate
    state = State.GOOD
    message = ""
    if differs:
        state = State.BAD if observable.critical else State.WARNING
        beyond = f", beyond the tolerance of {observable.tolerance:g}" if observable.tolerance else ""
        message = f"it differs by {outcome.effect:.3g}{beyond}: corrected p = {adjusted:.2g} ({outcome.method})"
    return Comparison(
        observable=observable,
        reference=planned.reference,
        state=state,
        statistic=outcome.statistic,
        degrees_of_freedom=outcome.degrees_of_freedom,
        p_value=outcome.p_value,
        adjusted_p_value=adjusted,
        effect=outcome.effect,
        method=outcome.method,
        entries=_entries(observable, planned.result),
        reference_entries=_entries(observable, planned.against),
        message=message,
    )


def _not_compared(planned: Planned, why: Unmeasured | NotComparableError) -> Comparison:
    """Give the comparison that could not be made."""
    observable = planned.observable
    if isinstance(why, Unmeasured):
        state, message = State.UNKNOWN, why.why
    else:
        state, message = (State.CRIT if observable.critical else State.NONCRIT), str(why)
    return Comparison(
        observable=observable,
        reference=planned.reference,
        state=state,
        entries=_entries(observable, planned.result),
        reference_entries=_entries(observable, planned.against),
        message=message,
    )


def _entries(observable: Observable, measured: Measured | Unmeasured) -> float:
    """Entries of a histogram, trials of an efficiency; 0 where there is none."""
    if isinstance(measured, Unmeasured):
        return 0.0
    name = observable.histogram + (SUFFIXES[1] if observable.test == "binomial-ratio" else "")
    histogram = measured.result.get(name)
    return histogram.entries if histogram is not None else 0.0


def _histogram(name: str, measured: Measured) -> Histogram:
    """Find a histogram. Raises NotComparableError where there is none."""
    try:
        return measured.result[name]
    except KeyError:
        raise NotComparableError(f"{measured.result.where} has no histogram {name}") from None


def _efficiency(stem: str, measured: Measured) -> Efficiency:
    passed, total = (_histogram(stem + suffix, measured) for suffix in SUFFIXES)
    return Efficiency(passed, total)


def _clustering(histogram: Histogram, events: int | None) -> float:
    """Give the least number of entries that some event must have; of weights, or unknown events, nothing is known."""
    if events is None or not histogram.is_counts:
        return 1.0
    return max(1.0, float(math.ceil(histogram.entries / events)))
