"""J/psi -> three pseudoscalars through vector resonances: the toy's Dalitz model.

The rate over phase space is |p_1 x p_2|^2 |sum_i BW_i(s_i)|^2, one Breit-Wigner for each resonant pair, all of the same
strength and phase. For J/psi -> V P with V -> P P it is the form that parity and Bose symmetry ask for; no measured
amplitudes are used.

Events are drawn from the incoherent sum |p_1 x p_2|^2 sum_i |BW_i|^2 and accepted with the probability
|sum_i BW_i|^2 / (N sum_i |BW_i|^2), which the inequality of Cauchy and Schwarz keeps at or below 1. The incoherent sum
is a mixture of N terms that factorise: with m the mass of the pair, q the momentum in the pair's frame, p the
bachelor's momentum and theta the helicity angle, |p_1 x p_2| = p q sin(theta), phase space is p q dm dcos(theta), and
so term i is (p q)^3 |BW_i(m)|^2 dm sin^2(theta) dcos(theta).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from miniboss.generator.angles import plane_axes, polar_cosine
from miniboss.kinematics import Array, break_up_momentum

_CELLS = 16384
"""Cells of the table by which a pair's mass is drawn: 0.15 MeV wide, small beside any resonance."""

_TRIALS = 4
"""Events tried at once for each one that is still missing."""


@dataclass(frozen=True)
class Resonance:
    """A vector with mass and width in GeV that decays to the daughters `first` and `second` (0, 1 or 2)."""

    first: int
    second: int
    mass: float
    width: float

    @property
    def bachelor(self) -> int:
        """The third daughter."""
        return 3 - self.first - self.second


@dataclass(frozen=True)
class ThreeBodyDecay:
    """A decay at rest: the parent's mass and the daughters' masses in GeV, and the resonances."""

    parent: float
    daughters: tuple[float, float, float]
    resonances: tuple[Resonance, ...]

    def draw(self, events: int, random: np.random.Generator) -> Array:
        """Draw momenta (events, 3 daughters, 3) in the parent's rest frame, polarisation along z."""
        found: list[Array] = []
        missing = events
        while missing > 0:
            energies = self._incoherent(_TRIALS * missing, random)
            kept = energies[random.random(len(energies)) < self.acceptance(energies)][:missing]
            found.append(kept)
            missing -= len(kept)
        return self._oriented(np.concatenate(found), random)

    def acceptance(self, energies: Array) -> Array:
        """Give the probability (n) with which events of the daughters' energies (n, 3) are accepted."""
        amplitudes = np.stack([self.breit_wigner(r, self.pair_mass(r, energies)) for r in self.resonances])
        coherent = np.abs(np.sum(amplitudes, axis=0)) ** 2
        return np.asarray(coherent / (len(self.resonances) * np.sum(np.abs(amplitudes) ** 2, axis=0)))

    def pair_mass(self, resonance: Resonance, energies: Array) -> Array:
        """Give the mass (n) of a resonance's pair, from the bachelor's energy."""
        k = resonance.bachelor
        squared = self.parent**2 + self.daughters[k] ** 2 - 2.0 * self.parent * energies[:, k]
        return np.sqrt(np.maximum(squared, (self.daughters[resonance.first] + self.daughters[resonance.second]) ** 2))

    def breit_wigner(self, resonance: Resonance, pair_mass: Array) -> NDArray[np.complex128]:
        """Give m0^2 / (m0^2 - m^2 - i m0 Gamma(m)), Gamma(m) = Gamma0 (q / q0)^3 m0 / m: a P wave's."""
        first, second = self.daughters[resonance.first], self.daughters[resonance.second]
        q, q0 = break_up_momentum(pair_mass, first, second), break_up_momentum(resonance.mass, first, second)
        width = resonance.width * (q / q0) ** 3 * resonance.mass / pair_mass
        return np.asarray(resonance.mass**2 / (resonance.mass**2 - pair_mass**2 - 1j * resonance.mass * width))

    @cached_property
    def _tables(self) -> tuple[tuple[Array, Array], ...]:
        """For each resonance: the edges (cells + 1) in the pair's mass, and the integral of its term up to each."""
        return tuple(self._table(resonance) for resonance in self.resonances)

    def _table(self, resonance: Resonance) -> tuple[Array, Array]:
        first, second = self.daughters[resonance.first], self.daughters[resonance.second]
        bachelor = self.daughters[resonance.bachelor]
        edges = np.linspace(first + second, self.parent - bachelor, _CELLS + 1)
        middle = (edges[1:] + edges[:-1]) / 2.0
        momenta = break_up_momentum(middle, first, second) * break_up_momentum(self.parent, middle, bachelor)
        density = momenta**3 * np.abs(self.breit_wigner(resonance, middle)) ** 2
        return edges, np.concatenate([[0.0], np.cumsum(density) * (edges[1] - edges[0])])

    def _incoherent(self, events: int, random: np.random.Generator) -> Array:
        """Draw the daughters' energies (events, 3) from the incoherent sum."""
        totals = np.cumsum([integral[-1] for _, integral in self._tables])
        chosen = np.searchsorted(totals, random.random(events) * totals[-1], side="right")
        uniform, cos_theta = random.random(events), polar_cosine(-1.0, random.random(events))
        energies = np.empty((events, 3))
        for index, resonance in enumerate(self.resonances):
            here = chosen == index
            edges, integral = self._tables[index]
            m = np.interp(uniform[here] * integral[-1], integral, edges)
            first, second = self.daughters[resonance.first], self.daughters[resonance.second]
            q = break_up_momentum(m, first, second)
            p = break_up_momentum(self.parent, m, self.daughters[resonance.bachelor])
            of_pair = np.sqrt(m**2 + p**2)
            of_first = (of_pair * np.sqrt(q**2 + first**2) + p * q * cos_theta[here]) / m
            energies[here, resonance.first] = of_first
            energies[here, resonance.second] = of_pair - of_first
            energies[here, resonance.bachelor] = self.parent - of_pair
        return energies

    def _oriented(self, energies: Array, random: np.random.Generator) -> Array:
        """Give momenta (n, 3, 3) of the energies (n, 3): the first daughter along the plane's first axis."""
        p = np.sqrt(np.maximum(energies**2 - np.square(self.daughters), 0.0))
        along = (p[:, 2] ** 2 - p[:, 0] ** 2 - p[:, 1] ** 2) / (2.0 * p[:, 0])
        across = np.sqrt(np.maximum(p[:, 1] ** 2 - along**2, 0.0))
        x, y = plane_axes(len(p), random)
        first = p[:, :1] * x
        second = along[:, np.newaxis] * x + across[:, np.newaxis] * y
        return np.stack([first, second, -first - second], axis=1)
