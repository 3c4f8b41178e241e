"""Hosts and releases, as values: what is not named is well."""

from __future__ import annotations

from typing import Any

from builder.doctor.model import (
    CgroupProbe,
    ClockProbe,
    DescriptorsProbe,
    EngineProbe,
    Host,
    MemoryProbe,
    Probe,
    ProgramProbe,
    RpmProbe,
    SpaceProbe,
    State,
    VsyscallProbe,
)
from builder.doctor.needs import GLIBC, SYSTEMD, Needs, Stored, System
from builder.store.shapes import SHAPES

GIB = 1 << 30
DAY_2020 = 1577836800
WELL = Probe(state=State.OK, found="well")
ENGINE = EngineProbe(state=State.OK, found="Docker Engine 28", kernel="6.1", here=True, cgroup="1", root="/docker")
ELSEWHERE = EngineProbe(state=State.OK, found="Docker Engine 28", kernel="5.15-wsl", cgroup="1", root="/docker")
NO_ENGINE = EngineProbe(state=State.MISSING, found="no Docker Engine answers", cure="start it")
APPTAINER = ProgramProbe(state=State.OK, found="/usr/bin/apptainer: 1.4", path="/usr/bin/apptainer")
NO_APPTAINER = ProgramProbe(state=State.MISSING, found="apptainer is not installed", cure="apt-get install apptainer")
QEMU = ProgramProbe(state=State.OK, found="/usr/bin/qemu: 7.2", path="/usr/bin/qemu")
NO_QEMU = ProgramProbe(state=State.MISSING, found="qemu is not installed", cure="apt-get install qemu-system-x86")
NO_KVM = Probe(state=State.WARNING, found="there is no /dev/kvm", cure="modprobe kvm")
XONLY = VsyscallProbe(state=State.OK, found="vsyscall=xonly: a call works", mode="xonly")
EMULATE = VsyscallProbe(state=State.OK, found="vsyscall=emulate: a call works", mode="emulate")
NATIVE = VsyscallProbe(state=State.OK, found="vsyscall=native: a call works", mode="native")
NONE = VsyscallProbe(state=State.MISSING, found="vsyscall=none", cure="vsyscall=emulate", mode="none")
UNKNOWN = VsyscallProbe(state=State.UNKNOWN, found="it could not be tried", cure="vsyscall=emulate", mode="unknown")
MODES = {"xonly": XONLY, "emulate": EMULATE, "native": NATIVE, "none": NONE, "unknown": UNKNOWN}


def space(free: int | None) -> SpaceProbe:
    return SpaceProbe(state=State.OK if free is not None else State.UNKNOWN, found=f"{free} free", free=free)


def a_host(**changes: Any) -> Host:
    """A host on which all is well, but for what is given. Of an engine elsewhere nothing is known."""
    probes: dict[str, Any] = {
        "engine": ENGINE,
        "apptainer": APPTAINER,
        "qemu": QEMU,
        "kvm": WELL,
        "vsyscall": XONLY,
        "cgroup": CgroupProbe(state=State.OK, found="version 1", version="v1"),
        "nofile": DescriptorsProbe(state=State.OK, found="nofile 1024", soft=1024, hard=4096),
        "namespaces": WELL,
        "fuse": WELL,
        "store_space": space(100 * GIB),
        "engine_space": space(100 * GIB),
        "memory": MemoryProbe(state=State.OK, found="8 GiB available", available=8 * GIB),
        "rpm": RpmProbe(state=State.OK, found="rpm 4.20", version="4.20"),
        "clock": ClockProbe(state=State.OK, found="2026-12-01T00:00:00Z", now=1796083200),
    }
    found = probes | changes
    elsewhere = found["engine"].state is State.OK and not found["engine"].here
    return Host(**({"engine_vsyscall": UNKNOWN if elsewhere else found["vsyscall"]} | found))


def enterprise_linux(number: int) -> System:
    return System(f"el {number}", number, GLIBC[number], SYSTEMD.get(number))


FOREIGN = System("tiny 1")
"""A system of which nothing is known."""


def a_release(system: System, **changes: Any) -> Needs:
    """A release in every shape, frozen and built."""
    facts: dict[str, Any] = {
        "release": "boss-6.6.5",
        "system": system,
        "shapes": SHAPES,
        "epoch": DAY_2020,
        "memory": GIB,
        "inputs": GIB,
        "stored": Stored(
            built=frozenset(SHAPES), current=frozenset(SHAPES), missing_inputs=0, layers=GIB, builder_image=True
        ),
    }
    return Needs(**(facts | changes))
