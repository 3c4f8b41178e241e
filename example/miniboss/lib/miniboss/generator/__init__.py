"""The generator: J/psi polarised along the beam (helicity +-1), in five channels.

`generate` makes a whole sample, `generate_block` one block of it, so that a job can hold memory down.
"""

from __future__ import annotations

import numpy as np

from miniboss.decay_card import Channel, Decay
from miniboss.events import Generated
from miniboss.generator.angles import polar_direction
from miniboss.generator.three_body import Resonance, ThreeBodyDecay
from miniboss.kinematics import (
    P_CMS,
    Array,
    boost_from_rest,
    break_up_momentum,
    direction,
    four_momentum,
    invariant_mass,
)
from miniboss.particles import (
    ELECTRON,
    K_SHORT,
    K_STAR,
    K_STAR_0,
    KAON,
    MUON,
    PHOTON,
    PION,
    PION_0,
    PROTON,
    RHO,
    RHO_0,
    mass,
    width,
)
from miniboss.streams import BLOCK, blocks, stream

BEAM_SPOT = (0.04, 0.001, 1.0)
"""Standard deviations of the place of the collision, in cm: x, y, z. Of the size of BESIII's; a toy's choice."""

HBAR_C = 1.973269804e-14
"""GeV cm: a particle of width G flies HBAR_C / G on average, times p / m (CODATA 2018)."""

J_PSI_MASS = float(invariant_mass(P_CMS))
"""GeV: of the collision's four-momentum, 0.1 MeV below the particle's mass."""

_PAIRS = {Channel.EE: -ELECTRON, Channel.MUMU: -MUON, Channel.PPBAR: PROTON}
"""The positive particle of each two-body channel."""

RHO_PI = ThreeBodyDecay(
    J_PSI_MASS,
    (mass(PION), mass(PION), mass(PION_0)),
    (
        Resonance(0, 1, mass(RHO_0), width(RHO_0)),
        Resonance(0, 2, mass(RHO), width(RHO)),
        Resonance(1, 2, mass(RHO), width(RHO)),
    ),
)
"""pi+ pi- pi0 through rho0, rho+ and rho-."""

K_STAR_K = ThreeBodyDecay(
    J_PSI_MASS,
    (mass(K_SHORT), mass(KAON), mass(PION)),
    (
        Resonance(0, 2, mass(K_STAR), width(K_STAR)),
        Resonance(1, 2, mass(K_STAR_0), width(K_STAR_0)),
    ),
)
"""K_S K pi through the charged and the neutral K*(892)."""


def generate(decay: Decay, events: int, seed: int) -> Generated:
    """Make `events` events; event i of a seed does not depend on how many are asked for. `seed` is not negative."""
    parts = [generate_block(decay, block, size, seed) for block, size in blocks(events)]
    if not parts:
        parts = [generate_block(decay, 0, 0, seed)]
    return Generated(
        pdg=np.concatenate([part.pdg for part in parts]),
        momentum=np.concatenate([part.momentum for part in parts]),
        vertex=np.concatenate([part.vertex for part in parts]),
    )


def generate_block(decay: Decay, block: int, events: int, seed: int) -> Generated:
    """Make the first `events` events, at most BLOCK, of a block; blocks count from 0.

    The whole block is made, since how many random numbers an event takes is not known beforehand.
    """
    random = stream(seed, block, "generator", f"decay to {decay.channel}")
    vertex = stream(seed, block, "generator", "beam spot").normal(size=(BLOCK, 3)) * BEAM_SPOT
    if decay.channel is Channel.RHOPI:
        made = _rho_pi(vertex, random)
    elif decay.channel is Channel.KSKPI:
        made = _k_star_k(decay.k_minus, vertex, random)
    else:
        made = _pair(_PAIRS[decay.channel], decay.alpha, vertex, random)
    return Generated(pdg=made.pdg[:events], momentum=made.momentum[:events], vertex=made.vertex[:events])


def _pair(positive: int, alpha: float, vertex: Array, random: np.random.Generator) -> Generated:
    """Make a particle and its antiparticle, back to back, the positive one along 1 + alpha cos^2(theta).

    For leptons alpha is 1 up to their mass: the muon's adds a term of 4 m^2 / s = 0.5 percent, left out.
    """
    events = len(vertex)
    p = break_up_momentum(J_PSI_MASS, mass(positive), mass(positive)) * polar_direction(alpha, events, random)
    at_rest = four_momentum(np.stack([p, -p], axis=1), mass(positive))
    pdg = np.tile(np.array([positive, -positive], dtype=np.int32), (events, 1))
    return Generated(pdg=pdg, momentum=_in_laboratory(at_rest), vertex=_from(vertex, 2))


def _rho_pi(vertex: Array, random: np.random.Generator) -> Generated:
    """Make pi+ pi- gamma gamma, the photons from the pi0; its flight is far below what a detector sees."""
    events = len(vertex)
    at_rest = four_momentum(RHO_PI.draw(events, random), RHO_PI.daughters)
    photons = _isotropic_pair(at_rest[:, 2], 0.0, random)
    pdg = np.tile(np.array([PION, -PION, PHOTON, PHOTON], dtype=np.int32), (events, 1))
    momentum = _in_laboratory(np.concatenate([at_rest[:, :2], photons], axis=1))
    return Generated(pdg=pdg, momentum=momentum, vertex=_from(vertex, 4))


def _k_star_k(k_minus: float, vertex: Array, random: np.random.Generator) -> Generated:
    """Make pi+ pi- K pi, the first two from the K_S, at the place of its decay."""
    events = len(vertex)
    at_rest = four_momentum(K_STAR_K.draw(events, random), K_STAR_K.daughters)
    pions = _isotropic_pair(at_rest[:, 0], mass(PION), random)
    kaon_charge = np.where(random.random(events) < k_minus, -1, 1)
    pdg = np.stack(
        [np.full(events, PION), np.full(events, -PION), KAON * kaon_charge, -PION * kaon_charge], axis=1
    ).astype(np.int32)
    flight = random.exponential(HBAR_C / width(K_SHORT), size=events)
    k_short = boost_from_rest(at_rest[:, 0], P_CMS)[:, :3]
    vertices = _from(vertex, 4)
    vertices[:, :2] += (k_short * (flight / mass(K_SHORT))[:, np.newaxis])[:, np.newaxis]
    return Generated(pdg=pdg, momentum=_in_laboratory(np.concatenate([pions, at_rest[:, 1:]], axis=1)), vertex=vertices)


def _isotropic_pair(parent: Array, daughter_mass: float, random: np.random.Generator) -> Array:
    """Decay particles (n, 4) in flight to two daughters of equal mass: (n, 2, 4), uniform in the parent's frame."""
    size = break_up_momentum(invariant_mass(parent), daughter_mass, daughter_mass)
    cos_theta, phi = 2.0 * random.random(len(parent)) - 1.0, 2.0 * np.pi * random.random(len(parent))
    p = size[:, np.newaxis] * direction(cos_theta, phi)
    return boost_from_rest(four_momentum(np.stack([p, -p], axis=1), daughter_mass), parent[:, np.newaxis])


def _in_laboratory(at_rest: Array) -> Array:
    """Bring four-momenta (n, k, 4) of the J/psi's frame to momenta (n, k, 3) in the laboratory."""
    return boost_from_rest(at_rest, P_CMS)[..., :3]


def _from(vertex: Array, particles: int) -> Array:
    """Give each of an event's particles the event's vertex (n, 3): (n, particles, 3)."""
    return np.repeat(vertex[:, np.newaxis], particles, axis=1)
