"""The checks, against a brute-force oracle that asks run by run, and on the table of a real release."""

import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from builder.bookkeeping.check import Kind, check, count_text, defaults
from builder.bookkeeping.lookup import asked_run, look_up
from builder.bookkeeping.source import read_csv
from builder.bookkeeping.table import DATA_TYPES, SIGNED
from tests.unit.bookkeeping.tables import HIGH, LOW, book, books, payload, payload_row, row

REAL = Path(__file__).parents[2] / "data" / "bookkeeping-6.6.4.csv"
RUNS = range(LOW - 1, HIGH + 2)


def kinds(*rows: Any, payloads: Any = ()):
    return [finding.kind for finding in check(book(*rows, payloads=payloads))]


def runs_of(findings: Any, kind: Any):
    """Runs that findings of a kind cover, by release and type."""
    return {
        (f.release, f.data_type, run) for f in findings if f.kind == kind for run in range(f.run_from, f.run_to + 1)
    }


@given(books)
def test_gaps_are_the_runs_without_a_row_between_runs_with_one(value: Any):
    expected = set()
    for release, data_type in {(r.release, r.data_type) for r in value.rows}:
        own = [r for r in value.rows if (r.release, r.data_type) == (release, data_type)]
        for side in (range(LOW, 0), range(HIGH + 1)):
            if side.start < 0 and data_type in DATA_TYPES and data_type not in SIGNED:
                continue
            covered = [run for run in side if any(r.run_from <= run <= r.run_to for r in own)]
            if covered:
                between = range(min(covered), max(covered))
                expected |= {(release, data_type, run) for run in between if run not in covered}
    assert runs_of(check(value), Kind.GAP) == expected


@given(books)
def test_an_overlap_is_told_of_exactly_the_rows_that_do_not_get_all_their_runs(value: Any):
    told = {(f.release, f.data_type, f.run_from, f.run_to) for f in check(value) if f.kind == Kind.OVERLAP if f.release}
    expected = set()
    for number, one in enumerate(value.rows):
        earlier = [r for r in value.rows[:number] if (r.release, r.data_type) == (one.release, one.data_type)]
        taken = [
            run for run in range(one.run_from, one.run_to + 1) if any(r.run_from <= run <= r.run_to for r in earlier)
        ]
        if taken:
            expected.add((one.release, one.data_type, min(taken), max(taken)))
    assert told == expected


@given(books)
def test_a_table_without_overlap_answers_every_run_with_one_row(value: Any):
    if any(f.kind == Kind.OVERLAP for f in check(value)):
        return
    for release, data_type in {(r.release, r.data_type) for r in value.rows}:
        assert all(len(look_up(value, release, data_type, run).matching) <= 1 for run in RUNS)


@given(books)
def test_no_payload_is_told_of_the_rows_some_run_of_which_has_no_constants(value: Any):
    told = {(f.release, f.data_type, f.run_from, f.run_to) for f in check(value) if f.kind == Kind.NO_PAYLOAD}
    expected = set()
    for one in value.rows:
        for table in value.payloads_of(one.data_type):
            lacking = [
                run
                for run in range(one.run_from, one.run_to + 1)
                if not any(
                    p.software == one.software
                    and one.parameters in {p.parameters, "default"}
                    and p.run_from <= run <= p.run_to
                    for p in table.rows
                )
            ]
            if lacking:
                expected.add((one.release, one.data_type, min(lacking), max(lacking)))
    assert told == expected


@given(books)
def test_default_means_what_looking_up_gives(value: Any):
    for one in (r for r in value.rows if r.parameters == "default"):
        alone = book(one, payloads=value.payloads)
        told = {(d.table, run): d.version for d in defaults(alone) for run in range(d.run_from, d.run_to + 1)}
        given_ = {
            (answer.table, run): f"{answer.row.software}/{answer.row.parameters}"
            for run in range(one.run_from, one.run_to + 1)
            for answer in look_up(alone, one.release, one.data_type, run).payloads
            if answer.row and asked_run(one.data_type, run) == run
        }
        assert given_.items() <= told.items()
        assert {run for _, run in told} <= set(range(one.run_from, one.run_to + 1))


def test_the_table_of_a_real_release_is_read_and_its_gaps_are_told():
    found = check(read_csv(REAL))
    gaps = {(f.data_type, f.run_from, f.run_to) for f in found if f.kind == Kind.GAP}
    assert count_text(found) == "gap: 24, no-version: 6"
    assert {gap for gap in gaps if gap[0] == "Mdc"} == {
        ("Mdc", 10879, 11413), ("Mdc", 14605, 20447), ("Mdc", 23455, 23462), ("Mdc", 24178, 24896),
        ("Mdc", 27091, 27101),
    }  # fmt: skip
    assert {gap for gap in gaps if gap[0] == "EsTof" and gap[1] < 0} == {
        ("EsTof", -29676, -28649), ("EsTof", -20332, -14605), ("EsTof", -11413, -9810),
    }  # fmt: skip
    assert ("Dedx", 25338, 27090) in gaps
    assert not [gap for gap in gaps if gap[0] == "MdcData"]
    (mdc,) = [f for f in found if f.kind == Kind.NO_VERSION and f.data_type == "Mdc"]
    assert "9 of 9 rows" in mdc.message


