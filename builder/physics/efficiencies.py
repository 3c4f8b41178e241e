"""Test of two efficiencies, bin by bin, by their ratio.

Given how many trials each of the two has in a bin, and how many passed in both together, the number that passed in the
first follows Fisher's noncentral hypergeometric distribution. Its probabilities are computed, not approximated, so few
counts and efficiencies near 0 or 1 need no care.

Source: R. A. Fisher, The logic of inductive inference, J. R. Stat. Soc. 98 (1935) 39 (the exact test); A. Agresti,
Categorical Data Analysis, ch. 3 (exact inference in 2 x 2 x K tables); N. Mantel and W. Haenszel (1959), the ratio.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import betaln

from builder.physics.histograms import Floats, Histogram
from builder.physics.statistics import MIN_ENTRIES, NotComparableError, Outcome, grouped

GROUP_VARIANCE = 8.0
"""Least variance of what passed in a group of bins, for its pull to be taken as normal."""
CLEAR = 1e-4
"""With a smaller p the sum over all bins tells of a common difference, whatever the pulls say."""
FAR = 9.0
"""Standard deviations of one bin beyond which probabilities (below 1e-18) are left away."""
MAX_BINS = 2_000
NORMAL_VARIANCE = 1_000.0
"""From this variance on the sum over all bins is taken as normal; below, its distribution is computed."""


class Efficiency(msgspec.Struct, frozen=True):
    """How many of which passed."""

    passed: Histogram
    total: Histogram


def ratio_test(first: Efficiency, second: Efficiency, *, tolerance: float = 0.0) -> Outcome:
    """Test whether the ratio of two efficiencies is 1 in all bins, within 1 / (1 + tolerance) and 1 + tolerance.

    Two tests, of which the smaller p is doubled (Bonferroni): one of the sum over all bins, exact, which sees a
    common loss; and one of the squared pulls of groups of adjacent bins, as chi2, which sees a local one. A pull is
    counted from the nearer edge of the tolerance. Underflow and overflow count as bins.

    The statistic is the sum of squared pulls, its degrees of freedom the number of groups. The effect is the distance
    from 1 of the ratio after Mantel and Haenszel (or its inverse): over all bins, or in the group of the largest pull
    where only the pulls see a difference. Trials must be independent. Raises NotComparableError.
    """
    _check(first, second)
    bins = _Bins(
        passed=(first.passed.contents, second.passed.contents), trials=(first.total.contents, second.total.contents)
    )
    high, low = bins.given_ratio(1 + tolerance), bins.given_ratio(1 / (1 + tolerance))
    common = 2 * min(high.chance_of_at_least(), low.chance_of_at_most())
    groups = grouped(np.minimum(high.variance, low.variance), GROUP_VARIANCE)
    pulls = np.maximum(high.pulls(groups), -low.pulls(groups))
    if tolerance > 0:
        pulls = np.maximum(pulls, 0.0)  # inside the tolerance there is no pull
    statistic = float((pulls**2).sum())
    enough = float(high.variance.sum()) >= GROUP_VARIANCE or float(low.variance.sum()) >= GROUP_VARIANCE
    local = float(stats.chi2.sf(statistic, len(groups))) if enough else 1.0
    if local < common and common > CLEAR:
        worst = int(np.argmax(pulls))
        ends = [*groups[1:], len(bins.trials[0])]
        effect = bins.distance(slice(groups[worst], ends[worst]))
        method = f"pulls of {len(groups)} groups of bins"
    else:
        effect, method = bins.distance(slice(None)), "sum over all bins"
    return Outcome(
        statistic=statistic,
        degrees_of_freedom=len(groups),
        p_value=min(1.0, 2 * min(common, local)),
        effect=effect,
        method=method,
    )


def _check(first: Efficiency, second: Efficiency) -> None:
    """Raise NotComparableError where no test makes sense."""
    bins = max(len(first.total.values), len(second.total.values))
    if bins > MAX_BINS:
        raise NotComparableError(f"{bins} bins are too many for an efficiency: at most {MAX_BINS}")
    for efficiency, whose in ((first, "the result's"), (second, "the reference's")):
        passed, total = efficiency.passed, efficiency.total
        if not passed.same_binning(total):
            raise NotComparableError(f"{whose} passed and total have different bins")
        if not (passed.is_counts and total.is_counts):
            raise NotComparableError(f"{whose} efficiency is weighted: a binomial test needs counts")
        if (passed.contents > total.contents).any():
            raise NotComparableError(f"in {whose} efficiency more passed than there were, in some bin")
        if total.entries < MIN_ENTRIES:
            raise NotComparableError(
                f"{whose} efficiency has {total.entries:.0f} trials: below {MIN_ENTRIES} nothing can be said"
            )
    if not first.total.same_binning(second.total):
        raise NotComparableError("the binnings differ")
    if first.passed.entries == 0 and second.passed.entries == 0:
        raise NotComparableError("nothing passed in either: there is no ratio")


class _Bins(msgspec.Struct, frozen=True):
    """Counts of two efficiencies, each (n,)."""

    passed: tuple[Floats, Floats]
    trials: tuple[Floats, Floats]

    def distance(self, bins: slice) -> float:
        """Give the distance from 1 of the Mantel-Haenszel ratio in some bins, infinite where one passed nothing."""
        both = self.trials[0][bins] + self.trials[1][bins]
        weight = np.divide(1.0, both, out=np.zeros_like(both), where=both > 0)
        one = float((self.passed[0][bins] * self.trials[1][bins] * weight).sum())
        other = float((self.passed[1][bins] * self.trials[0][bins] * weight).sum())
        if one == other:
            return 0.0
        return max(one, other) / min(one, other) - 1 if min(one, other) > 0 else math.inf

    def given_ratio(self, ratio: float) -> _Expected:
        """Give what passes in the first, bin by bin, where its efficiency is `ratio` times that of the second.

        The efficiency itself is the one that makes the expected number in both together the observed one.
        """
        size = len(self.trials[0])
        excess, variance = np.zeros(size), np.zeros(size)
        distributions: list[Floats] = []
        shift = 0.0
        for index in range(size):
            n, m = float(self.trials[0][index]), float(self.trials[1][index])
            passed = float(self.passed[0][index])
            both = passed + float(self.passed[1][index])
            lowest, highest = max(0.0, both - m), min(n, both)
            if lowest == highest:  # nothing is left to chance
                continue
            passing = _noncentral(n, m, both, ratio)
            excess[index], variance[index] = passed - passing.mean, passing.variance
            distributions.append(passing.probabilities)
            shift += passed - passing.least
        return _Expected(excess, variance, distributions, shift)


class _Expected(msgspec.Struct, frozen=True):
    """What passed in the first beyond what was expected, and its distribution."""

    excess: Floats
    variance: Floats
    distributions: list[Floats]
    """Of the bins where chance has a part: probabilities of 0, 1, ... above the least number of any weight."""
    above_least: float
    """What passed in all those bins above those least numbers."""

    def pulls(self, groups: NDArray[np.intp]) -> Floats:
        """Excess of each group of bins in its standard deviations; 0 where chance has no part."""
        deviation = np.sqrt(np.add.reduceat(self.variance, groups))
        excess = np.add.reduceat(self.excess, groups)
        return np.divide(excess, deviation, out=np.zeros_like(excess), where=deviation > 0)

    def chance_of_at_least(self) -> float:
        """Give the probability that at least as many pass in all bins together."""
        return self._tail(+1)

    def chance_of_at_most(self) -> float:
        """Give the probability that at most as many pass in all bins together."""
        return self._tail(-1)

    def _tail(self, side: int) -> float:
        variance = float(self.variance.sum())
        if variance >= NORMAL_VARIANCE:
            return float(stats.norm.sf((side * float(self.excess.sum()) - 0.5) / math.sqrt(variance)))
        whole = np.ones(1)
        for probabilities in self.distributions:
            whole = np.convolve(whole, probabilities)
        at = round(self.above_least)
        return min(1.0, float(whole[max(at, 0) :].sum() if side > 0 else whole[: max(at + 1, 0)].sum()))


class _Passing(msgspec.Struct, frozen=True):
    """The number that passed in the first of two, in one bin."""

    mean: float
    variance: float
    least: float
    """The number to which the first of the probabilities belongs."""
    probabilities: Floats


def _noncentral(n: float, m: float, both: float, ratio: float) -> _Passing:
    """Distribution of the number that passed in n trials, given `both` that passed in n + m.

    Numbers so far out that they have no weight are left away. Where the ratio asks for an efficiency above 1, as many
    as possible pass for certain.
    """
    lowest, highest = max(0.0, both - m), min(n, both)
    second = both / (n * ratio + m)
    first = ratio * second
    if first >= 1 or second >= 1:
        certain = highest if first > second else lowest
        return _Passing(certain, 0.0, certain, np.ones(1))
    cells = (n * first, n * (1 - first), m * second, m * (1 - second))
    variance = 1 / sum(1 / cell for cell in cells)  # of the normal limit
    if variance >= NORMAL_VARIANCE:
        return _Passing(cells[0], variance, lowest, np.ones(1))
    reach = math.ceil(FAR * math.sqrt(variance)) + 40
    values = np.arange(max(lowest, math.floor(cells[0]) - reach), min(highest, math.ceil(cells[0]) + reach) + 1)
    log_odds = math.log(first / second) - math.log1p(-first) + math.log1p(-second)
    # the binomial coefficients C(n, values) C(m, both - values), without factors that do not depend on the values
    logarithms = (
        values * log_odds - betaln(n - values + 1, values + 1) - betaln(m - both + values + 1, both - values + 1)
    )
    probabilities = np.exp(logarithms - logarithms.max())
    probabilities /= probabilities.sum()
    mean = float((values * probabilities).sum())
    return _Passing(mean, float(((values - mean) ** 2 * probabilities).sum()), float(values[0]), probabilities)
