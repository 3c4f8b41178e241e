"""Memory for a virtual machine."""

from __future__ import annotations

from builder.core.host import available_memory
from builder.core.progress import amount_text
from builder.doctor.model import MemoryProbe, State


def probe() -> MemoryProbe:
    """Ask what new work can use without swapping."""
    available = available_memory()
    if not available:
        return MemoryProbe(state=State.UNKNOWN, found="the kernel does not tell", available=None)
    return MemoryProbe(state=State.OK, found=f"{amount_text(available)} available", available=available)
