"""The analysis: its cuts and counts on events whose answer is known, and on events smeared as a detector does."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from miniboss.analysis import Analysis, analyse
from miniboss.analysis.rho_pi import ANGULAR, CONSTANT, STOCHASTIC
from miniboss.analysis.tracks import selected
from miniboss.decay_card import Channel, Decay
from miniboss.events import Reconstructed
from miniboss.generator import generate
from miniboss.histograms import Histogram1D, as_json
from miniboss.kinematics import P_CMS, Array, boost_to_rest, four_momentum
from miniboss.particles import mass
from miniboss.simulation.detector import CALORIMETER_RADIUS, charges
from scipy import stats

from miniboss import helix

EVENTS = 5000
ERRORS = np.array([0.02, 8e-4, 1.5e-3, 0.05, 1.5e-3])
"""Of dr [cm], phi0, kappa [1/GeV], dz [cm], tanl."""
PUBLISHED = {
    Channel.KSKPI: {
        "ks_dl": (300, -5, 25),
        "ks_m": (200, 0.4, 0.6),
        "kspi_m": (200, 0.6, 2.6),
        "ks_p": (100, 0, 1.5),
        "kpi_m": (200, 0.6, 2.6),
    },
    Channel.PPBAR: {
        "bst_p": (80, 1.15, 1.31),
        "bst_cos": (20, -1, 1),
        "mpp": (100, 3.05, 3.15),
        "angle": (50, 175, 180),
        "deltatof": (50, -10, 10),
        "e_emc1": (100, 0, 2),
        "e_emc2": (100, 0, 2),
    },
}


@cache
def events_of(channel: Channel, scale: float = 1.0, events: int = EVENTS) -> Reconstructed:
    """Generated events, every particle found, smeared by `scale` times the errors."""
    alpha = 0.595 if channel is Channel.PPBAR else 1.0
    truth = generate(Decay(channel, alpha=alpha), events, 17)
    t = truth.charged
    random = np.random.default_rng(18)
    charge = charges(truth.pdg[:, :t])
    exact = helix.from_point(charge, truth.momentum[:, :t], truth.vertex[:, :t])
    photons = truth.momentum[:, t:]
    energy = np.linalg.norm(photons, axis=-1)
    flight = photons / energy[..., np.newaxis]
    start = truth.vertex[:, t:]
    inwards = np.sum(start * flight, axis=-1)
    length = -inwards + np.sqrt(inwards**2 + CALORIMETER_RADIUS**2 - np.sum(start**2, axis=-1))
    seen = (start + flight * length[..., np.newaxis]) / CALORIMETER_RADIUS
    seen = seen + scale * (ANGULAR / np.sqrt(energy))[..., np.newaxis] * random.normal(size=seen.shape)
    relative = np.sqrt(STOCHASTIC**2 / energy + CONSTANT**2)
    return Reconstructed(
        found=np.ones(charge.shape, dtype=bool),
        charge=charge.astype(np.int32),
        helix=exact + scale * random.normal(size=exact.shape) * ERRORS,
        covariance=np.broadcast_to(np.diag(ERRORS**2), (*charge.shape, 5, 5)),
        chi2=np.full(charge.shape, 40.0),
        n_hits=np.full(charge.shape, 43, dtype=np.int32),
        tof=np.full(charge.shape, 4.0) + random.normal(size=charge.shape) * 0.1,
        e_emc=np.full(charge.shape, 0.5),
        photon_found=np.ones(energy.shape, dtype=bool),
        photon_energy=energy * (1 + scale * relative * random.normal(size=energy.shape)),
        photon_direction=seen / np.linalg.norm(seen, axis=-1, keepdims=True),
        truth=truth,
    )


def centres(histogram: Histogram1D) -> Array:
    axis = histogram.binning
    return axis.low + (np.arange(axis.bins) + 0.5) * (axis.high - axis.low) / axis.bins


def moments(histogram: Histogram1D) -> tuple[float, float]:
    """Mean and standard deviation of what is inside."""
    x, inside = centres(histogram), histogram.counts[1:-1]
    mean = float(np.average(x, weights=inside))
    return mean, float(np.sqrt(np.average((x - mean) ** 2, weights=inside)))


@pytest.mark.parametrize("channel", list(PUBLISHED))
def test_binnings_are_the_published_ones(channel: Channel) -> None:
    booked = {histogram.name: histogram.binning for histogram in Analysis(channel).histograms}
    for name, binning in PUBLISHED[channel].items():
        assert (booked[name].bins, booked[name].low, booked[name].high) == binning


@pytest.mark.parametrize("channel", list(Channel))
def test_every_histogram_has_a_title_a_label_and_after_a_sample_entries(channel: Channel) -> None:
    for name, histogram in analyse(channel, events_of(channel)).items():
        assert histogram.name == name
        assert histogram.title
        assert histogram.binning.label
        inside = histogram.counts[1:-1].sum()
        assert inside > 0.9 * histogram.counts.sum() > 0, name
        assert np.count_nonzero(histogram.counts[1:-1]) > 3 or name.startswith("e_"), name


@pytest.mark.parametrize("channel", list(Channel))
def test_blocks_add_up_and_equal_events_give_equal_bytes(channel: Channel) -> None:
    events = events_of(channel)
    first, analysis = np.arange(EVENTS) < 1234, Analysis(channel)
    analysis.add(selected(events, first))
    analysis.add(selected(events, ~first))
    assert as_json(analysis.histograms) == as_json(analyse(channel, events).values())


@pytest.mark.parametrize("channel", list(Channel))
def test_no_events_give_empty_histograms(channel: Channel) -> None:
    none = selected(events_of(channel), np.zeros(EVENTS, dtype=bool))
    assert all(histogram.counts.sum() == 0 for histogram in analyse(channel, none).values())


@pytest.mark.parametrize("channel", list(Channel))
def test_events_without_a_track_fill_nothing_but_the_total_of_the_efficiency(channel: Channel) -> None:
    events = events_of(channel)
    lost = replace(events, found=np.zeros_like(events.found), helix=np.zeros_like(events.helix))
    filled = {name for name, histogram in analyse(channel, lost).items() if histogram.counts.any()}
    assert filled == {"trk_eff_pt_total", "trk_eff_cos_total"}


def test_events_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="events of 2 tracks and 0 photons are not of the channel kskpi"):
        analyse(Channel.KSKPI, events_of(Channel.EE))


@pytest.mark.parametrize("channel", [Channel.EE, Channel.KSKPI])
def test_the_efficiency_is_what_was_put_in(channel: Channel) -> None:
    """Each track is kept with a known probability, which depends on p_T; the counts follow the binomial law."""
    events = events_of(channel)
    generated = events.truth.momentum[:, : events.found.shape[1]]
    pt = np.hypot(generated[..., 0], generated[..., 1])
    kept = np.random.default_rng(6).random(pt.shape) < np.where(pt < 0.8, 0.7, 0.95)
    result = analyse(channel, replace(events, found=kept))
    passed, total = result["trk_eff_pt_passed"], result["trk_eff_pt_total"]
    low = centres(total) < 0.8
    for bins, probability in ((low, 0.7), (~low, 0.95)):
        k, n = int(passed.counts[1:-1][bins].sum()), int(total.counts[1:-1][bins].sum())
        assert n > 100
        assert stats.binomtest(k, n, probability).pvalue > 1e-4
    within = np.abs(generated[..., 2] / np.linalg.norm(generated, axis=-1)) < 0.93
    assert total.counts.sum() == within.sum()
    assert result["trk_eff_cos_total"].counts.sum() == pt.size
    assert result["trk_eff_cos_passed"].counts.sum() == kept.sum()
    assert (passed.counts <= total.counts).all()


def test_the_momentum_resolution_is_what_was_put_in() -> None:
    """1/p_T is smeared by ERRORS[2], so p is by p_T ERRORS[2] and by tanl's part, which is small."""
    events = events_of(Channel.MUMU)
    pt = np.hypot(events.truth.momentum[..., 0], events.truth.momentum[..., 1])
    tanl = events.truth.momentum[..., 2] / pt
    expected = np.sqrt((pt * ERRORS[2]) ** 2 + (tanl / (1 + tanl**2) * ERRORS[4]) ** 2)
    resolution = analyse(Channel.MUMU, events)["dp_over_p"]
    mean, width = moments(resolution)
    rms, bin_width = np.sqrt(np.mean(expected**2)), 0.1 / 200
    assert width == pytest.approx(np.sqrt(rms**2 + bin_width**2 / 12), rel=4 / np.sqrt(2 * 2 * EVENTS))
    assert abs(mean) < 4 * rms / np.sqrt(2 * EVENTS)


