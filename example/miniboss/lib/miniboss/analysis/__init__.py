"""The analysis: reconstructed events to the histograms of a channel."""

from __future__ import annotations

from collections.abc import Sequence

from miniboss.analysis.book import Book
from miniboss.analysis.ks_k_pi import KShortKPi
from miniboss.analysis.pairs import LeptonPair, ProtonPair
from miniboss.analysis.rho_pi import RhoPi
from miniboss.analysis.tracks import TrackPerformance
from miniboss.decay_card import Channel
from miniboss.events import Reconstructed
from miniboss.helix import ALPHA
from miniboss.histograms import Histogram1D
from miniboss.particles import ELECTRON, MUON, PROTON, mass

SLOTS = {Channel.EE: (2, 0), Channel.MUMU: (2, 0), Channel.PPBAR: (2, 0), Channel.RHOPI: (2, 2), Channel.KSKPI: (4, 0)}
"""Charged particles and photons of each channel."""


class Analysis:
    """The analysis of one channel: events are added block by block, so that memory is bounded."""

    def __init__(self, channel: Channel, alpha: float = ALPHA) -> None:
        """Book the histograms; `alpha` is p_T times radius in the detector's field, cm / GeV."""
        self._channel = channel
        self._book = Book()
        self._steps = (TrackPerformance(self._book), _analysis_of(channel, self._book, alpha))

    @property
    def histograms(self) -> Sequence[Histogram1D]:
        """All histograms, filled with what was added."""
        return tuple(self._book.histograms)

    def add(self, reconstructed: Reconstructed) -> None:
        """Analyse events.

        Raises ValueError where they have not as many charged particles and photons as the channel.
        """
        slots = reconstructed.found.shape[1], reconstructed.photon_found.shape[1]
        if slots != SLOTS[self._channel]:
            charged, photons = slots
            raise ValueError(f"events of {charged} tracks and {photons} photons are not of the channel {self._channel}")
        for step in self._steps:
            step.add(reconstructed)


def analyse(channel: Channel, reconstructed: Reconstructed) -> dict[str, Histogram1D]:
    """Analyse events at once: the histograms by name."""
    analysis = Analysis(channel)
    analysis.add(reconstructed)
    return {histogram.name: histogram for histogram in analysis.histograms}


def _analysis_of(channel: Channel, book: Book, alpha: float) -> LeptonPair | ProtonPair | RhoPi | KShortKPi:
    """Choose the analysis of a channel."""
    if channel is Channel.RHOPI:
        return RhoPi(book)
    if channel is Channel.KSKPI:
        return KShortKPi(book, alpha)
    if channel is Channel.PPBAR:
        return ProtonPair(book, mass(PROTON))
    return LeptonPair(book, mass(ELECTRON), "e") if channel is Channel.EE else LeptonPair(book, mass(MUON), "mu")
