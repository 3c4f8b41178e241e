"""P-values mean what they say, defects of stated sizes are seen, and scipy agrees where it has the test."""

import math
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from builder.physics import statistics
from builder.physics.histograms import Histogram
from builder.physics.statistics import NotComparableError, chi2_test, holm, ks_test, rate_test

SURE = 1 - 1e-6
"""With fixed seeds, a bound that chance would exceed once in a million."""
X = np.linspace(-2, 2, 100)
SHAPE = np.concatenate([[0.001], np.exp(-X * X / 2) / 70 + 0.0001, [0.001]])
SHAPE /= SHAPE.sum()


def histogram(contents, variances=None):
    """Over one unit a bin, from 0; the first and the last content are underflow and overflow."""
    counts = np.asarray(contents, dtype=float)
    spread = counts if variances is None else np.asarray(variances, dtype=float)
    return Histogram("title", "x", np.arange(len(counts) - 1.0), counts, spread)


def pairs(first, second, repeats, shape=SHAPE, other=SHAPE, seed=1):
    random = np.random.default_rng(seed)
    drawn = random.multinomial(first, shape, repeats), random.multinomial(second, other, repeats)
    return [(histogram(a), histogram(b)) for a, b in zip(*drawn, strict=True)]


def p_values(test, drawn):
    return np.array([test(a, b).p_value for a, b in drawn])


def assert_not_above(p, level):
    assert np.count_nonzero(p <= level) <= stats.binom.ppf(SURE, len(p), level)


COUNTS = [(100, 100), (110, 10_000), (500, 500), (500, 5_000), (5_000, 5_000), (100_000, 10_000)]


@pytest.mark.parametrize("counts", COUNTS)
def test_chi2_without_a_difference_is_uniform(counts):
    p = p_values(chi2_test, pairs(*counts, repeats=500))
    for level in (0.001, 0.01, 0.05, 0.5):
        assert_not_above(p, level)
    assert_not_above(1 - p, 0.5)
    assert stats.kstest(p, "uniform").pvalue > 1e-4


@pytest.mark.parametrize("counts", COUNTS)
def test_ks_without_a_difference_is_at_most_uniform(counts):
    p = p_values(ks_test, pairs(*counts, repeats=300))
    for level in (0.001, 0.01, 0.05, 0.5):
        assert_not_above(p, level)


def test_ks_is_conservative_by_coarse_bins():
    fine, coarse = np.full(200, 1 / 200), np.full(4, 1 / 4)
    found = [p_values(ks_test, pairs(2000, 2000, 1000, shape, shape)) for shape in (fine, coarse)]
    rejected = [np.count_nonzero(p <= 0.05) for p in found]
    assert 25 <= rejected[0] <= 75, "of 1000, about 50"
    assert rejected[1] < 0.6 * rejected[0], "four bins leave less than the nominal level"


@pytest.mark.parametrize("test", [chi2_test, ks_test])
@pytest.mark.parametrize("counts", [(25, 25), (30, 4000)])
def test_few_counts_are_judged_by_permutation(test, counts, monkeypatch):
    assert test(*pairs(*counts, 1)[0]).method == "20000 permutations"
    monkeypatch.setattr(statistics, "PERMUTATIONS", 999)
    p = p_values(test, pairs(*counts, repeats=100))
    for level in (0.01, 0.05, 0.5):
        assert_not_above(p, level)
    assert np.count_nonzero(p <= 0.5) > 30, "of 100: not so careful that nothing is seen"
    assert p.min() >= 1 / 1000


def test_permutation_agrees_with_fishers_exact_test():
    first, second = histogram([0, 12, 18, 0]), histogram([0, 25, 5, 0])
    expected = stats.fisher_exact([[12, 18], [25, 5]]).pvalue
    assert chi2_test(first, second).p_value == pytest.approx(expected, rel=0.5)
    assert expected < 0.01


def test_weighted_histograms_without_a_difference_are_uniform():
    random = np.random.default_rng(3)
    bins = np.arange(len(SHAPE) + 1) - 0.5

    def weighted(events):
        where = random.choice(len(SHAPE), size=events, p=SHAPE)
        weights = random.exponential(2.0, events) + 0.2 * (where % 3)
        return histogram(*(np.histogram(where, bins, weights=w)[0] for w in (weights, weights**2)))

    for sizes in ((3000, 3000), (1000, 8000)):
        p = p_values(chi2_test, [(weighted(sizes[0]), weighted(sizes[1])) for _ in range(300)])
        for level in (0.001, 0.01, 0.05, 0.5):
            assert_not_above(p, level)
        assert np.count_nonzero(p > 0.5) > 110, "of 300: not so careful that nothing is seen"


def test_a_weight_that_is_one_for_all_changes_nothing():
    (first, second), *_ = pairs(2000, 3000, 1)
    heavy = histogram(3 * first.contents, 9 * first.contents)
    for test in (chi2_test, ks_test):
        assert test(heavy, second).p_value == pytest.approx(test(first, second).p_value, rel=1e-9)
        assert test(heavy, second).statistic == pytest.approx(test(first, second).statistic, rel=1e-9)


