"""Ratios of efficiencies: exact where little failed, sharp for a common loss, and blind inside the tolerance."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from builder.physics import efficiencies
from builder.physics.efficiencies import Efficiency, ratio_test
from builder.physics.histograms import Histogram
from builder.physics.statistics import NotComparableError

SURE = 1 - 1e-6
EPSILON = np.linspace(0.8, 0.99, 20)


def histogram(contents, variances=None):
    counts = np.concatenate([[0.0], np.asarray(contents, dtype=float), [0.0]])
    spread = counts if variances is None else np.concatenate([[0.0], variances, [0.0]])
    return Histogram("title", "x", np.arange(len(counts) - 1.0), counts, spread)


def efficiency(passed, total):
    return Efficiency(histogram(passed), histogram(total))


def drawn(trials, epsilons, repeats, seed=1):
    """Pairs of efficiencies: so many trials in each bin, and so probable."""
    random = np.random.default_rng(seed)
    return [
        tuple(
            efficiency(random.binomial(n, e), np.broadcast_to(n, e.shape))
            for n, e in zip(trials, epsilons, strict=True)
        )
        for _ in range(repeats)
    ]


def p_values(pairs, **options):
    return np.array([ratio_test(a, b, **options).p_value for a, b in pairs])


def assert_not_above(p, level):
    assert np.count_nonzero(p <= level) <= stats.binom.ppf(SURE, len(p), level)


@pytest.mark.parametrize("trials", [(5, 5), (50, 50), (50, 500), (10_000, 10_000), (100_000, 5_000)])
@pytest.mark.parametrize("epsilon", [EPSILON, np.full(20, 0.999), np.full(20, 0.1)], ids=["0.8", "0.999", "0.1"])
def test_no_difference_is_found_no_more_often_than_stated(trials, epsilon):
    p = p_values(drawn(trials, (epsilon, epsilon), 80))
    for level in (0.001, 0.01, 0.05, 0.5):
        assert_not_above(p, level)


def test_it_is_not_so_careful_that_nothing_is_seen():
    p = p_values(drawn((1000, 1000), (EPSILON, EPSILON), 60))
    assert np.mean(p <= 0.5) > 0.2


@pytest.mark.parametrize(("passed", "other"), [((48, 50), (40, 50)), ((3, 60), (11, 70)), ((20, 20), (15, 20))])
def test_one_bin_is_fishers_exact_test(passed, other):
    table = [[passed[0], passed[1] - passed[0]], [other[0], other[1] - other[0]]]
    oracle = min(stats.fisher_exact(table, alternative=side).pvalue for side in ("less", "greater"))
    ours = ratio_test(efficiency([passed[0]], [passed[1]]), efficiency([other[0]], [other[1]]))
    assert ours.p_value == pytest.approx(min(1, 4 * oracle)), "two sides, and one of two tests"


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.04])
def test_its_probabilities_are_fishers_noncentral_ones(ratio):
    passing = efficiencies._noncentral(120.0, 80.0, 150.0, ratio)
    second = 150 / (120 * ratio + 80)
    odds = ratio * second / (1 - ratio * second) * (1 - second) / second
    oracle = stats.nchypergeom_fisher(200, 150, 120, odds)
    values = passing.least + np.arange(len(passing.probabilities))
    assert passing.probabilities == pytest.approx(oracle.pmf(values), rel=1e-6, abs=1e-15)
    assert passing.mean == pytest.approx(oracle.mean())
    assert passing.variance == pytest.approx(oracle.var())


def test_two_percent_lower_efficiency_is_seen():
    lower = p_values(drawn((1000, 1000), (EPSILON * 0.98, EPSILON), 60))
    assert np.mean(lower <= 0.01 / 50) >= 0.95


def test_a_loss_in_one_bin_is_seen_and_measured_there():
    local = EPSILON.copy()
    local[7] *= 0.9
    outcomes = [ratio_test(a, b) for a, b in drawn((4000, 4000), (local, EPSILON), 50)]
    assert np.mean([outcome.p_value <= 0.01 / 50 for outcome in outcomes]) > 0.95
    there = [outcome.effect for outcome in outcomes if outcome.method.startswith("pulls")]
    assert len(there) > 25, "mostly the sum over all bins hides it"
    assert np.mean(there) == pytest.approx(1 / 0.9 - 1, abs=0.02)


def test_the_common_ratio_is_measured():
    outcomes = [ratio_test(a, b) for a, b in drawn((5000, 5000), (EPSILON * 0.98, EPSILON), 50)]
    effects = [outcome.effect for outcome in outcomes if outcome.method == "sum over all bins"]
    assert len(effects) == 50
    assert np.mean(effects) == pytest.approx(1 / 0.98 - 1, abs=0.001)


@pytest.mark.parametrize("trials", [(20, 20), (500, 2000), (20_000, 20_000)])
@pytest.mark.parametrize("side", [-1, 1])
def test_a_ratio_at_the_tolerance_is_no_difference(trials, side):
    second = np.full(20, 0.9)
    first = second * 1.02**side
    pairs = drawn(trials, (first, second), 40)
    p = p_values(pairs, tolerance=0.02)
    for level in (0.01, 0.05, 0.5):
        assert_not_above(p, level)
    if trials[0] == 20_000:
        assert np.all(p_values(pairs) < 1e-6), "it is significant"
        assert np.all(p_values(pairs, tolerance=0.01) < 1e-3), "it is beyond half of it"


def test_an_efficiency_of_one_can_not_be_exceeded_but_missed():
    full, less = efficiency([100] * 10, [100] * 10), efficiency([97] * 10, [100] * 10)
    assert ratio_test(full, full).p_value == 1
    assert ratio_test(less, full).p_value < 1e-6
    assert ratio_test(less, full, tolerance=0.02).p_value > 1e-3
    assert ratio_test(full, less, tolerance=0.02).p_value > 1e-3
    assert ratio_test(less, full, tolerance=0.05).p_value == 1


def test_nothing_that_passes_is_an_infinite_difference():
    none, some = efficiency([0] * 5, [100] * 5), efficiency([90] * 5, [100] * 5)
    assert ratio_test(none, some).effect == math.inf
    assert ratio_test(none, some).p_value < 1e-100


passed_of = st.integers(0, 300).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@st.composite
def two(draw):
    size = draw(st.integers(1, 8))
    sides = [[*draw(st.lists(passed_of, min_size=size, max_size=size)), (20, 30)] for _ in range(2)]
    return [efficiency([k for k, _ in side], [n for _, n in side]) for side in sides]


@settings(deadline=None, max_examples=50)
@given(two(), st.sampled_from([0.0, 0.03]))
def test_the_order_of_two_efficiencies_does_not_matter(pair, tolerance):
    one, other = (ratio_test(*p, tolerance=tolerance) for p in (pair, pair[::-1]))
    assert one.p_value == pytest.approx(other.p_value, rel=1e-6, abs=1e-300)
    assert one.effect == pytest.approx(other.effect, rel=1e-9)


@settings(deadline=None, max_examples=50)
@given(two())
def test_an_efficiency_does_not_differ_from_itself(pair):
    assert ratio_test(pair[0], pair[0]).p_value == 1
    assert ratio_test(pair[0], pair[0]).effect == 0


GOOD = efficiency([90, 80], [100, 100])


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (efficiency([101, 80], [100, 100]), "more passed than there were"),
        (efficiency([0, 0], [0, 0]), "has 0 trials"),
        (efficiency([5, 5], [9, 9]), "below 20"),
        (efficiency([90, 80, 3], [100, 100, 5]), "the binnings differ"),
        (efficiency([90, 80, 3], [100, 100]), "passed and total have different bins"),
        (Efficiency(histogram([90, 80], [95, 85]), histogram([100, 100])), "weighted"),
        (efficiency([1] * 2001, [1] * 2001), "too many"),
    ],
)
def test_what_is_no_efficiency_is_refused(bad, why):
    with pytest.raises(NotComparableError, match=why):
        ratio_test(bad, GOOD)


def test_where_nothing_passed_in_either_there_is_no_ratio():
    nothing = efficiency([0, 0], [100, 100])
    with pytest.raises(NotComparableError, match="nothing passed in either"):
        ratio_test(nothing, nothing)


def test_huge_counts_are_no_obstacle():
    trials = [2.0**52, 2.0**30, 4000]
    test = partial(ratio_test, efficiency([2.0**51, 2.0**30 - 3, 3000], trials))
    assert test(efficiency([2.0**51, 2.0**30 - 3, 3000], trials)).p_value == 1
    assert test(efficiency([2.0**51, 2.0**30 - 3, 500], trials)).p_value < 1e-4
