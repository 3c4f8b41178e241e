"""What every channel asks of its charged tracks: quality, momenta, and how well they were found."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from miniboss import helix
from miniboss.analysis.book import Book
from miniboss.events import Reconstructed
from miniboss.kinematics import Array

Flags = NDArray[np.bool_]

MAX_COS_THETA = 0.93
"""Acceptance of BESIII's tracker, in |cos(theta)|."""


def selected(reconstructed: Reconstructed, events: Flags) -> Reconstructed:
    """Keep the events that are flagged (n)."""
    truth = reconstructed.truth
    return Reconstructed(
        **{name: values[events] for name, values in vars(reconstructed).items() if name != "truth"},
        truth=type(truth)(pdg=truth.pdg[events], momentum=truth.momentum[events], vertex=truth.vertex[events]),
    )


def cos_theta(reconstructed: Reconstructed) -> Array:
    """Give the cosine of the polar angle (n, t) of each track."""
    tanl = reconstructed.helix[..., 4]
    return np.asarray(tanl / np.sqrt(1.0 + tanl**2))


def good(reconstructed: Reconstructed, max_vr: float, max_vz: float) -> Flags:
    """Flag tracks (n, t): found, within the acceptance, and passing the origin within `max_vr` and `max_vz` in cm."""
    dr, dz = reconstructed.helix[..., 0], reconstructed.helix[..., 3]
    near = (np.abs(dr) < max_vr) & (np.abs(dz) < max_vz)
    return reconstructed.found & near & (np.abs(cos_theta(reconstructed)) < MAX_COS_THETA)


def neutral(reconstructed: Reconstructed) -> Flags:
    """Flag the events (n) whose charges add up to zero."""
    return np.asarray(reconstructed.charge.sum(axis=1) == 0)


class TrackPerformance:
    """How many of the generated tracks were found, and how well their momenta were measured."""

    def __init__(self, book: Book) -> None:
        title = "tracking efficiency"
        self._pt = book.efficiency("trk_eff_pt", title, "generated p_T [GeV/c]", (32, 0.0, 1.6))
        self._cos = book.efficiency("trk_eff_cos", title, "generated cos(theta)", (40, -1.0, 1.0))
        self._resolution = book.histogram(
            "dp_over_p", "momentum resolution", "(p - p_generated) / p_generated", (200, -0.05, 0.05)
        )

    def add(self, reconstructed: Reconstructed) -> None:
        """Count tracks: against p_T those generated within the acceptance, against cos(theta) all."""
        found = reconstructed.found
        generated = reconstructed.truth.momentum[:, : found.shape[1]]
        p = np.sqrt(np.sum(generated**2, axis=-1))
        cos = generated[..., 2] / p
        within = np.abs(cos) < MAX_COS_THETA
        self._pt.fill(np.hypot(generated[..., 0], generated[..., 1])[within], found[within])
        self._cos.fill(cos, found)
        tracks = helix.momentum(reconstructed.helix[found])
        self._resolution.fill(np.sqrt(np.sum(tracks**2, axis=-1)) / p[found] - 1.0)
