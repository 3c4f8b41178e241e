"""The histograms of one analysis, booked in one place."""

from __future__ import annotations

from dataclasses import dataclass, field

from miniboss.histograms import Binning, Efficiency, Histogram1D

Bins = tuple[int, float, float]
"""Number of bins, lower edge of the first, upper edge of the last."""


@dataclass(frozen=True)
class Book:
    """Makes histograms and keeps them in the order of booking."""

    histograms: list[Histogram1D] = field(default_factory=list)

    def histogram(self, name: str, title: str, label: str, bins: Bins) -> Histogram1D:
        """Book a histogram; `label` is the axis's, with the unit."""
        made = Histogram1D(name, title, Binning(*bins, label))
        self.histograms.append(made)
        return made

    def efficiency(self, name: str, title: str, label: str, bins: Bins) -> Efficiency:
        """Book the two histograms of an efficiency."""
        made = Efficiency.book(name, title, Binning(*bins, label))
        self.histograms.extend([made.passed, made.total])
        return made
