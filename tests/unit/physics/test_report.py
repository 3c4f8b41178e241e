"""The page for people: all that was compared, the worst first, and nothing that a name could break."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from builder.physics.comparison import Measured, Planned, Unmeasured, compare
from builder.physics.histograms import Result
from builder.physics.model import Observable, State
from builder.physics.report import Compared, NotRun, Report, as_html, compared
from tests.unit.physics.show import comparison, efficiency, full_report, peak, report

CHECKOUT = Path(__file__).parents[3]
PRINT_PAGE = """
import sys
from builder.physics.report import as_html
from tests.unit.physics.show import full_report
sys.stdout.buffer.write(as_html(full_report()).encode())
"""


def parsed(page: str) -> etree._Element:
    """Read a page as strictly as XML: HTML of its own here are only the doctype and the open `meta`."""
    page = page.removeprefix("<!doctype html>\n")
    return etree.fromstring(re.sub(r"<meta ([^>]*)>", r"<meta \1/>", page).encode())


def text(element: etree._Element) -> str:
    return " ".join("".join(element.itertext()).split())


@pytest.fixture(scope="module")
def page() -> str:
    return as_html(full_report())


def test_every_comparison_has_a_row_and_those_with_two_results_a_plot(page: str) -> None:
    root = parsed(page)
    rows = [[text(cell) for cell in row][:2] for row in root.iter("tr")]
    for entry in full_report().compared:
        assert [str(entry.comparison.state), entry.comparison.observable.name] in rows
    assert [text(figure[-1]) for figure in root.iter("figure")] == [
        "BAD trk_eff_pt, binomial-ratio against miniboss-1.0.0: 2 % lower",
        "WARNING ks_cos, ks against miniboss-1.0.0: beyond",
        "GOOD k_mass, chi2 against miniboss-1.0.0",
    ]
    assert len(list(root.iter("{http://www.w3.org/2000/svg}svg"))) == 3


def test_a_comparison_without_a_plot_says_why(page: str) -> None:
    assert "the result has no histogram k_p (No plot: the result has no such histogram.)" in text(parsed(page))
    assert "binning (No plot: the binnings differ.)" in text(parsed(page))


def test_failures_come_first_the_worst_before_the_others(page: str) -> None:
    failures = next(parsed(page).iter("ul"))
    assert [text(item) for item in failures] == [
        "UNKNOWN sample rhopi: boss.exe jobOptions_rec.txt did not end in 600 s",
        "BAD trk_eff_pt: 2 % lower",
        "CRIT k_p: the result has no histogram k_p",
        "UNKNOWN rho_m: not run",
        "NONCRIT other: binning",
        "BAD oci and vm: different",
    ]
    assert page.index('id="failures"') < page.index('id="summary"') < page.index('id="channel-1"')


def test_every_link_leads_somewhere_and_every_id_is_one(page: str) -> None:
    root = parsed(page)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(ids) == len(set(ids))
    assert {link.get("href")[1:] for link in root.iter("a")} <= set(ids)


def test_the_page_shows_numbers_shapes_samples_notes_and_provenance(page: str) -> None:
    shown = text(parsed(page))
    for part in (
        "χ² / ndf = 83.2 / 79",
        "at most 0.01",
        "miniboss is a toy, neither BOSS nor Geant4",
        "pseudo-data stand in for data of BESIII",
        "oci and sif",
        "bit-identical",
        "significant kskpi, k_mass: 2 bins differ (3, 4), adjusted p 1e\N{MINUS SIGN}09",
        "(p from chi2 of 20 groups of bins)",
        "sha256:" + "1" * 64,
        "sha256:" + "2" * 64,
        "4242",
        "numpy1.24.2",
        "J/ψ → ρ π",  # noqa: RUF001
    ):
        assert part in shown


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    for reference in ("<script", "<link", "<img", "url(", "@import", "src="):
        assert reference not in page
    assert set(re.findall(r'https?://[^"< ]*', page)) == {"http://www.w3.org/2000/svg"}


def test_the_page_is_the_same_bytes_in_another_process(page: str, tmp_path: Path) -> None:
    rc = tmp_path / "matplotlibrc"
    rc.write_text("font.size: 31\naxes.linewidth: 9\nfigure.dpi: 300\n")
    odd = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Shanghai", "LC_ALL": "C", "MATPLOTLIBRC": str(rc)}
    drawn = subprocess.run(
        [sys.executable, "-c", PRINT_PAGE], env=odd, capture_output=True, check=True, cwd=CHECKOUT
    ).stdout
    assert drawn == page.encode() == as_html(full_report()).encode()


def test_the_state_is_the_worst_and_what_was_not_run_is_unknown() -> None:
    good = Compared(comparison(), (peak(900, 1),), (peak(900, 2),))
    plain = Report(title="t", subject="s", references=(), family_wise_error_rate=0.01, compared=(good,))
    assert plain.state is State.GOOD
    assert Report(title="t", subject="s", references=(), family_wise_error_rate=0.01).state is State.UNKNOWN
    lost = NotRun("sample ee", "no image")
    halted = Report(
        title="t", subject="s", references=(), family_wise_error_rate=0.01, compared=(good,), not_run=(lost,)
    )
    assert halted.state is State.UNKNOWN
    assert report(good).state is State.BAD  # two shapes differ
    assert "What failed" not in as_html(plain)


def test_histograms_of_a_plan_stand_beside_what_came_of_it() -> None:
    passed, total = efficiency(500, 0.9, 1)
    measured = Measured(Result("ee", {"eff_passed": passed, "eff_total": total, "m": passed}))
    shape = Observable(name="mass", title="", sample="ee", histogram="m", test="chi2")
    ratio = Observable(name="eff", title="", sample="ee", histogram="eff", test="binomial-ratio")
    plan = [
        Planned(shape, "old", measured, measured),
        Planned(ratio, "old", measured, Unmeasured("the job crashed")),
        Planned(Observable(name="x", title="", sample="ee", histogram="x", test="ks"), "old", measured, measured),
    ]
    judged = compare(plan, 0.01)
    pairs = [compared(planned, found) for planned, found in zip(plan, judged.comparisons, strict=True)]
    assert [(pair.result, pair.reference) for pair in pairs] == [
        ((passed,), (passed,)),
        ((passed, total), ()),
        ((), ()),
    ]
    assert as_html(report(*pairs)).count("<svg") == 1


def test_a_report_of_nothing_is_a_page_that_says_so() -> None:
    page = as_html(Report(title="t", subject="s", references=(), family_wise_error_rate=0.01))
    assert "nothing was compared" in text(parsed(page))
    assert '<strong class="UNKNOWN">UNKNOWN</strong>' in page


@settings(deadline=None, max_examples=15)
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Cn"))))
def test_any_words_give_a_page_that_can_be_read(words: str) -> None:
    entry = Compared(comparison(words, State.BAD, sample=words, message=words, reference=words))
    root = parsed(
        as_html(
            Report(
                title=words,
                subject=words,
                references=(words,),
                family_wise_error_rate=0.01,
                notes=(words,),
                compared=(entry,),
            )
        )
    )
    assert text(root.findall(".//p[@class='note']")[0]) == " ".join(words.split())


def test_hostile_names_are_escaped() -> None:
    hostile = '"><script>alert(1)</script>'
    entry = Compared(
        comparison(hostile, State.BAD, title=hostile, sample=hostile, message=hostile, reference=hostile),
        (peak(90, 1),),
        (peak(80, 2),),
    )
    page = as_html(report(entry))
    assert "<script" not in page
    parsed(page)


def test_plots_of_both_kinds_stand_in_one_page() -> None:
    entries = [Compared(comparison(f"m{n}"), (peak(2000, n),), (peak(3000, n + 99),)) for n in range(8)]
    entries += [
        Compared(comparison(f"e{n}", test="binomial-ratio"), efficiency(2000, 0.9, n), efficiency(2000, 0.9, n))
        for n in range(4)
    ]
    assert as_html(report(*entries)).count("<svg") == 12
