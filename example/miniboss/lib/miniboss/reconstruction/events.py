"""Whole events: tracks by the release's own tracking code, times and showers as calibrated."""

from __future__ import annotations

import numpy as np

from miniboss.constants import Constants
from miniboss.events import Digitised, Reconstructed
from miniboss.geometry import Geometry
from miniboss.reconstruction.fit import Hits
from miniboss.release.tracking import reconstruct_tracks


def reconstruct(digitised: Digitised, constants: Constants, geometry: Geometry) -> Reconstructed:
    """Reconstruct one block of events."""
    events, charged, layers = digitised.phi.shape
    phi = digitised.phi.reshape(-1, layers)
    hits = Hits(~np.isnan(phi), phi, digitised.z.reshape(-1, layers))
    found, tracks = reconstruct_tracks(hits, constants.mdc, geometry)
    helix = np.zeros((len(found), 5))
    covariance = np.zeros((len(found), 5, 5))
    chi2, n_hits = np.zeros(len(found)), np.zeros(len(found), dtype=np.int32)
    helix[found], covariance[found], chi2[found], n_hits[found] = (
        tracks.helix,
        tracks.covariance,
        tracks.chi2,
        tracks.n_hits,
    )
    slots = (events, charged)
    return Reconstructed(
        found=found.reshape(slots),
        charge=np.sign(helix[:, 2]).astype(np.int32).reshape(slots),
        helix=helix.reshape(*slots, 5),
        covariance=covariance.reshape(*slots, 5, 5),
        chi2=chi2.reshape(slots),
        n_hits=n_hits.reshape(slots),
        tof=digitised.tof.astype(np.float64) - constants.tof.Offset,
        e_emc=digitised.e_emc.astype(np.float64),
        photon_found=digitised.photon_energy > 0,
        photon_energy=digitised.photon_energy.astype(np.float64),
        photon_direction=digitised.photon_direction.astype(np.float64),
        truth=digitised.truth,
    )
