"""Rebuilds as JUnit XML: a suite a release, a case a shape, and a case for its upstream.

Source: the JUnit schema that Jenkins publishes (junit-10.xsd); attributes for time and host are optional there and left
out, and a case has no properties there: those of the suite name the shape.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree as ET

from builder.core.xml import xml_text
from builder.rebuild.model import Answer, Finding, Run, State
from builder.rebuild.report import NOTHING, detail_lines
from builder.rebuild.words import cause_of, subject_of
from builder.validation.evidence import note_of

ELEMENTS = {State.BAD: "failure", State.UNKNOWN: "error"}


def as_junit(runs: Sequence[Run]) -> bytes:
    """Spell runs as JUnit XML: BAD is a failure, UNKNOWN an error; so is a run that asked nothing, or no run."""
    suites = [_suite(run.release, _cases(run), dict(_properties(run))) for run in runs]
    suites = suites or [_suite("rebuild", [_nothing("rebuild")], {"state": State.UNKNOWN})]
    root = ET.Element("testsuites", _counts("rebuild", [case for suite in suites for case in suite.iter("testcase")]))
    root.extend(suites)
    ET.indent(root)
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n").encode()


def _suite(name: str, cases: Sequence[ET.Element], facts: Mapping[str, str]) -> ET.Element:
    suite = ET.Element("testsuite", _counts(name, cases))
    properties = ET.SubElement(suite, "properties")
    for fact, value in facts.items():
        ET.SubElement(properties, "property", {"name": xml_text(fact), "value": xml_text(value)})
    suite.extend(cases)
    return suite


def _cases(run: Run) -> list[ET.Element]:
    return [_case(run.release, answer) for answer in run.answers] or [_nothing(run.release)]


def _case(release: str, answer: Answer) -> ET.Element:
    case = ET.Element("testcase", {"classname": xml_text(release), "name": subject_of(answer)})
    told = [found for found in answer.findings if found.is_fault] or list(answer.findings)
    text = xml_text("\n\n".join(_text(found) for found in told))
    decisive = answer.decisive
    if answer.state in ELEMENTS and decisive is not None:
        message = xml_text(f"{decisive.about}: {next(iter(decisive.message.splitlines()), '')}")
        attributes = {"type": decisive.cause.value, "message": message}
        ET.SubElement(case, ELEMENTS[answer.state], attributes).text = text
    elif told:
        ET.SubElement(case, "system-out").text = text
    return case


def _text(found: Finding) -> str:
    return "\n".join((f"{cause_of(found)}: {found.about}", *detail_lines(found)))


def _nothing(release: str) -> ET.Element:
    case = ET.Element("testcase", {"classname": xml_text(release), "name": NOTHING})
    ET.SubElement(case, "error", {"type": State.UNKNOWN.value, "message": NOTHING})
    return case


def _properties(run: Run) -> Iterator[tuple[str, str]]:
    yield "state", run.state
    yield "title", run.title
    yield "lock", run.lock
    yield "began", run.began
    for answer in run.answers:
        for name, digest in (("stored", answer.stored), ("rebuilt", answer.rebuilt)):
            if digest:
                yield f"{subject_of(answer)}.{name}", digest
        evidence = dict.fromkeys(digest for found in answer.findings for digest in found.evidence)
        yield from ((f"{subject_of(answer)}.evidence.{n}", digest) for n, digest in enumerate(evidence, 1))
    yield from ((f"environment.{name}", value) for name, value in sorted(run.environment.items()))
    yield from ((f"stands-in-for.{n}", note_of(text)) for n, text in enumerate(run.stands_in_for, 1))


def _counts(name: str, cases: Sequence[ET.Element]) -> dict[str, str]:
    failures, errors = (sum(case.find(tag) is not None for case in cases) for tag in ("failure", "error"))
    counts = {"tests": len(cases), "failures": failures, "errors": errors, "skipped": 0}
    return {"name": xml_text(name), **{key: str(count) for key, count in counts.items()}}
