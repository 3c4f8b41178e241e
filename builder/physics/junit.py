"""A physics report as JUnit XML: a suite for each sample, a case for each comparison.

Source: the JUnit schema that Jenkins publishes (junit-10.xsd); attributes for time and host are optional there and left
out, so that equal reports give equal bytes.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

from builder.core.xml import xml_text
from builder.physics.model import Comparison, State
from builder.physics.report import Report, number

FAILURES = {State.BAD: "failure", State.CRIT: "error", State.NONCRIT: "error", State.UNKNOWN: "error"}
"""Elements for the states; the others passed, WARNING with its message as output."""


def as_junit(report: Report) -> bytes:
    """Spell a report as JUnit XML, states as FAILURES has them; what was not run is an error."""
    suites: dict[str, list[ET.Element]] = {}
    for entry in report.compared:
        suites.setdefault(entry.comparison.observable.sample, []).append(_case(entry.comparison))
    for what in report.not_run:
        suites.setdefault("not run", []).append(_element("not run", what.what, State.UNKNOWN, what.problem))
    for row in report.cross_shape:
        found = [f"{found.sample}, {found.histogram}: {found.message}" for found in row.identity.differences]
        message = "\n".join((row.identity.verdict, *row.identity.not_measured, *found))
        suites.setdefault("shapes", []).append(_element("shapes", " and ".join(row.shapes), row.state, message))
    if not suites:
        suites["not run"] = [_element("not run", "the comparisons", State.UNKNOWN, "nothing was compared")]
    root = ET.Element("testsuites", _counts(report.subject, [case for cases in suites.values() for case in cases]))
    for name, cases in suites.items():
        suite = ET.SubElement(root, "testsuite", _counts(name, cases))
        properties = ET.SubElement(suite, "properties")
        facts = [("state", str(report.state)), *((f"note.{n}", text) for n, text in enumerate(report.notes, 1))]
        for fact, value in (*facts, *((fact.name, fact.value) for fact in report.provenance)):
            ET.SubElement(properties, "property", {"name": xml_text(fact), "value": xml_text(value)})
        suite.extend(cases)
    ET.indent(root)
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n").encode()


def _case(comparison: Comparison) -> ET.Element:
    observable = comparison.observable
    measured = (
        ("statistic", comparison.statistic),
        ("p", comparison.p_value),
        ("adjusted p", comparison.adjusted_p_value),
        ("effect", comparison.effect),
        ("tolerance", observable.tolerance),
    )
    numbers = ", ".join(f"{name} {number(value)}" for name, value in measured if value is not None)
    name = f"{observable.name}, {observable.test} against {comparison.reference}"
    message = f"{comparison.message or comparison.state}\n{numbers}"
    return _element(f"physics.{observable.sample}", name, comparison.state, message)


def _element(classname: str, name: str, state: State, message: str) -> ET.Element:
    case = ET.Element("testcase", {"classname": xml_text(classname), "name": xml_text(name)})
    first, _, _ = message.partition("\n")
    if state in FAILURES:
        attributes = {"type": str(state), "message": xml_text(first)}
        ET.SubElement(case, FAILURES[state], attributes).text = xml_text(f"{state}: {message}")
    elif state is State.WARNING:
        ET.SubElement(case, "system-out").text = xml_text(f"{state}: {message}")
    return case


def _counts(name: str, cases: list[ET.Element]) -> dict[str, str]:
    failures, errors = (sum(case.find(tag) is not None for case in cases) for tag in ("failure", "error"))
    counts = {"tests": len(cases), "failures": failures, "errors": errors, "skipped": 0}
    return {"name": xml_text(name), **{key: str(count) for key, count in counts.items()}}
