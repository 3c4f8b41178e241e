"""Plots of a comparison, as SVG: two histograms, or two efficiencies, with their ratio below.

Points with errors show the result, a filled histogram or boxes the reference, so that the two are told apart in grey
too. Equal input gives equal bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from builder.physics import canvas, svg
from builder.physics.canvas import Panel, Points, Range
from builder.physics.histograms import Floats, Histogram

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MAIN, BELOW = (108.0, 322.0), (38.0, 102.0)
"""Bottom and top of the two panels in points."""
HEADROOM = 1.45
"""How far above the highest point the axis ends: legend and corner stand there and cover no data."""
RATIO_REACHES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""The ratio is drawn from 1 - to 1 + one of these."""
EXPECTED_TO_SHOW_NOTHING = 3.0
"""Expected entries from which a bin without any is drawn, below with its ratio of 0: fewer are likely to be missing."""
ONE_SIGMA = 0.6826894921370859
NORMAL = 1e6
"""Counts from which a Poisson interval is the normal one to a thousandth of its width."""
NAME_LENGTH = 24
"""Characters of a name in the legend: more would run into the corner."""
LINE = 14.0
"""Height of a line of legend and corner in points."""


Efficiency: TypeAlias = tuple[Histogram, Histogram]
"""Histograms of what passed and of all, with one binning."""


@dataclass(frozen=True)
class Labels:
    """The words of a plot, as plain text; `notation` says how they are set."""

    identity: str
    """Unique in a page: letters, digits and `-`."""
    title: str
    result: str
    reference: str
    corner: tuple[str, ...] = ()
    """Lines in the upper right: the outcome of the test."""
    tolerance: float = 0.0
    """Of a ratio of efficiencies: drawn at 1 / (1 + it) and 1 + it."""


