"""The circle of a track in the transverse plane, fitted to its hits with equal weights.

First Karimaki's fit, which needs no start and no iteration, then one step of Gauss and Newton with the true distance
(V. Karimaki, "Effective circle fitting for particle trajectories", Nucl. Instrum. Meth. A 305 (1991) 187). A circle is
(dr, phi0, rho): its point closest to the z axis is dr e with e = (cos phi0, sin phi0), the particle moves there along
u = (-sin phi0, cos phi0), and the centre is 1 / rho from it along e; rho = kappa / alpha.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from miniboss.events import Flags, Floats


@dataclass(frozen=True)
class Circles:
    """One circle for each track."""

    dr: Floats
    """(tracks,) cm."""
    phi0: Floats
    """(tracks,) radian."""
    rho: Floats
    """(tracks,) 1 / cm; positive: clockwise."""
    residual: Floats
    """(tracks, layers) cm, along e; 0 where there is no hit."""
    arc: Floats
    """(tracks, layers) cm, from the point of closest approach to the hit; 0 where there is no hit."""
    inverse: Floats
    """(tracks, 3, 3): inverse of the normal matrix; times the squared resolution it is the covariance, but for
    scattering."""


def fit_circles(x: Floats, y: Floats, used: Flags) -> Circles:
    """Fit circles to hits at `x`, `y` (tracks, layers) [cm], 0 where not `used`; at least 3 hits a track."""
    weight = used.astype(np.float64)
    r2 = x * x + y * y
    start = _karimaki(x, y, r2, weight)
    d, phi0, k = start[:, :, np.newaxis]
    sine, cosine = np.sin(phi0), np.cos(phi0)
    along_e = x * cosine
    along_e += y * sine
    along_e -= d
    along_u = y * cosine
    along_u -= x * sine
    chord2 = r2 - 2.0 * d * along_e
    chord2 -= d * d
    chord2 *= weight
    # twice / (1 + sqrt(1 - k twice)), of which the distance is a small part of the radius
    twice = 2.0 * along_e - k * chord2
    residual = 0.5 * twice * (1.0 + 0.25 * k * twice) * weight
    # how the circle moves along e at the hit when a parameter grows: minus the derivative of the residual
    slopes = (weight * (1.0 - k * along_e), along_u * -(1.0 + k * d), 0.5 * chord2)
    inverse = _inverse_normal(slopes)
    pull = np.stack([_total(slope, residual) for slope in slopes], axis=-1)
    step = np.einsum("nij,nj->in", inverse, pull)
    for slope, change in zip(slopes, step, strict=True):
        residual -= slope * change[:, np.newaxis]
    dr, phi0, rho = start + step
    return Circles(
        dr=dr,
        phi0=np.remainder(phi0, 2 * np.pi),
        rho=rho,
        residual=residual,
        arc=arc_length(rho, np.sqrt(np.maximum(chord2, 0.0))),
        inverse=inverse,
    )


def arc_length(rho: Floats, chord: Floats) -> Floats:
    """Give the arcs [cm] above chords (tracks, layers) [cm] of circles of curvature rho (tracks,) [1/cm].

    An arc is half a turn at most.
    """
    half = 0.5 * np.maximum(np.abs(rho), 1e-9)[:, np.newaxis]
    turn = half * chord
    np.minimum(turn, 1.0, out=turn)
    np.arcsin(turn, out=turn)
    turn /= half
    return turn


def _total(first: Floats, second: Floats) -> Floats:
    total: Floats = np.einsum("nl,nl->n", first, second)
    return total


def _karimaki(x: Floats, y: Floats, r2: Floats, weight: Floats) -> Floats:
    """Give dr, phi0 and rho, (3, tracks)."""
    count = weight.sum(axis=1)

    def mean(first: Floats, second: Floats) -> Floats:
        return _total(first, second) / count

    mean_x, mean_y, mean_r2 = mean(x, weight), mean(y, weight), mean(r2, weight)
    c_xx, c_yy = mean(x, x) - mean_x**2, mean(y, y) - mean_y**2
    c_xy = mean(x, y) - mean_x * mean_y
    c_xr, c_yr = mean(x, r2) - mean_x * mean_r2, mean(y, r2) - mean_y * mean_r2
    c_rr = mean(r2, r2) - mean_r2**2
    direction = 0.5 * np.arctan2(2.0 * (c_rr * c_xy - c_xr * c_yr), c_rr * (c_xx - c_yy) - c_xr**2 + c_yr**2)
    # of the two directions the one that leads outwards
    direction += np.where(np.cos(direction) * mean_x + np.sin(direction) * mean_y < 0, np.pi, 0.0)
    sine, cosine = np.sin(direction), np.cos(direction)
    kappa = (sine * c_xr - cosine * c_yr) / c_rr
    delta = -kappa * mean_r2 + sine * mean_x - cosine * mean_y
    root = np.sqrt(np.maximum(1.0 - 4.0 * delta * kappa, 1e-6))
    # Karimaki's direction is that of u, a right angle ahead of e; his normal (sin, -cos) is e
    return np.stack([2.0 * delta / (1.0 + root), direction - 0.5 * np.pi, 2.0 * kappa / root])


def _inverse_normal(slopes: tuple[Floats, Floats, Floats]) -> Floats:
    """Give the inverse normal matrix (tracks, 3, 3) of the slopes (tracks, layers)."""
    scales = (1.0, 1e2, 1e4)  # of the order of the slopes, so that the matrix is well conditioned
    normal = np.empty((len(slopes[0]), 3, 3))
    for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        normal[:, i, j] = normal[:, j, i] = _total(slopes[i], slopes[j]) / (scales[i] * scales[j])
    inverse: Floats = _inverse_3(normal) / np.outer(scales, scales)
    return inverse


def _inverse_3(matrix: Floats) -> Floats:
    """Invert symmetric matrices (n, 3, 3) by their cofactors, which is faster than numpy's general way."""
    (a00, a01, a02), (_, a11, a12), (_, _, a22) = np.moveaxis(matrix, 0, -1)
    c00, c01, c02 = a11 * a22 - a12 * a12, a02 * a12 - a01 * a22, a01 * a12 - a02 * a11
    c11, c12, c22 = a00 * a22 - a02 * a02, a01 * a02 - a00 * a12, a00 * a11 - a01 * a01
    determinant = a00 * c00 + a01 * c01 + a02 * c02
    rows = [[c00, c01, c02], [c01, c11, c12], [c02, c12, c22]]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2) / determinant[:, np.newaxis, np.newaxis]
