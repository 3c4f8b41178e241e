"""A family of comparisons is judged as one; what could not be compared is never a pass."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from builder.physics.comparison import Measured, Planned, Unmeasured, compare, outcome_of
from builder.physics.histograms import Histogram, Result
from builder.physics.model import Observable, State
from builder.physics.statistics import NotComparableError, chi2_test

RATE = 0.01


def histogram(contents, low=0.0):
    counts = np.concatenate([[0.0], np.asarray(contents, dtype=float), [0.0]])
    return Histogram("title", "x", low + np.arange(len(counts) - 1.0), counts, counts)


def measured(events=None, **contents):
    histograms = {name: c if isinstance(c, Histogram) else histogram(c) for name, c in contents.items()}
    return Measured(Result("rhopi.json", histograms), events)


def planned(result, against, histogram_name="mass", test="chi2", **options):
    observable = Observable(
        name=histogram_name, title="", sample="rhopi", histogram=histogram_name, test=test, **options
    )
    return Planned(observable, "the previous release", result, against)


def one(*arguments, **options):
    return compare([planned(*arguments, **options)], RATE).comparisons[0]


SAME, OTHER = [500] * 20, [700, 300] * 10


def test_no_difference_is_good():
    comparison = one(measured(mass=SAME), measured(mass=SAME))
    assert (comparison.state, comparison.p_value, comparison.message) == (State.GOOD, 1.0, "")
    assert (comparison.entries, comparison.reference_entries) == (10_000, 10_000)
    assert comparison.method == "chi2 of 20 groups of bins"


@pytest.mark.parametrize(("critical", "state"), [(True, State.BAD), (False, State.WARNING)])
def test_a_difference_is_bad_or_a_warning(critical, state):
    comparison = one(measured(mass=SAME), measured(mass=OTHER), critical=critical)
    assert comparison.state is state
    assert comparison.effect == pytest.approx(0.4, abs=0.01)
    assert "it differs by 0.404: corrected p = " in comparison.message


def test_a_difference_within_the_tolerance_is_good():
    assert one(measured(mass=SAME), measured(mass=OTHER), tolerance=0.45).state is State.GOOD
    beyond = one(measured(mass=SAME), measured(mass=OTHER), tolerance=0.2)
    assert beyond.state is State.BAD
    assert "beyond the tolerance of 0.2" in beyond.message


@pytest.mark.parametrize(("critical", "state"), [(True, State.CRIT), (False, State.NONCRIT)])
@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (measured(), "rhopi.json has no histogram mass"),
        (measured(mass=[0] * 20), "histogram is empty"),
        (measured(mass=[0] * 19 + [19]), "below 20"),
        (measured(mass=[500] * 10), "the binnings differ"),
        (measured(mass=histogram(SAME, low=0.5)), "the binnings differ"),
        (measured(0, mass=SAME), "no events were generated"),
    ],
)
@pytest.mark.parametrize("test", ["chi2", "ks"])
def test_what_can_not_be_compared_is_never_a_pass(bad, why, swapped, critical, state, test):
    pair = (measured(100, mass=SAME), bad) if swapped else (bad, measured(100, mass=SAME))
    comparison = one(*pair, test=test, critical=critical)
    assert comparison.state is state
    assert not comparison.state.is_pass
    assert why in comparison.message
    assert comparison.p_value is None


def test_two_empty_histograms_are_no_pass():
    assert one(measured(mass=[0] * 20), measured(mass=[0] * 20)).state is State.CRIT


@pytest.mark.parametrize("lacking", ["eff_passed", "eff_total"])
def test_an_efficiency_needs_both_its_histograms(lacking):
    both = {"eff_passed": [90] * 5, "eff_total": [100] * 5}
    less = {name: content for name, content in both.items() if name != lacking}
    comparison = one(measured(**less), measured(**both), "eff", "binomial-ratio")
    assert comparison.state is State.CRIT
    assert f"no histogram {lacking}" in comparison.message


def test_an_efficiency_is_judged_by_its_ratio():
    first, second = ({"eff_passed": [n] * 5, "eff_total": [1000] * 5} for n in (950, 900))
    comparison = one(measured(**first), measured(**second), "eff", "binomial-ratio")
    assert comparison.state is State.BAD
    assert comparison.effect == pytest.approx(95 / 90 - 1)
    assert comparison.entries == 5000
    assert one(measured(**first), measured(**second), "eff", "binomial-ratio", tolerance=0.06).state is State.GOOD


def test_what_was_not_measured_is_unknown():
    good, bad = measured(mass=SAME), Unmeasured("the job ended with 139")
    for pair in ((good, bad), (bad, good), (bad, bad)):
        comparison = one(*pair)
        assert comparison.state is State.UNKNOWN
        assert comparison.message == "the job ended with 139"


def test_no_comparison_is_unknown():
    assert compare([], RATE).state is State.UNKNOWN


def test_half_of_the_events_lost_is_bad_where_they_are_counted():
    full, half = measured(20_000, mass=SAME), measured(20_000, mass=[250] * 20)
    for test in ("chi2", "ks"):
        comparison = one(half, full, test=test)
        assert comparison.state is State.BAD
        assert "entries for each event: 0.5 times the reference's" in comparison.message
    assert one(half, measured(40_000, mass=SAME)).state is State.GOOD
    assert one(half, measured(mass=SAME)).state is State.GOOD, "without events only shapes are compared"


def test_more_entries_than_events_are_taken_as_clusters():
    first, second = [560, 440] * 10, [500] * 20
    naive = outcome_of("mass", "chi2", measured(10_000, mass=first), measured(10_000, mass=second), tolerance=0)
    doubled = outcome_of("mass", "chi2", measured(5_000, mass=first), measured(5_000, mass=second), tolerance=0)
    assert doubled.statistic == pytest.approx(naive.statistic / 2)
    assert doubled.p_value > naive.p_value
    known_of_one = outcome_of("mass", "chi2", measured(5_000, mass=first), measured(mass=second), tolerance=0)
    assert known_of_one.statistic == doubled.statistic


def test_the_family_is_all_that_was_planned():
    slight = (measured(mass=[5300, 4700] * 2), measured(mass=[5000] * 4))
    alone = one(*slight)
    others = [planned(measured(), measured(), f"lost{i}") for i in range(9)]
    with_missing = compare([planned(*slight), *others], RATE).comparisons[0]
    assert alone.adjusted_p_value == pytest.approx(alone.p_value)
    assert with_missing.adjusted_p_value == pytest.approx(10 * alone.p_value)


def test_the_order_of_the_plan_is_kept_and_does_not_matter():
    plan = [
        planned(measured(mass=SAME), measured(mass=OTHER)),
        planned(measured(), measured(mass=SAME)),
        planned(measured(mass=SAME), measured(mass=SAME), test="ks"),
    ]
    assert compare(plan, RATE).comparisons == compare(plan[::-1], RATE).comparisons[::-1]
    assert compare(plan, RATE).state is State.BAD


def family(random, correlated):
    """A plan without a defect: eight histograms with their tests, drawn anew or all of the same events."""
    size = 40
    shape = np.arange(1, size + 1) / (size * (size + 1) / 2)
    sides = []
    for _ in range(2):
        contents = {}
        events = random.choice(size, size=1200, p=shape)
        for index in range(8):
            drawn = events if correlated else random.choice(size, size=1200, p=shape)
            kept = drawn[random.random(1200) < 0.97]
            contents[f"h{index}"] = np.bincount(kept, minlength=size)
        contents["eff_total"] = np.bincount(events, minlength=size)
        contents["eff_passed"] = np.bincount(events[random.random(1200) < 0.95], minlength=size)
        sides.append(measured(1200, **contents))
    tests = ["chi2", "ks"] * 4
    return [
        *(planned(*sides, f"h{i}", test) for i, test in enumerate(tests)),
        planned(*sides, "eff", "binomial-ratio"),
    ]


@pytest.mark.parametrize("correlated", [False, True])
def test_the_family_wise_rate_is_at_most_the_stated(correlated):
    random = np.random.default_rng(20)
    judgements = [compare(family(random, correlated), 0.1) for _ in range(200)]
    for rate in (0.01, 0.1):
        wrong = sum(any(c.adjusted_p_value <= rate for c in judgement.comparisons) for judgement in judgements)
        assert wrong <= stats.binom.ppf(1 - 1e-6, len(judgements), rate)
        if rate == 0.1:
            assert wrong == sum(judgement.state is not State.GOOD for judgement in judgements)


def test_the_same_events_in_both_give_no_alarm_at_all():
    random = np.random.default_rng(21)
    for _ in range(20):
        plan = [
            planned(p.result, p.result, p.observable.histogram, p.observable.test)
            for p in family(random, correlated=True)
        ]
        judgement = compare(plan, 0.5)
        assert all(comparison.p_value == pytest.approx(1) for comparison in judgement.comparisons)


contents = st.lists(st.integers(0, 50), min_size=3, max_size=6)


@given(st.lists(st.tuples(contents, contents, st.sampled_from(["chi2", "ks"]), st.booleans()), max_size=4))
def test_whatever_is_compared_gets_a_state_and_a_reason(pairs):
    plan = [planned(measured(99, mass=a), measured(99, mass=b), test=t, critical=c) for a, b, t, c in pairs]
    for comparison in compare(plan, RATE).comparisons:
        assert (comparison.state is State.GOOD) == (not comparison.message)
        assert (comparison.p_value is None) == (comparison.state in {State.CRIT, State.NONCRIT})


def test_shape_and_rate_share_the_level():
    shape = chi2_test(histogram(SAME), histogram(OTHER)).p_value
    both = outcome_of("mass", "chi2", measured(20_000, mass=SAME), measured(20_000, mass=OTHER), tolerance=0)
    assert both.p_value == pytest.approx(2 * shape)


def test_a_lost_histogram_names_the_result():
    with pytest.raises(NotComparableError, match="has no histogram mass"):
        outcome_of("mass", "ks", measured(), measured(mass=SAME), tolerance=0)
