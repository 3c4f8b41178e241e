"""Free space of a folder's file system."""

from __future__ import annotations

import os
from pathlib import Path

from builder.core.progress import amount_text
from builder.doctor.model import EngineProbe, SpaceProbe, State


def probe(folder: Path) -> SpaceProbe:
    """Ask for what this user may still write where `folder` is, or will be made; quotas are not seen."""
    there = next((place for place in (folder.absolute(), *folder.absolute().parents) if place.exists()), Path("/"))
    try:
        found = os.statvfs(there)
    except OSError as error:
        return SpaceProbe(state=State.UNKNOWN, found=f"{folder} can not be asked: {error.strerror}", free=None)
    free = found.f_bavail * found.f_frsize
    return SpaceProbe(state=State.OK, found=f"{amount_text(free)} free in {folder}", free=free)


def probe_engine(engine: EngineProbe) -> SpaceProbe:
    """Ask for the folder of the engine; unknown where the engine is on another host, or names no folder."""
    if engine.state is not State.OK:
        return SpaceProbe(state=State.UNKNOWN, found="without an engine there is none", free=None)
    if not engine.here or not engine.root:
        return SpaceProbe(state=State.UNKNOWN, found="the engine keeps its files on another host", free=None)
    return probe(Path(engine.root))
