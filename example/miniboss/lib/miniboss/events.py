"""What the steps of a job hand on: generated particles, what the detector saw of them, reconstructed tracks.

The first axis of every array is the event. Slots of particles are fixed for each channel, charged particles first, then
photons; n events, k particles, t charged ones and g = k - t photons. Lengths are in cm, momenta and energies in GeV,
times in ns, all in the laboratory frame; `z` points along the field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Integers = NDArray[np.int32]
Flags = NDArray[np.bool_]

PHOTON = 22


@dataclass(frozen=True)
class Generated:
    """Stable particles that reach the detector, as the generator made them."""

    pdg: Integers
    """(n, k): PDG's numbers of the particles; the same slots are photons in every event."""
    momentum: Floats
    """(n, k, 3)."""
    vertex: Floats
    """(n, k, 3): where the particle came to be."""

    @property
    def charged(self) -> int:
        """Count the charged slots, t; they come first."""
        return int((self.pdg[0] != PHOTON).sum()) if len(self.pdg) else 0


@dataclass(frozen=True)
class Digitised:
    """What the detector recorded; a layer without a hit and a clock without a signal hold NaN."""

    phi: Singles
    """(n, t, layers): azimuth of the hit on the cylinder of its layer, radian."""
    z: Singles
    """(n, t, layers)."""
    tof: Singles
    """(n, t): time of flight from the collision to the outer radius of the tracker."""
    e_emc: Singles
    """(n, t): energy of the track's own shower."""
    photon_energy: Singles
    """(n, g): 0 where no shower was seen."""
    photon_direction: Singles
    """(n, g, 3): unit vector from the origin to the shower."""
    truth: Generated


@dataclass(frozen=True)
class Reconstructed:
    """Tracks and showers; one slot for each generated particle, filled or not (there is no pattern recognition)."""

    found: Flags
    """(n, t): whether there is a track; the other arrays hold 0 where there is none."""
    charge: Integers
    """(n, t): +1 or -1."""
    helix: Floats
    """(n, t, 5): dr, phi0, kappa, dz, tanl at the point closest to the z axis; see `helix`."""
    covariance: Floats
    """(n, t, 5, 5): of `helix`; (dr, phi0, kappa) and (dz, tanl) are fitted apart and do not correlate."""
    chi2: Floats
    """(n, t): of the circle's fit; `n_hits - 3` degrees of freedom. Scattering is in `covariance`, not in here."""
    n_hits: Integers
    """(n, t)."""
    tof: Floats
    """(n, t): NaN where the clock had no signal."""
    e_emc: Floats
    """(n, t)."""
    photon_found: Flags
    """(n, g)."""
    photon_energy: Floats
    """(n, g)."""
    photon_direction: Floats
    """(n, g, 3): unit vectors from the origin."""
    truth: Generated
