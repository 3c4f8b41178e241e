"""The helix of a charged particle, in the parameters that Belle and BESIII use.

(dr, phi0, kappa, dz, tanl) with the pivot at the origin: dr, the signed distance of closest approach to the z axis;
phi0, the azimuth of that point seen from the pivot; kappa = charge / p_T in 1/GeV; dz in cm; tanl = p_z / p_T. A
point at the turning angle phi is

    x = dr cos(phi0) + alpha / kappa (cos(phi0) - cos(phi0 + phi))
    y = dr sin(phi0) + alpha / kappa (sin(phi0) - sin(phi0 + phi))
    z = dz - alpha / kappa tanl phi

and moves towards negative phi where kappa > 0 (Y. Ohnishi, "Track parametrization", Belle note 148). The toy's field
points along +z, so alpha > 0 and positive particles turn clockwise seen from +z.
"""

from __future__ import annotations

import numpy as np

from miniboss.events import Floats

ALPHA = 333.564095
"""p_T times radius: cm / GeV in a field of 1 T; 1e11 / c in SI units."""


def momentum(helix: Floats) -> Floats:
    """Give the momentum (..., 3) [GeV] at the point of closest approach; `helix` is (..., 5) with kappa not 0."""
    phi0, kappa, tanl = helix[..., 1], helix[..., 2], helix[..., 4]
    transverse = 1.0 / np.abs(kappa)
    return np.stack([-np.sin(phi0) * transverse, np.cos(phi0) * transverse, tanl * transverse], axis=-1)


def point(helix: Floats, turned: Floats | float = 0.0, alpha: float = ALPHA) -> Floats:
    """Give the point (..., 3) [cm] at the turning angle `turned` [radian]; 0 is that of closest approach."""
    dr, phi0, kappa, dz, tanl = np.moveaxis(helix, -1, 0)
    radius = alpha / kappa
    x = dr * np.cos(phi0) + radius * (np.cos(phi0) - np.cos(phi0 + turned))
    y = dr * np.sin(phi0) + radius * (np.sin(phi0) - np.sin(phi0 + turned))
    z = dz - radius * tanl * turned
    return np.stack([x, y, z], axis=-1)


def centre(helix: Floats, alpha: float = ALPHA) -> Floats:
    """Give the centre (..., 2) [cm] of the circle in the transverse plane."""
    dr, phi0, kappa = helix[..., 0], helix[..., 1], helix[..., 2]
    distance = dr + alpha / kappa
    return np.stack([distance * np.cos(phi0), distance * np.sin(phi0)], axis=-1)


def from_point(charge: Floats, momentum: Floats, place: Floats, alpha: float = ALPHA) -> Floats:
    """Give the helix (..., 5) of a particle of `charge` (...) with `momentum` (..., 3) [GeV] at `place` (..., 3) [cm].

    The inverse of `momentum` and `point`. The transverse momentum is not 0.
    """
    px, py, pz = np.moveaxis(momentum, -1, 0)
    x, y, z = np.moveaxis(place, -1, 0)
    transverse = np.hypot(px, py)
    radius = alpha * transverse / charge
    # from the place to the centre, to the right of the direction for positive charge
    centre_x, centre_y = x + radius * py / transverse, y - radius * px / transverse
    sign = np.sign(radius)
    phi0 = np.arctan2(sign * centre_y, sign * centre_x)
    dr = sign * np.hypot(centre_x, centre_y) - radius
    turned = np.arctan2(-px, py) - phi0
    turned = np.remainder(turned + np.pi, 2 * np.pi) - np.pi
    tanl = pz / transverse
    return np.stack([dr, phi0, charge / transverse, z + radius * tanl * turned, tanl], axis=-1)
