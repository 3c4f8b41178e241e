"""A validation's result as JSON, as JUnit XML, and as text for people.

Source of the XML: the JUnit schema that Jenkins publishes (junit-10.xsd); attributes for time and host are optional
there and left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from builder.core import documents
from builder.core.xml import xml_text
from builder.validation.outcome import Check, CheckOutcome, Evidence, Suite, Totals


def as_json(evidence: Evidence) -> bytes:
    """Spell a result for machines; equal results give equal bytes."""
    return documents.readable(evidence)


def as_junit(evidence: Evidence) -> bytes:
    """Spell a result as JUnit XML: a `testsuite` each; what ails a suite as a whole is a case of its own."""
    root = ET.Element("testsuites", _counts(evidence.release, evidence.suites))
    for suite in evidence.suites:
        element = ET.SubElement(root, "testsuite", _counts(suite.name, (suite,)))
        properties = ET.SubElement(element, "properties")
        facts = {"image": evidence.image.digest, "shape": evidence.image.shape, "lock": evidence.lock}
        facts |= {"suite": suite.digest, "state": suite.state}
        facts |= {f"stands-in-for.{n}": text for n, text in enumerate(evidence.stands_in_for, 1)}
        for name, value in facts.items():
            ET.SubElement(properties, "property", {"name": name, "value": xml_text(value)})
        for check in suite.checks:
            _case(element, suite.name, check)
        for problem in suite.problems:
            _case(element, suite.name, Check(name="the suite", outcome=CheckOutcome.ERROR, message=problem))
    ET.indent(root)
    return ('<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n").encode()


def _counts(name: str, suites: tuple[Suite, ...]) -> dict[str, str]:
    totals = Totals.of(check for suite in suites for check in suite.checks)
    problems = sum(len(suite.problems) for suite in suites)
    errors = totals.error + problems
    return {
        "name": name,
        "tests": str(totals.passed + totals.failed + totals.skipped + errors),
        "failures": str(totals.failed),
        "errors": str(errors),
        "skipped": str(totals.skipped),
    }


def _case(parent: ET.Element, suite: str, check: Check) -> None:
    file, _, name = check.name.partition("::")
    classname = ".".join((suite, file.removesuffix(".py").replace("/", ".")))
    case = ET.SubElement(parent, "testcase", {"classname": xml_text(classname), "name": xml_text(name or file)})
    tags = {CheckOutcome.FAILED: "failure", CheckOutcome.ERROR: "error", CheckOutcome.SKIPPED: "skipped"}
    if check.outcome in tags:
        first, _, _ = check.message.partition("\n")
        element = ET.SubElement(case, tags[check.outcome], {"message": xml_text(first)})
        element.text = xml_text(check.message)


def as_text(evidence: Evidence) -> str:
    """Spell a result for people."""
    return "\n".join(_lines(evidence)) + "\n"


def _lines(evidence: Evidence) -> Iterator[str]:
    yield f"{evidence.release}: {evidence.state} ({evidence.totals})"
    yield evidence.title
    yield from (f"NOTE: {text}" for text in stand_in_notes(evidence))
    yield ""
    yield f"image  {evidence.image.digest} ({evidence.image.shape})"
    yield f"lock   {evidence.lock}"
    for suite in evidence.suites:
        yield ""
        yield f"suite {suite.name}: {suite.state} ({Totals.of(suite.checks)})"
        yield f"  {suite.digest}"
        for problem in suite.problems:
            yield from _indented(f"  UNKNOWN  {problem}", "           ")
        for check in suite.checks:
            yield f"  {check.outcome:8} {check.name}"
            if check.message:
                yield from (f"           {line}" for line in check.message.splitlines())
    yield ""
    yield "judged by " + ", ".join(f"{name} {version}" for name, version in sorted(evidence.tools.items()))


def stand_in_notes(evidence: Evidence) -> tuple[str, ...]:
    """Say of each thing that is only imitated that it is."""
    return tuple(note_of(text) for text in evidence.stands_in_for)


def note_of(text: str) -> str:
    """Say of one thing that is only imitated that it is."""
    return f"emulated, not the real thing: {text}"


def _indented(text: str, margin: str) -> Iterator[str]:
    first, *rest = text.splitlines()
    yield first
    yield from (margin + line for line in rest)
