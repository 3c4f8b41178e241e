"""Test whether two histograms come from one distribution, and from one rate.

The two are taken as independent samples. Where both were made from one seed they are correlated, differences are
smaller than the tests expect, and the tests only become more careful: identical histograms give p = 1.

Underflow and overflow count as bins. Weighted histograms enter with their effective counts (sum w)^2 / (sum w^2) and,
bin by bin, the factor by which weights inflate the variance.

A tolerance is the edge of an equivalence region: the hypothesis that is tested is "the true difference is not above
the tolerance", so a small p says that the difference is significant and beyond it.

Sources: F. Porter, Testing Consistency of Two Histograms, arXiv:0804.0380; N. Gagunashvili, Chi-square tests for
comparing weighted histograms, NIM A 614 (2010) 287; J. H. Zar, Biostatistical Analysis, for the least counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from builder.physics.histograms import Floats, Histogram

MIN_ENTRIES = 20
"""Fewer (effective) entries in one of the two say too little for a pass."""
EXACT_BELOW = 100
"""With fewer counts than this in the smaller histogram, chance is computed by permutation, not from a limit."""
GROUP_EXPECTS = 20.0
"""Least expected (effective) counts, in the smaller histogram, of the groups of bins that chi2 is made of."""
MIN_GROUPS = 2
PERMUTATIONS = 20_000
PERMUTED_GROUPS = 50
MAX_DEALT = 1e9
"""numpy deals no more (Generator.multivariate_hypergeometric)."""
SEED = 20_300_101
"""Of the permutations: the same input gives the same p."""


class NotComparableError(ValueError):
    """Two histograms that no test can be made of; the text says why."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What a test of two histograms found."""

    statistic: float
    degrees_of_freedom: int | None = None
    p_value: float
    """The chance of a statistic at least as large, had the two no difference above the tolerance."""
    effect: float
    """The size of the difference, as the tolerance measures it."""
    method: str
    """How `p_value` came about, for a person."""


def chi2_test(first: Histogram, second: Histogram, *, tolerance: float = 0.0, clustering: float = 1.0) -> Outcome:
    """Test whether two histograms have one shape; their totals do not matter.

    Adjacent bins are grouped until each group is expected to hold GROUP_EXPECTS counts in the smaller histogram. The
    grouping looks at the sum of both only, so it does not prefer any outcome. Of the groups' parts a, b of the
    (effective) totals A, B, chi2 = sum (a - b)^2 / (p (f_a / A + f_b / B)) with p the part in both together and f the
    factor of the weights: Pearson's chi2 of homogeneity for counts. Without groups enough, or with fewer than
    EXACT_BELOW counts, p comes from permutations of events among the two.

    The effect is the root mean square of the groups' relative differences, weighted by content, without the part that
    chance brings: sqrt(max(0, chi2 - ndf) (1/A + 1/B)). The tolerance is the same for the true shapes; it makes chi2
    noncentral. `clustering` is the factor by which entries that come in clusters (several of one event) inflate
    variances at most: the number of entries of an event. Raises NotComparableError.
    """
    a, b = _checked(first, second)
    groups = _grouped(a.counts + b.counts, GROUP_EXPECTS / min(a.total, b.total))
    few = min(a.total, b.total) < EXACT_BELOW * clustering or len(groups) < MIN_GROUPS
    if few and np.count_nonzero(a.counts + b.counts) > 1:
        return _permuted_chi2(a, b, tolerance=tolerance, clustering=clustering)
    chi2 = _chi2(a, b, groups) / clustering
    ndf = len(groups) - 1
    scale = clustering * (1 / a.total + 1 / b.total)
    p_value = float(stats.ncx2.sf(chi2, ndf, tolerance**2 / scale)) if ndf else 1.0
    return Outcome(
        statistic=chi2,
        degrees_of_freedom=ndf,
        p_value=p_value,
        effect=math.sqrt(max(0.0, chi2 - ndf) * scale),
        method=f"chi2 of {len(groups)} groups of bins",
    )


