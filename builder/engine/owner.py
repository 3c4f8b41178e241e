"""Who owns a container: a process, named so that a later one can tell whether it still lives."""

from __future__ import annotations

import os
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def _start_time(pid: int) -> str | None:
    """Clock ticks after boot at which a process began (field 22 of /proc/PID/stat, proc(5)); None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def own_name() -> str:
    """Name of this process: boot id, pid and start time."""
    return f"{BOOT_ID.read_text('ascii').strip()}:{os.getpid()}:{_start_time(os.getpid())}"


def is_gone(name: str) -> bool:
    """Whether the named process certainly lives no more."""
    boot, _, rest = name.partition(":")
    pid, _, start = rest.partition(":")
    if boot != BOOT_ID.read_text("ascii").strip():
        return True
    return not pid.isdigit() or _start_time(int(pid)) != start
