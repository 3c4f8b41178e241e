"""Look constants up as BOSS does."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.bookkeeping.lookup import asked_run, look_up
from builder.bookkeeping.table import DATA_TYPES
from tests.unit.bookkeeping.tables import HIGH, LOW, book, books, payload, payload_row, row


@given(books, st.sampled_from(["Mdc", "Tof", "TofSim", "New"]), st.integers(LOW, HIGH))
def test_the_rows_that_fit_come_in_the_order_of_the_table(value: Any, data_type: Any, run: Any):
    answer = look_up(value, "1.0", data_type, run)
    asked = run if data_type in {"Tof", "TofSim"} else abs(run)
    fitting = [
        r for r in value.rows if r.release == "1.0" and r.data_type == data_type and r.run_from <= asked <= r.run_to
    ]
    assert list(answer.matching) == fitting
    assert answer.row == (fitting[0] if fitting else None)


@pytest.mark.parametrize("data_type", DATA_TYPES)
def test_four_types_are_looked_up_with_the_sign_of_the_run(data_type: Any):
    signed = data_type in {"Tof", "EsTof", "TofSim", "DedxSim"}
    assert asked_run(data_type, -9950) == (-9950 if signed else 9950)
    assert asked_run(data_type, 9950) == 9950


def test_the_ends_of_a_range_belong_to_it():
    value = book(row("Mdc", 5, 9))
    assert [bool(look_up(value, "1.0", "Mdc", run).row) for run in (4, 5, 9, 10)] == [False, True, True, False]


def test_default_takes_the_highest_version_as_text():
    table = payload("MdcCalConst", payload_row("1.0/9", 1, 9), payload_row("1.0/10", 1, 9), payload_row("2.0/99", 1, 9))
    answer = look_up(book(row(version="1.0/default"), payloads=[table]), "1.0", "Mdc", 3)
    assert answer.payloads[0].row.parameters == "9"
    assert answer.payloads[0].matching == 2


def test_of_two_payload_rows_the_first_counts():
    table = payload("MdcCalConst", payload_row("1.0/1", 1, 5, 0.1), payload_row("1.0/1", 1, 9, 0.2))
    answer = look_up(book(row(), payloads=[table]), "1.0", "Mdc", 3)
    assert (answer.payloads[0].row.constants, answer.payloads[0].matching) == ((0.1,), 2)


def test_without_a_row_the_query_is_shown_as_it_would_be_typed():
    answer = look_up(book(), "1'0", "Mdc", -5)
    assert answer.row is None
    assert answer.sql == (
        "select SftVer, ParVer from CalVtxLumVer where BossRelease = '1''0' and RunFrom <= 5 and RunTo >= 5 "
        "and DataType = 'Mdc'"
    )
