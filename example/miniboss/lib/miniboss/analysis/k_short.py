"""K_S -> pi+ pi-: where two helices meet, and the pions' momenta there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from miniboss import helix
from miniboss.events import Reconstructed
from miniboss.kinematics import Array


@dataclass(frozen=True)
class SecondaryVertex:
    """Where the two pions of each of n events come from."""

    place: Array
    """(n, 3) in cm."""
    parameters: Array
    """(n, 2, 3): phi0, kappa, tanl of the pions there, as the kinematic fit takes them."""
    covariance: Array
    """(n, (2, 3, 3))."""


def secondary_vertex(events: Reconstructed, alpha: float) -> SecondaryVertex:
    """Find the vertex of the tracks in slots 0 and 1; `alpha` is that of `helix`, cm / GeV.

    In the transverse plane it is a crossing of the two circles, of two crossings the one where the tracks are nearer in
    z; of circles that do not meet, the middle of the gap between them. In z it is the mean of the two tracks.
    """
    pions = events.helix[:, :2]
    turned = np.stack([_turned_to(pions, place, alpha) for place in _crossings(pions, alpha)])
    points = helix.point(pions, turned, alpha)  # (2 crossings, n, 2 pions, 3)
    gap = np.abs(points[:, :, 0, 2] - points[:, :, 1, 2])
    chosen, which = np.argmin(gap, axis=0), np.arange(len(pions))
    angle = turned[chosen, which]
    parameters = np.stack([pions[..., 1] + angle, pions[..., 2], pions[..., 4]], axis=-1)
    covariance = _carried(events.covariance[:, :2], pions, angle, alpha)
    return SecondaryVertex(points[chosen, which].mean(axis=1), parameters, covariance)


def _crossings(pions: Array, alpha: float) -> Array:
    """Give the two crossings (2, n, 2) of the circles in the transverse plane."""
    centres = helix.centre(pions, alpha)
    first, second = np.moveaxis(np.abs(alpha / pions[..., 2]), -1, 0)
    between = centres[:, 1] - centres[:, 0]
    distance = np.sqrt(np.sum(between**2, axis=-1))
    along = (distance**2 + first**2 - second**2) / (2.0 * distance)
    across2 = first**2 - along**2
    # circles apart: first + (distance - first - second) / 2; one within the other: the gap on the side of the smaller
    apart = np.where(
        distance > first + second,
        (distance + first - second) / 2.0,
        np.where(first > second, (distance + first + second) / 2.0, (distance - first - second) / 2.0),
    )
    meet = across2 > 0.0
    unit = between / distance[:, np.newaxis]
    middle = centres[:, 0] + np.where(meet, along, apart)[:, np.newaxis] * unit
    aside = np.sqrt(np.where(meet, across2, 0.0))[:, np.newaxis] * np.stack([-unit[:, 1], unit[:, 0]], axis=-1)
    return np.stack([middle + aside, middle - aside])


def _turned_to(pions: Array, place: Array, alpha: float) -> Array:
    """Give the turning angle (n, 2) at which each pion comes nearest to `place` (n, 2), in [-pi, pi)."""
    inwards = np.sign(pions[..., 2])[..., np.newaxis] * (helix.centre(pions, alpha) - place[:, np.newaxis])
    turned = np.arctan2(inwards[..., 1], inwards[..., 0]) - pions[..., 1]
    return np.asarray(np.remainder(turned + np.pi, 2.0 * np.pi) - np.pi)


def _carried(covariance: Array, pions: Array, turned: Array, alpha: float) -> Array:
    """Carry covariances (n, (2, 5, 5)) of helices to (azimuth psi at the vertex, kappa, tanl): (n, (2, 3, 3)).

    From the centre c = (dr + alpha / kappa) (cos(phi0), sin(phi0)) and psi, the azimuth of c - vertex: with phi the
    turning angle, dpsi = -kappa / alpha sin(phi) d(dr) + (1 + dr kappa / alpha) cos(phi) d(phi0) + sin(phi) / kappa
    d(kappa), the vertex held.
    """
    dr, _, kappa, _, _ = np.moveaxis(pions, -1, 0)
    slopes = np.zeros((*pions.shape[:-1], 3, 5))
    slopes[..., 0, 0] = -kappa / alpha * np.sin(turned)
    slopes[..., 0, 1] = (1.0 + dr * kappa / alpha) * np.cos(turned)
    slopes[..., 0, 2] = np.sin(turned) / kappa
    slopes[..., 1, 2] = slopes[..., 2, 4] = 1.0
    return np.asarray(slopes @ covariance @ np.swapaxes(slopes, -1, -2))
