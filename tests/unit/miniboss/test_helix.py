"""The helix: points lie on it, and it comes back from any of them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniboss import helix

angles = st.floats(-3.1, 3.1)


@given(
    st.floats(-3, 3), angles, st.floats(0.1, 8) | st.floats(-8, -0.1), st.floats(-20, 20), st.floats(-2, 2),
    st.floats(-1, 1),
)  # fmt: skip
def test_a_helix_comes_back_from_the_momentum_at_any_of_its_points(dr, phi0, kappa, dz, tanl, turned):
    made = np.array([dr, phi0, kappa, dz, tanl])
    # the momentum turns with the particle
    there = helix.momentum(np.array([0.0, phi0 + turned, kappa, 0.0, tanl]))
    again = helix.from_point(np.sign(kappa), there, helix.point(made, turned))
    difference = again - made
    difference[1] = np.remainder(difference[1] + np.pi, 2 * np.pi) - np.pi
    assert difference == pytest.approx(np.zeros(5), abs=1e-6)


def test_a_positive_particle_turns_clockwise():
    made = np.array([0.0, 0.0, 1.0, 0.0, 0.5])  # starts along +y
    assert helix.momentum(made) == pytest.approx([0.0, 1.0, 0.5])
    later = helix.point(made, -0.1)
    assert later[0] > 0
    assert later[1] > 0
    assert later[2] > 0


def test_points_are_equally_far_from_the_centre():
    made = np.array([0.7, 0.3, -2.0, 1.0, 0.5])
    points = helix.point(made, np.linspace(-2, 2, 9))
    away = np.hypot(*(points[:, :2] - helix.centre(made)).T)
    assert away == pytest.approx(helix.ALPHA / 2.0)
