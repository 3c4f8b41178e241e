"""The kinematic fit and the K_S vertex, on momenta that are smeared by exactly the errors they are given."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from miniboss.analysis import kinematic_fit
from miniboss.analysis.k_short import secondary_vertex
from miniboss.analysis.kinematic_fit import Fitted, MassConstraint, Measured, fit, of_tracks, photon_momenta
from miniboss.decay_card import Channel, Decay
from miniboss.events import Generated, Reconstructed
from miniboss.generator import generate
from miniboss.kinematics import P_CMS, Array, cos_angle, invariant_mass
from miniboss.particles import mass
from scipy import stats

from miniboss import helix

EVENTS = 5000
TRACK_ERRORS = np.array([0.01, 2e-3, 4e-3, 0.05, 2e-3])
"""Of dr [cm], phi0, kappa [1/GeV], dz [cm], tanl."""
MASSES = {Channel.RHOPI: (211, 211, 22, 22), Channel.KSKPI: (211, 211, 321, 211)}


def charges(generated: Generated) -> Array:
    return np.sign(generated.pdg[:, : generated.charged]).astype(float)


def helices(generated: Generated) -> Array:
    t = generated.charged
    return helix.from_point(charges(generated), generated.momentum[:, :t], generated.vertex[:, :t])


def correlated(errors: Array, rho: float) -> Array:
    """A covariance in which every two parameters correlate by `rho`."""
    return np.outer(errors, errors) * (rho + (1 - rho) * np.eye(len(errors)))


@cache
def smeared(channel: Channel, scale: float = 1.0) -> tuple[Measured, Array, Array]:
    """Measured, and the true parameters and the true four-momenta of photons; photons start at the origin."""
    generated = generate(Decay(channel), EVENTS, 99)
    random = np.random.default_rng(12)
    tracks = helices(generated)
    truth, covariance = of_tracks(tracks, np.broadcast_to(correlated(TRACK_ERRORS, 0.3), (*tracks.shape, 5)))
    # the directions where the particles come from, not at the points of closest approach
    momentum = generated.momentum[:, : generated.charged]
    truth = np.concatenate([np.arctan2(-momentum[..., :1], momentum[..., 1:2]), truth[..., 1:]], axis=-1)
    photons = generated.momentum[:, generated.charged :]
    energy = np.linalg.norm(photons, axis=-1)
    angles = np.stack([np.arctan2(photons[..., 1], photons[..., 0]), np.arccos(photons[..., 2] / energy)], axis=-1)
    errors = np.stack([0.005 / np.sin(angles[..., 1]), np.full_like(energy, 0.005), 0.02 * energy], axis=-1)
    truth = np.concatenate([truth, np.concatenate([angles, energy[..., np.newaxis]], axis=-1)], axis=1)
    covariance = np.concatenate([covariance, errors[..., np.newaxis] ** 2 * np.eye(3)], axis=1)
    noise = np.linalg.cholesky(covariance) @ random.normal(size=(*truth.shape, 1))
    masses = np.array([mass(pdg) for pdg in MASSES[channel]])
    return Measured(truth + scale * noise[..., 0], covariance, masses, generated.charged), truth, energy


def fitted(channel: Channel, *, with_mass: bool = False) -> Fitted:
    return fit(smeared(channel)[0], P_CMS, MassConstraint(2, 3, mass(111)) if with_mass else None)


@pytest.mark.parametrize(
    ("channel", "with_mass"), [(Channel.KSKPI, False), (Channel.RHOPI, False), (Channel.RHOPI, True)]
)
def test_chi2_is_distributed_as_chi2_with_as_many_degrees_of_freedom_as_constraints(
    channel: Channel, with_mass: bool
) -> None:
    chi2 = fitted(channel, with_mass=with_mass).chi2
    probability = stats.chi2.sf(chi2, 5 if with_mass else 4)
    assert stats.kstest(probability, "uniform").pvalue > 1e-3
    assert np.isfinite(chi2).all()


@pytest.mark.parametrize(
    ("channel", "with_mass"), [(Channel.KSKPI, False), (Channel.RHOPI, False), (Channel.RHOPI, True)]
)
def test_fitted_momenta_keep_to_the_constraints(channel: Channel, with_mass: bool) -> None:
    result = fitted(channel, with_mass=with_mass)
    good = result.chi2 < 30
    assert good.mean() > 0.99
    assert np.abs(result.p[good].sum(axis=1) - P_CMS).max() < 1e-3
    if with_mass:
        photons = result.p[good, 2:].sum(axis=1)
        assert np.abs(invariant_mass(photons) - mass(111)).max() < 1e-3


@pytest.mark.parametrize("channel", [Channel.KSKPI, Channel.RHOPI])
def test_pulls_are_normal(channel: Channel) -> None:
    """(measured - fitted) / its error, whose square is the diagonal of V G^T (G V G^T)^-1 G V."""
    measured, _, _ = smeared(channel)
    result = fitted(channel)
    _, slopes = kinematic_fit._momenta(result.parameters, measured.masses, measured.charged)
    spread = slopes @ measured.covariance
    weight = np.linalg.inv((spread @ np.swapaxes(slopes, -1, -2)).sum(axis=1))
    error2 = np.einsum("nkci,ncd,nkdi->nki", spread, weight, spread)
    # beyond chance, 2 percent are granted to what is not linear
    pulls = (measured.parameters - result.parameters) / np.sqrt(error2)
    for particle in range(4):
        for parameter in range(3):
            pull = pulls[:, particle, parameter]
            assert abs(pull.mean()) < 4 / np.sqrt(EVENTS) + 0.02, (particle, parameter)
            assert pull.std() == pytest.approx(1.0, abs=4 / np.sqrt(2 * EVENTS) + 0.02), (particle, parameter)


@pytest.mark.parametrize("channel", [Channel.KSKPI, Channel.RHOPI])
def test_the_fit_improves_the_momenta_as_far_as_least_squares_can(channel: Channel) -> None:
    """What an efficient estimate takes off does not correlate with what it leaves (Gauss and Markov)."""
    measured, truth, _ = smeared(channel)
    kappa = (slice(None), slice(0, measured.charged), 1)
    before = (measured.parameters - truth)[kappa]
    after = (fitted(channel).parameters - truth)[kappa]
    assert after.std() < 0.8 * before.std()
    correlation = np.corrcoef((before - after).ravel(), after.ravel())[0, 1]
    assert abs(correlation) < 4 / np.sqrt(before.size)


def test_exact_measurements_are_left_alone() -> None:
    measured, truth, _ = smeared(Channel.KSKPI, 0.0)
    result = fit(measured, P_CMS)
    assert np.abs(result.parameters - truth).max() < 1e-6
    assert result.chi2.max() < 1e-9


def test_underestimated_errors_show_in_chi2() -> None:
    measured, _, _ = smeared(Channel.KSKPI)
    doubled = fit(replace(measured, covariance=measured.covariance / 4), P_CMS)
    assert np.median(doubled.chi2 / fitted(Channel.KSKPI).chi2) == pytest.approx(4, rel=0.02)


def test_an_event_that_cannot_be_fitted_gets_an_infinite_chi2_and_harms_no_other() -> None:
    measured, _, _ = smeared(Channel.KSKPI)
    parameters, covariance = measured.parameters.copy(), measured.covariance.copy()
    parameters[0, 0, 1] = 0.0  # infinite momentum
    covariance[1, 2] = np.nan
    result = fit(replace(measured, parameters=parameters, covariance=covariance), P_CMS)
    assert np.isinf(result.chi2[:2]).all()
    assert np.allclose(result.chi2[2:], fitted(Channel.KSKPI).chi2[2:], rtol=1e-3, atol=1e-3)


def test_no_events_can_be_fitted() -> None:
    measured, _, _ = smeared(Channel.RHOPI)
    none = replace(measured, parameters=measured.parameters[:0], covariance=measured.covariance[:0])
    assert fit(none, P_CMS, MassConstraint(2, 3, 0.1)).p.shape == (0, 4, 4)


def test_photon_momenta_have_no_mass_and_their_direction() -> None:
    p = photon_momenta(np.array([[0.5, 1.0, 2.0]]))
    expected = 2.0 * np.array([[np.sin(1) * np.cos(0.5), np.sin(1) * np.sin(0.5), np.cos(1), 1.0]])
    assert np.allclose(p, expected)


def tracks_of(generated: Generated, smearing: float, events: int) -> Reconstructed:
    """Helices of a kskpi sample, smeared by `smearing` times TRACK_ERRORS, all found."""
    covariance = np.diag(TRACK_ERRORS**2)
    noise = np.random.default_rng(3).normal(size=(events, 4, 5)) * TRACK_ERRORS
    slots, none = (events, 4), np.zeros((events, 0))
    return Reconstructed(
        found=np.ones(slots, dtype=bool),
        charge=charges(generated).astype(np.int32),
        helix=helices(generated) + smearing * noise,
        covariance=np.broadcast_to(covariance, (*slots, 5, 5)),
        chi2=np.zeros(slots),
        n_hits=np.full(slots, 43, dtype=np.int32),
        tof=np.zeros(slots),
        e_emc=np.zeros(slots),
        photon_found=none.astype(bool),
        photon_energy=none,
        photon_direction=np.zeros((events, 0, 3)),
        truth=generated,
    )


def test_without_errors_the_vertex_of_the_k_short_is_exact() -> None:
    generated = generate(Decay(Channel.KSKPI), 2000, 8)
    vertex = secondary_vertex(tracks_of(generated, 0.0, 2000), helix.ALPHA)
    # of circles that only just touch, rounding decides the place: the pions fly side by side
    pions = generated.momentum[:, :2]
    open_angle = np.abs(np.degrees(np.arccos(cos_angle(pions[:, 0, :2], pions[:, 1, :2])))) > 1.0
    assert open_angle.mean() > 0.9
    off = np.linalg.norm(vertex.place - generated.vertex[:, 0], axis=1)[open_angle]
    assert np.quantile(off, 0.99) < 1e-5
    direction = np.arctan2(-pions[..., 0], pions[..., 1])
    turn = np.remainder(vertex.parameters[..., 0] - direction + np.pi, 2 * np.pi) - np.pi
    assert np.quantile(np.abs(turn[open_angle]), 0.99) < 1e-6


def test_the_direction_at_the_vertex_has_the_error_that_it_is_given() -> None:
    """The vertex held at its true place, the azimuth's pull has unit width."""
    generated = generate(Decay(Channel.KSKPI), EVENTS, 8)
    exact, measured = (tracks_of(generated, size, EVENTS) for size in (0.0, 1e-3))
    first, second = (secondary_vertex(events, helix.ALPHA) for events in (exact, measured))
    slopes_error = np.sqrt(second.covariance[:, 0, 0, 0]) * 1e-3
    place = generated.vertex[:, 0, :2]
    turn = []
    for events in (exact, measured):
        pion = events.helix[:, 0]
        inwards = np.sign(pion[:, 2])[:, np.newaxis] * (helix.centre(pion) - place)
        turn.append(np.arctan2(inwards[:, 1], inwards[:, 0]))
    pull = (np.remainder(turn[1] - turn[0] + np.pi, 2 * np.pi) - np.pi) / slopes_error
    assert np.std(pull) == pytest.approx(1.0, abs=4 / np.sqrt(2 * EVENTS))
    assert np.allclose(first.parameters[..., 1:], second.parameters[..., 1:], atol=1e-3)


def test_circles_that_do_not_meet_get_the_middle_of_the_gap() -> None:
    """Straight lines in effect: two tracks along x, on the lines y = 1 and y = -1, curved away from each other."""
    momentum = np.array([[[1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]])
    place = np.array([[[5.0, -1.0, 0.0], [5.0, 1.0, 0.0]]])
    generated = Generated(pdg=np.array([[211, -211]], dtype=np.int32), momentum=momentum, vertex=place)
    pions = helix.from_point(np.array([[1.0, -1.0]]), momentum, place)
    doubled = Generated(*(np.concatenate([values, values], axis=1) for values in vars(generated).values()))
    events = replace(tracks_of(doubled, 0.0, 1), helix=np.concatenate([pions, pions], axis=1))
    assert np.allclose(secondary_vertex(events, helix.ALPHA).place, [[5.0, 0.0, 0.0]], atol=1e-9)
