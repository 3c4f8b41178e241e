"""Ask everything of this host."""

from __future__ import annotations

from pathlib import Path

from builder.doctor import (
    cgroups,
    clock,
    containers,
    descriptors,
    engine,
    fuse,
    kvm,
    memory,
    namespaces,
    programs,
    rpm,
    space,
    vsyscall,
)
from builder.doctor.model import Host


def examine(store: Path) -> Host:
    """Make every probe; `store` is the folder whose space counts. Raises nothing: what fails is UNKNOWN."""
    answers = engine.probe()
    qemu = programs.qemu()
    here = vsyscall.probe()
    return Host(
        engine=answers,
        apptainer=programs.apptainer(),
        qemu=qemu,
        kvm=kvm.probe(qemu),
        vsyscall=here,
        engine_vsyscall=containers.probe(answers, here),
        cgroup=cgroups.probe(),
        nofile=descriptors.probe(),
        namespaces=namespaces.probe(),
        fuse=fuse.probe(),
        store_space=space.probe(store),
        engine_space=space.probe_engine(answers),
        memory=memory.probe(),
        rpm=rpm.probe(),
        clock=clock.probe(),
    )
