"""What earlier runs say: since when, when last good, to and fro, gone for good."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from builder.rebuild.earlier import (
    FLAPPING_CHANGES,
    FLAPPING_RUNS,
    GONE_RUNS,
    answer_of,
    asked,
    escalated,
    explained,
    flapping,
    in_their_light,
    last_good,
    standings,
    with_first_seen,
)
from builder.rebuild.model import Answer, Finding, Run, State
from builder.rebuild.taxonomy import Cause
from tests.unit.rebuild.made_runs import ENVIRONMENT, GOOD, answer, daily, found, run, time, upstream

FAULT = (Cause.CONTENT_DIFFERS,)
OTHER = (Cause.BUILD_FAILS,)
DARK = (Cause.HOST_LACKS,)
TRANSIENT = found(Cause.NETWORK_TRANSIENT, "repository os", "no such host")


def first_seen(*runs: Run) -> list[str]:
    """When the findings of the latest run were seen first."""
    return [finding.first_seen for finding in with_first_seen(runs[-1], runs[:-1]).answers[-1].findings]


# -- first seen -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("days", "first"),
    [
        ([FAULT], 0),
        ([FAULT, FAULT, FAULT], 0),
        ([GOOD, FAULT, FAULT], 1),
        ([FAULT, GOOD, FAULT], 2),
        ([FAULT, OTHER, FAULT], 2),
        ([FAULT, DARK, FAULT], 0),
        ([FAULT, None, FAULT], 0),
        ([FAULT, DARK, None, GOOD, DARK, FAULT, DARK, FAULT], 5),
        ([DARK, FAULT], 1),
        ([FAULT, (), FAULT], 2),
        ([FAULT, (found(Cause.CONTENT_DIFFERS, "image sif"),), FAULT], 2),
        ([FAULT, (found(Cause.CONTENT_DIFFERS, message="something else"),), FAULT], 0),
        ([FAULT, (*OTHER, found(Cause.HOST_LACKS, "image oci")), FAULT], 0),
        ([FAULT, (*OTHER, found(Cause.HOST_LACKS, "elsewhere")), FAULT], 2),
    ],
)
def test_a_fault_is_there_since_its_unbroken_row_began(days: list[tuple[Cause | Finding, ...] | None], first: int):
    assert first_seen(*daily(*days)) == [time(first)]


def test_another_shape_or_question_neither_continues_nor_breaks_a_row():
    runs = (
        run(0, answer(*FAULT)),
        run(1, answer(*FAULT, shape="sif"), upstream(*GOOD)),
        run(2, answer(*GOOD, shape="vm")),
        run(3, answer(*FAULT)),
    )
    assert first_seen(*runs) == [time(0)]
    assert first_seen(*runs[1:]) == [time(3)]


def test_each_finding_has_its_own_row_and_keeps_a_time_that_it_has():
    known = replace(found(Cause.NO_BOOT), first_seen="2020-01-01T00:00:00Z")
    assert first_seen(*daily(FAULT, (*FAULT, Cause.DIFFERS, known))) == [time(0), time(1), "2020-01-01T00:00:00Z"]


KINDS = st.sampled_from([GOOD, FAULT, OTHER, DARK, None, (*FAULT, *OTHER)])


@given(st.lists(KINDS, max_size=12))
def test_first_seen_is_what_reading_the_days_backwards_gives(days: list[tuple[Cause, ...] | None]):
    begin = last = len(days)
    while last > 0 and (days[last - 1] in (None, DARK) or set(FAULT) <= set(days[last - 1] or ())):
        last -= 1
        begin = last if days[last] not in (None, DARK) else begin
    assert first_seen(*daily(*days, FAULT)) == [time(begin)]


@given(st.lists(KINDS, max_size=8), st.integers(0, 8))
def test_a_day_on_which_nothing_could_be_found_out_changes_no_first_day(
    days: list[tuple[Cause, ...] | None], where: int
):
    runs = daily(*days, FAULT)
    where = min(where, len(days))
    dark = run(where - 0.5, answer(*DARK))
    assert first_seen(*runs[:where], dark, *runs[where:]) == first_seen(*runs)


# -- last good, flapping --------------------------------------------------------------------------------------------


def test_the_last_good_run_is_that_of_the_question_and_shape():
    runs = (
        run(0, answer(*GOOD), upstream()),
        run(1, answer(*FAULT), answer(*GOOD, shape="sif"), upstream(TRANSIENT)),
        run(2, answer(*DARK)),
    )
    assert last_good(runs, "frozen", "oci") is runs[0]
    assert last_good(runs, "frozen", "sif") is runs[1]
    assert last_good(runs, "upstream", None) is runs[0]
    assert last_good(runs, "frozen", "vm") is None
    assert last_good((), "frozen", "oci") is None


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([], False),
        ([GOOD, FAULT, GOOD], False),
        ([GOOD, FAULT, GOOD, FAULT], True),
        ([GOOD, FAULT, OTHER, GOOD, GOOD, FAULT], True),
        ([GOOD, FAULT, DARK, FAULT, None, GOOD, FAULT], True),
        ([GOOD, DARK, GOOD, DARK, GOOD, DARK, GOOD], False),
        ([GOOD, FAULT, GOOD, FAULT, *[FAULT] * 6], True),
        ([GOOD, FAULT, GOOD, FAULT, *[FAULT] * 7], False),
        ([GOOD, FAULT, GOOD, FAULT, *[None] * 20], True),
    ],
)
def test_flapping_is_three_changes_within_ten_runs(days: list[tuple[Cause, ...] | None], expected: bool):
    assert (FLAPPING_CHANGES, FLAPPING_RUNS) == (3, 10)
    assert flapping(daily(*days), "frozen", "oci") is expected


@given(st.lists(st.sampled_from([GOOD, FAULT, DARK]), max_size=25))
def test_only_the_latest_runs_count_for_flapping_and_good_and_bad_are_alike(days: list[tuple[Cause, ...]]):
    turned = [{GOOD: FAULT, FAULT: GOOD, DARK: DARK}[day] for day in days]
    whole = flapping(daily(*days), "frozen", "oci")
    assert whole == flapping(daily(*days[-FLAPPING_RUNS:]), "frozen", "oci")
    assert whole == flapping(daily(*turned), "frozen", "oci")
    letters = "".join("GB?"[[GOOD, FAULT, DARK].index(day)] for day in days[-FLAPPING_RUNS:]).replace("?", "")
    assert whole == (letters.count("GB") + letters.count("BG") >= FLAPPING_CHANGES)


# -- gone -----------------------------------------------------------------------------------------------------------


def last_upstream(runs: list[Run]) -> Finding:
    """The finding of the latest day, each day judged in the light of those before it, as it is kept."""
    kept: list[Run] = []
    for one in runs:
        kept.append(in_their_light(one, kept))
    (last,) = kept[-1].answers[-1].findings
    return last


def of_days(*days: float) -> list[Run]:
    return [run(day, upstream(TRANSIENT)) for day in days]


@pytest.mark.parametrize(
    ("days", "gone"),
    [
        ((0,), False),
        ((0, 7), False),
        ((0, 1, 6.99), False),
        ((0, 1, 7), True),
        ((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10), True),
        ((0, 3, 20), True),
    ],
)
def test_what_was_not_reached_for_seven_days_and_three_runs_is_gone(days: tuple[float, ...], gone: bool):
    last = last_upstream(of_days(*days))
    assert last.cause is (Cause.SOURCE_GONE if gone else Cause.NETWORK_TRANSIENT)
    assert last.first_seen == time(0)
    assert ("7 days" in last.message and "no such host" in last.message) is gone
    assert GONE_RUNS == 3


def test_an_escalated_finding_reads_the_same_the_day_after():
    assert last_upstream(of_days(0, 1, 7)) == last_upstream(of_days(0, 1, 7, 8))


def test_one_answer_in_between_and_it_is_not_gone():
    reached = run(3, upstream())
    assert last_upstream([*of_days(0, 1), reached, *of_days(4, 8)]).cause is Cause.NETWORK_TRANSIENT
    assert last_upstream([*of_days(0, 1), reached, *of_days(4, 8, 11)]).first_seen == time(4)


def test_a_host_that_could_not_ask_neither_counts_nor_saves():
    blind = [run(day, upstream(Cause.HOST_LACKS)) for day in (1, 2)]
    assert last_upstream([*of_days(0), *blind, *of_days(7)]).cause is Cause.NETWORK_TRANSIENT
    assert last_upstream([*of_days(0), *blind, *of_days(3, 7)]).cause is Cause.SOURCE_GONE


def test_other_things_are_left_as_they_are():
    runs = daily(*[FAULT] * 20)
    assert escalated(runs[-1], runs[:-1]) == runs[-1]


def test_what_counts_as_gone_is_no_longer_unknown():
    runs = of_days(*range(9))
    assert runs[-1].state is State.UNKNOWN
    assert escalated(runs[-1], runs[:-1]).state is State.BAD


# -- what changed since ---------------------------------------------------------------------------------------------


def test_a_fault_is_explained_by_what_changed_since_it_was_last_good():
    newer = ENVIRONMENT | {"engine": "Docker 25.0.1"}
    runs = (
        run(0, answer(*GOOD)),
        run(1, answer(*FAULT), environment=newer),
        run(2, answer(*FAULT), answer(*FAULT, shape="sif"), environment=newer),
    )
    last = explained(runs[2], runs[:2])
    oci, sif = (found for one in last.answers for found in one.findings)
    assert oci.explanations == ("engine: Docker 20.10.24 -> 25.0.1",)
    assert sif.explanations == ()  # it was never good, so nothing tells what it depends on


# -- how all stands -------------------------------------------------------------------------------------------------


def test_standings_tell_of_each_question_the_latest_answer_and_its_past():
    runs = (
        run(0, upstream(), answer(*GOOD, shape="vm"), answer(*GOOD)),
        run(1, answer(*FAULT)),
        run(2, answer(*FAULT), answer(*DARK, shape="vm")),
    )
    assert asked(runs) == (("frozen", "oci"), ("frozen", "vm"), ("upstream", None))
    oci, vm, upstream_ = standings(runs)
    assert oci.fault is not None
    assert (oci.answer.state, oci.fault.first_seen, oci.last_good) == (State.BAD, time(1), runs[0])
    assert (vm.answer.state, vm.last_good, vm.flapping) == (State.UNKNOWN, runs[0], False)
    assert (upstream_.run.began, upstream_.fault, upstream_.last_good) == (time(0), None, runs[0])
    assert standings(()) == ()


def test_an_answer_is_found_by_question_and_shape():
    made: Answer = answer(*GOOD, shape="sif")
    assert answer_of(run(0, made), "frozen", "sif") is made
    assert answer_of(run(0, made), "frozen", "oci") is None
    assert answer_of(run(0, made), "upstream", None) is None