def overlay(result: Histogram, reference: Histogram, labels: Labels) -> str:
    """Draw `result` as points over `reference`, filled and scaled to as many entries; their ratio below.

    Both must have the same binning. Errors are Garwood's central 68.3 % intervals for Poisson counts, of weighted
    contents scaled by their mean weight (mplhep.error_estimation.poisson_interval).
    """
    scale = result.entries / reference.entries if result.entries > 0 and reference.entries > 0 else 1.0
    points, expected = _counts(result), reference.values * scale
    with np.errstate(divide="ignore", invalid="ignore"):
        over = 1 / np.where(expected > 0, expected, np.nan)
        ratio = points.scaled(over).where((points.value != 0) | (expected >= EXPECTED_TO_SHOW_NOTHING))
        relative = np.sqrt(np.maximum(reference.variances, 0)) * scale * over
    ends = np.concatenate([points.low, points.high, expected, [0.0]])
    highest = float(ends.max()) or 1.0
    lowest = float(ends.min())
    power = 3 * int(np.log10(highest) // 3) if highest >= NORMAL else 0
    unit = 10.0**power
    with canvas.page() as figure:
        main = canvas.panel(figure, result.edges, Range(lowest * HEADROOM / unit, highest * HEADROOM / unit), MAIN)
        _fill(main, expected / unit)
        main.points(points.scaled(np.full_like(expected, 1 / unit)).where(points.value != 0))
        below = _ratio(figure, result.edges, ratio, (1 - relative, 1 + relative), (expected <= 0) & (points.value > 0))
        _scales(figure, main, below, result.edges)
        scaled = "" if scale == 1 else f" \N{MULTIPLICATION SIGN} {scale:.4g}"
        legend = (
            f"{_name(labels.result)}: {_count(result.entries)}",
            f"{_name(labels.reference)}: {_count(reference.entries)}{scaled}",
        )
        vertical = _entries_label(result, power)
        description = f"Entries of {labels.result} as points, of {labels.reference} filled and scaled to as many."
        return _finished(figure, labels, (result.label, vertical), legend, description)


def efficiency(result: Efficiency, reference: Efficiency, labels: Labels) -> str:
    """Draw two efficiencies, each as the histograms (passed, total), and the ratio of them below.

    All histograms must have the same binning. Errors are Clopper and Pearson's central 68.3 % intervals for a binomial
    probability (Biometrika 26 (1934) 404); of weighted contents, with the effective number of events.
    """
    points, expected = _probabilities(result), _probabilities(reference)
    edges = result[1].edges
    with np.errstate(divide="ignore", invalid="ignore"):
        over = 1 / np.where(expected.value > 0, expected.value, np.nan)
        lost = (expected.value <= 0) & (points.value > 0)
    lows = np.concatenate([points.low, expected.low, [1.0]])
    lowest = float(np.nanmin(lows))
    bottom = max(0.0, np.floor((lowest - 0.3 * (1 - lowest)) * 20) / 20)
    highest = float(np.nanmax(np.concatenate([points.high, expected.high, [1.0]])))
    with canvas.page() as figure:
        main = canvas.panel(figure, edges, Range(bottom, bottom + HEADROOM * max(highest - bottom, 0.02)), MAIN)
        main.fill(expected.low, expected.high)
        main.level(1.0, canvas.GREY)
        main.levels(expected.value)
        main.points(points)
        below = _ratio(figure, edges, points.scaled(over), (expected.low * over, expected.high * over), lost)
        if labels.tolerance > 0:
            for level in (1 / (1 + labels.tolerance), 1 + labels.tolerance):
                below.level(level, canvas.VERMILION, dashed=True)
        _scales(figure, main, below, edges, highest=1.0)
        legend = (
            f"{_name(labels.result)}: {_share(result)}",
            f"{_name(labels.reference)}: {_share(reference)}",
        )
        description = f"Efficiency of {labels.result} as points, of {labels.reference} as boxes."
        return _finished(figure, labels, (result[1].label, "Efficiency"), legend, description)


def _fill(panel: Panel, values: Floats) -> None:
    import mplhep  # mplhep has no types

    mplhep.histplot(
        values,
        panel.across,
        ax=panel.axes,
        histtype="fill",
        flow="none",
        facecolor=canvas.LIGHT_BLUE,
        edgecolor=canvas.BLUE,
        linewidth=0.9,
        clip_on=False,
    )
    panel.axes.set_xlim(0, 1)
    panel.axes.set_ylim(panel.vertical.low, panel.vertical.high)


def _ratio(
    figure: Figure,
    edges: Floats,
    ratio: Points,
    band: tuple[Floats, Floats],
    beyond: NDArray[np.bool_],
) -> Panel:
    """Draw a ratio, the reference's error as a band around 1, and arrows where a point lies outside the panel.

    `beyond` are the bins where the reference has nothing and the result something: no panel would hold their ratio.
    """
    reach = _reach(ratio)
    panel = canvas.panel(figure, edges, Range(1 - reach, 1 + reach), BELOW)
    panel.fill(*band)
    panel.level(1.0, canvas.BLUE)
    panel.points(ratio)
    with np.errstate(invalid="ignore"):
        panel.arrows((ratio.value > 1 + reach) | beyond, upwards=True)
        panel.arrows(ratio.value < 1 - reach, upwards=False)
    return panel


def _reach(ratio: Points) -> float:
    """Choose the least reach that holds 95 % of the points, and half of them with much of their errors."""
    shown = np.isfinite(ratio.value)
    if not shown.any():
        return RATIO_REACHES[-1]
    far = float(np.quantile(np.abs(ratio.value[shown] - 1), 0.95))
    error = float(np.median((ratio.high - ratio.low)[shown])) / 2
    return next((reach for reach in RATIO_REACHES if max(far, 1.5 * error) <= 0.9 * reach), RATIO_REACHES[-1])


def _scales(figure: Figure, main: Panel, below: Panel, edges: Floats, highest: float = np.inf) -> None:
    """Draw frames, ticks and their numbers; upwards to `highest`, on the ratio's clear of its ends."""
    horizontal = Range(float(edges[0]), float(edges[-1]))
    across, names, minor = canvas.ticks(horizontal, 9)
    marks = (list(horizontal.part(np.asarray(across))), list(horizontal.part(np.asarray(minor))))
    for part, name in zip(marks[0], names, strict=True):
        x = canvas.LEFT + part * (canvas.RIGHT - canvas.LEFT)
        canvas.text(figure, (x, BELOW[0] - 13), name, ha="center")
    reach = below.vertical.high - 1
    clear = Range(1 - 0.8 * reach, 1 + 0.8 * reach)
    for panel, (bottom, top), most, within in (
        (main, MAIN, 6, Range(main.vertical.low, min(main.vertical.high, highest))),
        (below, BELOW, 4, clear),
    ):
        values, written, between = canvas.ticks(within, most)
        panel.frame((values, between), marks)
        for part, name in zip(panel.vertical.part(np.asarray(values)), written, strict=True):
            canvas.text(figure, (canvas.LEFT - 5, bottom + part * (top - bottom) - 3.5), name, ha="right")


def _finished(figure: Figure, labels: Labels, axes: tuple[str, str], legend: tuple[str, str], description: str) -> str:
    """Write title, axes, legend and corner, and give the SVG. Words reach it behind matplotlib's back, see `svg`."""
    words: list[str] = []

    def write(x: float, y: float, text: str, **style: object) -> None:
        canvas.text(figure, (x, y), f"text-{len(words)}", **style)
        words.append(text)

    (bottom, top), first = MAIN, MAIN[1] - 16
    write(canvas.LEFT, top + 8, labels.title, fontsize=12, fontweight="bold")
    write(canvas.RIGHT, 6, axes[0], ha="right", fontsize=11)
    turned = {"rotation": 90, "rotation_mode": "anchor", "ha": "center", "fontsize": 11}
    write(14, (bottom + top) / 2, axes[1], **turned)
    write(14, sum(BELOW) / 2, "Ratio", **turned)
    canvas.legend(figure, canvas.LEFT + 12, first, LINE)
    for place, text in enumerate(legend):
        write(canvas.LEFT + 34, first - place * LINE - 3.5, text)
    for place, text in enumerate(labels.corner):
        write(canvas.RIGHT - 9, first - place * LINE - 3.5, text, ha="right")
    outcome = f" Outcome: {', '.join(labels.corner)}." if labels.corner else ""
    return svg.compact(
        canvas.drawing(figure),
        svg.Words(
            identity=labels.identity,
            title=labels.title,
            description=f"{description} Below, their ratio.{outcome}",
            places=words,
        ),
    )


def _counts(histogram: Histogram) -> Points:
    """Give contents with Poisson intervals; those that no weighted counts make, with the root of the variance."""
    values, variances = histogram.values, histogram.variances
    spread = np.sqrt(np.maximum(variances, 0))
    low, high = values - spread, values + spread
    if (values >= 0).all() and (values > 0).any() and np.array_equal(values > 0, variances > 0):
        from mplhep.error_estimation import poisson_interval

        few = values**2 < NORMAL * variances
        exact = poisson_interval(np.where(few, values, 1.0), np.where(few, variances, 1.0))
        few |= values == 0
        low, high = np.where(few, exact[0], low), np.where(few, exact[1], high)
    return Points(values, low, high)


def _probabilities(efficiency: Efficiency) -> Points:
    """Give passed / total with Clopper-Pearson intervals; NaN where the total is zero."""
    from scipy.stats import beta

    passed, total = efficiency
    some = total.values > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(some, passed.values / total.values, np.nan)
        events = np.where(some, total.values**2 / total.variances, np.nan)
        k = np.clip(value, 0, 1) * events
        side = (1 - ONE_SIGMA) / 2
        low = np.where(k > 0, beta.ppf(side, k, events - k + 1), 0.0)
        high = np.where(k < events, beta.ppf(1 - side, k + 1, events - k), 1.0)
    return Points(value, np.fmin(low, value), np.fmax(high, value)).where(some)


def _entries_label(histogram: Histogram, power: int) -> str:
    """Give the vertical axis's label: the factor of ten, the width of a bin and its unit."""
    entries = f"10^{power} entries" if power else "Entries"
    widths = np.diff(histogram.edges)
    if np.ptp(widths) > 1e-6 * widths[0]:
        return f"{entries} / bin"
    found = re.search(r"\[([^\[\]]+)\]\s*$", histogram.label)
    width, unit = float(widths[0]), found[1] if found else ""
    if unit == "GeV" and width < 0.1:  # noqa: PLR2004 - 5 MeV reads better than 0.005 GeV
        width, unit = width * 1000, "MeV"
    return f"{entries} / {width:.3g} {unit}".rstrip()


def _share(efficiency: Efficiency) -> str:
    return f"{_count(efficiency[0].entries)} of {_count(efficiency[1].entries)}"


def _count(entries: float) -> str:
    plain = abs(entries) < 1e9  # noqa: PLR2004 - beyond, digits are hard to count
    return f"{entries:,.0f}".replace(",", "\N{THIN SPACE}") if plain else f"{entries:.4g}"


def _name(text: str) -> str:
    return text if len(text) <= NAME_LENGTH else text[: NAME_LENGTH - 1] + "…"
