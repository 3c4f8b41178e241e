"""Which hits make a track. Hits come sorted by particle, so the only question is whether there are enough of them."""

from __future__ import annotations

import numpy as np

from miniboss.events import Flags


def enough_hits(used: Flags, fewest: int, most_missing: int) -> Flags:
    """Say which tracks (tracks,) are found, from their hits (tracks, layers).

    At least `fewest` layers have a hit, and between the first hit and the last at most `most_missing` have none.
    """
    layers = used.shape[1]
    count = used.sum(axis=1)
    span = layers - used.argmax(axis=1) - used[:, ::-1].argmax(axis=1)
    found: Flags = (count >= fewest) & (span - count <= most_missing)
    return found


def without_outliers(used: Flags, deviation: np.ndarray, limit: float, fewest: int) -> Flags:
    """Drop hits that lie more than `limit` resolutions off; a track that would keep fewer than `fewest` keeps all."""
    kept: Flags = used & (np.abs(deviation) <= limit)
    short = kept.sum(axis=1) < fewest
    kept[short] = used[short]
    return kept
