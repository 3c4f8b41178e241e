"""The report for CI: a case for each comparison, and no state that is not a pass looks like one."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from builder.physics.junit import as_junit
from builder.physics.model import State
from builder.physics.report import Compared, NotRun, Report
from tests.unit.physics.show import comparison, full_report

SCHEMA = """<?xml version="1.0"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema">
  <xs:complexType name="outcome" mixed="true">
    <xs:attribute name="message" type="xs:string"/><xs:attribute name="type" type="xs:string"/>
  </xs:complexType>
  <xs:attributeGroup name="counts">
    <xs:attribute name="name" type="xs:string" use="required"/>
    <xs:attribute name="tests" type="xs:nonNegativeInteger" use="required"/>
    <xs:attribute name="failures" type="xs:nonNegativeInteger" use="required"/>
    <xs:attribute name="errors" type="xs:nonNegativeInteger" use="required"/>
    <xs:attribute name="skipped" type="xs:nonNegativeInteger"/>
  </xs:attributeGroup>
  <xs:element name="testsuites"><xs:complexType><xs:sequence>
    <xs:element name="testsuite" minOccurs="0" maxOccurs="unbounded"><xs:complexType><xs:sequence>
      <xs:element name="properties" minOccurs="0"><xs:complexType><xs:sequence>
        <xs:element name="property" maxOccurs="unbounded"><xs:complexType>
          <xs:attribute name="name" use="required"/><xs:attribute name="value" use="required"/>
        </xs:complexType></xs:element>
      </xs:sequence></xs:complexType></xs:element>
      <xs:element name="testcase" minOccurs="0" maxOccurs="unbounded"><xs:complexType>
        <xs:choice minOccurs="0" maxOccurs="unbounded">
          <xs:element name="skipped" type="outcome"/><xs:element name="error" type="outcome"/>
          <xs:element name="failure" type="outcome"/><xs:element name="system-out" type="xs:string"/>
        </xs:choice>
        <xs:attribute name="name" use="required"/><xs:attribute name="classname" use="required"/>
      </xs:complexType></xs:element>
    </xs:sequence><xs:attributeGroup ref="counts"/></xs:complexType></xs:element>
  </xs:sequence><xs:attributeGroup ref="counts"/></xs:complexType></xs:element>
</xs:schema>
"""
"""What Jenkins' junit-10.xsd allows of the elements that are used here."""


def plain(*compared: Compared, not_run: tuple[NotRun, ...] = ()) -> Report:
    return Report(
        title="t", subject="s", references=(), family_wise_error_rate=0.01, compared=compared, not_run=not_run
    )


@pytest.mark.parametrize(
    ("state", "tags"),
    [
        (State.GOOD, []),
        (State.WARNING, ["system-out"]),
        (State.NONCRIT, ["error"]),
        (State.UNKNOWN, ["error"]),
        (State.CRIT, ["error"]),
        (State.BAD, ["failure"]),
    ],
)
def test_each_state_has_its_element(state: State, tags: list[str]) -> None:
    root = ET.fromstring(as_junit(plain(Compared(comparison(state=state, message="why\nand how")))))  # noqa: S314 - ours
    (case,) = root.iter("testcase")
    assert [element.tag for element in case] == tags
    assert all("why\nand how" in (element.text or "") for element in case)
    assert bool(int(root.get("failures", "0")) + int(root.get("errors", "0"))) is not state.is_pass


def test_a_report_follows_the_schema_and_counts_all_its_cases() -> None:
    root = etree.fromstring(as_junit(full_report()))
    etree.XMLSchema(etree.fromstring(SCHEMA.encode())).assertValid(root)
    assert dict(root.attrib) == {"name": "miniboss-1.1.0", "tests": "9", "failures": "2", "errors": "4", "skipped": "0"}
    for suite in root:
        assert int(suite.get("tests")) == len(suite.findall("testcase"))


def test_every_comparison_is_one_case_and_so_is_what_was_not_run() -> None:
    root = ET.fromstring(as_junit(full_report()))  # noqa: S314 - ours
    assert [(case.get("classname"), case.get("name")) for case in root.iter("testcase")] == [
        ("physics.kskpi", "k_mass, chi2 against miniboss-1.0.0"),
        ("physics.kskpi", "ks_cos, ks against miniboss-1.0.0"),
        ("physics.kskpi", "trk_eff_pt, binomial-ratio against miniboss-1.0.0"),
        ("physics.kskpi", "k_p, chi2 against miniboss-1.0.0"),
        ("physics.kskpi", "other, chi2 against miniboss-1.0.0"),
        ("physics.rhopi", "rho_m, chi2 against miniboss-1.0.0"),
        ("not run", "sample rhopi"),
        ("shapes", "oci and sif"),
        ("shapes", "oci and vm"),
    ]


def test_notes_of_what_is_a_toy_stand_in_every_suite() -> None:
    root = ET.fromstring(as_junit(full_report()))  # noqa: S314 - ours
    for suite in root:
        assert "miniboss is a toy, neither BOSS nor Geant4" in [p.get("value") for p in suite.iter("property")]


def test_a_report_of_nothing_does_not_look_like_a_pass() -> None:
    root = ET.fromstring(as_junit(plain()))  # noqa: S314 - ours
    assert root.get("errors") == "1"


def test_equal_reports_give_equal_bytes_without_a_time() -> None:
    assert as_junit(full_report()) == as_junit(full_report())
    assert b"time" not in as_junit(full_report())


@given(st.text(), st.text())
def test_any_text_gives_xml_that_can_be_read(message: str, name: str) -> None:
    entry = Compared(comparison(name, State.BAD, sample=name, message=message))
    etree.fromstring(as_junit(plain(entry, not_run=(NotRun(name, message),))))
