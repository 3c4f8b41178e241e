"""What rebuilds found, written down: text, JSON, JUnit XML, and the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from msgspec.structs import replace

from builder.core.errors import Problem
from builder.rebuild.earlier import in_their_light
from builder.rebuild.evidence import Shelf
from builder.rebuild.history import History
from builder.rebuild.junit import as_junit
from builder.rebuild.model import Finding, Run, State
from builder.rebuild.page import STRIP, as_html
from builder.rebuild.report import as_json, as_text
from builder.rebuild.taxonomy import Cause, Severity
from builder.rebuild.words import subject_of, verdict
from builder.rebuild.write import JSON, JUNIT, PAGE, SHOWN, TEXT, write_reports
from builder.store.store import Store
from tests.unit.physics.test_junit import SCHEMA
from tests.unit.rebuild.made_runs import ENVIRONMENT, GOOD, answer, found, run, time, upstream

STORED, REBUILT, LOG = ("sha256:" + 64 * digit for digit in "123")
STAND_IN = "tinyel 1 stands in for an Enterprise Linux"
DIFFERS = replace(found(Cause.CONTENT_DIFFERS, "image oci", "/opt/a: 3 bytes\n/opt/b: gone"), evidence=(LOG,))
LACKS = found(Cause.HOST_LACKS, "qemu", "there is no qemu-system-x86_64")


def bad_run() -> Run:
    """A run in which each shape, and upstream, ended otherwise."""
    newer = ENVIRONMENT | {"engine": "Docker 25.0.1"}
    before = [run(0, answer(*GOOD), upstream()), run(1, answer(DIFFERS), environment=newer)]
    compared = replace(answer(DIFFERS, found(Cause.HOST_CHANGED, "host", "engine")), stored=STORED, rebuilt=REBUILT)
    gone = found(Cause.MOVED, "repository os", "now at https://vault.example/")
    made = run(
        2,
        compared,
        answer(found(Cause.BIT_IDENTICAL, "image sif", STORED), shape="sif"),
        answer(LACKS, shape="vm"),
        upstream(gone),
        environment=newer,
        stands_in_for=(STAND_IN,),
    )
    return in_their_light(made, before)


def good_run() -> Run:
    return run(2, answer(*GOOD), release="tiny-2", title="Tiny two")


# -- the verdict ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("runs", "told"),
    [
        ((), "UNKNOWN: nothing was rebuilt"),
        ((good_run(),), "GOOD: all is well with tiny-2"),
        (
            (good_run(), run(0, answer(LACKS))),
            "UNKNOWN: not everything could be found out about tiny-1; all is well wi",
        ),
        ((good_run(), bad_run()), "BAD: something is wrong with tiny-1; all is well with tiny-2"),
    ],
)
def test_the_verdict_tells_the_worst_first(runs: tuple[Run, ...], told: str):
    assert verdict(runs).startswith(told)


# -- text -----------------------------------------------------------------------------------------------------------


def test_text_has_a_table_then_what_is_wrong_and_what_to_do_then_the_verdict():
    lines = as_text((bad_run(), good_run())).splitlines()
    assert lines[:7] == [
        "release  what      state    found                    first seen",
        "tiny-1   oci       BAD      COMPARE content-differs  2026-11-02T03:00:00Z",
        "tiny-1   sif       GOOD     COMPARE bit-identical",
        "tiny-1   vm        UNKNOWN  HOST lacks               2026-11-03T03:00:00Z",
        "tiny-1   upstream  BAD      FETCH moved              2026-11-03T03:00:00Z",
        "tiny-2   oci       GOOD     COMPARE bit-identical",
        "",
    ]
    assert lines[7:17] == [
        "tiny-1 oci: error: COMPARE content-differs: image oci",
        "    /opt/a: 3 bytes",
        "    /opt/b: gone",
        "    meaning: files differ, or are there in one image only",
        "    first seen: 2026-11-02T03:00:00Z",
        "    can be the reason: engine: Docker 20.10.24 -> 25.0.1",
        f"    what to do: {DIFFERS.advice}",
        f"    evidence: {LOG}",
        "",
        "tiny-1 vm: unknown: HOST lacks: qemu",
    ]
    assert lines[-2:] == [f"NOTE: emulated, not the real thing: {STAND_IN}", verdict((bad_run(), good_run()))]
    assert "boss-builder freeze tiny-1" in "\n".join(lines)


def test_text_of_a_good_run_has_nothing_below_the_table():
    assert as_text((good_run(),)).splitlines()[1:] == [
        "tiny-2   oci   GOOD   COMPARE bit-identical",
        "",
        "GOOD: all is well with tiny-2",
    ]


def test_text_of_nothing_is_no_success():
    assert as_text(()) == "UNKNOWN: nothing was rebuilt\n"
    assert "nothing was asked" in as_text((run(0),))


# -- JSON -----------------------------------------------------------------------------------------------------------


def test_json_has_the_states_beside_what_the_store_keeps():
    shown = json.loads(json.dumps(as_json((bad_run(),))))
    (one,) = shown["runs"]
    assert shown["verdict"].startswith("BAD")
    assert one["state"] == "BAD"
    assert [(a["question"], a["shape"], a["state"], a["decisive"]) for a in one["answers"]] == [
        ("frozen", "oci", "BAD", "COMPARE/content-differs"),
        ("frozen", "sif", "GOOD", "COMPARE/bit-identical"),
        ("frozen", "vm", "UNKNOWN", "HOST/lacks"),
        ("upstream", None, "BAD", "FETCH/moved"),
    ]
    assert one["answers"][0]["findings"][0]["evidence"] == [LOG]


# -- JUnit ----------------------------------------------------------------------------------------------------------


def test_junit_has_a_case_for_each_shape_and_one_for_upstream():
    root = etree.fromstring(as_junit((bad_run(), good_run())))
    etree.XMLSchema(etree.fromstring(SCHEMA.encode())).assertValid(root)
    assert dict(root.attrib) == {"name": "rebuild", "tests": "5", "failures": "2", "errors": "1", "skipped": "0"}
    cases = [(c.get("classname"), c.get("name"), [(e.tag, e.get("type")) for e in c]) for c in root.iter("testcase")]
    assert cases == [
        ("tiny-1", "oci", [("failure", "COMPARE/content-differs")]),
        ("tiny-1", "sif", [("system-out", None)]),
        ("tiny-1", "vm", [("error", "HOST/lacks")]),
        ("tiny-1", "upstream", [("failure", "FETCH/moved")]),
        ("tiny-2", "oci", [("system-out", None)]),
    ]
    (failure,) = root.xpath("//testcase[@name='oci']/failure")
    assert failure.get("message") == "image oci: /opt/a: 3 bytes"
    assert "/opt/b: gone" in failure.text
    assert "can be the reason: engine" in failure.text


def test_junit_has_digests_and_environment_as_properties():
    root = etree.fromstring(as_junit((bad_run(),)))
    properties = {p.get("name"): p.get("value") for p in root.iter("property")}
    assert properties["oci.stored"] == STORED
    assert properties["oci.rebuilt"] == REBUILT
    assert properties["oci.evidence.1"] == LOG
    assert properties["environment.engine"] == "Docker 25.0.1"
    assert properties["stands-in-for.1"] == f"emulated, not the real thing: {STAND_IN}"


@pytest.mark.parametrize("runs", [(), (run(0),)])
def test_junit_of_nothing_does_not_look_like_a_pass(runs: tuple[Run, ...]):
    root = etree.fromstring(as_junit(runs))
    etree.XMLSchema(etree.fromstring(SCHEMA.encode())).assertValid(root)
    assert (root.get("tests"), root.get("errors")) == ("1", "1")


# -- the page -------------------------------------------------------------------------------------------------------


class Page(HTMLParser):
    """Texts, tags and links of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.tags: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        attributes = dict(attrs)
        self.ids += [attributes["id"] or ""] if "id" in attributes else []
        self.links += [value or "" for name, value in attributes.items() if name in {"href", "src"}]

    def handle_data(self, data: str) -> None:
        self.texts += [data.strip()] if data.strip() else []

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def histories(*runs: Run, problems: tuple[Problem, ...] = ()) -> dict[str, History]:
    return {"tiny-1": History(runs, problems)}


