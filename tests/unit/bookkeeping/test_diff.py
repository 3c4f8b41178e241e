"""What differs between two bookkeepings, against an oracle that asks run by run."""

from typing import Any

from hypothesis import given

from builder.bookkeeping.diff import differences
from builder.bookkeeping.lookup import candidates
from builder.bookkeeping.table import Bookkeeping
from tests.unit.bookkeeping.tables import HIGH, LOW, book, books, payload, payload_row, row


def of_one_release(value: Bookkeeping):
    return Bookkeeping(tuple(r for r in value.rows if r.release == "1.0"), value.payloads)


def what_a_job_gets(value: Bookkeeping, data_type: str, run: int):
    """Give version and constants for a run as it stands in the table."""
    fitting = [r for r in value.rows if r.data_type == data_type and r.run_from <= run <= r.run_to]
    if not fitting:
        return None
    constants = {}
    for table in value.payloads_of(data_type):
        found = [
            p for p in candidates(table, fitting[0].software, fitting[0].parameters) if p.run_from <= run <= p.run_to
        ]
        constants[table.name] = found[0].constants if found else None
    return fitting[0].version, constants


@given(books, books)
def test_exactly_the_runs_that_get_something_else_are_told(one: Any, two: Any):
    one, two = of_one_release(one), of_one_release(two)
    told = {}
    for found in differences(one, two):
        for run in range(found.run_from, found.run_to + 1):
            assert (found.data_type, run) not in told
            told[found.data_type, run] = found
    for data_type in ("Mdc", "TofSim", "Tof", "New"):
        for run in range(LOW - 1, HIGH + 2):
            before, after = what_a_job_gets(one, data_type, run), what_a_job_gets(two, data_type, run)
            before, after = (before and (before[0], filled(before[1])), after and (after[0], filled(after[1])))
            assert (before != after) == ((data_type, run) in told)
            if (data_type, run) in told:
                found = told[data_type, run]
                assert (found.before, found.after) == (before[0] if before else "", after[0] if after else "")


def filled(constants: Any):
    """A table that is not there has no constants, as one without a row."""
    return {name: values for name, values in constants.items() if values is not None}


@given(books)
def test_nothing_differs_from_itself_and_a_difference_has_two_sides(value: Any):
    value = of_one_release(value)
    assert differences(value, value) == ()
    empty = book()
    there, back = differences(empty, value), differences(value, empty)
    assert {d.kind for d in there} <= {"added"}
    assert {d.kind for d in back} <= {"removed"}
    assert [(d.data_type, d.run_from, d.run_to) for d in there] == [(d.data_type, d.run_from, d.run_to) for d in back]


def test_how_rows_are_cut_makes_no_difference():
    assert differences(book(row("Mdc", 1, 9)), book(row("Mdc", 5, 9), row("Mdc", 1, 4))) == ()


def test_another_version_and_other_constants_of_one_version_are_told_apart():
    one = book(row("Mdc", 1, 9), payloads=[payload("MdcCalConst", payload_row("1.0/1", 1, 9, 0.5))])
    two = book(row("Mdc", 1, 9), payloads=[payload("MdcCalConst", payload_row("1.0/1", 1, 9, 0.6))])
    new = book(row("Mdc", 5, 12, "1.0/2"), payloads=one.payloads)
    assert [d.text for d in differences(one, two)] == ["Mdc 1..9: 1.0/1 has other constants in MdcCalConst"]
    assert [d.text for d in differences(one, new)] == [
        "Mdc 1..4: only in the first, 1.0/1",
        "Mdc 5..9: 1.0/1 -> 1.0/2; other constants in MdcCalConst",
        "Mdc 10..12: only in the second, 1.0/2",
    ]
