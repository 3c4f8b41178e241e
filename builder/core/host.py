"""What this host has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

MEMORY = Path("/proc/meminfo")


def available_memory() -> int:
    """Bytes of memory that new work can use without swapping (MemAvailable, proc_meminfo(5)); 0 where unknown."""
    try:
        lines = MEMORY.read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)


def cache_folder(environment: Mapping[str, str]) -> Path | None:
    """Give the user's own folder for what may be lost (XDG_CACHE_HOME, by default ~/.cache), made if need be.

    None where it can not be made. Source: XDG Base Directory Specification 0.8.
    """
    home = environment.get("XDG_CACHE_HOME") or str(Path(environment.get("HOME") or "~").expanduser() / ".cache")
    folder = Path(home) / "boss-builder"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    return folder
