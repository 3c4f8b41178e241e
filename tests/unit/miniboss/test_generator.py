"""The generator against theory; tolerances are four standard errors, those of the sample itself, at fixed seeds."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniboss.decay_card import Channel, Decay
from miniboss.events import Generated
from miniboss.generator import J_PSI_MASS, K_STAR_K, RHO_PI, generate
from miniboss.generator.angles import plane_axes, polar_cosine
from miniboss.generator.three_body import ThreeBodyDecay
from miniboss.kinematics import P_CMS, Array, boost_to_rest, break_up_momentum, four_momentum, invariant_mass
from miniboss.particles import mass, width
from miniboss.streams import BLOCK
from numpy.polynomial import Polynomial

ALPHA = 0.595
DECAYS = {channel: Decay(channel) for channel in Channel} | {Channel.PPBAR: Decay(Channel.PPBAR, alpha=ALPHA)}
EVENTS = 40_000
C_TAU = 2.6844
"""cm: of the K_S (PDG)."""


@cache
def sample(channel: Channel) -> Generated:
    return generate(DECAYS[channel], EVENTS, seed=4242)


def momenta(generated: Generated) -> Array:
    masses = np.vectorize(lambda pdg: mass(int(pdg)))(generated.pdg)
    return four_momentum(generated.momentum, masses)


def at_rest(channel: Channel) -> Array:
    return boost_to_rest(momenta(sample(channel)), P_CMS)


def assert_mean(values: Array, expected: float) -> None:
    """The mean is what is expected, within four of its standard errors, which are neither 0 nor large."""
    error = values.std() / np.sqrt(len(values))
    assert 0 < error < 0.05 * max(abs(expected), values.std())
    assert abs(values.mean() - expected) < 4 * error, f"{values.mean()} +- {error} is not {expected}"


def mean_square_cosine(alpha: float) -> float:
    """<cos^2> of 1 + alpha cos^2: (1/3 + alpha/5) / (1 + alpha/3)."""
    return (1 / 3 + alpha / 5) / (1 + alpha / 3)


@pytest.mark.parametrize("channel", list(Channel))
def test_four_momentum_is_conserved(channel: Channel) -> None:
    assert np.abs(momenta(sample(channel)).sum(axis=1) - P_CMS).max() < 1e-9


@pytest.mark.parametrize("channel", list(Channel))
def test_the_direction_of_decay_follows_the_polarisation(channel: Channel) -> None:
    p = at_rest(channel)[..., :3]
    axis = p[:, 0] if p.shape[1] == 2 else np.cross(p[:, 0], p[:, 1])
    if channel is Channel.KSKPI:
        axis = np.cross(p[:, 2], p[:, 3])
    alpha = {Channel.RHOPI: -1.0, Channel.KSKPI: -1.0, Channel.PPBAR: ALPHA}.get(channel, 1.0)
    cosine = axis[:, 2] / np.linalg.norm(axis, axis=1)
    assert_mean(cosine**2, mean_square_cosine(alpha))
    assert_mean(cosine, 0.0)
    phi = np.arctan2(axis[:, 1], axis[:, 0])
    for harmonic in (1, 2):
        assert_mean(np.cos(harmonic * phi), 0.0)
        assert_mean(np.sin(harmonic * phi), 0.0)


def test_of_leptons_the_mean_square_cosine_is_two_fifths() -> None:
    assert mean_square_cosine(1.0) == pytest.approx(0.4)
    assert mean_square_cosine(-1.0) == pytest.approx(0.2)


@given(st.floats(-1, 1), st.floats(0, 1))
def test_the_polar_cosine_inverts_the_integral_of_its_distribution(alpha: float, uniform: float) -> None:
    cosine = float(polar_cosine(alpha, np.array([uniform]))[0])
    integral = Polynomial([0, 1, 0, alpha / 3])
    assert (integral(cosine) - integral(-1)) / (2 * integral(1)) == pytest.approx(uniform, abs=2e-6)
    assert abs(cosine) <= 1 + 1e-12


def test_the_axes_of_a_plane_are_at_right_angles() -> None:
    x, y = plane_axes(1000, np.random.default_rng(1))
    assert np.allclose(np.einsum("ni,ni->n", x, y), 0, atol=1e-12)
    assert np.allclose([np.linalg.norm(x, axis=1), np.linalg.norm(y, axis=1)], 1, atol=1e-12)


@pytest.mark.parametrize("channel", [Channel.EE, Channel.MUMU, Channel.PPBAR])
def test_a_pair_shares_the_energy(channel: Channel) -> None:
    p = at_rest(channel)
    assert np.allclose(p[..., 3], J_PSI_MASS / 2, atol=1e-12)
    assert (sample(channel).pdg == sample(channel).pdg[0]).all()
    assert sample(channel).pdg[0].tolist() == {"ee": [-11, 11], "mumu": [-13, 13], "ppbar": [2212, -2212]}[channel]


def test_photons_come_from_a_pi0_and_are_isotropic_in_its_frame() -> None:
    photons = at_rest(Channel.RHOPI)[:, 2:]
    pi0 = photons.sum(axis=1)
    assert np.allclose(invariant_mass(pi0), mass(111), atol=1e-6)
    in_frame = boost_to_rest(photons[:, 0], pi0)
    along = np.einsum("ni,ni->n", in_frame[:, :3], pi0[:, :3])
    cosine = along / (in_frame[:, 3] * np.linalg.norm(pi0[:, :3], axis=1))
    assert_mean(cosine**2, 1 / 3)
    assert_mean(cosine, 0.0)


def test_the_k_short_has_its_mass_and_lives_its_lifetime() -> None:
    generated = sample(Channel.KSKPI)
    k_short = momenta(generated)[:, :2].sum(axis=1)
    assert np.allclose(invariant_mass(k_short), mass(310), atol=1e-9)
    way = generated.vertex[:, 0] - generated.vertex[:, 2]
    flight = np.linalg.norm(way, axis=1)
    size = np.linalg.norm(k_short[:, :3], axis=1)
    assert np.allclose(np.einsum("ni,ni->n", way, k_short[:, :3]), flight * size, rtol=1e-9)
    assert (generated.vertex[:, 0] == generated.vertex[:, 1]).all()
    proper = flight * mass(310) / size
    assert_mean(proper, C_TAU)
    assert_mean(np.exp(-proper / C_TAU), 0.5)


def test_collisions_are_spread_about_the_origin() -> None:
    vertex = sample(Channel.EE).vertex
    assert (vertex[:, 0] == vertex[:, 1]).all()
    for axis, sigma in enumerate((0.04, 0.001, 1.0)):
        assert_mean(vertex[:, 0, axis], 0.0)
        assert_mean(vertex[:, 0, axis] ** 2, sigma**2)


def test_both_charges_are_alike() -> None:
    p = at_rest(Channel.RHOPI)
    assert_mean(p[:, 0, 3] - p[:, 1, 3], 0.0)
    kskpi = sample(Channel.KSKPI)
    positive = kskpi.pdg[:, 2] > 0
    assert (kskpi.pdg[:, 2] == np.where(positive, 321, -321)).all()
    assert (kskpi.pdg[:, 3] == np.where(positive, -211, 211)).all()
    assert_mean(positive.astype(float), 0.5)
    energy = at_rest(Channel.KSKPI)[:, 2, 3]
    errors = [energy[charge].var() / charge.sum() for charge in (positive, ~positive)]
    assert abs(energy[positive].mean() - energy[~positive].mean()) < 4 * np.sqrt(sum(errors))


def test_a_card_may_ask_for_one_charge_only() -> None:
    assert (generate(Decay(Channel.KSKPI, k_minus=1.0), 100, 1).pdg[:, 2] == -321).all()


def dalitz_mean(decay: ThreeBodyDecay, pair: tuple[int, int], cells: int = 600) -> tuple[float, float]:
    """Integrate the model over the Dalitz plane: mean and variance of a pair's mass, by brute force.

    Phase space is uniform in two squared masses; |p_1 x p_2|^2 comes from the Gram determinant of the momenta.
    """
    m, parent = decay.daughters, decay.parent
    low, high = (m[0] + m[1]) ** 2, (parent - m[2]) ** 2
    s01 = low + (np.arange(cells) + 0.5) * (high - low) / cells
    low, high = (m[1] + m[2]) ** 2, (parent - m[0]) ** 2
    s12 = low + (np.arange(cells) + 0.5) * (high - low) / cells
    s01, s12 = (grid.ravel() for grid in np.meshgrid(s01, s12))
    energies = np.empty((len(s01), 3))
    energies[:, 2] = (parent**2 + m[2] ** 2 - s01) / (2 * parent)
    energies[:, 0] = (parent**2 + m[0] ** 2 - s12) / (2 * parent)
    energies[:, 1] = parent - energies[:, 0] - energies[:, 2]
    p2 = energies**2 - np.square(m)
    gram = p2[:, 0] * p2[:, 1] - ((p2[:, 2] - p2[:, 0] - p2[:, 1]) / 2) ** 2
    inside = (p2 > 0).all(axis=1) & (gram > 0)
    energies, gram = energies[inside], gram[inside]
    amplitude = sum(decay.breit_wigner(r, decay.pair_mass(r, energies)) for r in decay.resonances)
    weight = gram * np.abs(amplitude) ** 2
    third = energies[:, 3 - sum(pair)]
    pair_mass = np.sqrt(parent**2 + m[3 - sum(pair)] ** 2 - 2 * parent * third)
    mean = float((weight * pair_mass).sum() / weight.sum())
    return mean, float((weight * (pair_mass - mean) ** 2).sum() / weight.sum())


@pytest.mark.parametrize("pair", [(0, 1), (0, 2), (1, 2)])
@pytest.mark.parametrize("channel", [Channel.RHOPI, Channel.KSKPI])
def test_masses_of_pairs_follow_the_models_integral_over_the_dalitz_plane(
    channel: Channel, pair: tuple[int, int]
) -> None:
    p = at_rest(channel)
    neutral = p[:, 2:].sum(axis=1) if channel is Channel.RHOPI else p[:, :2].sum(axis=1)
    daughters = [p[:, 0], p[:, 1], neutral] if channel is Channel.RHOPI else [neutral, p[:, 2], p[:, 3]]
    masses = invariant_mass(daughters[pair[0]] + daughters[pair[1]])
    mean, variance = dalitz_mean(RHO_PI if channel is Channel.RHOPI else K_STAR_K, pair)
    assert_mean(masses, mean)
    assert_mean((masses - mean) ** 2, variance)


@pytest.mark.parametrize("decay", [RHO_PI, K_STAR_K], ids=["rhopi", "kskpi"])
def test_one_resonance_alone_has_its_line_shape(decay: ThreeBodyDecay) -> None:
    """With one resonance: the median of (pq)^3 |BW|^2, integrated here on another grid than the generator's."""
    resonance = decay.resonances[0]
    alone = replace(decay, resonances=(resonance,))
    drawn = four_momentum(alone.draw(EVENTS, np.random.default_rng(5)), decay.daughters)
    masses = invariant_mass(drawn[:, resonance.first] + drawn[:, resonance.second])
    first, second, third = (decay.daughters[i] for i in (resonance.first, resonance.second, resonance.bachelor))
    m = np.linspace(first + second, decay.parent - third, 100_001)[1:-1]
    q, p = break_up_momentum(m, first, second), break_up_momentum(decay.parent, m, third)
    q0 = break_up_momentum(resonance.mass, first, second)
    running = resonance.width * (q / q0) ** 3 * resonance.mass / m
    shape = (p * q) ** 3 / ((resonance.mass**2 - m**2) ** 2 + (resonance.mass * running) ** 2)
    cumulative = np.cumsum(shape) / shape.sum()
    for quantile in (0.05, 0.25, 0.5, 0.75, 0.95):
        edge = m[np.searchsorted(cumulative, quantile)]
        assert_mean((masses < edge).astype(float), quantile)
    assert resonance.width in {width(113), width(323)}