def test_chi2_is_pearsons_of_homogeneity_where_bins_are_full():
    first, second = histogram([90, 200, 310, 400, 51]), histogram([120, 180, 350, 300, 60])
    oracle = stats.chi2_contingency([first.contents, second.contents], correction=False)
    ours = chi2_test(first, second)
    assert ours.statistic == pytest.approx(oracle.statistic)
    assert ours.degrees_of_freedom == oracle.dof
    assert ours.p_value == pytest.approx(oracle.pvalue)


def test_ks_is_scipys_of_the_bins_as_tied_values():
    for first, second in pairs(800, 1200, 5, other=np.roll(SHAPE, 3)):
        values = [np.repeat(np.arange(len(h.contents)), h.contents.astype(int)) for h in (first, second)]
        oracle = stats.ks_2samp(*values, method="asymp")
        assert ks_test(first, second).statistic == pytest.approx(oracle.statistic)
        assert ks_test(first, second).p_value == pytest.approx(oracle.pvalue, rel=1e-6)


@pytest.mark.parametrize(
    ("test", "change", "events", "power"),
    [
        (chi2_test, 1.10, 100_000, 0.95),  # each second bin has 10% more
        (ks_test, None, 20_000, 0.95),  # all is shifted by a tenth of a standard deviation
        (chi2_test, None, 50_000, 0.95),
    ],
)
def test_a_difference_is_seen_at_the_level_of_a_family_of_fifty(test, change, events, power):
    other = SHAPE * np.where(np.arange(len(SHAPE)) % 2, change, 1) if change else np.interp(X + 0.1, X, SHAPE[1:-1])
    other = other if change else np.concatenate([SHAPE[:1], other, SHAPE[-1:]])
    p = p_values(test, pairs(events, events, 100, other=other / other.sum()))
    assert np.mean(p <= 0.01 / 50) >= power


def test_a_difference_up_to_the_tolerance_is_no_difference():
    wave = 1 + 0.03 * np.where(np.arange(len(SHAPE)) % 2, 1, -1)
    other = SHAPE * wave / (SHAPE * wave).sum()
    rms = math.sqrt(float((((SHAPE - other) / SHAPE) ** 2 * SHAPE).sum()))
    distance = np.abs(np.cumsum(SHAPE - other)).max()
    drawn = pairs(1_000_000, 1_000_000, 200, other=other)
    assert np.all(p_values(chi2_test, drawn) < 1e-6), "it is significant"
    for test, size in ((partial(chi2_test, tolerance=rms), rms), (partial(ks_test, tolerance=distance), distance)):
        p = p_values(test, drawn)
        for level in (0.01, 0.05, 0.5):
            assert_not_above(p, level)
        if size == rms:
            assert np.mean([test(a, b).effect for a, b in drawn]) == pytest.approx(rms, rel=0.02)
    assert np.mean(p_values(partial(chi2_test, tolerance=rms / 2), drawn) < 1e-3) > 0.99, "twice the tolerance is"


def test_clusters_of_entries_are_allowed_for():
    random = np.random.default_rng(8)
    mirrored = [histogram(h + h[::-1]) for h in random.multinomial(4000, np.full(60, 1 / 60), 800)]  # two tracks each
    drawn = list(zip(mirrored[::2], mirrored[1::2], strict=True))
    naive = p_values(chi2_test, drawn)
    assert np.count_nonzero(naive <= 0.01) > stats.binom.ppf(SURE, len(naive), 0.01), "else clusters do not matter"
    for test in (chi2_test, ks_test):
        assert_not_above(p_values(partial(test, clustering=2.0), drawn), 0.01)


counts = st.lists(st.integers(0, 400), min_size=6, max_size=30).filter(lambda c: sum(c[1:-1]) >= 100)


@st.composite
def two(draw):
    first = draw(counts)
    second = draw(st.lists(st.integers(0, 400), min_size=len(first), max_size=len(first)))
    second[1] += 100
    return first, second


@settings(deadline=None, max_examples=50)
@given(two())
def test_the_order_of_two_histograms_does_not_matter(drawn):
    first, second = map(histogram, drawn)
    for test in (chi2_test, ks_test):
        one, other = test(first, second), test(second, first)
        assert one.p_value == pytest.approx(other.p_value, rel=1e-6, abs=1e-300)
        assert one.statistic == pytest.approx(other.statistic, rel=1e-9, abs=1e-12)
        assert one.effect == pytest.approx(other.effect, rel=1e-6, abs=1e-9)


@settings(deadline=None, max_examples=50)
@given(two(), st.floats(0, 0.5), st.floats(0, 0.5))
def test_a_larger_tolerance_never_makes_a_difference_more_significant(drawn, tolerance, more):
    first, second = map(histogram, drawn)
    for test in (chi2_test, ks_test, partial(rate_test, events=(1000, 3000))):
        strict, lax = (test(first, second, tolerance=t).p_value for t in (tolerance, tolerance + more))
        assert 0 <= strict <= 1
        assert lax >= strict * (1 - 1e-6)


