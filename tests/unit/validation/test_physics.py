"""Samples are judged against references and other shapes: what is the same is GOOD, what can not be compared never."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.core import documents
from builder.core.digest import Digest
from builder.lock.model import Lock
from builder.physics.identity import Verdict
from builder.physics.model import Comparison, State
from builder.recipe.validation import Validation
from builder.store.store import Store
from builder.validation.outcome import CheckOutcome
from builder.validation.outcome import State as SuiteState
from builder.validation.physics import Physics, judge, references, shape_pairs
from builder.validation.physics_report import JSON, JUNIT, PAGE, write_report
from builder.validation.results import Results, store_results
from builder.validation.samples import SampleRun
from tests.unit.validation.measured import (
    EVENTS,
    GOOD,
    OBSERVABLES,
    counts,
    damage,
    encoded,
    frozen_folder,
    histograms,
    image,
    lock,
    measure,
    observable,
    run,
    validation,
)

EFFECTS = [
    ("mass", {"shift": 0.01}),
    ("eff", {"efficiency": 0.91}),
]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def judged(store: Store, of: Lock, results: Results) -> Physics:
    assert of.recipe.validation is not None
    return judge(store, of.recipe.validation, of, results)


def against_previous(
    store: Store, *runs: SampleRun, reference: bytes = GOOD, asked: Validation | None = None
) -> Physics:
    """Judge runs of tiny-2 (of one sample as it should be, where none is given) against `reference` of tiny-1."""
    asked = asked or validation()
    measure(store, lock(None, "1"), *(run(reference, name=sample.name) for sample in asked.sample))
    of = lock(asked)
    return judged(store, of, measure(store, of, *runs))


def states(physics: Physics) -> dict[str, State]:
    return {c.observable.histogram: c.state for c in physics.judgement.comparisons}


def comparison(physics: Physics, histogram: str) -> Comparison:
    (found,) = [c for c in physics.judgement.comparisons if c.observable.histogram == histogram]
    return found


def never_a_pass(physics: Physics) -> None:
    assert not physics.judgement.state.is_pass
    assert physics.suite.state is not SuiteState.PASSED


# -- against references -------------------------------------------------------------------------------------------


def test_what_is_bit_identical_is_good(store: Store) -> None:
    physics = against_previous(store)
    assert states(physics) == dict.fromkeys(("mass", "eff", "angle"), State.GOOD)
    assert physics.suite.state is SuiteState.PASSED
    assert physics.length == "full"
    assert {check.message for check in physics.suite.checks} == {""}
    assert len(physics.suite.checks) == 2 + 3  # runs, comparisons


def test_another_seed_is_good_too(store: Store) -> None:
    physics = against_previous(store, run(encoded(histograms(2))))
    assert physics.judgement.state is State.GOOD


@pytest.mark.parametrize(("histogram", "changed"), EFFECTS)
def test_a_seeded_difference_is_bad_and_only_there(store: Store, histogram: str, changed: dict[str, float]) -> None:
    physics = against_previous(store, run(encoded(histograms(2, **changed))))  # type: ignore[arg-type]
    assert {name for name, state in states(physics).items() if state is State.BAD} == {histogram}
    assert physics.suite.state is SuiteState.FAILED
    (failed,) = [check for check in physics.suite.checks if check.outcome is CheckOutcome.FAILED]
    assert histogram in failed.name
    assert failed.message.startswith("BAD: it differs by ")


def test_a_difference_of_what_is_not_critical_is_a_warning_and_passes(store: Store) -> None:
    asked = validation(observable("mass", critical=False))
    physics = against_previous(store, run(encoded(histograms(2, shift=0.05))), asked=asked)
    assert physics.judgement.state is State.WARNING
    assert physics.suite.state is SuiteState.PASSED
    assert any(check.message.startswith("WARNING: ") for check in physics.suite.checks)


def test_a_difference_within_the_tolerance_is_good(store: Store) -> None:
    lower = encoded(histograms(1, efficiency=0.93))
    asked = validation(observable("eff", "binomial-ratio", tolerance=0.03))
    assert against_previous(store, run(lower), asked=asked).judgement.state is State.GOOD
    strict = validation(observable("eff", "binomial-ratio"))
    assert against_previous(store, run(lower), asked=strict).judgement.state is State.BAD


def test_a_sample_that_failed_is_unknown_with_its_reason(store: Store) -> None:
    physics = against_previous(store, run(b"", problem="the job jobOptions_rec.txt ended with exit code 9"))
    assert set(states(physics).values()) == {State.UNKNOWN}
    assert "exit code 9" in comparison(physics, "mass").message
    assert physics.suite.state is SuiteState.UNKNOWN
    assert all(check.outcome is CheckOutcome.ERROR for check in physics.suite.checks)


def test_a_sample_that_was_not_run_is_unknown(store: Store) -> None:
    asked = validation(*OBSERVABLES, observable("mass", samples=("ee",)), samples=("mumu", "ee"))
    physics = against_previous(store, run(), asked=asked)
    never_a_pass(physics)
    missing = physics.judgement.comparisons[-1]
    assert (missing.state, missing.message) == (State.UNKNOWN, "the sample ee was not run")
    assert {c.state for c in physics.judgement.comparisons[:-1]} == {State.GOOD}


def test_no_run_at_all_is_unknown(store: Store) -> None:
    measure(store, lock(None, "1"))
    of = lock(validation())
    results, _ = store_results(store, of, "oci", image(), {})
    physics = judged(store, of, results)
    assert set(states(physics).values()) == {State.UNKNOWN}
    never_a_pass(physics)


NOT_RESULTS = {
    "cut short": GOOD[: len(GOOD) // 2],
    "no JSON": b"\x00\xff binary",
    "a list": b"[1, 2]",
    "not a number": GOOD.replace(b'"lower": 0.0', b'"lower": NaN'),
    "negative": encoded(histograms() | {"mass": counts([-1, 2, 3])}),
    "nested": b"[" * 100_000,
}


@pytest.mark.parametrize("data", NOT_RESULTS.values(), ids=NOT_RESULTS)
@pytest.mark.parametrize("which", ["result", "reference"])
def test_a_file_that_is_no_result_is_unknown(store: Store, data: bytes, which: str) -> None:
    physics = against_previous(store, run(data)) if which == "result" else against_previous(store, reference=data)
    assert set(states(physics).values()) == {State.UNKNOWN}
    assert comparison(physics, "mass").message.startswith("mumu of tiny-")
    never_a_pass(physics)


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in histograms().items() if key != name}


ZERO = counts([0] * 20)
NOT_COMPARABLE: dict[str, tuple[dict[str, Any], str]] = {
    "missing": (without("mass"), "mass"),
    "empty": (histograms() | {"mass": counts([0] * 40)}, "mass"),
    "other binning": (histograms(bins=41), "mass"),
    "other range": (histograms() | {"mass": counts(histograms()["mass"]["storage"]["values"][1:-1], 0, 2)}, "mass"),
    "no passed": (without("eff_passed"), "eff"),
    "no total": (without("eff_total"), "eff"),
    "no trials": (histograms() | {"eff_total": ZERO, "eff_passed": ZERO}, "eff"),
    "more passed than total": (histograms() | {"eff_passed": counts([300] * 20)}, "eff"),
    "no histograms": ({}, "mass"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "lacking"), NOT_COMPARABLE.values(), ids=NOT_COMPARABLE)
@pytest.mark.parametrize("which", ["result", "reference"])
@pytest.mark.parametrize("critical", [True, False])
def test_what_can_not_be_compared_is_never_a_pass(
    store: Store, content: dict[str, Any], lacking: str, which: str, critical: bool
) -> None:
    asked = validation(observable("mass", critical=critical), observable("eff", "binomial-ratio", critical=critical))
    if which == "result":
        physics = against_previous(store, run(encoded(content)), asked=asked)
    else:
        physics = against_previous(store, reference=encoded(content), asked=asked)
    assert comparison(physics, lacking).state is (State.CRIT if critical else State.NONCRIT)
    assert comparison(physics, lacking).message
    assert physics.suite.state is SuiteState.UNKNOWN
    if content:
        assert {state for name, state in states(physics).items() if name != lacking} == {State.GOOD}


def test_zero_events_are_never_a_pass(store: Store) -> None:
    nothing = encoded({name: counts([0] * (len(h["storage"]["values"]) - 2)) for name, h in histograms().items()})
    physics = against_previous(store, run(nothing, events=0), reference=nothing)
    assert set(states(physics).values()) == {State.CRIT, State.NONCRIT}
    never_a_pass(physics)


def test_a_lost_half_of_the_events_is_bad_though_the_shape_is_the_same(store: Store) -> None:
    half = histograms()
    for histogram in half.values():
        histogram["storage"]["values"] = [value // 2 for value in histogram["storage"]["values"]]
    physics = against_previous(store, run(encoded(half)))
    assert comparison(physics, "mass").state is State.BAD
    assert "entries for each event" in comparison(physics, "mass").message


def test_a_reference_release_without_results_is_unknown_and_the_command_is_named(store: Store) -> None:
    of = lock(validation())
    physics = judged(store, of, measure(store, of))
    assert set(states(physics).values()) == {State.UNKNOWN}
    assert "make them: boss-builder validate tiny-1" in comparison(physics, "mass").message
    never_a_pass(physics)


def test_a_reference_with_short_runs_alone_is_unknown(store: Store) -> None:
    measure(store, lock(None, "1"), lengths=("short",))
    of = lock(validation())
    physics = judged(store, of, measure(store, of))
    assert set(states(physics).values()) == {State.UNKNOWN}
    assert comparison(physics, "mass").message == "tiny 1 has no sample mumu"


def test_a_machine_that_made_few_events_is_compared_with_the_full_reference(store: Store) -> None:
    measure(store, lock(None, "1"))
    of = lock(validation())
    physics = judged(store, of, measure(store, of, run(encoded(histograms(5))), lengths=("short",)))
    assert (physics.length, physics.judgement.state) == ("short", State.GOOD)


def config_of(store: Store, release: str) -> str:
    return store.manifest(store.references()[f"results/{release}/oci"]).config.digest


@pytest.mark.parametrize("what", ["histograms", "results", "manifest"])
def test_damaged_results_of_the_reference_are_unknown(store: Store, what: str) -> None:
    previous = measure(store, lock(None, "1"), run(encoded(histograms(3))))
    of = lock(validation())
    results = measure(store, of)
    damaged = {
        "histograms": previous.runs[0].digest,
        "results": config_of(store, "tiny-1"),
        "manifest": store.references()["results/tiny-1/oci"].digest,
    }
    damage(store, damaged[what])
    physics = judged(store, of, results)
    assert set(states(physics).values()) == {State.UNKNOWN}
    assert "is damaged in the store" in comparison(physics, "mass").message
    never_a_pass(physics)


def test_damaged_histograms_of_the_release_itself_are_unknown(store: Store) -> None:
    measure(store, lock(None, "1"))
    of = lock(validation())
    results = measure(store, of, run(encoded(histograms(3))))
    damage(store, results.runs[0].digest)
    physics = judged(store, of, results)
    assert set(states(physics).values()) == {State.UNKNOWN}
    never_a_pass(physics)


# -- against a frozen folder --------------------------------------------------------------------------------------


def against_data(store: Store, folder: Path, files: dict[str, bytes], *runs: SampleRun) -> Physics:
    asked = validation(observable("mass", reference="data"), observable("eff", "binomial-ratio", reference="data"))
    of = lock(asked, data=frozen_folder(store, folder, files))
    return judged(store, of, measure(store, of, *runs))


def test_a_frozen_folder_is_a_reference(store: Store, tmp_path: Path) -> None:
    files = {"mumu.json": encoded(histograms(3)), "README": b"made with another seed"}
    physics = against_data(store, tmp_path / "data", files)
    assert {c.reference for c in physics.judgement.comparisons} == {"pseudo-data"}
    assert physics.judgement.state is State.GOOD


def test_data_of_which_the_events_are_not_known_are_compared_by_shape(store: Store, tmp_path: Path) -> None:
    half = {name: counts([v // 2 for v in h["storage"]["values"][1:-1]]) for name, h in histograms().items()}
    assert against_data(store, tmp_path / "half", {"mumu.json": encoded(half)}).judgement.state is State.GOOD
    moved = {"mumu.json": encoded(histograms(3, shift=0.02))}
    assert comparison(against_data(store, tmp_path / "moved", moved), "mass").state is State.BAD


BAD_FOLDERS = {
    "of another sample": ({"ee.json": GOOD}, "pseudo-data has no sample mumu"),
    "empty": ({}, "pseudo-data has no sample mumu"),
    "unreadable": ({"mumu.json": b"{"}, "mumu.json of pseudo-data"),
}


@pytest.mark.parametrize(("files", "said"), BAD_FOLDERS.values(), ids=BAD_FOLDERS)
def test_a_folder_without_the_sample_is_unknown(
    store: Store, tmp_path: Path, files: dict[str, bytes], said: str
) -> None:
    physics = against_data(store, tmp_path / "data", files)
    assert set(states(physics).values()) == {State.UNKNOWN}
    assert said in comparison(physics, "mass").message
    never_a_pass(physics)


def test_a_damaged_or_missing_folder_is_unknown(store: Store, tmp_path: Path) -> None:
    of = lock(validation(observable("mass", reference="data")), data=frozen_folder(store, tmp_path / "data", {}))
    results = measure(store, of)
    blob = of.sources["validation.reference.data"].blob
    for make, said in ((damage, "is damaged"), (remove, "is missing")):
        make(store, blob.digest)
        physics = judged(store, of, results)
        assert states(physics) == {"mass": State.UNKNOWN}
        assert said in comparison(physics, "mass").message
        never_a_pass(physics)


def remove(store: Store, digest: str) -> None:
    store.blob_path(digest).unlink()


def test_references_are_named_by_the_digest_of_what_was_read(store: Store, tmp_path: Path) -> None:
    data = frozen_folder(store, tmp_path / "data", {"mumu.json": GOOD})
    previous = measure(store, lock(None, "1"))
    found = references(store, lock(validation(), data=data))
    assert found["data"].digest == data.digest
    assert found["previous"].digest == Digest.of(documents.readable(previous))


# -- shapes beside each other -------------------------------------------------------------------------------------

OF = lock(validation())


def two_shapes(
    store: Store, first: tuple[SampleRun, ...], second: tuple[SampleRun, ...], *, first_lock: Lock = OF
) -> Physics:
    measure(store, lock(None, "1"))
    measure(store, first_lock, *first, shape="oci")
    return judged(store, OF, measure(store, OF, *second, shape="vm", lengths=("short",)))


def shape_check(physics: Physics) -> tuple[CheckOutcome, str]:
    (check,) = [c for c in physics.suite.checks if c.name.startswith("shapes::")]
    return check.outcome, check.message


def test_shapes_that_gave_the_same_pass(store: Store) -> None:
    physics = two_shapes(store, (run(),), (run(),))
    (other,) = physics.others
    assert (other.shapes, other.identity.verdict) == (("oci", "vm"), Verdict.BIT_IDENTICAL)
    assert shape_check(physics) == (CheckOutcome.PASSED, "")
    assert physics.suite.state is SuiteState.PASSED


def test_an_event_that_changed_its_bin_is_told_and_passes(store: Store) -> None:
    moved = histograms()
    values = moved["mass"]["storage"]["values"]
    values[20], values[21] = values[20] - 1, values[21] + 1
    physics = two_shapes(store, (run(),), (run(encoded(moved)),))
    assert physics.others[0].identity.verdict is Verdict.STATISTICALLY_IDENTICAL
    outcome, message = shape_check(physics)
    assert outcome is CheckOutcome.PASSED
    assert message.startswith("statistically identical\nmumu, mass: ")


def test_shapes_that_differ_fail(store: Store) -> None:
    physics = two_shapes(store, (run(),), (run(encoded(histograms(shift=0.03))),))
    assert physics.others[0].identity.verdict is Verdict.DIFFERENT
    assert shape_check(physics)[0] is CheckOutcome.FAILED
    assert physics.suite.state is SuiteState.FAILED


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((run(),), (run(), run(name="ee"))),
        ((run(), run(b"", name="ee", problem="it crashed")), (run(), run(name="ee"))),
        ((run(), run(b"{", name="ee")), (run(), run(name="ee"))),
    ],
    ids=["not run", "failed", "unreadable"],
)
def test_a_sample_of_one_shape_alone_is_no_pass(
    store: Store, first: tuple[SampleRun, ...], second: tuple[SampleRun, ...]
) -> None:
    physics = two_shapes(store, first, second)
    assert physics.others[0].identity.verdict is Verdict.UNKNOWN
    outcome, message = shape_check(physics)
    assert outcome is CheckOutcome.ERROR
    assert message.startswith("unknown\nee: ")
    assert physics.suite.state is SuiteState.UNKNOWN


def test_one_shape_alone_is_compared_with_none(store: Store) -> None:
    measure(store, lock(None, "1"))
    physics = judged(store, OF, measure(store, OF, shape="vm"))
    assert physics.others == ()
    assert list(shape_pairs(store, OF, 0.01)) == []


def test_results_of_another_lock_are_not_compared_with(store: Store) -> None:
    other = lock(validation(observable("mass")))
    physics = two_shapes(store, (run(encoded(histograms(shift=0.03))),), (run(),), first_lock=other)
    assert physics.others == ()
    assert list(shape_pairs(store, OF, 0.01)) == []
    assert physics.suite.state is SuiteState.PASSED


def test_a_shape_is_compared_with_every_one_before_it_and_pairs_come_once(store: Store) -> None:
    measure(store, lock(None, "1"))
    measure(store, OF, shape="oci")
    measure(store, OF, shape="sif")
    physics = judged(store, OF, measure(store, OF, shape="vm"))
    assert [other.shapes for other in physics.others] == [("oci", "vm"), ("sif", "vm")]
    pairs = [pair.shapes for pair in shape_pairs(store, OF, 0.01)]
    assert pairs == [("oci", "sif"), ("oci", "vm"), ("sif", "vm")]


@pytest.mark.parametrize("what", ["results", "manifest"])
def test_damaged_results_of_another_shape_are_no_pass_and_stop_nothing(store: Store, tmp_path: Path, what: str) -> None:
    measure(store, lock(None, "1"))
    measure(store, OF, shape="oci")
    results = measure(store, OF, shape="vm")
    descriptor = store.references()["results/tiny-2/oci"]
    damage(store, descriptor.digest if what == "manifest" else config_of(store, "tiny-2"))
    physics = judged(store, OF, results)
    assert set(states(physics).values()) == {State.GOOD}
    outcome, message = shape_check(physics)
    assert outcome is CheckOutcome.ERROR
    assert "is damaged in the store" in message
    assert physics.suite.state is SuiteState.UNKNOWN
    assert not write_report(store, OF, physics, tmp_path / "report").is_pass


# -- the report ---------------------------------------------------------------------------------------------------


def empty(store: Store) -> Physics:
    nothing = histograms() | {"angle": counts([0] * 20)}
    return against_previous(store, run(encoded(nothing)), asked=validation(observable("angle"), observable("mass")))


def infinite(store: Store) -> Physics:
    """One of two rates is nought: how much they differ has no number."""
    found = against_previous(store, run(encoded(histograms() | {"eff_passed": ZERO})))
    assert comparison(found, "eff").effect == math.inf
    return found


CASES: dict[str, tuple[Callable[[Store], Physics], State]] = {
    "good": (against_previous, State.GOOD),
    "bad": (lambda store: against_previous(store, run(encoded(histograms(shift=0.05)))), State.BAD),
    "failed": (lambda store: against_previous(store, run(b"", problem="<b>it crashed</b>")), State.UNKNOWN),
    "empty": (empty, State.CRIT),
    "infinite": (infinite, State.BAD),
}


@pytest.mark.parametrize(("case", "state"), CASES.values(), ids=CASES)
def test_the_report_says_the_same_always_byte_for_byte(
    store: Store, tmp_path: Path, case: Callable[[Store], Physics], state: State
) -> None:
    physics = case(store)
    of = lock(validation())
    assert write_report(store, of, physics, tmp_path / "one") is state
    assert write_report(store, of, physics, tmp_path / "two") is state
    for name in (PAGE, JUNIT, JSON):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    written = json.loads((tmp_path / "one" / JSON).read_bytes(), parse_constant=pytest.fail)
    assert (written["state"], written["subject"]) == (state.value, "tiny-2 (oci)")
    assert written["results"]["runs"][0]["events"] == EVENTS
    page = (tmp_path / "one" / PAGE).read_text()
    assert "pseudo-data" in page
    assert "<b>it crashed" not in page
