"""The tracking code of miniboss 1.0.0: one fit of all hits."""

from __future__ import annotations

from miniboss.constants import MdcConstants
from miniboss.events import Flags
from miniboss.geometry import Geometry
from miniboss.reconstruction.finding import enough_hits
from miniboss.reconstruction.fit import Hits, Tracks, fit_tracks, scaled

FEWEST_HITS = 10
MOST_MISSING = 3


def reconstruct_tracks(hits: Hits, mdc: MdcConstants, geometry: Geometry) -> tuple[Flags, Tracks]:
    """Say which tracks are found, (tracks,), and give the helices of those."""
    found = enough_hits(hits.used, FEWEST_HITS, MOST_MISSING)
    return found, scaled(fit_tracks(hits.of(found), mdc, geometry), mdc.MomentumScale)