@settings(deadline=None, max_examples=50)
@given(counts)
def test_a_histogram_does_not_differ_from_itself(content):
    itself = histogram(content)
    for test in (chi2_test, ks_test, partial(rate_test, events=(500, 500))):
        assert test(itself, itself).p_value == pytest.approx(1)
        assert test(itself, itself).effect == 0


def test_all_entries_in_one_bin_have_one_shape():
    for test in (chi2_test, ks_test):
        assert test(histogram([0, 0, 500, 0, 0]), histogram([0, 0, 900, 0, 0])).p_value == 1
        assert test(histogram([0, 0, 500, 0, 0]), histogram([0, 500, 0, 0, 0])).p_value < 1e-100


def test_what_leaves_the_axis_is_a_difference():
    inside, leaving = histogram([0, 1000, 1000, 0]), histogram([0, 900, 900, 200])
    assert chi2_test(inside, leaving).p_value < 1e-20
    assert ks_test(inside, leaving).p_value < 1e-4


@pytest.mark.parametrize("test", [chi2_test, ks_test])
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (histogram([0, 0, 0, 0]), "the result's histogram is empty"),
        (histogram([9000, 0, 0, 9000]), "outside its axis"),
        (histogram([0, 10, 9, 0]), "below 20 nothing can be said"),
        (histogram([0, 100, 100, 0], [0, 10_000, 10_000, 0]), "below 20"),
        (histogram([0, 100, 100, 0, 0]), "3 bins from 0 to 3 against 2 bins from 0 to 2"),
    ],
)
def test_what_can_not_be_compared_is_refused(test, bad, why):
    with pytest.raises(NotComparableError, match=why):
        test(bad, histogram([0, 500, 500, 0]))


def test_few_weighted_entries_are_refused_by_chi2():
    few = histogram([0, 20, 16, 0], [0, 21, 17, 0])
    with pytest.raises(NotComparableError, match="no counts to permute"):
        chi2_test(few, few)


def test_huge_counts_and_many_bins_are_no_obstacle():
    huge = histogram([0, 2**52, 2**51, 2**50])
    few = histogram([0, 14, 7, 4])
    assert chi2_test(huge, huge).p_value == 1
    assert chi2_test(huge, few).p_value > 0.01
    assert ks_test(huge, few).p_value > 0.01
    wide = np.zeros(100_002)
    wide[5:100:2] = 1
    assert chi2_test(histogram(wide), histogram(wide)).p_value == 1


def test_rates_without_a_difference_are_at_most_uniform():
    random = np.random.default_rng(2)
    for mean in (3, 50, 5000):
        drawn = random.poisson((mean, 3 * mean), (1500, 2))
        p = np.array(
            [rate_test(histogram([0, a, 0]), histogram([0, b, 0]), (10_000, 30_000)).p_value for a, b in drawn if a + b]
        )
        for level in (0.001, 0.01, 0.05):
            assert_not_above(p, level)


def test_a_rate_is_scipys_binomial_test_where_both_generated_the_same():
    outcome = rate_test(histogram([0, 530, 0]), histogram([0, 470, 0]), (1000, 1000))
    assert outcome.p_value == pytest.approx(stats.binomtest(530, 1000).pvalue)
    assert outcome.effect == pytest.approx(530 / 470 - 1)


def test_half_of_the_events_lost_is_seen():
    full, half = histogram([0, 60, 60, 0]), histogram([0, 30, 30, 0])
    assert chi2_test(full, half).p_value > 0.9, "the shape is the same"
    assert rate_test(full, half, (1000, 1000)).p_value < 1e-4
    assert rate_test(full, half, (2000, 1000)).p_value > 0.9
    assert rate_test(full, half, (1000, 1000), tolerance=1.1).p_value > 0.2
    assert rate_test(full, histogram([0, 0, 0, 0]), (1000, 1000)).effect == math.inf
    with pytest.raises(NotComparableError, match="both histograms are empty"):
        rate_test(histogram([0, 0]), histogram([0, 0]), (1, 1))


def test_a_rate_of_weights_uses_their_variance():
    counted = [histogram([0, n, 0]) for n in (5300, 5000)]
    weighted = [histogram(2 * h.contents, 4 * h.contents) for h in counted]
    exact = rate_test(*counted, (10_000, 10_000)).p_value
    assert rate_test(*weighted, (10_000, 10_000)).p_value == pytest.approx(exact, rel=0.05)


@given(st.lists(st.floats(0, 1), max_size=20), st.integers(0, 10))
def test_holm_rejects_as_its_steps_say(p, unmade):
    family = len(p) + unmade
    adjusted = holm(p, family)
    for level in (0.01, 0.2):
        rejected = set()
        for rank, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
            if p[index] * (family - rank) > level:
                break
            rejected.add(index)
        assert {i for i, value in enumerate(adjusted) if value <= level} == rejected


def test_holm_of_a_worked_example():
    assert holm([0.01, 0.04, 0.03, 0.005], 4) == pytest.approx([0.03, 0.06, 0.06, 0.02])
