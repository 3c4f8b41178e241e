"""The clock: signatures and certificates of a day to come are refused, and so is what has expired long ago."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import builder
from builder.doctor.model import ClockProbe, State

DAY = 86400
CURE = "set the clock (timedatectl set-time, or chronyd -q); a dead battery sets it back at each start"


def judged(now: int, installed: int) -> ClockProbe:
    """Judge the time by that of the installation of this software, which is over; both in seconds since 1970."""
    text = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if now < installed - DAY:
        return ClockProbe(
            state=State.WARNING, found=f"{text}, which is before this software was installed", cure=CURE, now=now
        )
    return ClockProbe(state=State.OK, found=text, now=now)


def probe() -> ClockProbe:
    """Look at the clock."""
    return judged(int(time.time()), int(Path(builder.__file__).stat().st_mtime))
