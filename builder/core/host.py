"""What this host has."""

from __future__ import annotations

from pathlib import Path

MEMORY = Path("/proc/meminfo")


def available_memory() -> int:
    """Bytes of memory that new work can use without swapping (MemAvailable, proc_meminfo(5)); 0 where unknown."""
    try:
        lines = MEMORY.read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), 0)
