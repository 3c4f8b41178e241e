"""J/psi -> rho pi -> pi+ pi- pi0, pi0 -> gamma gamma: two tracks and two photons, fitted.

Cuts are those of BESIII's data quality analysis, binnings the toy's own. Masses and momenta of pions are those of the
fit with five constraints (four-momentum and the mass of the pi0), the mass of the photons that of the one with four.
"""

from __future__ import annotations

import numpy as np

from miniboss import helix
from miniboss.analysis import kinematic_fit, tracks
from miniboss.analysis.book import Book
from miniboss.events import Reconstructed
from miniboss.kinematics import P_CMS, Array, boost_to_rest, cos_angle, invariant_mass
from miniboss.particles import PION, PION_0, mass
from miniboss.simulation.detector import CALORIMETER_RADIUS

MAX_VR, MAX_VZ = 1.0, 5.0
"""cm."""
MIN_ENERGY = 0.04
"""GeV of a photon."""
MIN_ANGLE = 20.0
"""Degrees between a photon and any track."""
MAX_CHI2 = 200.0
STOCHASTIC, CONSTANT, ANGULAR = 0.025, 0.005, 0.006
"""Errors that the fit gives to a photon of E GeV: energy by sqrt(STOCHASTIC^2 / E + CONSTANT^2), relative; direction by
ANGULAR / sqrt(E) radian. Of the size of BESIII's calorimeter; fixed here, as the shower's errors are in BOSS."""


class RhoPi:
    """The analysis of pi+ pi- gamma gamma."""

    def __init__(self, book: Book) -> None:
        self._chi2_4c = book.histogram("chi2_4c", "fit with four constraints", "chi^2", (100, 0.0, 200.0))
        self._chi2_5c = book.histogram("chi2_5c", "fit with five constraints", "chi^2", (100, 0.0, 200.0))
        self._m_gg = book.histogram("m_gg", "mass of the pi0", "m(gamma gamma) [GeV/c^2]", (100, 0.085, 0.185))
        pairs = (("pippim", "pi+ pi-"), ("pippi0", "pi+ pi0"), ("pimpi0", "pi- pi0"))
        self._masses = [
            book.histogram(f"m_{name}", f"mass of {text}", f"m({text}) [GeV/c^2]", (150, 0.2, 3.2))
            for name, text in pairs
        ]
        pions = (("pip", "pi+"), ("pim", "pi-"), ("pi0", "pi0"))
        self._cos = [
            book.histogram(f"cos_{n}", f"direction of the {t}", "cos(theta)", (40, -1.0, 1.0)) for n, t in pions
        ]
        self._p = [book.histogram(f"p_{n}", f"momentum of the {t}", "p [GeV/c]", (80, 0.0, 1.6)) for n, t in pions]
        self._normal = book.histogram(
            "cos_normal", "normal of the decay plane, in the J/psi's frame", "cos(theta)", (40, -1.0, 1.0)
        )

    def add(self, reconstructed: Reconstructed) -> None:
        """Analyse events; slots are pi+, pi-, gamma, gamma."""
        pair = tracks.good(reconstructed, MAX_VR, MAX_VZ).all(axis=1) & tracks.neutral(reconstructed)
        photons = reconstructed.photon_found & (reconstructed.photon_energy > MIN_ENERGY)
        events = tracks.selected(reconstructed, pair & photons.all(axis=1))
        measured = _measured(events)
        directions = kinematic_fit.photon_momenta(measured.parameters[:, 2:])[..., :3]
        pions = helix.momentum(events.helix)
        closest = cos_angle(directions[:, :, np.newaxis], pions[:, np.newaxis]).max(axis=(1, 2), initial=-1.0)
        apart = np.degrees(np.arccos(closest)) > MIN_ANGLE
        measured = kinematic_fit.Measured(
            measured.parameters[apart], measured.covariance[apart], measured.masses, measured.charged
        )
        four = kinematic_fit.fit(measured, P_CMS)
        self._chi2_4c.fill(four.chi2)
        self._m_gg.fill(invariant_mass(four.p[:, 2:].sum(axis=1))[four.chi2 < MAX_CHI2])
        five = kinematic_fit.fit(measured, P_CMS, kinematic_fit.MassConstraint(2, 3, mass(PION_0)))
        self._chi2_5c.fill(five.chi2)
        self._fill_pions(five.p[five.chi2 < MAX_CHI2])

    def _fill_pions(self, p: Array) -> None:
        """Fill what the fitted four-momenta (n, 4, 4) of pi+, pi-, gamma, gamma show."""
        pions = np.stack([p[:, 0], p[:, 1], p[:, 2] + p[:, 3]], axis=1)
        for histogram, (first, second) in zip(self._masses, ((0, 1), (0, 2), (1, 2)), strict=True):
            histogram.fill(invariant_mass(pions[:, first] + pions[:, second]))
        size = np.sqrt(np.sum(pions[..., :3] ** 2, axis=-1))
        for slot in range(3):
            self._cos[slot].fill(pions[:, slot, 2] / size[:, slot])
            self._p[slot].fill(size[:, slot])
        at_rest = boost_to_rest(pions, P_CMS)[..., :3]
        self._normal.fill(cos_angle(np.cross(at_rest[:, 0], at_rest[:, 1]), np.array([0.0, 0.0, 1.0])))


def _measured(events: Reconstructed) -> kinematic_fit.Measured:
    """Give what the fit takes; photons are seen from the collision, at the place along z that the tracks give."""
    parameters, covariance = kinematic_fit.of_tracks(events.helix, events.covariance)
    weight = 1.0 / events.covariance[..., 3, 3]
    collision = np.sum(events.helix[..., 3] * weight, axis=1) / weight.sum(axis=1)
    place = CALORIMETER_RADIUS * events.photon_direction
    place[..., 2] -= collision[:, np.newaxis]
    energy, theta = events.photon_energy, np.arctan2(np.hypot(place[..., 0], place[..., 1]), place[..., 2])
    photons = np.stack([np.arctan2(place[..., 1], place[..., 0]), theta, energy], axis=-1)
    angular = ANGULAR / np.sqrt(energy)
    errors = np.stack(
        [angular / np.sin(theta), angular, energy * np.sqrt(STOCHASTIC**2 / energy + CONSTANT**2)], axis=-1
    )
    return kinematic_fit.Measured(
        parameters=np.concatenate([parameters, photons], axis=1),
        covariance=np.concatenate([covariance, errors[..., np.newaxis] ** 2 * np.eye(3)], axis=1),
        masses=np.array([mass(PION), mass(PION), 0.0, 0.0]),
        charged=2,
    )
