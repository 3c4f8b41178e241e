"""Tracks: what was put in comes out, as precisely as theory says, and as often."""

from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from miniboss.material import scattering_angle
from miniboss.reconstruction.events import reconstruct
from miniboss.reconstruction.finding import enough_hits, without_outliers
from miniboss.reconstruction.fit import Hits, fit_tracks
from miniboss.release import tracking as older
from miniboss.simulation.detector import charges, digitise
from miniboss_1_1_0 import tracking as newer

from miniboss import helix


def fitted(generated, constants, geometry, code=older, seed=1):
    """Give (found, true helices, tracks) of charged particles, all slots in a row, `tracks` of the found ones."""
    digits = digitise(generated, constants, geometry, seed, 0)
    phi = digits.phi.reshape(-1, geometry.layers)
    hits = Hits(~np.isnan(phi), phi, digits.z.reshape(-1, geometry.layers))
    found, tracks = code.reconstruct_tracks(hits, constants.mdc, geometry)
    true = helix.from_point(charges(generated.pdg), generated.momentum, generated.vertex).reshape(-1, 5)
    return found, true, tracks


def differences(tracks, true):
    off = tracks.helix - true
    off[:, 1] = np.remainder(off[:, 1] + np.pi, 2 * np.pi) - np.pi
    return off


def missing_at_most(most: int, layers: int, inefficiency: float) -> float:
    """Give the probability that at most `most` of the layers between the first hit and the last have none."""
    total = 0.0
    for before in range(4):  # layers without a hit in front of the first one, and behind the last
        for behind in range(4):
            ends = inefficiency ** (before + behind) * (1 - inefficiency) ** 2
            inner = layers - before - behind - 2
            total += ends * sum(
                comb(inner, k) * inefficiency**k * (1 - inefficiency) ** (inner - k) for k in range(most + 1)
            )
    return total


@pytest.mark.parametrize("efficiency", [0.98, 0.96])
@pytest.mark.parametrize("code", [older, newer])
def test_tracks_are_found_as_often_as_their_hits_allow(constants, geometry, muons, code, efficiency):
    asked = replace(constants, mdc=replace(constants.mdc, HitEfficiency=efficiency))
    found, _, _ = fitted(muons(5000, 1.0), asked, geometry, code)
    expected = missing_at_most(code.MOST_MISSING, geometry.layers, 1 - efficiency)
    assert abs(found.mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / found.size)


def test_the_newer_code_finds_visibly_more_but_not_many_more(constants, geometry, muons):
    made = muons(5000, 1.0)
    before, after = (fitted(made, constants, geometry, code)[0] for code in (older, newer))
    assert not (before & ~after).any()
    assert 0.004 < (after & ~before).mean() < 0.02


@pytest.mark.parametrize("transverse", [0.3, 0.6, 1.5])
def test_pulls_of_all_five_parameters_have_unit_width(constants, geometry, muons, transverse):
    found, true, tracks = fitted(muons(5000, transverse), constants, geometry)
    pulls = differences(tracks, true[found]) / np.sqrt(np.diagonal(tracks.covariance, axis1=1, axis2=2))
    count = found.sum()
    assert np.abs(pulls.mean(axis=0)).max() < 4 / np.sqrt(count)
    # 4 standard deviations, and the 3 per cent that the covariance's way with scattering is worth
    assert np.abs(pulls.std(axis=0) - 1).max() < 4 / np.sqrt(2 * count) + 0.03


def test_the_covariance_has_the_right_correlations(constants, geometry, muons):
    found, true, tracks = fitted(muons(5000, 0.5, most_cos=0.1), constants, geometry)
    seen = np.corrcoef(differences(tracks, true[found]).T)
    mean = tracks.covariance.mean(axis=0)
    # kappa's sign turns those with the other two
    sign = np.sign(true[found][:, 2])
    off = differences(tracks, true[found])
    off[:, 2] *= sign
    positive = tracks.covariance[sign > 0].mean(axis=0)
    width = np.sqrt(np.diagonal(positive))
    assert np.corrcoef(off[sign > 0].T) == pytest.approx(positive / np.outer(width, width), abs=0.06)
    assert seen[3, 4] == pytest.approx(mean[3, 4] / np.sqrt(mean[3, 3] * mean[4, 4]), abs=0.05)


@pytest.mark.parametrize("transverse", [0.4, 0.8, 1.5])
def test_the_momentum_resolution_is_that_of_gluckstern_and_highland(constants, geometry, muons, transverse):
    """Gluckstern: sigma sqrt(720 / (N + 4)) p_T / (0.3 B L^2), and scattering's sqrt(1.43) theta_0 / (0.3 B L)."""
    found, true, tracks = fitted(muons(5000, transverse, most_cos=0.05), constants, geometry)
    length = (geometry.outer_radius - geometry.inner_radius) / 100
    hits = geometry.layers * constants.mdc.HitEfficiency
    measured = constants.mdc.Resolution / 100 * np.sqrt(720 / (hits + 4)) * transverse / (0.2998 * length**2)
    beta = transverse / np.hypot(transverse, 0.10566)
    angle = scattering_angle(constants.mdc, geometry) * np.sqrt(geometry.layers)
    scattered = np.sqrt(1.43) * angle / (beta * 0.2998 * length)
    seen = (tracks.helix[:, 2] / true[found][:, 2]).std()
    assert seen == pytest.approx(np.hypot(measured, scattered), rel=0.05)


