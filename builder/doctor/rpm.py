"""The rpm of this host and the host's crypto policy: what they let pass of packages that were signed long ago.

Freezes and builds use the rpm of the builder image, which the host's policy does not reach; the host's own counts for
what people do by hand, as `rpm --checksig` on exported packages.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from builder.core.errors import Failure
from builder.core.process import run
from builder.doctor.model import RpmProbe, State

LIMIT = 60.0
POLICY = Path("/etc/crypto-policies/state/current")
"""Name of the policy in force (crypto-policies(7), update-crypto-policies(8))."""
STRICT_MAJOR = 6
"""From this version on, rpm refuses packages whose only digests are MD5 and SHA-1 (rpm issue 4067)."""
CURE = "check packages of old with the rpm of the builder image, as freeze does"


def judged(said: str, policy: str) -> RpmProbe:
    """Judge what `rpm --version` said, and the name of the policy, empty where there is none."""
    found = re.search(r"(\d+)(\.\d+)*", said)
    if found is None:
        return RpmProbe(state=State.UNKNOWN, found=f"rpm does not tell its version: {said!r}", policy=policy)
    problems = [f"RPM {STRICT_MAJOR} refuses packages with MD5 and SHA-1 alone"] * (int(found[1]) >= STRICT_MAJOR)
    relaxed = not policy or "LEGACY" in policy or "SHA1" in policy
    problems += [] if relaxed else [f"the crypto policy {policy} may refuse keys and signatures by SHA-1"]
    text = ", ".join(filter(None, (f"rpm {found[0]}", f"crypto policy {policy}" if policy else "no crypto policy")))
    return RpmProbe(
        state=State.WARNING if problems else State.OK,
        found="; ".join((text, *problems)),
        cure=CURE if problems else "",
        version=found[0],
        policy=policy,
    )


def probe() -> RpmProbe:
    """Ask the host's rpm; a host without one needs none."""
    try:
        policy = POLICY.read_text("utf-8").strip()
    except OSError:
        policy = ""
    if shutil.which("rpm") is None:
        return RpmProbe(state=State.OK, found="none of its own; the builder image has one", policy=policy)
    try:
        said = run(["rpm", "--version"], time_limit=LIMIT, environment={"LC_ALL": "C"}).stdout.strip()
    except Failure as failure:
        return RpmProbe(state=State.UNKNOWN, found=failure.problems[0].message, policy=policy)
    return judged(said, policy)
