"""Control groups: systemd before 230 knows version 1 alone."""

from __future__ import annotations

from pathlib import Path

from builder.doctor.model import CgroupProbe, CgroupVersion, State

MOUNTS = Path("/proc/self/mounts")
TITLES: dict[CgroupVersion, str] = {
    "v1": "version 1",
    "hybrid": "version 1, and version 2 beside it",
    "v2": "version 2",
    "none": "none is mounted",
}


def version_of(mounts: str) -> CgroupVersion:
    """Read the version from /proc/self/mounts (cgroups(7))."""
    kinds = {fields[2] for fields in map(str.split, mounts.splitlines()) if len(fields) > 2}  # noqa: PLR2004 - fstab(5)
    if "cgroup" in kinds:
        return "hybrid" if "cgroup2" in kinds else "v1"
    return "v2" if "cgroup2" in kinds else "none"


def probe() -> CgroupProbe:
    """Look at what is mounted."""
    try:
        version = version_of(MOUNTS.read_text("utf-8", "replace"))
    except OSError as error:
        return CgroupProbe(state=State.UNKNOWN, found=f"{MOUNTS} can not be read: {error.strerror}", version="unknown")
    state = State.WARNING if version == "none" else State.OK
    return CgroupProbe(state=state, found=TITLES[version], version=version)
