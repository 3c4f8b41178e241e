"""The tracking code of miniboss 1.1.0.

Against 1.0.0: a track may miss one hit more; hits far off the first fit are dropped and the track is fitted again; and
the momentum is corrected for the energy that the particle lost in the tracker.
"""

from __future__ import annotations

import numpy as np
from miniboss.constants import MdcConstants
from miniboss.events import Flags, Floats
from miniboss.geometry import Geometry
from miniboss.material import lost_energy
from miniboss.reconstruction.finding import enough_hits, without_outliers
from miniboss.reconstruction.fit import Hits, Tracks, fit_tracks, scaled, speed

FEWEST_HITS = 8
MOST_MISSING = 4
OUTLIER = 5.0  # resolutions


def reconstruct_tracks(hits: Hits, mdc: MdcConstants, geometry: Geometry) -> tuple[Flags, Tracks]:
    """Say which tracks are found, (tracks,), and give the helices of those."""
    found = enough_hits(hits.used, FEWEST_HITS, MOST_MISSING)
    hits = hits.of(found)
    first = fit_tracks(hits, mdc, geometry)
    used = without_outliers(hits.used, first.deviation, OUTLIER, FEWEST_HITS)
    again = (used != hits.used).any(axis=1)
    second = fit_tracks(Hits(used, hits.phi, hits.z).of(again), mdc, geometry)
    tracks = _replaced(first, again, second)
    return found, scaled(tracks, mdc.MomentumScale * _before_the_loss(tracks, mdc, geometry))


def _replaced(tracks: Tracks, where: Flags, others: Tracks) -> Tracks:
    def merged(old: np.ndarray, new: np.ndarray) -> np.ndarray:
        result = old.copy()
        result[where] = new
        return result

    return Tracks(
        merged(tracks.helix, others.helix),
        merged(tracks.covariance, others.covariance),
        merged(tracks.chi2, others.chi2),
        merged(tracks.n_hits, others.n_hits),
        merged(tracks.deviation, others.deviation),
    )


def _before_the_loss(tracks: Tracks, mdc: MdcConstants, geometry: Geometry) -> Floats:
    """Give the factor from the fitted momentum, that of about half way, to the one at the vertex; for a pion."""
    momentum, beta = speed(tracks)
    layers = 0.5 * geometry.layers * np.sqrt(1.0 + tracks.helix[:, 4] ** 2)
    factor: Floats = 1.0 + lost_energy(mdc, 1.0 / beta**2) * layers / (beta * momentum)
    return factor
