"""What the tracker's material does to a charged particle, parametrised; simulation and covariances share it."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

from miniboss.constants import MdcConstants
from miniboss.events import Floats, Singles
from miniboss.geometry import Geometry

_Values = TypeVar("_Values", Floats, Singles)

_HIGHLAND = 0.0136  # GeV
_LOGARITHM = 0.038


def scattering_angle(mdc: MdcConstants, geometry: Geometry) -> float:
    """Give theta_0 p beta [GeV] of one layer crossed at right angles: the projected angle's standard deviation.

    Highland's formula (PDG, "Passage of particles through matter", eq. 34.16). Its logarithm is taken of all layers
    together, since taken of each it would make many thin layers scatter less than one thick one.
    """
    layer = geometry.radiation_lengths_per_layer
    if layer == 0:
        return 0.0
    logarithm = 1.0 + _LOGARITHM * np.log(layer * geometry.layers)
    return float(mdc.ScatteringScale * _HIGHLAND * np.sqrt(layer) * logarithm)


def lost_energy(mdc: MdcConstants, inverse_beta2: _Values) -> _Values:
    """Give the mean energy [GeV] lost in one layer crossed at right angles: as 1 / beta^2, no relativistic rise."""
    return mdc.EnergyLoss * inverse_beta2