def test_what_lies_between_simulated_and_real_runs_is_no_gap():
    assert kinds(row("Tof", -9, -5), row("Tof", 5, 9)) == []


def test_an_overlap_names_the_row_that_boss_takes():
    (finding,) = check(book(row(version="1.0/1"), row("Mdc", 5, 20, "1.0/2")))
    assert (finding.kind, finding.run_from, finding.run_to) == (Kind.OVERLAP, 5, 9)
    assert "its runs 5..9 belong to 1..9 already" in finding.message
    assert finding.hint == "BOSS takes the first row, 1.0/1, and silently passes over 1.0/2"


def test_an_inverted_range_is_told_and_holds_no_run():
    assert kinds(row("Mdc", 9, 1)) == [Kind.INVERTED]
    assert kinds(row("Mdc", 1, 3), row("Mdc", 9, 4)) == [Kind.INVERTED]


@pytest.mark.parametrize(("name", "hint"), [("mdc", "did you mean Mdc?"), ("Trk", "known: Mdc, ")])
def test_a_type_that_boss_does_not_know_is_told_once(name: Any, hint: Any):
    (finding,) = check(book(row(name, 1, 3), row(name, 4, 6)))
    assert finding.kind == Kind.UNKNOWN_TYPE
    assert finding.hint.startswith(hint)


@pytest.mark.parametrize(
    ("data_type", "first", "last", "wrong"),
    [
        ("Mdc", -9, -1, True),
        ("Mdc", -9, 9, True),
        ("MdcData", 0, 9, False),
        ("Tof", -9, -1, False),
        ("EsTof", -9, -1, False),
        ("TofSim", -9, -1, False),
        ("DedxSim", -9, -1, False),
        ("DedxSim", -9, 0, True),
        ("Dedx", -9, -1, True),
    ],
)
def test_negative_runs_belong_to_types_that_are_looked_up_with_their_sign(
    data_type: Any, first: Any, last: Any, wrong: Any
):
    assert kinds(row(data_type, first, last)) == [Kind.WRONG_SIGN] * wrong


def test_a_default_is_told_with_what_it_means_today():
    table = payload("MdcCalConst", payload_row("1.0/1", 1, 9), payload_row("1.0/2", 1, 5))
    (finding,) = check(book(row(version="1.0/default"), payloads=[table]))
    assert finding.kind == Kind.DEFAULT_VERSION
    assert finding.hint == "today that is MdcCalConst 1.0/2 for 1..5, MdcCalConst 1.0/1 for 6..9"
    (alone,) = check(book(row(version="1.0/default")))
    assert alone.hint == "no payload table says which that is today"


def test_a_version_without_constants_is_told():
    table = payload("MdcCalConst", payload_row("1.0/1", 1, 5))
    (finding,) = check(book(row(), payloads=[table]))
    assert (finding.kind, finding.run_from, finding.run_to) == (Kind.NO_PAYLOAD, 6, 9)


def test_payload_rows_that_overlap_or_end_before_they_begin_are_told():
    table = payload("MdcCalConst", payload_row("1.0/1", 1, 9, 0.5), payload_row("1.0/1", 9, 9, 0.6))
    (finding,) = check(book(row(), payloads=[table]))
    assert (finding.kind, finding.data_type, finding.run_from) == (Kind.OVERLAP, "MdcCalConst", 9)
    assert finding.hint == "BOSS takes the first, and they differ"
    assert Kind.INVERTED in kinds(row(), payloads=[payload("MdcCalConst", payload_row(), payload_row("1.0/1", 9, 1))])


@pytest.mark.parametrize("shape", ["all the same", "one in the other", "a comb, then all of it"])
def test_twenty_thousand_rows_are_checked_within_seconds(shape: Any):
    rows = {
        "all the same": [row("Mdc", 1, 9)] * 20_000,
        "one in the other": [row("Mdc", n, 40_000 - n) for n in range(20_000)],
        "a comb, then all of it": [row("Mdc", 2 * n, 2 * n) for n in range(10_000)] + [row("Mdc", 0, 20_000)] * 10_000,
    }[shape]
    started = time.monotonic()
    check(book(*rows))
    assert time.monotonic() - started < 60
