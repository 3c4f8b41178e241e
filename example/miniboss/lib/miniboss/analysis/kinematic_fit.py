"""A kinematic fit: measured momenta are shifted, within their errors, until they add up to the known total.

Lagrange multipliers with linearised constraints, iterated. With y0 the measurements and V their covariance, f(y) = 0
the constraints and G their derivatives at y, a step solves (G V G^T) m = f + G (y0 - y) and takes y0 - V G^T m for y;
at the end chi2 = (f + G (y0 - y))^T m, with as many degrees of freedom as constraints (P. Avery, CLEO note CBX 91-72;
R. Frühwirth et al., Data Analysis Techniques for High-Energy Physics, 2nd ed., 2000). All events are fitted at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from miniboss.kinematics import Array

_STEPS = 8
"""Most steps; the constraints are nearly linear, so that three or four do."""
_SETTLED = 1e-4
"""An event's fit ends where its chi2 changes by no more than this part of 1 + chi2."""


@dataclass(frozen=True)
class Measured:
    """Measured particles of n events, k in each: charged ones first, then photons."""

    parameters: Array
    """(n, k, 3): phi0, kappa [1/GeV], tanl of charged particles; azimuth, polar angle, energy [GeV] of photons."""
    covariance: Array
    """(n, k, 3, 3): positive definite; particles do not correlate."""
    masses: Array
    """(k,) in GeV; 0 for photons."""
    charged: int
    """How many of the k are charged."""


@dataclass(frozen=True)
class Fitted:
    """What came of a fit."""

    p: Array
    """(n, k, 4): fitted four-momenta in GeV."""
    parameters: Array
    """(n, k, 3): fitted, as in `Measured`."""
    chi2: Array
    """(n,): infinite where the fit failed."""


@dataclass(frozen=True)
class MassConstraint:
    """The particles `first` and `second` come from one of a known mass in GeV."""

    first: int
    second: int
    mass: float


def fit(measured: Measured, total: Array, mass_constraint: MassConstraint | None = None) -> Fitted:
    """Fit with the total four-momentum (4,) as four constraints and, where it is given, a mass as the fifth."""
    y, chi2 = measured.parameters.copy(), np.full(len(measured.parameters), np.inf)
    left = np.arange(len(y))
    with np.errstate(all="ignore"):  # a fit that runs away ends with an infinite chi2
        for _ in range(_STEPS):
            start, covariance = measured.parameters[left], measured.covariance[left]
            p, slopes = _momenta(y[left], measured.masses, measured.charged)
            f, g = _constraints(p, slopes, total, mass_constraint)
            spread = g @ covariance
            weight = (spread @ np.swapaxes(g, -1, -2)).sum(axis=1)
            pull = f + (g @ (start - y[left])[..., np.newaxis]).sum(axis=1)[..., 0]
            multipliers = _solve(weight, pull)
            before, chi2[left] = chi2[left], np.sum(pull * multipliers, axis=-1)
            y[left] = start - (multipliers[:, np.newaxis, np.newaxis] @ spread)[..., 0, :]
            # an event that has settled is left alone, so that its result does not depend on the others
            left = left[np.abs(chi2[left] - before) > _SETTLED * (1.0 + chi2[left])]
        p, _ = _momenta(y, measured.masses, measured.charged)
    well = np.isfinite(chi2) & (chi2 >= 0.0) & np.asarray(np.isfinite(p).all(axis=(1, 2)))
    return Fitted(p=p, parameters=y, chi2=np.where(well, chi2, np.inf))


def of_tracks(helices: Array, covariance: Array) -> tuple[Array, Array]:
    """Take the parameters (n, k, 3) that the fit knows, and their covariance, from helices (n, k, 5)."""
    used = np.array([1, 2, 4])
    return helices[..., used], covariance[..., used[:, np.newaxis], used]


def photon_momenta(parameters: Array) -> Array:
    """Give four-momenta (..., 4) of photons' azimuths, polar angles and energies (..., 3)."""
    return _photons(parameters)[0]


