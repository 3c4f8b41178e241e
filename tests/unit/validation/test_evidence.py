"""What checks amount to, and how a result is written down."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.store.shapes import Shape
from builder.validation.evidence import as_json, as_junit, as_text
from builder.validation.outcome import (
    Check,
    CheckOutcome,
    Evidence,
    ImageId,
    State,
    Suite,
    Totals,
    Unjudged,
    overall,
)
from builder.validation.report import Page, as_html

PASSED, FAILED = CheckOutcome.PASSED, CheckOutcome.FAILED
SKIPPED, ERROR = CheckOutcome.SKIPPED, CheckOutcome.ERROR


def check(outcome: CheckOutcome, message: str = "", name: str = "test_a.py::test_b") -> Check:
    return Check(name=name, outcome=outcome, message=message)


def suite(*checks: Check, problems: tuple[str, ...] = (), name: str = "recipe") -> Suite:
    return Suite(name=name, digest="sha256:" + "0" * 64, checks=checks, problems=problems)


def evidence(
    *suites: Suite, stands_in_for: tuple[str, ...] = (), title: str = "BOSS", shape: Shape = "oci"
) -> Evidence:
    return Evidence(
        version=1,
        release="boss-1",
        title=title,
        image=ImageId(shape=shape, media_type="m", digest="sha256:" + "1" * 64, size=3),
        lock="sha256:" + "2" * 64,
        stands_in_for=stands_in_for,
        tools={"pytest": "8"},
        state=overall(suites),
        totals=Totals.of(c for s in suites for c in s.checks),
        suites=suites,
    )


def page_of(*parts: Evidence | Unjudged, title: str = "BOSS") -> str:
    return as_html(Page(release="boss-1", title=title, state=overall(parts), parts=parts))


@pytest.mark.parametrize(
    ("judged", "state"),
    [
        (suite(check(PASSED)), State.PASSED),
        (suite(check(PASSED), check(SKIPPED, "not applicable: no documents")), State.PASSED),
        (suite(check(SKIPPED, "not applicable: no documents")), State.UNKNOWN),
        (suite(check(PASSED), check(SKIPPED, "today is Sunday")), State.UNKNOWN),
        (suite(check(PASSED), check(ERROR)), State.UNKNOWN),
        (suite(check(PASSED), problems=("it did not end",)), State.UNKNOWN),
        (suite(), State.UNKNOWN),
        (suite(check(PASSED), check(FAILED)), State.FAILED),
        (suite(check(ERROR), check(FAILED), problems=("it did not end",)), State.FAILED),
    ],
)
def test_only_a_suite_that_ran_whole_and_passed_has_passed(judged: Suite, state: State) -> None:
    assert judged.state is state


def test_every_suite_must_pass_and_no_suite_is_unknown() -> None:
    good, bad, lost = suite(check(PASSED)), suite(check(FAILED)), suite()
    assert overall([good, good]) is State.PASSED
    assert overall([good, lost]) is State.UNKNOWN
    assert overall([lost, bad]) is State.FAILED
    assert overall([]) is State.UNKNOWN


def test_json_reads_back_as_it_was() -> None:
    judged = evidence(suite(check(FAILED, "x\ny")), stands_in_for=("EL",))
    assert msgspec.json.decode(as_json(judged), type=Evidence) == judged


def test_junit_counts_problems_as_errors_and_holds_no_time() -> None:
    judged = evidence(suite(check(PASSED), check(FAILED, "first\nsecond"), problems=("killed",)))
    root = ET.fromstring(as_junit(judged))  # noqa: S314 - our own
    assert root.attrib == {"name": "boss-1", "tests": "3", "failures": "1", "errors": "1", "skipped": "0"}
    cases = list(root.iter("testcase"))
    assert [(c.get("classname"), c.get("name"), [e.tag for e in c]) for c in cases] == [
        ("recipe.test_a", "test_b", []),
        ("recipe.test_a", "test_b", ["failure"]),
        ("recipe.the suite", "the suite", ["error"]),
    ]
    failure = cases[1][0]
    assert (failure.get("message"), failure.text) == ("first", "first\nsecond")
    assert b"time" not in as_junit(judged)


@given(st.text(), st.text(min_size=1))
def test_any_text_gives_xml_that_can_be_read(message: str, title: str) -> None:
    judged = evidence(suite(check(FAILED, message)), stands_in_for=(title,))
    ET.fromstring(as_junit(judged))  # noqa: S314 - our own


def test_the_page_escapes_what_it_shows() -> None:
    page = page_of(evidence(suite(check(FAILED, "<script>alert(1)</script>"))), title="<b>")
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "<b>" not in page


def test_text_and_page_say_what_is_emulated() -> None:
    judged = evidence(suite(check(PASSED)), stands_in_for=("a small system stands in for Enterprise Linux",))
    for text in (as_text(judged), page_of(judged)):
        assert "emulated, not the real thing: a small system stands in for Enterprise Linux" in text
    assert "emulated" not in as_text(evidence(suite(check(PASSED))))


def test_text_names_every_check_and_problem() -> None:
    text = as_text(evidence(suite(check(FAILED, "why\nand how"), problems=("it did not end",))))
    for part in ("FAILED", "test_a.py::test_b", "why", "and how", "it did not end"):
        assert part in text


def test_the_worst_of_the_shapes_counts_and_a_shape_without_a_result_is_unknown() -> None:
    good, bad = evidence(suite(check(PASSED))), evidence(suite(check(FAILED)), shape="sif")
    absent = Unjudged(shape="vm", problems=("no qemu",))
    assert overall([good, good]) is State.PASSED
    assert overall([good, absent]) is State.UNKNOWN
    assert overall([good, bad, absent]) is State.FAILED


def test_the_page_shows_every_shape_and_where_its_files_lie() -> None:
    bad = evidence(suite(check(FAILED, "why")), shape="sif")
    page = page_of(evidence(suite(check(PASSED))), bad, Unjudged(shape="vm", problems=("no qemu\n    install it",)))
    for part in ("validation/oci/junit.xml", "validation/sif/summary.txt", "no qemu\n    install it", 'href="#vm"'):
        assert part in page
    assert page.count('<strong class="FAILED">FAILED</strong>') == 2
    assert '<strong class="UNKNOWN">UNKNOWN</strong>' in page
