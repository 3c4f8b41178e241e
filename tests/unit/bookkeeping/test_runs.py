"""Ranges of runs, against a dictionary of single runs."""

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from builder.bookkeeping.runs import Ownership

RANGES = st.lists(st.tuples(st.integers(-15, 15), st.integers(-15, 15)), max_size=12)


@given(RANGES)
def test_the_first_that_enters_a_run_has_it(ranges: Any):
    ownership, single = Ownership(), {}
    for number, (first, last) in enumerate(ranges):
        taken = ownership.enter(first, last, number)
        wanted = range(first, last + 1)
        assert {run for a, b in taken for run in range(a, b + 1)} == {run for run in wanted if run in single}
        for run in wanted:
            single.setdefault(run, number)
    assert {run: ownership.owner(run) for run in range(-16, 17)} == {run: single.get(run) for run in range(-16, 17)}
    assert {run: s.owner for s in ownership.segments() for run in range(s.first, s.last + 1)} == single
    assert ownership.span() == ((min(single), max(single)) if single else None)


@given(RANGES, st.integers(-17, 17), st.integers(-17, 17))
def test_what_is_within_and_what_is_free_are_everything(ranges: Any, first: Any, last: Any):
    ownership = Ownership()
    for number, (a, b) in enumerate(ranges):
        ownership.enter(a, b, number)
    owned = [run for s in ownership.within(first, last) for run in range(s.first, s.last + 1)]
    free = [run for a, b in ownership.free(first, last) for run in range(a, b + 1)]
    assert sorted(owned + free) == list(range(first, last + 1))
    assert all(ownership.owner(run) is not None for run in owned)
    assert all(ownership.owner(run) is None for run in free)


@given(RANGES)
def test_free_ranges_do_not_touch(ranges: Any):
    ownership = Ownership()
    for a, b in ranges:
        ownership.enter(a, b, 0)
    free = ownership.free(-20, 20)
    assert all(one[1] + 1 < two[0] for one, two in pairwise(free))
