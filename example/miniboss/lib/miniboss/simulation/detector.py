"""From generated particles to what the detector records."""

from __future__ import annotations

import numpy as np

from miniboss import streams
from miniboss.constants import Constants, EmcConstants
from miniboss.events import Digitised, Flags, Floats, Generated, Integers, Singles
from miniboss.geometry import Geometry
from miniboss.particles import ELECTRON, MUON, PROTON, mass
from miniboss.simulation.transport import LEAST_INCIDENCE, Particles, transport

SPEED_OF_LIGHT = 29.9792458
"""cm / ns."""
CALORIMETER_RADIUS = 94.0
"""cm: where showers are seen."""
_SHOWER_FRACTION = 0.4  # of hadrons, shower in the calorimeter
_FLUCTUATION = 0.15  # of the energy of a particle that only ionises, relative
_ANTIPROTON_GAIN = 1.0  # GeV at most, from annihilation


def digitise(generated: Generated, constants: Constants, geometry: Geometry, seed: int, block: int) -> Digitised:
    """Let one block of events pass through the detector; `block` chooses the random numbers, with `seed`."""
    events, charged = generated.pdg.shape[0], generated.charged
    pdg = generated.pdg[:, :charged].reshape(-1)
    momentum = generated.momentum[:, :charged].reshape(-1, 3)
    masses = _masses(pdg)
    mdc, layers = constants.mdc, geometry.layers

    def draw(quantity: str) -> np.random.Generator:
        return streams.stream(seed, block, "simulation", quantity)

    def normal(quantity: str, *shape: int) -> Singles:
        return draw(quantity).standard_normal((events, *shape), dtype=np.float32)

    def uniform(quantity: str, *shape: int) -> Singles:
        return draw(quantity).random((events, *shape), dtype=np.float32)

    # uniform ones of unit variance, which are drawn faster: those of many layers add up to a normal one all the same
    kicks = uniform("scattering", charged, layers, 2).reshape(-1, layers, 2).transpose(1, 2, 0)
    kicks = (kicks - np.float32(0.5)) * np.float32(np.sqrt(12.0))
    particles = Particles(momentum, generated.vertex[:, :charged].reshape(-1, 3), charges(pdg), masses)
    crossed = transport(particles, np.ascontiguousarray(kicks), mdc, geometry)
    by_event = (events, charged, layers)

    def ordered(values: Singles) -> Singles:
        """Bring (layers, particles) to the digits' order."""
        return np.ascontiguousarray(values.T).reshape(by_event)

    seen = crossed.reached.T.reshape(by_event) & (uniform("hit efficiency", charged, layers) < mdc.HitEfficiency)
    # the distance to a wire is measured across the track, not along the cylinder
    width = np.float32(mdc.Resolution) / (
        geometry.radii.astype(np.float32) * np.maximum(ordered(crossed.incidence), np.float32(LEAST_INCIDENCE))
    )
    width[uniform("outliers", charged, layers) < mdc.OutlierFraction] *= np.float32(mdc.OutlierScale)
    azimuth = np.arctan2(ordered(crossed.y), ordered(crossed.x))
    azimuth += normal("hit position", charged, layers) * width
    z = ordered(crossed.z)
    z += normal("hit position along z", charged, layers) * np.float32(mdc.ResolutionZ)
    azimuth[~seen] = z[~seen] = np.nan

    left = crossed.reached[-1]
    beta = np.sqrt(1.0 / (1.0 + masses**2 / (momentum**2).sum(axis=-1)))
    flight = (crossed.path / (beta * SPEED_OF_LIGHT)).reshape(events, charged)
    clocked = left.reshape(events, charged) & (uniform("clock efficiency", charged) < constants.tof.Efficiency)
    flight += normal("clock", charged) * constants.tof.Resolution + constants.tof.Offset

    energy = np.sqrt((momentum**2).sum(axis=-1) + masses**2)
    chances = np.stack([uniform("shower kind", charged), uniform("shower energy", charged)]).reshape(2, -1)
    e_emc = _deposit(pdg, energy, chances, normal("shower resolution", charged).reshape(-1), constants.emc)
    photons = generated.pdg.shape[1] - charged
    photon_energy, photon_direction, flight_direction = _showers(
        generated.momentum[:, charged:], generated.vertex[:, charged:], normal("photon", photons, 3), constants.emc
    )
    shower: Flags = (
        (uniform("photon efficiency", photons) < constants.emc.Efficiency)
        & (photon_energy > constants.emc.Threshold)
        & (np.abs(flight_direction[..., 2]) < geometry.max_abs_cos_theta)
    )
    return Digitised(
        phi=azimuth,
        z=z,
        tof=np.where(clocked, flight, np.nan).astype(np.float32),
        e_emc=np.where(left, e_emc, 0.0).reshape(events, charged).astype(np.float32),
        photon_energy=np.where(shower, photon_energy, 0.0).astype(np.float32),
        photon_direction=np.where(shower[..., np.newaxis], photon_direction, 0.0).astype(np.float32),
        truth=generated,
    )


