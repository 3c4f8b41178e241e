"""What looks like a date or a time, and what does not."""

import pytest

from builder.rebuild.differences.dates import differ_in_dates_only, is_date

SAME_KIND = [
    ("Wed Nov 25 15:36:14 UTC 2026", "Thu Dec  3 05:01:02 UTC 2026"),
    ("Wed Nov 25 15:36:14 2026", "Thu Dec  3 05:01:02 2027"),
    ("Wed, 25 Nov 2026 15:36:14 +0000", "Thu, 03 Dec 2026 05:01:02 +0800"),
    ("2026-11-25", "2027-01-02"),
    ("2026-11-25T15:36:14Z", "2027-01-02T00:00:00Z"),
    ("2026-11-25 15:36:14.123456", "2027-01-02 00:00:00.1"),
    ("2026/11/25 15:36", "2027/01/02 00:00"),
    ("20261125", "20270102"),
    ("20261125153614", "20270102000000"),
    ("20261125T153614Z", "20270102T000000Z"),
    ("Nov 25 15:36:14", "Dec  3 05:01:02"),
    ("Nov 25 2026", "Dec  3 2026"),
    ("25-Nov-2026", "03-Dec-2026"),
    ("November 25, 2026", "December 3, 2026"),
    ("15:36:14", "05:01:02"),
    ("1795621783", "1600000000"),
    ("1795621783.25", "1600000000.5"),
    ("1795621783123", "1600000000456"),
]


@pytest.mark.parametrize(("one", "two"), SAME_KIND)
@pytest.mark.parametrize("around", ["{}", "built on {} here\n", '"{}"', "\0{}\0", "x={};"])
def test_two_dates_of_one_spelling_differ_in_dates_only(one, two, around):
    assert is_date(one)
    assert differ_in_dates_only(around.format(one).encode(), around.format(two).encode())


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("built 2026-11-25 by a", "built 2026-11-26 by b"),
        ("2026-11-25", "soon"),
        ("version 12", "version 13"),
        ("1234567", "1234568"),
        ("3795621783", "3795621784"),
        ("a1795621783b", "a1795621784b"),
        ("Mary 25", "Mark 26"),
        ("deadbeef", "deadbeee"),
        ("25.5", "25.6"),
    ],
)
def test_other_changes_are_not_taken_for_dates(one, two):
    assert not differ_in_dates_only(one.encode(), two.encode())


def test_what_is_equal_does_not_differ():
    assert not differ_in_dates_only(b"2026-11-25", b"2026-11-25")
