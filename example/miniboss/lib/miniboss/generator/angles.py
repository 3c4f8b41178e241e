"""Angular distributions of the decay of a J/psi that is polarised along the beam."""

from __future__ import annotations

import numpy as np

from miniboss.kinematics import Array, direction


def polar_cosine(alpha: float, uniform: Array) -> Array:
    """Turn uniform numbers in [0, 1) into cos(theta) distributed as 1 + alpha cos^2(theta), -1 <= alpha <= 1.

    The integral x + alpha x^3 / 3 = t is inverted in closed form: the cubic's one real root in hyperbolic form for a
    positive alpha, the middle one of three in trigonometric form for a negative one. Nothing is rejected.
    """
    t = (2.0 * uniform - 1.0) * (1.0 + alpha / 3.0)
    root = np.sqrt(abs(alpha))
    if root < 1e-6:  # noqa: PLR2004 - below it the cubic term is beyond double precision
        return t
    scaled = 1.5 * root * t
    third = np.sinh(np.arcsinh(scaled) / 3.0) if alpha > 0 else np.sin(np.arcsin(np.clip(scaled, -1.0, 1.0)) / 3.0)
    return np.asarray(2.0 / root * third)


def polar_direction(alpha: float, events: int, random: np.random.Generator) -> Array:
    """Draw unit vectors (events, 3), 1 + alpha cos^2 about the z axis, uniform in azimuth; alpha = 0: isotropic."""
    cos_theta = polar_cosine(alpha, random.random(events))
    return direction(cos_theta, 2.0 * np.pi * random.random(events))


def plane_axes(events: int, random: np.random.Generator) -> tuple[Array, Array]:
    """Draw decay planes: two orthogonal unit vectors (events, 3) each, whose cross product is the normal.

    J/psi -> three pseudoscalars: the amplitude is the normal times the polarisation, helicity +-1 along the beam, so
    that the normal follows sin^2(theta); the azimuth and the turn about the normal are uniform.
    """
    cos_theta = polar_cosine(-1.0, random.random(events))
    phi, psi = 2.0 * np.pi * random.random((2, events))
    u = direction(-np.sqrt(np.maximum(1.0 - cos_theta**2, 0.0)), phi)
    u[:, :2] *= np.copysign(1.0, cos_theta)[:, np.newaxis]
    v = np.stack([-np.sin(phi), np.cos(phi), np.zeros(events)], axis=-1)
    cos_psi, sin_psi = np.cos(psi)[:, np.newaxis], np.sin(psi)[:, np.newaxis]
    return cos_psi * u + sin_psi * v, cos_psi * v - sin_psi * u
