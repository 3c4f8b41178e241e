"""Two shapes of one image are bit-identical, statistically identical, different, or it is not known."""

import numpy as np
import pytest

from builder.physics.comparison import Measured, Unmeasured
from builder.physics.histograms import Histogram, Result
from builder.physics.identity import MAX_BINS, Verdict, identity

RATE = 0.01


def histogram(contents):
    counts = np.asarray(contents, dtype=float)
    return Histogram("title", "x", np.arange(len(counts) - 1.0), counts, counts)


def run(where="oci", events=10_000, **contents):
    return {"ee": Measured(Result(where, {name: histogram(c) for name, c in contents.items()}), events)}


MASS = [10, *[480] * 20, 0]
MOVED = [10, 479, 481, *[480] * 18, 0]


def test_the_same_histograms_are_bit_identical():
    same = identity(run(mass=MASS, cos=MASS), run(mass=MASS, cos=MASS), RATE)
    assert (same.verdict, same.histograms, same.differences) == (Verdict.BIT_IDENTICAL, 2, ())


def test_an_event_in_another_bin_is_statistically_identical_and_named():
    close = identity(run(mass=MASS, cos=MASS), run(mass=MOVED, cos=MASS), RATE)
    assert close.verdict is Verdict.STATISTICALLY_IDENTICAL
    (difference,) = close.differences
    assert (difference.sample, difference.histogram, difference.bins) == ("ee", "mass", (1, 2))
    assert difference.adjusted_p_value == pytest.approx(1)
    assert not difference.significant


def test_another_shape_is_different():
    other = [10, *[560, 400] * 10, 0]
    far = identity(run(mass=MASS, cos=MASS), run(mass=other, cos=MASS), RATE)
    assert far.verdict is Verdict.DIFFERENT
    assert far.differences[0].bins_that_differ == 20
    assert far.differences[0].significant


def test_the_family_is_all_histograms():
    shifted = [10, *[520, 440] * 10, 0]
    alone = identity(run(mass=MASS), run(mass=shifted), RATE).differences[0]
    among = identity(
        run(mass=MASS, **{f"h{i}": MASS for i in range(9)}),
        run(mass=shifted, **{f"h{i}": MASS for i in range(9)}),
        RATE,
    ).differences[0]
    assert among.adjusted_p_value == pytest.approx(10 * alone.p_value)


def test_fewer_events_of_the_same_are_statistically_identical():
    random = np.random.default_rng(2)
    shape = np.asarray(MASS) / sum(MASS)
    large, small = random.multinomial(9600, shape), random.multinomial(960, shape)
    assert identity(run(mass=large), run(events=1000, mass=small), RATE).verdict is Verdict.STATISTICALLY_IDENTICAL
    assert identity(run(mass=large), run(events=2000, mass=small), RATE).verdict is Verdict.DIFFERENT


@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        ([0, 1, 0, 0], [0, 0, 0, 0], Verdict.STATISTICALLY_IDENTICAL),
        ([0, 3, 2, 0], [0, 2, 4, 0], Verdict.STATISTICALLY_IDENTICAL),
        ([0, 500, 2, 0], [0, 0, 0, 0], Verdict.DIFFERENT),
        ([0, 300, 300, 0], [0, 5, 3, 0], Verdict.DIFFERENT),
    ],
)
def test_few_entries_are_compared_by_their_number(one, other, verdict):
    found = identity(run(mass=one), run(mass=other), RATE)
    assert found.verdict is verdict
    assert "entries alone were compared" in found.differences[0].message


def test_few_entries_without_known_events_are_different():
    assert identity(run(events=None, m=[0, 1, 0]), run(events=None, m=[0, 2, 0]), RATE).verdict is Verdict.DIFFERENT


def test_what_one_lacks_or_bins_otherwise_is_different():
    lacks = identity(run(mass=MASS, cos=MASS), run("vm", mass=MASS), RATE)
    assert lacks.verdict is Verdict.DIFFERENT
    assert lacks.differences[0].message == "vm has no such histogram"
    assert identity(run(mass=MASS), run(mass=MASS[:-1]), RATE).verdict is Verdict.DIFFERENT


def test_an_efficiency_is_compared_as_one():
    total = [0, *[1000] * 10, 0]
    one = run(eff_passed=[0, *[990] * 10, 0], eff_total=total)
    other = run(eff_passed=[0, *[960] * 10, 0], eff_total=total)
    found = identity(one, other, RATE)
    assert found.verdict is Verdict.DIFFERENT
    assert found.differences[0].message == "sum over all bins"
    assert [difference.histogram for difference in found.differences] == ["eff_passed"]


def test_totals_are_compared_too():
    one = run(eff_passed=[0, *[90] * 10, 0], eff_total=[0, *[100] * 10, 0])
    other = run(eff_passed=[0, *[45] * 10, 0], eff_total=[0, *[50] * 10, 0])
    assert identity(one, other, RATE).verdict is Verdict.DIFFERENT


def test_what_was_not_measured_is_unknown_unless_the_rest_differs():
    lost = run(mass=MASS) | {"mumu": Unmeasured("no machine booted")}
    same = identity(lost, run(mass=MASS), RATE)
    assert same.verdict is Verdict.UNKNOWN
    assert same.not_measured == ("mumu: no machine booted", "mumu: it was not run")
    assert identity(lost, run(mass=MASS[:-1]), RATE).verdict is Verdict.DIFFERENT


def test_nothing_at_all_is_unknown():
    assert identity({}, {}, RATE).verdict is Verdict.UNKNOWN
    assert identity(run(), run(), RATE).verdict is Verdict.UNKNOWN


def test_only_the_first_bins_are_named():
    wide = [0, *[100] * 60, 0]
    difference = identity(run(mass=wide), run(mass=[0, *[101] * 60, 0]), RATE).differences[0]
    assert (len(difference.bins), difference.bins_that_differ) == (MAX_BINS, 60)
