"""Programs that start images: are they there, and do they run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from builder.boot.apptainer.program import PROGRAMS
from builder.boot.choose import QEMU
from builder.core.errors import Failure
from builder.core.process import run
from builder.doctor.model import ProgramProbe, State

LIMIT = 60.0
"""Seconds for a program to say its version, on a host that does much else."""


def apptainer() -> ProgramProbe:
    """Look for apptainer, or singularity, which it was called before."""
    return _probe(PROGRAMS, "apptainer", "apt-get install apptainer, or dnf install apptainer")


def qemu() -> ProgramProbe:
    """Look for the QEMU that starts machines of x86_64."""
    return _probe((QEMU,), QEMU, "apt-get install qemu-system-x86, or dnf install qemu-kvm")


def _probe(names: Sequence[str], title: str, cure: str) -> ProgramProbe:
    path = next(filter(None, map(shutil.which, names)), "")
    if not path:
        return ProgramProbe(state=State.MISSING, found=f"{title} is not installed", cure=cure)
    try:
        said = run([path, "--version"], time_limit=LIMIT).stdout.strip()
    except (Failure, OSError) as error:
        first = str(error).partition("\n")[0]
        return ProgramProbe(
            state=State.UNKNOWN, found=f"{path} does not say its version: {first}", cure=cure, path=path
        )
    return ProgramProbe(state=State.OK, found=f"{path}: {said.partition(chr(10))[0]}", path=path)
