"""A page of two panels, one above the other, on which a comparison is drawn.

matplotlib draws paths and places text on a figure of its own, with settings of its own: nothing of the user's or of
pyplot's state gets in. Frames, ticks and marks are drawn as a few compound paths, since an axis of matplotlib's makes
an object of every tick, which takes most of the time of a plot; dots are lines of no length with round caps, which
takes the least room.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from builder.physics.histograms import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path

BLACK, BLUE, LIGHT_BLUE, VERMILION, GREY = "#1a1a1a", "#0072b2", "#c3e2f5", "#d55e00", "#767676"
"""Of the palette of Okabe and Ito (https://jfly.uni-koeln.de/color/), which the colour-blind can tell apart."""
SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "boss-builder",
    "path.simplify": False,
    "figure.dpi": 72,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
}
PAGE = (460.0, 346.0)
"""Width and height in points; the size at which text has its nominal size."""
LEFT, RIGHT = 58.0, 452.0
MAJOR, MINOR = 5.0, 2.5
"""Lengths of ticks in points."""
MANY = 120
"""Bins above which marks are smaller."""
_SAME = 1e-9
_UNITS = 72.0
"""Points to the inch, which is what matplotlib takes sizes in."""


@dataclass(frozen=True)
class Range:
    """An axis from `low` to `high`."""

    low: float
    high: float

    def part(self, values: Floats) -> Floats:
        """Give where on the axis values lie: 0 at `low`, 1 at `high`."""
        return np.asarray((values - self.low) / (self.high - self.low), dtype=np.float64)


@dataclass(frozen=True)
class Points:
    """n values with the ends of their error bars, each (n,); NaN where there is nothing to show."""

    value: Floats
    low: Floats
    high: Floats

    def scaled(self, factors: Floats) -> Points:
        """Multiply bin by bin."""
        return Points(self.value * factors, self.low * factors, self.high * factors)

    def where(self, shown: NDArray[np.bool_]) -> Points:
        """Blank out what is not shown."""
        return Points(*(np.where(shown, array, np.nan) for array in (self.value, self.low, self.high)))


@dataclass(frozen=True)
class Panel:
    """A framed plot: n bins across, values upwards; what lies beyond its ends is cut."""

    axes: Axes
    """Its limits are 0 and 1 across, and those of `vertical` upwards."""
    across: Floats
    """(n + 1,): edges of the bins, as parts of the axis."""
    vertical: Range

    def fill(self, low: Floats | float, high: Floats) -> None:
        """Fill the bins between two values each."""
        bottom, top = (np.clip(np.broadcast_to(end, high.shape), *self._ends()) for end in (low, high))
        self.axes.stairs(top, self.across, baseline=bottom, fill=True, color=LIGHT_BLUE, linewidth=0, clip_on=False)

    def levels(self, values: Floats) -> None:
        """Draw a level line across each bin."""
        shown = np.isfinite(values)
        ends = [
            np.column_stack([side[shown], values[shown]]) for side in (self.across[:-1], self.across[1:])
        ]  # fmt: skip
        self._draw(_polygons(np.stack(ends, axis=1), closed=False), edgecolor=BLUE, linewidth=1.2)

    def level(self, value: float, colour: str, *, dashed: bool = False) -> None:
        """Draw a line across the panel."""
        if self.vertical.low <= value <= self.vertical.high:
            style = (0, (4, 3)) if dashed else "solid"
            line = np.array([[[0.0, value], [1.0, value]]])
            self._draw(_polygons(line, closed=False), edgecolor=colour, linewidth=0.9, linestyle=style)

    def points(self, points: Points) -> None:
        """Draw dots with error bars in the middle of the bins."""
        bottom, top = self._ends()
        x, many = self._centres(), len(self.across) > MANY
        with np.errstate(invalid="ignore"):
            inside = (points.value >= bottom) & (points.value <= top)
            reaching = (points.low <= top) & (points.high >= bottom)
        ends = [np.column_stack([x, np.clip(end, bottom, top)])[reaching] for end in (points.low, points.high)]
        bars = _polygons(np.stack(ends, axis=1), closed=False)
        self._draw(bars, edgecolor=BLACK, linewidth=0.6 if many else 0.9)
        dots = np.column_stack([x, points.value])[inside]
        size = 2.6 if many else 4.2
        self._draw(
            _polygons(np.stack([dots, dots], axis=1), closed=False), edgecolor=BLACK, linewidth=size, capstyle="round"
        )

    def arrows(self, bins: NDArray[np.bool_], *, upwards: bool) -> None:
        """Point beyond the end of the panel in some bins, (n,) bool."""
        tips = np.column_stack([self._centres()[bins], np.full(int(bins.sum()), self._ends()[int(upwards)])])
        arrow = np.array([[0.0, 1.0], [-3.2, 7.0], [3.2, 7.0]]) * (1.0, -1.0 if upwards else 1.0)
        corners = self.axes.transData.transform(tips)[:, None, :] + arrow
        draw(self.axes, _polygons(corners), facecolor=VERMILION)

    def frame(self, upwards: tuple[Sequence[float], Sequence[float]], across: tuple[Sequence[float], ...]) -> None:
        """Draw the frame and its ticks, major and minor: upwards in values, across in parts of the axis."""
        (x0, y0), (x1, y1) = self.axes.transData.transform([(0, self.vertical.low), (1, self.vertical.high)])
        lines = [[(x0, y0), (x1, y0)], [(x1, y0), (x1, y1)], [(x1, y1), (x0, y1)], [(x0, y1), (x0, y0)]]
        for values, parts, length in zip(upwards, across, (MAJOR, MINOR), strict=True):
            for y in y0 + self.vertical.part(np.asarray(values)) * (y1 - y0):
                lines += [[(x0, y), (x0 + length, y)], [(x1, y), (x1 - length, y)]]
            for x in x0 + np.asarray(parts) * (x1 - x0):
                lines += [[(x, y0), (x, y0 + length)], [(x, y1), (x, y1 - length)]]
        draw(self.axes, _polygons(np.array(lines), closed=False), edgecolor=BLACK, linewidth=0.8)

    def _draw(self, path: Path, **style: Any) -> None:
        draw(self.axes, path, transform=self.axes.transData, **style)

    def _ends(self) -> tuple[float, float]:
        return self.vertical.low, self.vertical.high

    def _centres(self) -> Floats:
        return (self.across[:-1] + self.across[1:]) / 2