def ks_test(first: Histogram, second: Histogram, *, tolerance: float = 0.0, clustering: float = 1.0) -> Outcome:
    """Test whether two histograms have one shape, after Kolmogorov and Smirnov.

    The statistic, and the effect, is the largest distance of the cumulative distributions at the edges of the bins.
    Between the edges it may be larger, so p is too large (conservative) by as much as the bins are coarse. With fewer
    than EXACT_BELOW counts p comes from permutations, otherwise from Kolmogorov's distribution for A B / (A + B)
    counts, as scipy's ks_2samp does it. A true distance up to the tolerance is accepted: it is taken off the measured
    one (triangle inequality). `clustering` as for chi2_test. Raises NotComparableError.
    """
    a, b = _checked(first, second)
    distance = float(np.abs(np.cumsum(a.counts) / a.total - np.cumsum(b.counts) / b.total).max())
    beyond = max(0.0, distance - tolerance)
    if a.weightless and b.weightless and min(a.total, b.total) < EXACT_BELOW * clustering:
        part, rest, _ = _permutations(a, b)
        found = np.abs(np.cumsum(part - rest, axis=1)).max(axis=1)
        p_value, method = _chance(found, beyond / math.sqrt(clustering)), _PERMUTED
    else:
        effective = max(1, round(a.total * b.total / (a.total + b.total) / clustering))
        p_value, method = float(stats.kstwo.sf(beyond, effective)), "Kolmogorov's distribution"
    return Outcome(statistic=distance, p_value=min(1.0, p_value), effect=distance, method=method)


def rate_test(
    first: Histogram, second: Histogram, events: tuple[int, int], *, tolerance: float = 0.0, clustering: float = 1.0
) -> Outcome:
    """Test whether two histograms have one number of entries for each generated event.

    `events` are the generated events of the two. Given the sum of both, the entries of the first are binomial with
    the ratio of the rates between 1 / (1 + tolerance) and 1 + tolerance (taken as Poisson; entries of which an event
    has at most one vary less). Few entries, or none, are no obstacle. The effect is the distance of that ratio, or its
    inverse, from 1, and infinite where one has no entries; the statistic is the ratio. Raises NotComparableError
    where there is nothing in either.
    """
    if first.entries == 0 and second.entries == 0:
        raise NotComparableError("both histograms are empty")
    rates = (first.entries / events[0], second.entries / events[1])
    ratio = rates[0] / rates[1] if rates[1] > 0 else math.inf
    margin = 1 + tolerance
    if (first.is_counts and second.is_counts and clustering == 1) or min(rates) == 0:
        n, both = first.entries, first.entries + second.entries
        high = stats.binom.sf(n - 1, both, events[0] * margin / (events[0] * margin + events[1]))
        low = stats.binom.cdf(n, both, events[0] / (events[0] + events[1] * margin))
        p_value, method = 2 * min(float(high), float(low)), "binomial, exact"
    else:
        error = math.sqrt(clustering * (1 / _sample(first).total + 1 / _sample(second).total))
        p_value = 2 * float(stats.norm.sf((abs(math.log(ratio)) - math.log(margin)) / error))
        method = "normal, of the logarithm of the ratio"
    effect = max(rates) / min(rates) - 1 if min(rates) > 0 else math.inf
    return Outcome(statistic=ratio, p_value=min(1.0, p_value), effect=effect, method=method)