def test_the_page_tells_verdict_cause_meaning_cure_and_proof():
    made = bad_run()
    page = Page(as_html((made, good_run()), histories(made)))
    assert page.text.index("something is wrong with tiny-1") < page.text.index("image or question")
    for told in (
        "COMPARE content-differs",
        "files differ, or are there in one image only",
        DIFFERS.advice,
        "engine: Docker 20.10.24 -> 25.0.1",
        "/opt/b: gone",
        STORED,
        REBUILT,
        LOG,
        f"emulated, not the real thing: {STAND_IN}",
        "cat images/blobs/sha256/DIGITS",
        "Tiny two",
    ):
        assert told in page.text
    assert "boss-builder freeze tiny-1" in page.text


def test_the_page_needs_nothing_else_and_its_links_lead_somewhere():
    made = bad_run()
    page = Page(as_html((made, good_run()), histories(made)))
    assert not page.tags & {"script", "link", "img", "iframe", "object"}
    assert len(page.ids) == len(set(page.ids))
    assert {link[0] for link in page.links} == {"#"}
    assert {link[1:] for link in page.links} <= set(page.ids)


def test_the_strip_shows_the_latest_answers_with_letters():
    days = [*(run(day, answer(*GOOD)) for day in range(40)), run(40, answer(LACKS)), run(41, answer(DIFFERS))]
    html = as_html(days[-1:], histories(*days))
    strip = html.partition('<ol class="strip">')[2].partition("</ol>")[0]
    assert Page(strip).texts == [*"G" * (STRIP - 2), "?", "B"]
    assert f'title="{time(41)}: BAD, COMPARE content-differs"' in strip