def charges(pdg: Integers) -> Floats:
    """Give the charges of charged particles: an antiparticle has the other sign, and leptons are negative."""
    lepton = (np.abs(pdg) == ELECTRON) | (np.abs(pdg) == MUON)
    return np.where(lepton, -np.sign(pdg), np.sign(pdg)).astype(np.float64)


def _masses(pdg: Integers) -> Floats:
    kinds, which = np.unique(np.abs(pdg), return_inverse=True)
    return np.array([mass(int(kind)) for kind in kinds])[which.reshape(pdg.shape)]


def _relative_resolution(energy: Floats, emc: EmcConstants) -> Floats:
    return np.sqrt(emc.Stochastic**2 / energy + emc.Constant**2)


def _deposit(pdg: Integers, energy: Floats, chances: Singles, noise: Singles, emc: EmcConstants) -> Floats:
    """Give the energy of the shower of each charged particle [GeV].

    Electrons leave all they have; muons ionise; a part of the hadrons shower and leave some of their energy, and an
    antiproton annihilates besides. Shapes and sizes are the toy's own. `chances` (2, particles) are uniform, `noise`
    (particles,) is normal.
    """
    electron = np.abs(pdg) == ELECTRON
    showers = (np.abs(pdg) != MUON) & (chances[0] < _SHOWER_FRACTION)
    ionises = emc.MinimumIonising * (1.0 + _FLUCTUATION * np.abs(noise))
    most = np.maximum(0.5 * (energy - emc.MinimumIonising), 0.0) + np.where(pdg == -PROTON, _ANTIPROTON_GAIN, 0.0)
    whole = energy * (1.0 + noise * _relative_resolution(energy, emc))
    return np.maximum(np.where(electron, whole, ionises + np.where(showers, chances[1] * most, 0.0)), 0.0)


def _showers(momentum: Floats, vertex: Floats, noise: Singles, emc: EmcConstants) -> tuple[Floats, Floats, Floats]:
    """Give energy (n, g) and direction (n, g, 3), as measured, of photons' showers; and the true direction.

    `momentum` and `vertex` are (n, g, 3), `noise` (n, g, 3) is normal. The measured direction is that from the origin.
    """
    energy = np.maximum(np.sqrt((momentum**2).sum(axis=-1)), 1e-9)
    flight = momentum / energy[..., np.newaxis]
    # onto the sphere of the calorimeter, from the vertex
    inwards = (vertex * flight).sum(axis=-1)
    length = -inwards + np.sqrt(inwards**2 + CALORIMETER_RADIUS**2 - (vertex**2).sum(axis=-1))
    place = (vertex + flight * length[..., np.newaxis]) / CALORIMETER_RADIUS
    x, y, z = np.moveaxis(place, -1, 0)
    transverse = np.maximum(np.hypot(x, y), 1e-9)
    # two directions at right angles to the line of sight
    sideways = np.stack([-y, x, np.zeros_like(x)], axis=-1) / transverse[..., np.newaxis]
    upwards = np.stack([-x * z / transverse, -y * z / transverse, transverse], axis=-1)
    sigma = (emc.AngleResolution / np.sqrt(energy))[..., np.newaxis]
    measured = place + sigma * (noise[..., 1:2] * sideways + noise[..., 2:3] * upwards)
    measured /= np.sqrt((measured**2).sum(axis=-1, keepdims=True))
    return energy * (1.0 + noise[..., 0] * _relative_resolution(energy, emc)), measured, flight
