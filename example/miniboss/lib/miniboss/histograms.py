"""Histograms of counts in one dimension, and the file of results that a job writes.

The file is JSON in the serialisation of UHI, schema version 1: an object `name -> histogram`
(https://uhi.readthedocs.io/en/latest/serialization.html). Names are sorted, a histogram is a line, nothing in it
depends on time or place: equal counts give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Binning:
    """Bins of equal width between `low` and `high`, and what the axis shows: a label with its unit."""

    bins: int
    low: float
    high: float
    label: str


@dataclass(frozen=True, eq=False)
class Histogram1D:
    """Counts in the bins of an axis, those below in front and those above behind."""

    name: str
    title: str
    binning: Binning
    counts: NDArray[np.int64] = field(init=False)
    """(bins + 2,): underflow, the bins, overflow."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", np.zeros(self.binning.bins + 2, dtype=np.int64))

    def fill(self, values: ArrayLike) -> None:
        """Count values of any shape. A bin holds its lower edge; NaN counts as overflow, as in boost-histogram."""
        axis = self.binning
        span = axis.high - axis.low
        above_low = np.ravel(np.asarray(values, dtype=np.float64)) - axis.low
        bins = np.floor(np.clip(above_low, -span, 2.0 * span) * (axis.bins / span))
        index = np.clip(np.where(np.isnan(bins), axis.bins, bins), -1, axis.bins).astype(np.int64) + 1
        self.counts[:] += np.bincount(index, minlength=axis.bins + 2)

    def document(self) -> dict[str, object]:
        """Give the histogram as UHI's schema describes it."""
        axis = self.binning
        return {
            "uhi_schema": 1,
            "metadata": {"title": self.title},
            "axes": [
                {
                    "type": "regular",
                    "lower": axis.low,
                    "upper": axis.high,
                    "bins": axis.bins,
                    "underflow": True,
                    "overflow": True,
                    "circular": False,
                    "metadata": {"label": axis.label},
                }
            ],
            "storage": {"type": "int", "values": self.counts.tolist()},
        }


@dataclass(frozen=True)
class Efficiency:
    """An efficiency as two histograms on one axis: NAME_passed is part of NAME_total."""

    passed: Histogram1D
    total: Histogram1D

    @classmethod
    def book(cls, name: str, title: str, binning: Binning) -> Efficiency:
        """Make an empty one."""
        return cls(
            passed=Histogram1D(f"{name}_passed", f"{title}: passed", binning),
            total=Histogram1D(f"{name}_total", f"{title}: all", binning),
        )

    def fill(self, values: NDArray[np.float64], passed: NDArray[np.bool_]) -> None:
        """Count values, and which of them passed: two arrays of one shape."""
        self.total.fill(values)
        self.passed.fill(values[passed])


def as_json(histograms: Iterable[Histogram1D]) -> bytes:
    """Write the file of results. Raises ValueError where two histograms have one name."""
    by_name: dict[str, Histogram1D] = {}
    for histogram in histograms:
        if by_name.setdefault(histogram.name, histogram) is not histogram:
            raise ValueError(f"two histograms are called {histogram.name!r}")
    lines = [
        f"{json.dumps(name)}: {json.dumps(by_name[name].document(), separators=(',', ':'))}" for name in sorted(by_name)
    ]
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode("ascii")
