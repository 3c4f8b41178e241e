"""FUSE, by which apptainer without setuid mounts an image."""

from __future__ import annotations

import os
from pathlib import Path

from builder.boot.apptainer.program import FUSE, NO_FUSE
from builder.doctor.model import Probe, State


def probe(device: Path = Path(FUSE)) -> Probe:
    """Open the device as a mount does."""
    try:
        os.close(os.open(device, os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return Probe(state=State.MISSING, found=f"there is no {device}", cure=NO_FUSE)
    except OSError as error:
        return Probe(state=State.MISSING, found=f"{device} does not open: {error.strerror}", cure=NO_FUSE)
    return Probe(state=State.OK, found=f"{device} opens")
