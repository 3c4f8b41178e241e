"""Release against release: every histogram of both is in the report, and what one of them lacks is never a pass."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from builder.cli.main import cli
from builder.core.errors import InputFailure
from builder.lock.stored import store_lock
from builder.physics.model import Comparison, State
from builder.store.store import Store
from builder.validation.compare import ReleaseComparison, compare_releases
from builder.validation.physics_report import JSON, JUNIT, PAGE
from tests.unit.validation.measured import (
    counts,
    damage,
    encoded,
    histograms,
    lock,
    measure,
    observable,
    run,
    validation,
)

BEFORE = lock(None, "1")
AFTER = lock(validation(observable("mass", "ks"), observable("angle", critical=False, reference="data")))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "images")


@pytest.fixture
def report(tmp_path: Path) -> Path:
    return tmp_path / "report"


def keep_locks(store: Store) -> None:
    """Store the locks as freezing does; their inputs are not needed."""
    for of in (BEFORE, AFTER):
        for blob in of.blobs().values():
            store.create()
            store.blob_path(blob.digest).touch()
        store_lock(of, store)


def compared(store: Store, report: Path, *, before: Any = None, after: Any = None) -> ReleaseComparison:
    """Compare tiny-1 and tiny-2 that gave these histograms, by default of two seeds."""
    measure(store, BEFORE, run(encoded(histograms(3) if before is None else before)))
    measure(store, AFTER, run(encoded(histograms(4) if after is None else after)))
    return compare_releases(store, "tiny-1", "tiny-2", report_folder=report)


def by_name(found: ReleaseComparison) -> dict[tuple[str, str], Comparison]:
    named = {(c.observable.sample, c.observable.histogram): c for c in found.judgement.comparisons}
    assert len(named) == len(found.judgement.comparisons)
    return named


def of_mumu(found: ReleaseComparison, histogram: str) -> Comparison:
    return by_name(found)["mumu", histogram]


# -- what is compared ---------------------------------------------------------------------------------------------


def test_every_histogram_is_compared_and_efficiencies_as_such(store: Store, report: Path) -> None:
    found = compared(store, report)
    tests = {name: c.observable.test for (_, name), c in by_name(found).items()}
    assert tests == {"mass": "chi2", "angle": "chi2", "eff": "binomial-ratio"}
    assert (found.state, found.length) == (State.GOOD, "full")
    assert {c.reference for c in found.judgement.comparisons} == {"tiny-1"}


def test_what_the_later_recipe_names_is_tested_as_it_says(store: Store, report: Path) -> None:
    keep_locks(store)
    found = compared(store, report)
    mass, angle, efficiency = (of_mumu(found, name).observable for name in ("mass", "angle", "eff"))
    assert (mass.test, mass.critical) == ("ks", True)
    assert (angle.test, angle.critical) == ("chi2", False)
    assert (efficiency.test, efficiency.critical) == ("binomial-ratio", False)


def test_the_earlier_recipe_speaks_where_the_later_is_not_known(store: Store, report: Path) -> None:
    keep_locks(store)
    measure(store, BEFORE)
    measure(store, AFTER)
    back = compare_releases(store, "tiny-2", "tiny-1", report_folder=report)
    assert of_mumu(back, "mass").observable.test == "ks"


def test_a_name_may_be_a_histogram_and_an_efficiency(store: Store, report: Path) -> None:
    content = histograms() | {"mass_passed": counts([5] * 9), "mass_total": counts([10] * 9)}
    keep_locks(store)
    found = compared(store, report, before=content, after=content)
    tests = {(c.observable.histogram, c.observable.test) for c in found.judgement.comparisons}
    assert tests == {("mass", "ks"), ("mass", "binomial-ratio"), ("angle", "chi2"), ("eff", "binomial-ratio")}


def test_a_part_of_an_efficiency_alone_is_a_histogram(store: Store, report: Path) -> None:
    content = {"a_passed": counts([50] * 9), "b_total": counts([50] * 9)}
    found = compared(store, report, before=content, after=content)
    assert {name: c.observable.test for (_, name), c in by_name(found).items()} == {
        "a_passed": "chi2",
        "b_total": "chi2",
    }


def test_a_difference_that_no_recipe_asked_about_is_a_warning(store: Store, report: Path) -> None:
    found = compared(store, report, after=histograms(4, shift=0.05, efficiency=0.8))
    assert of_mumu(found, "mass").state is State.WARNING
    assert of_mumu(found, "eff").state is State.WARNING
    assert found.state is State.WARNING


def test_a_difference_of_what_a_recipe_calls_critical_is_bad(store: Store, report: Path) -> None:
    keep_locks(store)
    found = compared(store, report, after=histograms(4, shift=0.05))
    assert of_mumu(found, "mass").state is State.BAD
    assert of_mumu(found, "eff").state is State.GOOD
    assert found.state is State.BAD


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("name", ["mass", "angle", "eff_passed", "eff_total"])
def test_a_histogram_that_one_release_lacks_is_no_pass(store: Store, report: Path, side: str, name: str) -> None:
    lacking = {key: value for key, value in histograms(3).items() if key != name}
    found = compared(store, report, **{side: lacking})
    release = {"before": "tiny-1", "after": "tiny-2"}[side]
    lost = of_mumu(found, name.partition("_")[0])
    assert lost.state is State.NONCRIT
    assert f"of {release} (oci) has no histogram {name}" in lost.message
    assert not found.state.is_pass


def test_a_sample_that_one_release_lacks_is_no_pass(store: Store, report: Path) -> None:
    measure(store, BEFORE, run(), run(name="ee"))
    measure(store, AFTER, run(), run(name="kskpi"))
    found = compare_releases(store, "tiny-1", "tiny-2", report_folder=report)
    assert by_name(found)["ee", "mass"].state is State.UNKNOWN
    assert by_name(found)["ee", "mass"].message == "the release has no sample ee"
    assert by_name(found)["kskpi", "mass"].message == "tiny-1 has no sample kskpi"
    assert of_mumu(found, "mass").state is State.GOOD
    assert found.state is State.UNKNOWN


def test_a_sample_that_neither_release_measured_is_told(store: Store, report: Path) -> None:
    crashed = run(b"", name="ee", problem="it crashed")
    for runs in ((run(), crashed), (run(), run(b"{}", name="ee")), (run(),)):
        measure(store, BEFORE, run(), crashed)
        measure(store, AFTER, *runs)
        found = compare_releases(store, "tiny-1", "tiny-2", report_folder=report)
        assert not found.state.is_pass
        assert "ee" in {c.observable.sample for c in found.judgement.comparisons}


def test_samples_that_gave_no_histogram_at_all_are_no_pass(store: Store, report: Path) -> None:
    measure(store, BEFORE, run(), run(b"{}", name="ee"))
    measure(store, AFTER, run(), run(b"{}", name="ee"))
    found = compare_releases(store, "tiny-1", "tiny-2", report_folder=report)
    assert not found.state.is_pass
    assert "ee" in {c.observable.sample for c in found.judgement.comparisons}


def test_damaged_histograms_of_one_release_are_unknown(store: Store, report: Path) -> None:
    measure(store, AFTER)
    damage(store, measure(store, BEFORE, run(encoded(histograms(9)))).runs[0].digest)
    found = compare_releases(store, "tiny-1", "tiny-2", report_folder=report)
    assert {c.state for c in found.judgement.comparisons} == {State.UNKNOWN}
    assert not found.state.is_pass


def test_short_runs_are_compared_where_one_release_has_no_other(store: Store, report: Path) -> None:
    measure(store, BEFORE, shape="vm", lengths=("short",))
    measure(store, AFTER, shape="vm")
    assert compare_releases(store, "tiny-1", "tiny-2", report_folder=report).length == "short"


def test_results_of_one_shape_are_compared(store: Store, report: Path) -> None:
    measure(store, BEFORE, run(encoded(histograms(3, shift=0.2))), shape="oci")
    measure(store, BEFORE, shape="vm")
    measure(store, AFTER, shape="vm")
    found = compare_releases(store, "tiny-1", "tiny-2", report_folder=report)
    assert (found.before.shape, found.after.shape, found.state) == ("vm", "vm", State.GOOD)
    with pytest.raises(InputFailure) as caught:
        compare_releases(store, "tiny-1", "tiny-2", report_folder=report, shape="oci")
    (problem,) = caught.value.problems
    assert problem.message == "the store has no results of tiny-2 in oci shape"
    assert problem.hint == "make them: boss-builder validate tiny-2"


def test_a_release_compared_with_itself_is_good(store: Store, report: Path) -> None:
    measure(store, AFTER)
    found = compare_releases(store, "tiny-2", "tiny-2", report_folder=report)
    assert {c.state for c in found.judgement.comparisons} == {State.GOOD}


def test_the_report_is_the_same_byte_for_byte(store: Store, tmp_path: Path) -> None:
    keep_locks(store)
    one = compared(store, tmp_path / "one", after=histograms(4, shift=0.05))
    two = compared(store, tmp_path / "two", after=histograms(4, shift=0.05))
    assert one.judgement == two.judgement
    for name in (PAGE, JUNIT, JSON):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    page = (tmp_path / "one" / PAGE).read_text()
    assert "Tiny 2 compared with Tiny 1" in page
    assert "pseudo-data stands in for data of the real experiment" in page


# -- the command --------------------------------------------------------------------------------------------------


def command(store: Store, *words: str) -> Result:
    store.create()
    return CliRunner().invoke(cli, ["compare", *words, "--store", str(store.path)], catch_exceptions=False)


def strict_json(text: str) -> Any:
    return json.loads(text, parse_constant=pytest.fail)


def test_good_and_warning_end_with_0(store: Store, report: Path) -> None:
    compared(store, report)
    good = command(store, "tiny-1", "tiny-2")
    assert (good.exit_code, good.output.splitlines()[0]) == (0, "tiny-2 against tiny-1 (oci): GOOD")
    assert (store.path / "reports" / "compare" / "tiny-1..tiny-2" / PAGE).is_file()
    compared(store, report, after=histograms(4, shift=0.05))
    warning = command(store, "tiny-1", "tiny-2")
    assert warning.exit_code == 0
    assert "WARNING  mumu mass: it differs by" in warning.output


def test_what_differs_critically_or_is_missing_ends_with_1(store: Store, report: Path) -> None:
    keep_locks(store)
    compared(store, report, after=histograms(4, shift=0.05))
    bad = command(store, "tiny-1", "tiny-2")
    assert bad.exit_code == 1
    assert "BAD      mumu mass: it differs by" in bad.output
    compared(store, report, after={"angle": histograms()["angle"]})
    missing = command(store, "tiny-1", "tiny-2")
    assert missing.exit_code == 1
    assert "CRIT     mumu mass: " in missing.output


def test_results_that_the_store_lacks_end_with_2_and_the_commands(store: Store) -> None:
    lacking = command(store, "tiny-1", "tiny-2")
    assert lacking.exit_code == 2
    for release in ("tiny-1", "tiny-2"):
        assert f"make them: boss-builder validate {release}" in lacking.output
    measure(store, BEFORE)
    lacking = command(store, "tiny-1", "tiny-2", "--json")
    assert lacking.exit_code == 2
    (problem,) = strict_json(lacking.output)["problems"]
    assert problem["hint"] == "make them: boss-builder validate tiny-2"


def test_releases_without_a_shape_in_common_end_with_2(store: Store) -> None:
    measure(store, BEFORE, shape="oci")
    measure(store, AFTER, shape="vm")
    lacking = command(store, "tiny-1", "tiny-2")
    assert lacking.exit_code == 2
    assert "no results of tiny-1 and tiny-2 in one and the same shape" in lacking.output


def test_damaged_results_end_with_4_and_no_traceback(store: Store, report: Path) -> None:
    compared(store, report)
    damage(store, store.references()["results/tiny-1/oci"].digest)
    damaged = command(store, "tiny-1", "tiny-2")
    assert damaged.exit_code == 4
    assert "is damaged in the store" in damaged.output


def test_json_is_json_even_where_a_difference_has_no_size(store: Store, report: Path) -> None:
    total, none = counts([300] * 20), counts([0] * 20)
    found = compared(
        store, report, before={"eff_total": total, "eff_passed": none}, after={"eff_total": total, "eff_passed": total}
    )
    assert of_mumu(found, "eff").effect == math.inf
    shown = command(store, "tiny-1", "tiny-2", "--json")
    assert shown.exit_code == 0  # no recipe calls it critical
    written = strict_json(shown.output)
    assert (written["state"], written["runs"]) == ("WARNING", "full")
    assert written["judgement"]["comparisons"][0]["effect"] is None
    assert Path(written["report"]).is_file()
    strict_json((report / JSON).read_text())