@contextmanager
def page() -> Iterator[Figure]:
    """Give an empty figure, with nothing but our settings in force while it is drawn."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in SETTINGS.items():
            mpl.rcParams[name] = value
        yield Figure(figsize=(PAGE[0] / _UNITS, PAGE[1] / _UNITS))


def panel(figure: Figure, edges: Floats, vertical: Range, place: tuple[float, float]) -> Panel:
    """Add a panel; `place` is its bottom and top in points from the bottom of the page."""
    bottom, top = place
    axes = figure.add_axes(
        (LEFT / PAGE[0], bottom / PAGE[1], (RIGHT - LEFT) / PAGE[0], (top - bottom) / PAGE[1])
    )  # fmt: skip
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(vertical.low, vertical.high)
    return Panel(axes, Range(float(edges[0]), float(edges[-1])).part(edges), vertical)


def text(figure: Figure, at: tuple[float, float], words: str, **style: Any) -> None:
    """Write at a point of the page."""
    style = {"fontsize": 10, "color": BLACK, **style}
    figure.text(at[0] / PAGE[0], at[1] / PAGE[1], words, **style)


def legend(figure: Figure, x: float, y: float, line: float) -> None:
    """Draw the marks of a legend, 16 points wide, a line each: a point with its error, and a filled box."""
    middle = x + 8
    bar, dot = np.array([[[middle, y - 5], [middle, y + 5]]]), np.array([[[middle, y], [middle, y]]])
    draw(figure, _polygons(bar, closed=False), edgecolor=BLACK, linewidth=0.9)
    draw(figure, _polygons(dot, closed=False), edgecolor=BLACK, linewidth=4.2, capstyle="round")
    low, high = y - line - 4, y - line + 4
    corners = np.array([[[x, low], [x + 16, low], [x + 16, high], [x, high]]])
    draw(figure, _polygons(corners), facecolor=LIGHT_BLUE, edgecolor=BLUE, linewidth=0.9)


def draw(canvas: Axes | Figure, path: Path, **style: Any) -> None:
    """Add a path, in points of the page unless a `transform` is given."""
    from matplotlib.patches import PathPatch
    from matplotlib.transforms import IdentityTransform

    if not np.size(path.vertices):
        return
    style = {"edgecolor": "none", "clip_on": False, "transform": IdentityTransform(), **style}
    canvas.add_artist(PathPatch(path, fill="facecolor" in style, **style))


def drawing(figure: Figure) -> str:
    """Give the figure as matplotlib's SVG, without date or version."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
    return buffer.getvalue()


def ticks(axis: Range, most: int) -> tuple[list[float], list[str], list[float]]:
    """Choose at most about `most` round values within an axis; give them, how they are written, and minor ones."""
    raw = (axis.high - axis.low) / most
    power = 10.0 ** math.floor(math.log10(raw)) if raw > 0 else 0.0
    factor, parts = next((f for f in ((1.0, 5), (2.0, 4), (2.5, 5), (5.0, 5)) if f[0] * power >= raw), (10.0, 5))
    step = factor * power
    if not (step > 0 and math.isfinite(axis.low / step * parts) and math.isfinite(axis.high / step * parts)):
        return [], [], []
    values = _multiples(axis, step)
    return values, [_number(value, step) for value in values], _multiples(axis, step / parts)


def _multiples(axis: Range, step: float) -> list[float]:
    first, last = math.ceil(axis.low / step - 1e-9), math.floor(axis.high / step + 1e-9)
    return [n * step for n in range(first, min(last, first + 200) + 1)]


def _number(value: float, step: float) -> str:
    """Write a value to the decimals of its step, with a minus sign that is one."""
    plain = step >= 1e-4 and abs(value) < 1e6  # noqa: PLR2004 - beyond, zeros are hard to count
    decimals = next((places for places in range(12) if abs(round(step, places) / step - 1) < _SAME), 12)
    written = f"{value:.{decimals}f}" if plain else f"{value:.4g}"
    return written.replace("-", "\N{MINUS SIGN}") if float(written) else written.removeprefix("-")


def _polygons(corners: Floats, *, closed: bool = True) -> Path:
    """Give a path of n polygons, or broken lines, of k corners: (n, k, 2)."""
    from matplotlib.path import Path

    n, k, _ = corners.shape
    codes = np.full((n, k), Path.LINETO, dtype=np.uint8)
    codes[:, :1] = Path.MOVETO
    if closed:
        codes = np.column_stack([codes, np.full(n, Path.CLOSEPOLY, dtype=np.uint8)])
        corners = np.concatenate([corners, corners[:, :1]], axis=1)
    path = Path(corners.reshape(-1, 2), codes.reshape(-1))
    path.should_simplify = False
    return path
