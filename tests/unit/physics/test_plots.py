"""What a physicist sees: plots that are the same bytes for the same input, and never fail for odd histograms."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from builder.physics import notation
from builder.physics.canvas import Range, ticks
from builder.physics.histograms import Histogram
from builder.physics.plots import Labels, efficiency, overlay

SVG = "{http://www.w3.org/2000/svg}"
LABELS = Labels(
    identity="plot-1", title="K_S mass", result="new", reference="old", corner=("GOOD", "chi2 / ndf = 3 / 4")
)
DRAW_ONE = """
import numpy as np
from builder.physics.histograms import Histogram
from builder.physics.plots import Labels, overlay
counts = np.concatenate([[0.0], np.random.default_rng(1).poisson(50, 40).astype(float), [3.0]])
histogram = Histogram("m", "m(K_S pi) [GeV]", np.linspace(0.6, 2.6, 41), counts, counts)
picture = overlay(histogram, histogram, Labels(identity="p", title="t", result="a", reference="b"))
"""
PRINT = "import sys; sys.stdout.buffer.write(picture.encode())"


def histogram(
    *contents: float, low: float = 0.0, high: float = 1.0, label: str = "m [GeV]", **more: object
) -> Histogram:
    values = np.array([0.0, *contents, 0.0])
    variances = np.array([0.0, *np.atleast_1d(more.get("variances", contents)), 0.0])  # type: ignore[call-overload]
    return Histogram("title", label, np.linspace(low, high, len(contents) + 1), values, variances)


def parsed(picture: str) -> etree._Element:
    root = etree.fromstring(picture.encode())
    assert root.tag == f"{SVG}svg"
    for path in root.iter(f"{SVG}path"):
        assert re.fullmatch(r"[-0-9. MmLlHhVvQCZ]+", path.get("d")), path.get("d")
    return root


def words(root: etree._Element) -> list[str]:
    return ["".join(element.itertext()) for element in root.iter(f"{SVG}text")]


def test_the_same_input_gives_the_same_bytes_also_after_other_plots() -> None:
    one, other = histogram(4, 9, 2), histogram(5, 8, 1)
    first = overlay(one, other, LABELS)
    efficiency((one, histogram(9, 9, 9)), (other, histogram(9, 9, 9)), LABELS)
    assert overlay(one, other, LABELS) == first


def test_another_process_with_other_settings_draws_the_same_bytes(tmp_path: Path) -> None:
    rc = tmp_path / "matplotlibrc"
    rc.write_text("font.size: 31\nsvg.fonttype: path\naxes.linewidth: 9\npath.sketch: 3, 100, 2\nfigure.dpi: 300\n")
    odd = {**os.environ, "PYTHONHASHSEED": "7", "TZ": "Asia/Shanghai", "LC_ALL": "C", "MATPLOTLIBRC": str(rc)}
    drawn = subprocess.run([sys.executable, "-c", DRAW_ONE + PRINT], env=odd, capture_output=True, check=True).stdout
    here: dict[str, str] = {}
    exec(DRAW_ONE, here)  # noqa: S102 - what the other process runs
    assert drawn == here["picture"].encode()
    assert len(words(parsed(here["picture"]))) > 10


def test_a_plot_names_what_it_shows_for_eyes_and_for_screen_readers() -> None:
    root = parsed(overlay(histogram(40, 90, 20), histogram(50, 80, 15), LABELS))
    title, description = root[0], root[1]
    assert (
        root.get("aria-labelledby") == f"{title.get('id')} {description.get('id')}" == "plot-1-title plot-1-description"
    )
    assert title.text == "K_S mass"
    assert "new as points" in description.text
    assert "GOOD, χ² / ndf = 3 / 4" in description.text
    assert {"KS mass", "m [GeV]", "Entries / 0.333 GeV", "Ratio", "new: 150", "old: 145 × 1.034"} <= set(words(root))  # noqa: RUF001


def test_a_plot_refers_to_nothing_so_that_many_can_stand_in_a_page() -> None:
    picture = overlay(histogram(*range(50)), histogram(*range(50)), LABELS)
    for reference in ("href", "url(", "<style", "<defs", "<!"):
        assert reference not in picture
    assert re.findall(r'\bid="([^"]*)"', picture) == ["plot-1-title", "plot-1-description"]


def test_a_plot_of_300_bins_is_small() -> None:
    counts = np.random.default_rng(3).poisson(100, 300).astype(float)
    assert len(overlay(histogram(*counts), histogram(*counts[::-1]), LABELS)) < 32_000
    sparse = np.where(np.arange(300) < 100, counts, 0)
    assert len(overlay(histogram(*sparse), histogram(*sparse), LABELS)) < 20_000


def test_the_reference_is_scaled_to_as_many_entries() -> None:
    """So twice the same shape gives a ratio of 1: all dots of the ratio lie on one line."""
    counts = [100.0, 400.0, 900.0, 300.0]
    root = parsed(overlay(histogram(*counts), histogram(*(2 * c for c in counts)), LABELS))
    dots = [path.get("d") for path in root.iter(f"{SVG}path") if path.get("stroke-linecap") == "round"]
    _main, ratio, _legend = dots
    steps = re.findall(r"m[\d.]+ ?([-\d.]+)h0", ratio)
    assert steps == ["0"] * 3


def test_a_ratio_beyond_the_panel_is_an_arrow() -> None:
    even = histogram(*[1e4] * 40)
    one_off = histogram(*[1e4] * 39, 1e5)
    arrows = [p for p in parsed(overlay(one_off, even, LABELS)).iter(f"{SVG}path") if p.get("fill") == "#d55e00"]
    assert len(arrows) == 1
    assert not [p for p in parsed(overlay(even, even, LABELS)).iter(f"{SVG}path") if p.get("fill") == "#d55e00"]


def test_an_entry_where_the_reference_has_none_is_an_arrow() -> None:
    root = parsed(overlay(histogram(50, 50, 50), histogram(75, 75, 0), LABELS))
    assert [p for p in root.iter(f"{SVG}path") if p.get("fill") == "#d55e00"]


def test_the_tolerance_of_an_efficiency_is_drawn() -> None:
    passed, total = histogram(900, 950), histogram(1000, 1000)
    with_it = Labels(identity="p", title="t", result="a", reference="b", tolerance=0.005)
    without = Labels(identity="p", title="t", result="a", reference="b")
    dashed = [
        sum(p.get("d").count("M") for p in parsed(drawn).iter(f"{SVG}path") if p.get("stroke-dasharray"))
        for drawn in (efficiency((passed, total), (passed, total), labels) for labels in (with_it, without))
    ]
    assert dashed == [2, 0]


EMPTY = histogram(0, 0, 0)
ODD = {
    "empty": (EMPTY, EMPTY),
    "empty result": (EMPTY, histogram(1, 2, 3)),
    "empty reference": (histogram(1, 2, 3), EMPTY),
    "one bin": (histogram(7), histogram(9)),
    "one entry": (histogram(0, 1, 0), histogram(1, 0, 0)),
    "huge": (histogram(2.0**53, 1, 0), histogram(2.0**52, 2.0**53, 5)),
    "negative weights": (histogram(-3, 5, 2, variances=[4, 4, 4]), histogram(3, -5, 2, variances=[4, 4, 4])),
    "small weights": (histogram(1e-9, 2e-9, variances=[1e-18, 2e-18]), histogram(3, 4)),
    "far axis": (histogram(3, 4, low=1e300, high=1.5e300), histogram(3, 4, low=1e300, high=1.5e300)),
    "tiny axis": (histogram(3, 4, high=1e-300), histogram(3, 4, high=1e-300)),
    "narrow axis": (histogram(3, low=1e9, high=1e9 + 1e-6), histogram(3, low=1e9, high=1e9 + 1e-6)),
}


@pytest.mark.parametrize("case", ODD)
def test_odd_histograms_are_drawn(case: str) -> None:
    result, reference = ODD[case]
    parsed(overlay(result, reference, LABELS))
    parsed(efficiency((result, result), (reference, reference), LABELS))
    parsed(efficiency((result, reference), (reference, result), LABELS))


counts = st.lists(st.integers(0, 2**53), min_size=3, max_size=3)


@settings(deadline=None, max_examples=15)
@given(counts, counts)
def test_any_counts_are_drawn(one: list[int], other: list[int]) -> None:
    parsed(overlay(histogram(*one), histogram(*other), LABELS))


@settings(deadline=None, max_examples=15)
@given(st.text(), st.text())
def test_any_words_are_drawn_as_they_are(title: str, axis: str) -> None:
    """TeX that does not parse, markup, glyphs that no font has: nothing of it reaches matplotlib."""
    labels = Labels(identity="p", title=title, result=axis, reference=title, corner=(title, axis))
    root = parsed(overlay(histogram(1, 2, label=axis), histogram(2, 1), labels))
    assert (root[0].text or "") == notation.as_text(title)


def test_hostile_words_are_escaped() -> None:
    hostile = "</text><script>alert(1)</script> $\\frac{"
    labels = Labels(identity="p", title=hostile, result="r", reference=hostile)
    picture = overlay(histogram(1, 2, label=hostile), histogram(2, 1), labels)
    assert "<script" not in picture
    assert hostile in words(parsed(picture))


@pytest.mark.parametrize(
    ("plain", "page"),
    [
        ("J/psi -> rho pi", "J/ψ → ρ π"),  # noqa: RUF001
        ("J/psi -> K_S K pi", "J/ψ → K<sub>S</sub> K π"),
        ("e+e- -> p pbar", "e⁺e⁻ → p p\N{COMBINING MACRON}"),
        ("pi+ pi- pi0", "π⁺ π⁻ π⁰"),
        ("cos theta of mu+", "cos θ of μ⁺"),
        ("chi2_4C < 20 & p_T [GeV]", "χ²<sub>4C</sub> &lt; 20 &amp; p<sub>T</sub> [GeV]"),
        ("trk_eff_pt of miniboss-1.0.0", "trk_eff_pt of miniboss-1.0.0"),
        ("a pick, a step-by-step p-value, 1e-5", "a pick, a step-by-step p-value, 1e-5"),
    ],
)
def test_notation_sets_what_it_knows_and_leaves_the_rest(plain: str, page: str) -> None:
    assert notation.as_html(plain) == page


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [
        (0.0, 1.0, ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
        (-1.0, 1.0, ["−1.0", "−0.5", "0.0", "0.5", "1.0"]),  # noqa: RUF001
        (3.05, 3.15, ["3.06", "3.08", "3.10", "3.12", "3.14"]),
        (0.0, 60.0, ["0", "10", "20", "30", "40", "50", "60"]),
        (0.0, 5e7, ["0", "1e+07", "2e+07", "3e+07", "4e+07", "5e+07"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, written: list[str]) -> None:
    assert ticks(Range(low, high), 6)[1] == written