def test_a_momentum_scale_shifts_masses_and_momenta() -> None:
    events = events_of(Channel.EE)
    scaled = replace(events, helix=events.helix * np.array([1, 1, 1 / 1.01, 1, 1]))
    before, after = (analyse(Channel.EE, sample) for sample in (events, scaled))
    assert moments(after["mass"])[0] / moments(before["mass"])[0] == pytest.approx(1.01, abs=3e-4)
    assert moments(after["dp_over_p"])[0] - moments(before["dp_over_p"])[0] == pytest.approx(0.01, abs=1e-4)
    assert moments(before["mass"])[0] == pytest.approx(3.0968, abs=2e-3)


def test_pairs_that_are_not_back_to_back_are_cut() -> None:
    events = events_of(Channel.EE)
    bent = events.helix.copy()
    bent[: EVENTS // 2, 0, 1] += np.radians(7.0)
    before, after = (analyse(Channel.EE, replace(events, helix=h)) for h in (events.helix, bent))
    assert after["mass"].counts.sum() == pytest.approx(before["mass"].counts.sum() / 2, rel=0.05)


@pytest.mark.parametrize("channel", [Channel.EE, Channel.PPBAR, Channel.RHOPI])
@pytest.mark.parametrize(("parameter", "value"), [(0, 1.5), (0, -1.5), (3, 10.5), (4, 3.0)])
def test_tracks_that_miss_the_collision_or_the_acceptance_are_cut(
    channel: Channel, parameter: int, value: float
) -> None:
    events = events_of(channel)
    off = events.helix.copy()
    off[:, 1, parameter] = value
    result = analyse(channel, replace(events, helix=off))
    cut = {name for name, histogram in result.items() if not histogram.counts.any()}
    assert cut == {name for name in result if not name.startswith(("trk_eff", "dp_over_p"))}


def test_events_of_the_wrong_charge_are_cut() -> None:
    events = events_of(Channel.PPBAR)
    result = analyse(Channel.PPBAR, replace(events, charge=np.abs(events.charge)))
    assert not result["bst_p"].counts.any()


def test_protons_off_their_momentum_show_in_bst_p_only() -> None:
    events = events_of(Channel.PPBAR, 0.0)
    result = analyse(Channel.PPBAR, replace(events, helix=events.helix * np.array([1, 1, 1 / 1.03, 1, 1])))
    assert result["bst_p"].counts.any()
    assert not result["mpp"].counts.any()
    exact = analyse(Channel.PPBAR, events)
    assert exact["mpp"].counts.sum() * 2 == exact["bst_p"].counts.sum()
    assert moments(exact["bst_p"])[0] == pytest.approx(1.232, abs=2e-3)


def test_a_track_without_a_time_of_flight_is_left_out_of_the_difference() -> None:
    events = events_of(Channel.PPBAR)
    tof = events.tof.copy()
    tof[::2, 0] = np.nan
    before, after = (analyse(Channel.PPBAR, replace(events, tof=times)) for times in (events.tof, tof))
    assert 0.4 < after["deltatof"].counts.sum() / before["deltatof"].counts.sum() < 0.6
    assert after["mpp"].counts.sum() == before["mpp"].counts.sum()


@pytest.mark.parametrize(("name", "freedom"), [("chi2_4c", 4), ("chi2_5c", 5)])
def test_the_fits_of_rho_pi_have_the_chi2_of_their_constraints(name: str, freedom: int) -> None:
    chi2 = analyse(Channel.RHOPI, events_of(Channel.RHOPI))[name]
    mean, _ = moments(chi2)
    assert mean == pytest.approx(freedom, rel=0.08)


def test_photons_that_are_soft_or_near_a_track_are_cut() -> None:
    events = events_of(Channel.RHOPI)
    along = helix.momentum(events.helix)[:, :1]
    onto_track = np.broadcast_to(along / np.linalg.norm(along, axis=-1, keepdims=True), events.photon_direction.shape)
    for change in (
        {"photon_energy": np.full_like(events.photon_energy, 0.03)},
        {"photon_found": np.zeros_like(events.photon_found)},
        {"photon_direction": onto_track},
    ):
        assert not analyse(Channel.RHOPI, replace(events, **change))["chi2_4c"].counts.any()


def test_the_rho_the_k_star_and_the_k_short_stand_at_their_masses() -> None:
    rho_pi = analyse(Channel.RHOPI, events_of(Channel.RHOPI))
    for name in ("m_pippim", "m_pippi0", "m_pimpi0"):
        low = centres(rho_pi[name]) < 1.2
        peak = centres(rho_pi[name])[low][np.argmax(rho_pi[name].counts[1:-1][low])]
        assert peak == pytest.approx(mass(213), abs=0.06), name
    assert moments(rho_pi["m_gg"])[0] == pytest.approx(mass(111), abs=1e-3)
    kskpi = analyse(Channel.KSKPI, events_of(Channel.KSKPI))
    assert moments(kskpi["ks_m"])[0] == pytest.approx(mass(310), abs=3e-4)
    peak = centres(kskpi["kpi_m"])[np.argmax(kskpi["kpi_m"].counts[1:-1])]
    assert peak == pytest.approx(mass(313), abs=0.03)


def test_the_decay_length_is_the_generated_one() -> None:
    """Without errors, as generated: a histogram of the true flight, but for the collision's offset from the axis."""
    events = events_of(Channel.KSKPI, 0.0)
    truth = events.truth
    flight = np.linalg.norm(truth.vertex[:, 0] - truth.vertex[:, 2], axis=1)
    p = four_momentum(truth.momentum, np.array([mass(211), mass(211), mass(321), mass(211)]))
    cos = np.abs(truth.momentum[..., 2]) / np.linalg.norm(truth.momentum, axis=-1)
    accepted = (cos < 0.93).all(axis=1)
    measured = analyse(Channel.KSKPI, events)
    assert moments(measured["ks_dl"])[0] == pytest.approx(flight[accepted & (flight < 25)].mean(), rel=0.03)
    k_short = boost_to_rest(p[:, :2].sum(axis=1), P_CMS)
    assert 0 < moments(measured["ks_p"])[0] < np.linalg.norm(k_short[:, :3], axis=1).max()


def test_a_k_short_needs_its_mass_its_flight_and_a_fit() -> None:
    events = events_of(Channel.KSKPI)
    result = analyse(Channel.KSKPI, events)
    assert result["kpi_m"].counts.sum() < result["kspi_m"].counts.sum() == result["ks_p"].counts.sum()
    for name in ("ks_dl", "ks_m", "chi2_4c"):
        assert result["ks_p"].counts.sum() <= result[name].counts.sum()
    assert result["ks_p"].counts.sum() < result["chi2_4c"].counts.sum()
    axis = result["kspi_m"]
    beyond = int(axis.counts[1:-1][centres(axis) > 1.25].sum())
    assert result["kpi_m"].counts.sum() == beyond


def test_the_wrong_decay_shows() -> None:
    """A sample of muons analysed as electrons: E/p gives it away."""
    electrons = replace(events_of(Channel.EE), e_emc=np.full((EVENTS, 2), 1.55))
    e_over_p = [moments(analyse(Channel.EE, events)["e_over_p"])[0] for events in (electrons, events_of(Channel.MUMU))]
    assert e_over_p[0] == pytest.approx(1.0, abs=0.02)
    assert e_over_p[1] == pytest.approx(0.32, abs=0.02)