@pytest.mark.parametrize("kept", [True, False])
def test_a_run_is_on_the_page_once_whether_or_not_the_history_has_it(kept: bool):
    earlier, made = run(0, answer(*GOOD)), run(1, answer(DIFFERS))
    html = as_html((made,), histories(earlier, *([made] if kept else [])))
    assert Page(html.partition('<ol class="strip">')[2].partition("</ol>")[0]).texts == ["G", "B"]
    assert "last good" in html
    assert time(0) in html


def test_later_runs_of_a_history_do_not_speak_of_this_one():
    made = run(1, answer(DIFFERS))
    html = as_html((made,), histories(made, run(2, answer(*GOOD))))
    assert time(2) not in html


def test_damaged_runs_are_told_on_the_page():
    made = bad_run()
    page = Page(as_html((made,), histories(made, problems=(Problem("rebuild/tiny-1/x: damaged", hint="look"),))))
    assert "rebuild/tiny-1/x: damaged" in page.text


HOSTILE = "<script>alert('1')</script>&\"{{ 7 * 7 }}"


def test_every_text_is_escaped():
    hostile = Finding(
        cause=Cause.BUILD_FAILS, about=HOSTILE, message=HOSTILE, severity=Severity.ERROR, advice=HOSTILE,
        evidence=(LOG,), explanations=(HOSTILE,), first_seen=HOSTILE,
    )  # fmt: skip
    made = run(0, answer(hostile), title=HOSTILE, environment={HOSTILE: HOSTILE}, stands_in_for=(HOSTILE,))
    page = Page(as_html((made,), histories(made, problems=(Problem(HOSTILE),)), {LOG: HOSTILE}))
    assert "script" not in page.tags
    assert page.text.count(HOSTILE) >= 9


def test_pages_of_nothing_can_be_made():
    assert "nothing was rebuilt" in as_html((), {})
    assert "nothing was asked" in as_html((run(0),), {})


# -- any run --------------------------------------------------------------------------------------------------------

TEXTS = st.text(max_size=30)
FINDINGS = st.builds(found, st.sampled_from(Cause), TEXTS, TEXTS)


@settings(max_examples=40, deadline=None)
@given(st.lists(FINDINGS, max_size=3), TEXTS)
def test_any_run_can_be_written_down(findings: list[Finding], text: str):
    made = run(0, answer(*findings), title=text, environment={text: text}, stands_in_for=(text,))
    root = etree.fromstring(as_junit((made,)))
    etree.XMLSchema(etree.fromstring(SCHEMA.encode())).assertValid(root)
    passes = root.get("failures") == root.get("errors") == "0"
    assert passes is (made.state is State.GOOD)
    assert as_text((made,)).splitlines()[-1].startswith(made.state)
    json.dumps(as_json((made,)))
    assert f'id="release-1-{subject_of(made.answers[0])}"' in as_html((made,), {})


# -- files ----------------------------------------------------------------------------------------------------------


def test_the_files_are_written_and_equal_values_give_equal_files(tmp_path: Path):
    made = (bad_run(), good_run())
    for folder in ("a", "b"):
        write_reports(tmp_path / folder / "reports", made, histories(made[0]))
    one, two = ({p.name: p.read_bytes() for p in (tmp_path / f / "reports").iterdir()} for f in ("a", "b"))
    assert one == two
    assert set(one) == {PAGE, JSON, JUNIT, TEXT}
    assert json.loads(one[JSON])["runs"][0]["release"] == "tiny-1"


def test_evidence_of_faults_is_on_the_page_as_far_as_it_is_text(tmp_path: Path):
    store = Store(tmp_path / "images")
    shelf = Shelf(store)
    log, long, binary = (
        shelf.keep(name, data)
        for name, data in (("log", b"it <b>failed</b>"), ("long", b"a" * SHOWN + b"END"), ("binary", b"a\0b"))
    )
    fault = replace(found(Cause.BUILD_FAILS), evidence=(log, long, binary, LOG, "strange"))
    fine = replace(found(Cause.BIT_IDENTICAL, "image sif"), evidence=(shelf.keep("fine", b"not shown"),))
    made = run(0, answer(fault), answer(fine, shape="sif"))
    write_reports(tmp_path, (made,), {}, store)
    html = (tmp_path / PAGE).read_text()
    assert "<pre>it &lt;b&gt;failed&lt;/b&gt;</pre>" in html
    assert html.count("<details><summary>Evidence") == 2
    assert "(the rest is in the store)" in html
    assert "END" not in html
    assert "not shown" not in html
