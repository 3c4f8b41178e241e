"""From what a suite's process says to checks."""

from __future__ import annotations

import msgspec
import pytest

from builder.validation.outcome import CheckOutcome
from builder.validation.records import Collected, Finished, Line, Recorded, checks, read


def encoded(*lines: Line) -> bytes:
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def outcomes(*lines: Line) -> dict[str, CheckOutcome]:
    return {check.name: check.outcome for check in checks(lines)}


def test_lines_survive_the_way_through_the_file() -> None:
    lines = (Collected(("a", "b")), Recorded("a", "call", "passed", ""), Finished(0))
    assert read(encoded(*lines)) == lines


def test_a_last_line_that_a_kill_cut_off_is_left_out() -> None:
    data = encoded(Collected(("a",)), Finished(0))
    assert read(data[:-5]) == (Collected(("a",)),)


def test_damage_elsewhere_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        read(b"{nonsense\n" + encoded(Finished(0)))


def test_a_check_that_was_to_run_and_did_not_is_an_error() -> None:
    assert outcomes(Collected(("a", "b")), Recorded("a", "call", "passed", "")) == {
        "a": CheckOutcome.PASSED,
        "b": CheckOutcome.ERROR,
    }


def test_checks_keep_the_order_of_their_collection() -> None:
    found = checks((Collected(("z", "a")), Recorded("a", "call", "passed", ""), Recorded("z", "call", "passed", "")))
    assert [check.name for check in found] == ["z", "a"]


@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ([("setup", "passed"), ("call", "passed"), ("teardown", "passed")], CheckOutcome.PASSED),
        ([("setup", "failed")], CheckOutcome.ERROR),
        ([("setup", "skipped")], CheckOutcome.SKIPPED),
        ([("setup", "passed"), ("call", "failed"), ("teardown", "passed")], CheckOutcome.FAILED),
        ([("setup", "passed"), ("call", "passed"), ("teardown", "failed")], CheckOutcome.ERROR),
        ([("setup", "passed"), ("call", "failed"), ("teardown", "failed")], CheckOutcome.FAILED),
        ([("setup", "passed")], CheckOutcome.ERROR),
        ([("collect", "failed")], CheckOutcome.ERROR),
    ],
)
def test_the_worst_phase_decides(phases: list[tuple[str, str]], expected: CheckOutcome) -> None:
    lines = [Recorded("a", phase, outcome, "why") for phase, outcome in phases]
    assert outcomes(Collected(("a",)), *lines) == {"a": expected}
