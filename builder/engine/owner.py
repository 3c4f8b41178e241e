"""Who owns a container: a process, named so that a later one can tell whether it still lives.

Several hosts, and several containers of one host, may share an engine: a process is judged only by one that sees the
same processes.
"""

from __future__ import annotations

import os
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")


def _start_time(pid: int) -> str | None:
    """Clock ticks after boot at which a process began (field 22 of /proc/PID/stat, proc(5)); None where it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def _surroundings() -> str:
    """Name of what sees the same processes: boot id and process namespace (namespaces(7))."""
    return f"{BOOT_ID.read_text('ascii').strip()}.{NAMESPACE.readlink().name.strip('pid:[]')}"


def own_name() -> str:
    """Name of this process: its surroundings, pid and start time."""
    return f"{_surroundings()}:{os.getpid()}:{_start_time(os.getpid())}"


def is_gone(name: str) -> bool:
    """Whether the named process certainly lives no more; one that can not be seen from here may well live."""
    surroundings, _, rest = name.partition(":")
    pid, _, start = rest.partition(":")
    return surroundings == _surroundings() and pid.isdigit() and _start_time(int(pid)) != start
