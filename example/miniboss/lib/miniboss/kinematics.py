"""Four-momenta: arrays of shape (..., 4) in the order (px, py, pz, E), in GeV. Formulas: PDG, review of kinematics."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

P_CMS: Array = np.array([0.034067, 0.0, 0.0, 3.097])
"""Four-momentum of the J/psi in the laboratory: 3.097 GeV of energy, the beams crossing at 22 mrad.

BESIII's analyses take this constant; the spread of the beam energy is left out.
"""


def four_momentum(momentum: Array, mass: ArrayLike) -> Array:
    """Join momenta (..., 3) and masses (...) to four-momenta (..., 4)."""
    energy = np.sqrt(np.sum(momentum * momentum, axis=-1) + np.square(mass))
    return np.concatenate([momentum, energy[..., np.newaxis]], axis=-1)


def invariant_mass(p: Array) -> Array:
    """Give the masses (...) of four-momenta (..., 4); a space-like one, which smearing can make, counts as 0."""
    squared = p[..., 3] ** 2 - np.sum(p[..., :3] ** 2, axis=-1)
    return np.sqrt(np.maximum(squared, 0.0))


def boost_from_rest(p: Array, frame: Array) -> Array:
    """Bring p (..., 4) from the rest frame of `frame` (..., 4) to the frame in which `frame` is given."""
    frame_mass = np.sqrt(frame[..., 3] ** 2 - np.sum(frame[..., :3] ** 2, axis=-1))
    along = np.sum(p[..., :3] * frame[..., :3], axis=-1)
    energy = (p[..., 3] * frame[..., 3] + along) / frame_mass
    factor = (p[..., 3] + energy) / (frame[..., 3] + frame_mass)
    return np.concatenate([p[..., :3] + factor[..., np.newaxis] * frame[..., :3], energy[..., np.newaxis]], axis=-1)


def boost_to_rest(p: Array, frame: Array) -> Array:
    """Bring p (..., 4) to the rest frame of `frame` (..., 4), both given in the same frame."""
    return boost_from_rest(p, frame * np.array([-1.0, -1.0, -1.0, 1.0]))


def break_up_momentum(parent: ArrayLike, first: ArrayLike, second: ArrayLike) -> Array:
    """Give the momentum of the two daughters in the parent's rest frame, from the masses; 0 below threshold."""
    m2, plus, minus = np.square(parent), np.add(first, second), np.subtract(first, second)
    squared = (m2 - plus**2) * (m2 - minus**2) / (4 * m2)
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))


def direction(cos_theta: Array, phi: Array) -> Array:
    """Give unit vectors (..., 3) of a polar angle's cosine and an azimuth in radians."""
    sin_theta = np.sqrt(np.maximum(1.0 - cos_theta**2, 0.0))
    return np.stack([sin_theta * np.cos(phi), sin_theta * np.sin(phi), cos_theta], axis=-1)


def cos_angle(first: Array, second: Array) -> Array:
    """Give the cosine of the angle between vectors (..., 3); rounding never takes it beyond 1."""
    norms = np.sqrt(np.sum(first * first, axis=-1) * np.sum(second * second, axis=-1))
    return np.clip(np.sum(first * second, axis=-1) / norms, -1.0, 1.0)
