"""Random numbers: one independent stream for each quantity of each block of events.

Events are handled in blocks of `BLOCK`. Every quantity of a step (a hit's efficiency, a photon's energy) has a stream
of its own, and arrays are filled event by event, so that event i of a seed is the same however many are asked for.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np

BLOCK = 5000
"""Events that are handled at once; memory is bounded by it."""


def stream(seed: int, block: int, step: str, quantity: str) -> np.random.Generator:
    """Give the stream of one quantity; two that differ in any argument are independent (numpy's SeedSequence).

    `block` counts from 0; `step` and `quantity` are names, as "simulation" and "hit efficiency".
    """
    words = (seed, block, zlib.crc32(step.encode()), zlib.crc32(quantity.encode()))
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(words)))


def blocks(events: int) -> Iterator[tuple[int, int]]:
    """Give (number of the block, events in it) for `events` in all; only the last block may be shorter."""
    for block, first in enumerate(range(0, events, BLOCK)):
        yield block, min(BLOCK, events - first)
