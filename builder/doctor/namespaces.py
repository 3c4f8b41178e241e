"""User namespaces, which apptainer without setuid needs: is one really made."""

from __future__ import annotations

from builder.boot.apptainer.program import NO_NAMESPACES
from builder.core.errors import Failure, HostFailure
from builder.core.process import run
from builder.doctor.model import Probe, State

LIMIT = 30.0


def probe() -> Probe:
    """Start a program as root of a user namespace of its own (unshare(1))."""
    try:
        done = run(["unshare", "--user", "--map-root-user", "true"], time_limit=LIMIT, check=False)
    except HostFailure:
        return Probe(state=State.UNKNOWN, found="unshare is not installed to try it", cure="apt-get install util-linux")
    except Failure as failure:
        return Probe(state=State.UNKNOWN, found=failure.problems[0].message)
    if done.returncode == 0:
        return Probe(state=State.OK, found="one can be made")
    said = (done.stderr.strip() or f"unshare ended with {done.returncode}").splitlines()[-1]
    return Probe(state=State.MISSING, found=f"none can be made: {said}", cure=NO_NAMESPACES)
