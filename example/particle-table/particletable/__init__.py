"""A small particle table: `particles()` gives it, `particle(NUMBER)` one line of it, antiparticles included."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

__version__ = "1.0.0"
SELF_CONJUGATE = frozenset({22, 111, 113, 310, 443})


@dataclass(frozen=True)
class Particle:
    """One particle: PDG number, name, charge in units of e, mass and full width in GeV."""

    number: int
    name: str
    charge: int
    mass: float
    width: float


def particles() -> dict[int, Particle]:
    """Read the table, by PDG number; particles only."""
    with (Path(__file__).parent / "particles.csv").open(encoding="ascii", newline="") as stream:
        return {
            int(row["number"]): Particle(
                number=int(row["number"]),
                name=row["name"],
                charge=int(row["charge"]),
                mass=float(row["mass_gev"]),
                width=float(row["width_gev"]),
            )
            for row in csv.DictReader(stream)
        }


def particle(number: int) -> Particle:
    """Give one particle; a negative number is the antiparticle. Raises KeyError where there is none."""
    found = particles()[abs(number)]
    if number > 0:
        return found
    if found.number in SELF_CONJUGATE:
        raise KeyError(number)
    return replace(found, number=number, name=f"anti-{found.name}", charge=-found.charge)