@pytest.mark.parametrize("decay", [RHO_PI, K_STAR_K], ids=["rhopi", "kskpi"])
@given(fractions=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_no_event_is_accepted_with_a_probability_above_one(
    decay: ThreeBodyDecay, fractions: tuple[float, float]
) -> None:
    """Anywhere in the Dalitz plane and on its edge, by the inequality of Cauchy and Schwarz."""
    m = decay.daughters
    pair = m[0] + m[1] + fractions[0] * (decay.parent - m[2] - m[0] - m[1])
    q, p = break_up_momentum(pair, m[0], m[1]), break_up_momentum(decay.parent, pair, m[2])
    of_pair = np.sqrt(pair**2 + p**2)
    of_first = (of_pair * np.sqrt(q**2 + m[0] ** 2) + p * q * (2 * fractions[1] - 1)) / pair
    energies = np.array([[of_first, of_pair - of_first, decay.parent - of_pair]])
    assert 0 <= decay.acceptance(energies)[0] <= 1 + 1e-12


@pytest.mark.parametrize("channel", list(Channel))
def test_an_event_does_not_depend_on_how_many_are_asked_for(channel: Channel) -> None:
    few, many = generate(DECAYS[channel], BLOCK + 7, 3), generate(DECAYS[channel], BLOCK + 100, 3)
    for name, values in vars(few).items():
        assert np.array_equal(values, getattr(many, name)[: len(values)]), name
    assert not np.array_equal(generate(DECAYS[channel], 10, 4).momentum, few.momentum[:10])


@pytest.mark.parametrize("channel", list(Channel))
def test_no_events_are_arrays_of_no_events(channel: Channel) -> None:
    none, some = generate(DECAYS[channel], 0, 1), generate(DECAYS[channel], 1, 1)
    assert [values.shape[1:] for values in vars(none).values()] == [values.shape[1:] for values in vars(some).values()]
    assert len(none.pdg) == 0


def test_blocks_and_channels_of_one_seed_are_independent() -> None:
    ee, mumu = sample(Channel.EE).momentum, sample(Channel.MUMU).momentum
    assert not np.allclose(ee[:BLOCK], ee[BLOCK : 2 * BLOCK], atol=1e-3)
    correlation = np.corrcoef(ee[:, 0, 2], mumu[:, 0, 2])[0, 1]
    assert abs(correlation) < 4 / np.sqrt(EVENTS)
