"""What the detector records: what was put in, of one seed always the same."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest
from miniboss.events import Digitised, Generated
from miniboss.simulation.detector import SPEED_OF_LIGHT, charges, digitise
from miniboss.simulation.transport import Particles, transport

from miniboss import helix

MICROMETRE = 1e-4  # cm


def first(generated: Generated, events: int) -> Generated:
    return Generated(generated.pdg[:events], generated.momentum[:events], generated.vertex[:events])


def photons(events: int, energy: float) -> Generated:
    random = np.random.default_rng(3)
    direction = random.normal(size=(events, 1, 3))
    direction /= np.sqrt((direction**2).sum(axis=-1, keepdims=True))
    return Generated(np.full((events, 1), 22, dtype=np.int32), energy * direction, np.zeros((events, 1, 3)))


def test_one_seed_gives_the_same_bits_and_another_does_not(constants, geometry, muons):
    made = muons(200, 0.8)
    one, same, other = (digitise(made, constants, geometry, seed, 0) for seed in (1, 1, 2))
    for field in fields(Digitised):
        if field.name != "truth":
            assert getattr(one, field.name).tobytes() == getattr(same, field.name).tobytes()
    assert one.phi.tobytes() != other.phi.tobytes()


def test_an_event_does_not_depend_on_how_many_follow(constants, geometry, muons):
    made = muons(300, 0.8)
    few, many = digitise(first(made, 40), constants, geometry, 7, 3), digitise(made, constants, geometry, 7, 3)
    for name in ("phi", "z", "tof", "e_emc"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[:40], equal_nan=True), name


def test_blocks_differ(constants, geometry, muons):
    made = muons(20, 0.8)
    assert (
        digitise(made, constants, geometry, 7, 0).z.tobytes() != digitise(made, constants, geometry, 7, 1).z.tobytes()
    )


@pytest.mark.parametrize("transverse", [0.15, 0.3, 1.5])
def test_without_material_every_crossing_lies_on_the_helix_and_on_its_layer(constants, geometry, muons, transverse):
    made = muons(500, transverse)
    momentum = made.momentum.reshape(-1, 3)
    vertex = np.random.default_rng(2).uniform(-2, 2, (1000, 3))
    charge = charges(made.pdg.reshape(-1))
    empty = replace(constants.mdc, ScatteringScale=0.0)
    kicks = np.ones((geometry.layers, 2, 1000), dtype=np.float32)
    crossed = transport(Particles(momentum, vertex, charge, np.full(1000, 0.1)), kicks, empty, geometry)
    assert crossed.reached.all()
    assert np.hypot(crossed.x, crossed.y) == pytest.approx(np.tile(geometry.radii[:, None], 1000), abs=MICROMETRE)
    true = helix.from_point(charge, momentum, vertex)
    away_x, away_y = crossed.x - helix.centre(true)[:, 0], crossed.y - helix.centre(true)[:, 1]
    assert np.hypot(away_x, away_y) == pytest.approx(np.tile(helix.ALPHA * transverse, crossed.x.shape), abs=MICROMETRE)
    # turned from the closest approach to the crossing; z follows from it
    turned = np.arctan2(-charge * away_y, -charge * away_x) - true[:, 1]
    turned = np.remainder(turned + np.pi, 2 * np.pi) - np.pi
    z = true[:, 3] - helix.ALPHA / true[:, 2] * true[:, 4] * turned
    assert crossed.z == pytest.approx(z, abs=MICROMETRE)


def test_a_particle_that_curls_reaches_no_further_than_its_circle(constants, geometry, muons):
    straight = replace(constants, mdc=replace(constants.mdc, ScatteringScale=0.0))
    seen = ~np.isnan(digitise(muons(200, 0.08), straight, geometry, 1, 0).phi)
    furthest = 2 * helix.ALPHA * 0.08
    assert not seen[..., geometry.radii > furthest].any()
    assert seen[..., geometry.radii < 0.9 * furthest].mean() == pytest.approx(0.98, abs=0.01)


def test_hits_are_as_efficient_and_as_precise_as_the_constants_say(constants, geometry, muons):
    mdc = replace(constants.mdc, ScatteringScale=0.0)
    made = muons(3000, 1.0)
    digits = digitise(made, replace(constants, mdc=mdc), geometry, 5, 0)
    exact = digitise(
        made, replace(constants, mdc=replace(mdc, Resolution=0.0, ResolutionZ=0.0, HitEfficiency=1.1)), geometry, 5, 0
    )
    seen = ~np.isnan(digits.phi)
    trials = seen.size
    assert abs(seen.mean() - 0.98) < 4 * np.sqrt(0.98 * 0.02 / trials)
    incidence = np.sqrt(1 - (geometry.radii / (2 * helix.ALPHA)) ** 2)
    off = ((digits.phi - exact.phi) * geometry.radii * incidence)[seen]
    off = off[np.abs(off) < 1]  # not across the seam at pi
    assert off.std() == pytest.approx(0.013, rel=0.01)
    assert (digits.z - exact.z)[seen].std() == pytest.approx(0.3, rel=0.01)


def test_nothing_is_recorded_outside_the_acceptance(constants, geometry, muons):
    made = muons(500, 0.5, most_cos=0.99)
    cosine = made.momentum[..., 2] / np.sqrt((made.momentum**2).sum(axis=-1))
    digits = digitise(made, constants, geometry, 1, 0)
    beyond = np.abs(cosine) > geometry.max_abs_cos_theta
    assert beyond.any()
    assert np.isnan(digits.phi[beyond]).all()
    assert np.isnan(digits.tof[beyond]).all()
    assert not np.isnan(digits.phi[~beyond]).all(axis=-1).any()
    assert not digits.e_emc[beyond].any()


def test_the_clock_gives_the_time_of_flight(constants, geometry, muons):
    made = muons(3000, 1.5, most_cos=0.01)
    tof = digitise(made, constants, geometry, 1, 0).tof
    # an almost straight way to the outer radius, at almost the speed of light
    expected = geometry.outer_radius / SPEED_OF_LIGHT * np.sqrt(1 + (0.10566 / 1.5) ** 2) * 1.001
    assert np.nanmean(tof) - constants.tof.Offset == pytest.approx(expected, abs=0.01)
    assert np.nanstd(tof) == pytest.approx(0.08, rel=0.05)
    assert abs(np.isnan(tof).mean() - 0.03) < 4 * np.sqrt(0.03 * 0.97 / tof.size)


@pytest.mark.parametrize("energy", [0.1, 1.0])
def test_photons_have_the_resolution_of_the_calorimeter(constants, geometry, energy):
    made = photons(5000, energy)
    digits = digitise(made, constants, geometry, 1, 0)
    cosine = made.momentum[:, 0, 2] / energy
    inside = np.abs(cosine) < geometry.max_abs_cos_theta
    assert not digits.photon_energy[~inside].any()
    seen = digits.photon_energy[:, 0] > 0
    assert abs(seen[inside].mean() - 0.98) < 4 * np.sqrt(0.98 * 0.02 / inside.sum())
    expected = np.sqrt(0.025**2 / energy + 0.01**2)
    assert digits.photon_energy[seen].mean() == pytest.approx(energy, rel=4 * expected / np.sqrt(seen.sum()))
    assert digits.photon_energy[seen].std() / energy == pytest.approx(expected, rel=0.05)
    off = digits.photon_direction[seen, 0] - made.momentum[seen, 0] / energy
    assert np.sqrt((off**2).sum(axis=-1).mean() / 2) == pytest.approx(0.005 / np.sqrt(energy), rel=0.05)


def test_a_photon_below_the_threshold_is_not_seen(constants, geometry):
    assert not digitise(photons(300, 0.01), constants, geometry, 1, 0).photon_energy.any()


def test_electrons_shower_and_muons_do_not(constants, geometry, muons):
    made = muons(500, 1.0)
    electrons = Generated((made.pdg // 13 * 11).astype(np.int32), made.momentum, made.vertex)
    total = np.sqrt((made.momentum**2).sum(axis=-1))
    assert digitise(electrons, constants, geometry, 1, 0).e_emc / total == pytest.approx(np.ones_like(total), abs=0.2)
    assert digitise(made, constants, geometry, 1, 0).e_emc == pytest.approx(np.full_like(total, 0.22), abs=0.2)
