"""Masses and widths of the particles that the toy knows.

They are the Particle Data Group's, as the external library `particletable` gives them (it lies on PYTHONPATH).
"""

from __future__ import annotations

from functools import cache

from particletable import particle

ELECTRON, MUON, PHOTON, PROTON = 11, 13, 22, 2212
PION_0, PION, K_SHORT, KAON = 111, 211, 310, 321
RHO_0, RHO, K_STAR_0, K_STAR = 113, 213, 313, 323


@cache
def mass(pdg: int) -> float:
    """Give the mass in GeV of the particle or antiparticle with a PDG number. Raises KeyError for an unknown one."""
    return particle(abs(pdg)).mass


@cache
def width(pdg: int) -> float:
    """Give the full width in GeV of the particle or antiparticle with a PDG number."""
    return particle(abs(pdg)).width
