"""J/psi -> K_S K pi through K*(892): the K_S by its vertex, all by a fit to the total four-momentum.

Cuts and binnings are those of BESIII's data quality analysis. Each histogram shows the events that pass all cuts but
the one on its own quantity; the mass of K pi, besides, only those beyond the charged K*. Which track is which is taken
from the slots: the toy has no particle identification and no combinatorics.
"""

from __future__ import annotations

import numpy as np

from miniboss import helix
from miniboss.analysis import kinematic_fit, tracks
from miniboss.analysis.book import Book
from miniboss.analysis.k_short import SecondaryVertex, secondary_vertex
from miniboss.events import Reconstructed
from miniboss.kinematics import P_CMS, Array, four_momentum, invariant_mass
from miniboss.particles import K_SHORT, KAON, PION, mass

MAX_VR, MAX_VZ = 1.0, 10.0
"""cm: how near to the origin the K and the pi beside it must pass."""
MAX_PION_VR, MAX_PION_VZ = 30.0, 30.0
"""cm: the same of the pions of the K_S, which may have flown."""
MAX_CHI2 = 20.0
MIN_FLIGHT = 0.5
"""cm."""
MASS_WINDOW = 0.01
"""GeV about the mass of the K_S."""
MIN_KS_PI = 1.25
"""GeV: the mass of K_S pi above which the charged K*(892) is left behind."""


class KShortKPi:
    """The analysis of K_S K pi."""

    def __init__(self, book: Book, alpha: float) -> None:
        self._alpha = alpha
        self._flight = book.histogram("ks_dl", "decay length of the K_S", "L [cm]", (300, -5.0, 25.0))
        self._ks_mass = book.histogram("ks_m", "mass of the K_S", "m(pi+ pi-) [GeV/c^2]", (200, 0.4, 0.6))
        self._ks_p = book.histogram("ks_p", "momentum of the K_S", "p [GeV/c]", (100, 0.0, 1.5))
        self._ks_pi = book.histogram("kspi_m", "mass of K_S and pi", "m(K_S pi) [GeV/c^2]", (200, 0.6, 2.6))
        self._k_pi = book.histogram("kpi_m", "mass of K and pi", "m(K pi) [GeV/c^2]", (200, 0.6, 2.6))
        self._chi2 = book.histogram("chi2_4c", "fit with four constraints", "chi^2", (100, 0.0, 100.0))

    def add(self, reconstructed: Reconstructed) -> None:
        """Analyse events; slots are pi+ and pi- of the K_S, K, pi."""
        prompt = tracks.good(reconstructed, MAX_VR, MAX_VZ)[:, 2:].all(axis=1)
        displaced = tracks.good(reconstructed, MAX_PION_VR, MAX_PION_VZ)[:, :2].all(axis=1)
        opposite = reconstructed.charge[:, 0] * reconstructed.charge[:, 1] < 0
        events = tracks.selected(reconstructed, prompt & displaced & opposite & tracks.neutral(reconstructed))
        vertex = secondary_vertex(events, self._alpha)
        pions = four_momentum(_momentum(vertex.parameters), mass(PION)).sum(axis=1)
        ks_mass, flight = invariant_mass(pions), _flight(events, vertex, pions)
        fitted = _fit(events, vertex)
        near, far, fits = np.abs(ks_mass - mass(K_SHORT)) <= MASS_WINDOW, flight >= MIN_FLIGHT, fitted.chi2 <= MAX_CHI2
        self._chi2.fill(fitted.chi2[near & far])
        self._flight.fill(flight[near & fits])
        self._ks_mass.fill(ks_mass[far & fits])
        p = fitted.p[near & far & fits]
        k_short = p[:, 0] + p[:, 1]
        ks_pi = invariant_mass(k_short + p[:, 3])
        self._ks_p.fill(np.sqrt(np.sum(k_short[:, :3] ** 2, axis=-1)))
        self._ks_pi.fill(ks_pi)
        self._k_pi.fill(invariant_mass(p[:, 2] + p[:, 3])[ks_pi >= MIN_KS_PI])


def _fit(events: Reconstructed, vertex: SecondaryVertex) -> kinematic_fit.Fitted:
    """Fit pi+, pi-, K, pi to the four-momentum of the J/psi, the pions with their momenta at the vertex."""
    prompt, covariance = kinematic_fit.of_tracks(events.helix[:, 2:], events.covariance[:, 2:])
    measured = kinematic_fit.Measured(
        parameters=np.concatenate([vertex.parameters, prompt], axis=1),
        covariance=np.concatenate([vertex.covariance, covariance], axis=1),
        masses=np.array([mass(PION), mass(PION), mass(KAON), mass(PION)]),
        charged=4,
    )
    return kinematic_fit.fit(measured, P_CMS)


def _flight(events: Reconstructed, vertex: SecondaryVertex, k_short: Array) -> Array:
    """Give the flight (n) of the K_S from the collision to the vertex, along its momentum, in cm.

    The collision is taken to lie on the z axis, where the tracks of K and pi put it, weighted by their errors.
    """
    weight = 1.0 / events.covariance[:, 2:, 3, 3]
    collision = np.sum(events.helix[:, 2:, 3] * weight, axis=1) / weight.sum(axis=1)
    way = vertex.place - np.stack([np.zeros_like(collision), np.zeros_like(collision), collision], axis=-1)
    momentum = k_short[:, :3]
    return np.asarray(np.sum(way * momentum, axis=-1) / np.sqrt(np.sum(momentum**2, axis=-1)))


def _momentum(parameters: Array) -> Array:
    """Give momenta (..., 3) of phi0, kappa and tanl (..., 3)."""
    whole = np.zeros((*parameters.shape[:-1], 5))
    whole[..., [1, 2, 4]] = parameters
    return helix.momentum(whole)
