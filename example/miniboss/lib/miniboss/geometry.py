"""The detector's geometry, from the external library `detector-geometry`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from miniboss.errors import JobError
from miniboss.events import Floats
from miniboss.helix import ALPHA

VARIABLE = "DETECTOR_GEOMETRY_ROOT"
FEWEST_LAYERS, MOST_LAYERS = 5, 1000


@dataclass(frozen=True)
class Geometry:
    """A cylindrical tracking chamber in a solenoid, both about the z axis."""

    field: float
    """Tesla, along +z."""
    layers: int
    inner_radius: float
    """cm, of the first layer."""
    outer_radius: float
    """cm, of the last layer."""
    max_abs_cos_theta: float
    """Particles beyond leave nothing, in the tracker as in the calorimeter."""
    radiation_lengths_per_layer: float
    """For a particle that crosses a layer at right angles."""

    @property
    def alpha(self) -> float:
        """Transverse momentum times radius of curvature, cm / GeV."""
        return ALPHA / self.field

    @property
    def radii(self) -> Floats:
        """(layers,) in cm."""
        return np.linspace(self.inner_radius, self.outer_radius, self.layers)


def read_geometry(environment: Mapping[str, str]) -> Geometry:
    """Read geometry.json in the folder that `DETECTOR_GEOMETRY_ROOT` names. Raises JobError."""
    root = environment.get(VARIABLE)
    if not root:
        raise JobError(f"the variable {VARIABLE} is not set: there is no detector geometry")
    file = Path(root) / "geometry.json"
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        tracker = document["tracker"]
        geometry = Geometry(
            field=float(document["field_tesla"]),
            layers=int(tracker["layers"]),
            inner_radius=float(tracker["inner_radius_cm"]),
            outer_radius=float(tracker["outer_radius_cm"]),
            max_abs_cos_theta=float(tracker["max_abs_cos_theta"]),
            radiation_lengths_per_layer=float(tracker["radiation_lengths_per_layer"]),
        )
    except OSError as error:
        raise JobError(f"cannot read the detector geometry {file}: {error.strerror}") from error
    except KeyError as error:
        raise JobError(f"the detector geometry {file} lacks {error}") from error
    except (TypeError, ValueError) as error:
        raise JobError(f"the detector geometry {file} cannot be understood: {error}") from error
    sensible = (
        0 < geometry.field < np.inf
        and FEWEST_LAYERS <= geometry.layers <= MOST_LAYERS
        and 0 < geometry.inner_radius < geometry.outer_radius < np.inf
        and 0 < geometry.max_abs_cos_theta < 1
        and 0 <= geometry.radiation_lengths_per_layer < np.inf
    )
    if not sensible:
        raise JobError(f"the detector geometry {file} describes no detector: {geometry}")
    return geometry