def test_the_momentum_scale_is_applied(constants, geometry, muons):
    made = muons(500, 1.0)
    scaled = replace(constants, mdc=replace(constants.mdc, MomentumScale=1.01))
    for code in (older, newer):
        plain, changed = (fitted(made, asked, geometry, code)[2] for asked in (constants, scaled))
        assert plain.helix[:, 2] / changed.helix[:, 2] == pytest.approx(np.full(len(plain.chi2), 1.01))
        ratio = plain.covariance[:, 2, 2] / changed.covariance[:, 2, 2]
        assert ratio == pytest.approx(np.full(len(ratio), 1.01**2))


def test_the_newer_code_drops_outliers_and_the_older_one_keeps_them(constants, geometry, muons):
    asked = replace(constants, mdc=replace(constants.mdc, OutlierFraction=0.02, OutlierScale=20.0))
    made = muons(3000, 1.5, most_cos=0.1)
    spread = {}
    for code in (older, newer):
        found, true, tracks = fitted(made, asked, geometry, code)
        spread[code] = np.quantile(np.abs(tracks.helix[:, 2] / true[found][:, 2] - 1), 0.95)
        chi2 = (tracks.chi2 / (tracks.n_hits - 3)).mean()
        assert bool(chi2 < 1.3) == (code is newer)
    assert spread[newer] < 0.85 * spread[older]


def test_the_newer_code_gives_back_the_energy_that_is_lost(constants, geometry, muons):
    asked = replace(constants, mdc=replace(constants.mdc, EnergyLoss=2e-5))
    made = muons(5000, 0.3, most_cos=0.3)
    shift = {}
    for code in (older, newer):
        found, true, tracks = fitted(made, asked, geometry, code)
        shift[code] = (np.abs(true[found][:, 2] / tracks.helix[:, 2]) - 1).mean()
    assert shift[older] < -0.001
    assert abs(shift[newer]) < 0.3 * abs(shift[older])


def test_events_keep_their_slots_and_hold_nothing_where_no_track_is_found(constants, geometry, muons):
    made = muons(1000, 0.8, most_cos=0.99)
    result = reconstruct(digitise(made, constants, geometry, 1, 0), constants, geometry)
    assert result.found.shape == (1000, 2)
    assert 0.9 < result.found.mean() < 0.97
    assert np.array_equal(result.charge[result.found], charges(made.pdg)[result.found])
    for name in ("helix", "covariance", "chi2", "n_hits", "charge"):
        assert not getattr(result, name)[~result.found].any()
    assert np.isfinite(result.helix).all()
    assert np.nanmean(result.tof) < np.nanmean(digitise(made, constants, geometry, 1, 0).tof) - 0.4


def test_no_tracks_at_all_are_no_error(constants, geometry, muons):
    result = reconstruct(
        digitise(
            muons(3, 0.8, most_cos=0.5),
            replace(constants, mdc=replace(constants.mdc, HitEfficiency=0.0)),
            geometry,
            1,
            0,
        ),
        constants,
        geometry,
    )
    assert not result.found.any()


def test_particles_from_a_displaced_vertex_come_back(constants, geometry, muons):
    made = muons(2000, 0.5)
    made.vertex[:] = np.random.default_rng(1).uniform(-5, 5, (2000, 1, 3))
    found, true, tracks = fitted(made, constants, geometry)
    pulls = differences(tracks, true[found]) / np.sqrt(np.diagonal(tracks.covariance, axis1=1, axis2=2))
    assert np.abs(pulls.std(axis=0) - 1).max() < 0.12


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("11111111", True),
        ("11011101", True),
        ("01111110", True),
        ("00111000", False),
        ("10101011", False),
        ("00000000", False),
    ],
)
def test_a_track_needs_hits_and_few_holes(pattern, found):
    used = np.array([[character == "1" for character in pattern]])
    assert enough_hits(used, fewest=4, most_missing=2).tolist() == [found]


def test_outliers_go_unless_too_few_hits_would_be_left():
    used = np.ones((2, 6), dtype=bool)
    deviation = np.array([[0, 9, 0, 0, 0, -9.0], [9, 9, 9, 9, 0, 0]])
    kept = without_outliers(used, deviation, limit=5, fewest=4)
    assert kept.sum(axis=1).tolist() == [4, 6]


def test_hits_exactly_on_a_helix_give_it_back(constants, geometry):
    true = np.array([[0.5, 1.0, 2.0, 3.0, -0.7], [-0.2, 4.0, -1.0, -3.0, 0.4]])
    arcs = np.linspace(10, 70, geometry.layers)
    hits = [helix.point(h, -arcs * h[2] / helix.ALPHA) for h in true]
    x, y, z = np.moveaxis(np.array(hits), -1, 0)
    radii = np.hypot(x, y)
    # the fit takes the layers' radii: move the hits along the helix onto them
    for track, h in enumerate(true):
        turned = -np.interp(geometry.radii, radii[track], arcs) * h[2] / helix.ALPHA
        for _ in range(50):
            place = helix.point(h, turned)
            turned += (np.hypot(place[:, 0], place[:, 1]) - geometry.radii) * h[2] / helix.ALPHA
        x[track], y[track], z[track] = helix.point(h, turned).T
    used = np.ones_like(x, dtype=bool)
    tracks = fit_tracks(Hits(used, np.arctan2(y, x), z), constants.mdc, geometry)
    off = differences(tracks, true)
    assert off == pytest.approx(np.zeros((2, 5)), abs=1e-4)
    assert tracks.chi2 == pytest.approx([0, 0], abs=1e-3)