def _solve(weight: Array, pull: Array) -> Array:
    """Solve weight (n, c, c) times m = pull (n, c); a weight that is no number gives NaN, and harms no other event."""
    broken = np.asarray(~np.isfinite(weight).all(axis=(1, 2)))
    safe = np.where(broken[:, np.newaxis, np.newaxis], np.eye(weight.shape[1]), weight)
    solved = np.linalg.solve(safe, pull[..., np.newaxis])[..., 0]
    return np.where(broken[:, np.newaxis], np.nan, solved)


def _constraints(p: Array, slopes: Array, total: Array, mass_constraint: MassConstraint | None) -> tuple[Array, Array]:
    """Give the constraints (n, c) and their derivatives by each particle's parameters (n, k, c, 3)."""
    f = p.sum(axis=1) - total
    if mass_constraint is None:
        return f, slopes
    pair = [mass_constraint.first, mass_constraint.second]
    parent = p[:, pair].sum(axis=1)
    lowered = parent * np.array([-1.0, -1.0, -1.0, 1.0])
    off = np.sum(parent * lowered, axis=-1) - mass_constraint.mass**2
    row = np.zeros((*slopes.shape[:2], 1, 3))
    row[:, pair] = 2.0 * lowered[:, np.newaxis, np.newaxis] @ slopes[:, pair]
    return np.concatenate([f, off[:, np.newaxis]], axis=1), np.concatenate([slopes, row], axis=2)


def _momenta(parameters: Array, masses: Array, charged: int) -> tuple[Array, Array]:
    """Give four-momenta (n, k, 4) and their derivatives by the parameters (n, k, 4, 3)."""
    p, slopes = _charged(parameters[:, :charged], masses[:charged])
    if charged == len(masses):
        return p, slopes
    more_p, more_slopes = _photons(parameters[:, charged:])
    return np.concatenate([p, more_p], axis=1), np.concatenate([slopes, more_slopes], axis=1)


def _charged(parameters: Array, masses: ArrayLike) -> tuple[Array, Array]:
    """Take p_T = 1 / |kappa|: p = p_T (-sin(phi0), cos(phi0), tanl), so that dp / dkappa = -p / kappa."""
    phi0, kappa, tanl = np.moveaxis(parameters, -1, 0)
    pt = 1.0 / np.abs(kappa)
    px, py, pz = -np.sin(phi0) * pt, np.cos(phi0) * pt, tanl * pt
    p2 = pt**2 + pz**2
    energy = np.sqrt(p2 + np.square(masses))
    slopes = np.zeros((*parameters.shape[:-1], 4, 3))
    slopes[..., 0, 0], slopes[..., 1, 0] = -py, px
    slopes[..., 0, 1], slopes[..., 1, 1], slopes[..., 2, 1] = -px / kappa, -py / kappa, -pz / kappa
    slopes[..., 3, 1] = -p2 / (energy * kappa)
    slopes[..., 2, 2], slopes[..., 3, 2] = pt, pz * pt / energy
    return np.stack([px, py, pz, energy], axis=-1), slopes


def _photons(parameters: Array) -> tuple[Array, Array]:
    """Take p = E (sin(theta) cos(phi), sin(theta) sin(phi), cos(theta))."""
    phi, theta, energy = np.moveaxis(parameters, -1, 0)
    x, y, z = np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)
    slopes = np.zeros((*parameters.shape[:-1], 4, 3))
    slopes[..., 0, 0], slopes[..., 1, 0] = -energy * y, energy * x
    slopes[..., 0, 1], slopes[..., 1, 1] = energy * z * np.cos(phi), energy * z * np.sin(phi)
    slopes[..., 2, 1] = -energy * np.sin(theta)
    slopes[..., 0, 2], slopes[..., 1, 2], slopes[..., 2, 2], slopes[..., 3, 2] = x, y, z, 1.0
    return np.stack([energy * x, energy * y, energy * z, energy], axis=-1), slopes
