"""Open files: rpm and yum of old close every descriptor one by one, so a limit of a billion makes hours of a second."""

from __future__ import annotations

import resource

from builder.doctor.model import DescriptorsProbe, State

FEW = 1024
MANY = 1 << 20


def judged(soft: int, hard: int) -> DescriptorsProbe:
    """Judge the two limits of RLIMIT_NOFILE (getrlimit(2)); none is RLIM_INFINITY."""
    many = soft == resource.RLIM_INFINITY or soft > MANY
    few = not many and soft < FEW
    endless = soft == resource.RLIM_INFINITY
    return DescriptorsProbe(
        state=State.WARNING if many or few else State.OK,
        found=f"nofile {'unlimited' if endless else soft}" + (": few" if few else ": rpm of old loops over all" * many),
        cure="ulimit -n 4096" if many or few else "",
        soft=soft,
        hard=hard,
    )


def probe() -> DescriptorsProbe:
    """Read the limits of this process, which what it starts inherits; our containers have 1024 and 4096 always."""
    return judged(*resource.getrlimit(resource.RLIMIT_NOFILE))
