"""KVM: does a guest really start under it. The answer is that of `run`."""

from __future__ import annotations

import os

from builder.boot.vm.accelerator import VARIABLE, choose
from builder.core.errors import Failure
from builder.doctor.model import Probe, ProgramProbe, State

CURE = "emulation works without it, some ten times slower; for KVM: modprobe kvm, and be a member of the group kvm"


def probe(qemu: ProgramProbe) -> Probe:
    """Choose an accelerator as a machine does; without QEMU there is nothing to boot a guest with."""
    if not qemu.path:
        return Probe(state=State.UNKNOWN, found="without QEMU no guest can be started to find out", cure=qemu.cure)
    asked = os.environ.get(VARIABLE)
    try:
        chosen = choose()
    except Failure as failure:
        problem = failure.problems[0]
        return Probe(state=State.MISSING, found=problem.message, cure=problem.hint)
    if chosen.name == "kvm":
        return Probe(state=State.OK, found=chosen.reason)
    if asked == "tcg":
        return Probe(state=State.WARNING, found=f"not tried: {VARIABLE}=tcg", cure=f"unset {VARIABLE}")
    return Probe(state=State.WARNING, found=chosen.reason.removeprefix("no KVM: "), cure=CURE)