def holm(p_values: Sequence[float], family: int) -> list[float]:
    """Correct p-values for a family of `family` comparisons, of which some may have no p-value (Holm 1979).

    Rejecting what is at most alpha keeps the probability of any false rejection at or below alpha, however the
    comparisons depend on each other. The order is kept.
    """
    adjusted = [1.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        running = max(running, min(1.0, (family - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted


_PERMUTED = f"{PERMUTATIONS} permutations"


class _Sample(msgspec.Struct, frozen=True):
    """A histogram as effective counts."""

    counts: Floats
    """(n + 2,) with underflow and overflow."""
    variances: Floats
    total: float
    weightless: bool


def _checked(first: Histogram, second: Histogram) -> tuple[_Sample, _Sample]:
    """Give both as effective counts. Raises NotComparableError where no test makes sense."""
    if not first.same_binning(second):
        raise NotComparableError(f"the binnings differ: {_binning(first)} against {_binning(second)}")
    for histogram, whose in ((first, "the result's"), (second, "the reference's")):
        if histogram.entries == 0:
            raise NotComparableError(f"{whose} histogram is empty")
        if histogram.values.sum() == 0:
            raise NotComparableError(f"all entries of {whose} histogram lie outside its axis")
    samples = (_sample(first), _sample(second))
    for sample, whose in zip(samples, ("the result's", "the reference's"), strict=True):
        if sample.total < MIN_ENTRIES:
            raise NotComparableError(
                f"{whose} histogram has {sample.total:.0f} (effective) entries: below {MIN_ENTRIES} nothing can be said"
            )
    return samples


def _binning(histogram: Histogram) -> str:
    return f"{len(histogram.edges) - 1} bins from {histogram.edges[0]:g} to {histogram.edges[-1]:g}"


def _sample(histogram: Histogram) -> _Sample:
    """Scale so that the total is its own variance."""
    scale = float(histogram.content_variances.sum()) / histogram.entries
    counts = histogram.contents / scale
    return _Sample(counts, histogram.content_variances / scale**2, float(counts.sum()), histogram.is_counts)


def _grouped(pooled: Floats, part: float) -> NDArray[np.intp]:
    """Group bins as `grouped` does, for at least `part` of all."""
    return grouped(pooled, part * float(pooled.sum()))


def grouped(contents: Floats, least: float) -> NDArray[np.intp]:
    """First bins of groups of adjacent bins that hold each at least `least`; what is left joins the last."""
    starts, held = [0], 0.0
    for index, content in enumerate(contents.tolist()):
        if held >= least:
            starts.append(index)
            held = 0.0
        held += content
    if held < least and len(starts) > 1:
        starts.pop()
    return np.asarray(starts, dtype=np.intp)


def _chi2(a: _Sample, b: _Sample, groups: NDArray[np.intp]) -> float:
    """Give chi2 of the shapes over groups of bins; groups that are empty in both add nothing."""
    counts = [np.add.reduceat(sample.counts, groups) for sample in (a, b)]
    pooled = (counts[0] + counts[1]) / (a.total + b.total)
    inflation = [
        np.divide(np.add.reduceat(sample.variances, groups), count, out=np.ones_like(count), where=count > 0)
        for sample, count in zip((a, b), counts, strict=True)
    ]
    variance = pooled * (inflation[0] / a.total + inflation[1] / b.total)
    squared = (counts[0] / a.total - counts[1] / b.total) ** 2
    return float(np.divide(squared, variance, out=np.zeros_like(squared), where=variance > 0).sum())


def _permuted_chi2(a: _Sample, b: _Sample, *, tolerance: float, clustering: float) -> Outcome:
    """Chi2 where counts are few: its distribution given the contents of both together, by permutation.

    The tolerance is taken off the root of chi2, which is a norm (triangle inequality).
    """
    if not (a.weightless and b.weightless):
        raise NotComparableError(
            f"weights leave {min(a.total, b.total):.0f} effective entries: too few for chi2, and no counts to permute"
        )
    part, rest, groups = _permutations(a, b)
    pooled = np.add.reduceat(a.counts + b.counts, groups) / (a.total + b.total)
    scale = 1 / a.total + 1 / b.total
    found = ((part - rest) ** 2 / (pooled * scale)).sum(axis=1)
    chi2 = _chi2(a, b, groups) / clustering
    beyond = max(0.0, math.sqrt(chi2) - tolerance / math.sqrt(clustering * scale)) ** 2
    ndf = len(groups) - 1
    return Outcome(
        statistic=chi2,
        degrees_of_freedom=ndf,
        p_value=_chance(found, beyond),
        effect=math.sqrt(max(0.0, chi2 - ndf) * clustering * scale),
        method=_PERMUTED,
    )


def _permutations(a: _Sample, b: _Sample) -> tuple[Floats, Floats, NDArray[np.intp]]:
    """Deal the events of both anew: parts of the smaller and of the larger in each group (PERMUTATIONS, groups)."""
    pooled = a.counts + b.counts
    groups = _grouped(pooled, 1 / PERMUTED_GROUPS)
    filled = np.add.reduceat(pooled, groups)
    small, large = sorted((a.total, b.total))
    random = np.random.default_rng(SEED)
    if small + large < MAX_DEALT:
        dealt = random.multivariate_hypergeometric(
            filled.astype(np.int64), int(small), PERMUTATIONS, method="marginals"
        )
    else:  # so many that taking a few does not change the rest
        dealt = random.multinomial(int(small), filled / filled.sum(), PERMUTATIONS)
    return dealt / small, (filled - dealt) / large, groups


def _chance(found: Floats, measured: float) -> float:
    """Give the part of permutations at least as large, the measured one counted with them: never 0, never too small."""
    return (1 + int(np.count_nonzero(found >= measured * (1 - 1e-9)))) / (1 + len(found))
