"""What the example recipe's comparisons see: defects put into the toy, and nothing where nothing is wrong."""

from __future__ import annotations

import pytest
from scipy.stats import binom

from builder.physics.model import State
from tests.power import DEFECTS, FAMILIES, Bench, Defect

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("power")]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return Bench(tmp_path_factory.mktemp("power"))


def test_a_sound_release_agrees_with_the_pseudo_data(bench: Bench) -> None:
    judgements = bench.spoiled(Defect("none"), [7, 8, 9])
    assert {judgement.state for judgement in judgements.values()} == {State.GOOD}


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.title)
def test_a_defect_is_found(bench: Bench, defect: Defect) -> None:
    (judgement,) = bench.spoiled(defect, [7]).values()
    assert not judgement.state.is_pass


def test_chance_raises_no_more_alarms_than_stated(bench: Bench) -> None:
    rate = bench.validation.family_wise_error_rate
    alarms = bench.false_alarms(FAMILIES)
    assert alarms <= binom.ppf(0.999, FAMILIES, rate), f"{alarms} of {FAMILIES} families at a rate of {rate}"
