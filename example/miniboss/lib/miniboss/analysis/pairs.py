"""J/psi -> e+ e-, mu+ mu-, p anti-p: two tracks, back to back in the J/psi's frame.

The binnings of p anti-p and all cuts are those of BESIII's data quality analyses; the binnings of the leptons are the
toy's own. Each histogram shows the events that pass all cuts but the one on its own quantity.
"""

from __future__ import annotations

import numpy as np

from miniboss import helix
from miniboss.analysis import tracks
from miniboss.analysis.book import Book
from miniboss.events import Reconstructed
from miniboss.kinematics import P_CMS, boost_to_rest, cos_angle, four_momentum, invariant_mass

MAX_VR, MAX_VZ = 1.0, 10.0
"""cm: how near to the origin a track must pass."""
MAX_ANGLE = 6.0
"""Degrees: acollinearity and acoplanarity of a pair of leptons."""
PROTON_MOMENTUM, PROTON_WINDOW = 1.232, 0.02
"""GeV: momentum of either proton in the J/psi's frame, and how far off it may be."""
SIGNS = ("positive", "negative")


class LeptonPair:
    """The analysis of e+ e- and mu+ mu-; both are measured alike, so that E/p shows which they are."""

    def __init__(self, book: Book, lepton_mass: float, name: str) -> None:
        self._lepton_mass = lepton_mass
        self._mass = book.histogram("mass", "invariant mass", f"m({name}+ {name}-) [GeV/c^2]", (100, 2.9, 3.3))
        self._acollinearity = book.histogram("acollinearity", "acollinearity", "acollinearity [degree]", (60, 0.0, 0.6))
        self._acoplanarity = book.histogram("acoplanarity", "acoplanarity", "acoplanarity [degree]", (60, 0.0, 0.6))
        self._e_over_p = book.histogram("e_over_p", "shower energy over momentum", "E/p [c]", (75, 0.0, 1.5))
        self._e_emc = book.histogram("e_emc", "shower energy", "E [GeV]", (100, 0.0, 2.0))
        self._p = book.histogram("p", "momentum in the laboratory", "p [GeV/c]", (100, 1.4, 1.7))
        self._vr = book.histogram("vr", "distance from the beam", "V_r [cm]", (100, -0.5, 0.5))
        self._vz = book.histogram("vz", "place along the beam", "V_z [cm]", (100, -10.0, 10.0))
        self._cos = [book.histogram(f"cos_{s}", f"{s} lepton", "cos(theta)", (40, -1.0, 1.0)) for s in SIGNS]
        self._phi = [book.histogram(f"phi_{s}", f"{s} lepton", "phi [degree]", (36, -180.0, 180.0)) for s in SIGNS]

    def add(self, reconstructed: Reconstructed) -> None:
        """Analyse events; slot 0 is the positive lepton."""
        pair = tracks.good(reconstructed, MAX_VR, MAX_VZ).all(axis=1) & tracks.neutral(reconstructed)
        events = tracks.selected(reconstructed, pair)
        p = four_momentum(helix.momentum(events.helix), self._lepton_mass)
        at_rest = boost_to_rest(p, P_CMS)[..., :3]
        acollinearity = 180.0 - np.degrees(np.arccos(cos_angle(at_rest[:, 0], at_rest[:, 1])))
        acoplanarity = 180.0 - np.degrees(np.arccos(cos_angle(at_rest[:, 0, :2], at_rest[:, 1, :2])))
        collinear, coplanar = acollinearity < MAX_ANGLE, acoplanarity < MAX_ANGLE
        self._acollinearity.fill(acollinearity[coplanar])
        self._acoplanarity.fill(acoplanarity[collinear])
        both = collinear & coplanar
        p, kept = p[both], tracks.selected(events, both)
        size = np.sqrt(np.sum(p[..., :3] ** 2, axis=-1))
        self._mass.fill(invariant_mass(p.sum(axis=1)))
        self._p.fill(size)
        self._e_emc.fill(kept.e_emc)
        self._e_over_p.fill(kept.e_emc / size)
        self._vr.fill(kept.helix[..., 0])
        self._vz.fill(kept.helix[..., 3])
        for slot in range(2):
            self._cos[slot].fill(p[:, slot, 2] / size[:, slot])
            self._phi[slot].fill(np.degrees(np.arctan2(p[:, slot, 1], p[:, slot, 0])))


class ProtonPair:
    """The analysis of p anti-p."""

    def __init__(self, book: Book, proton_mass: float) -> None:
        self._proton_mass = proton_mass
        frame = "in the J/psi's frame"
        self._p = book.histogram("bst_p", f"momentum {frame}", "p [GeV/c]", (80, 1.15, 1.31))
        self._cos = book.histogram("bst_cos", f"polar angle of the proton {frame}", "cos(theta)", (20, -1.0, 1.0))
        self._mass = book.histogram("mpp", "invariant mass", "m(p anti-p) [GeV/c^2]", (100, 3.05, 3.15))
        self._angle = book.histogram("angle", f"angle between the two {frame}", "angle [degree]", (50, 175.0, 180.0))
        self._delta_tof = book.histogram(
            "deltatof", "difference of times of flight", "t_1 - t_2 [ns]", (50, -10.0, 10.0)
        )
        self._e_emc = [
            book.histogram(f"e_emc{slot}", f"shower energy of the {name}", "E [GeV]", (100, 0.0, 2.0))
            for slot, name in ((1, "proton"), (2, "antiproton"))
        ]

    def add(self, reconstructed: Reconstructed) -> None:
        """Analyse events; slot 0 is the proton. A track without a time of flight is left out of `deltatof`."""
        pair = tracks.good(reconstructed, MAX_VR, MAX_VZ).all(axis=1) & tracks.neutral(reconstructed)
        events = tracks.selected(reconstructed, pair)
        p = four_momentum(helix.momentum(events.helix), self._proton_mass)
        at_rest = boost_to_rest(p, P_CMS)[..., :3]
        size = np.sqrt(np.sum(at_rest**2, axis=-1))
        self._p.fill(size)
        both = (np.abs(size - PROTON_MOMENTUM) <= PROTON_WINDOW).all(axis=1)
        at_rest, kept = at_rest[both], tracks.selected(events, both)
        self._cos.fill(at_rest[:, 0, 2] / size[both, 0])
        self._mass.fill(invariant_mass(p[both].sum(axis=1)))
        self._angle.fill(np.degrees(np.arccos(cos_angle(at_rest[:, 0], at_rest[:, 1]))))
        delta_tof = kept.tof[:, 0] - kept.tof[:, 1]
        self._delta_tof.fill(delta_tof[~np.isnan(delta_tof)])
        for slot in range(2):
            self._e_emc[slot].fill(kept.e_emc[:, slot])
