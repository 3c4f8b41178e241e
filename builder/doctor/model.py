"""What the host was found to have, and what that means for a release: typed, without I/O."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Literal

import msgspec

from builder.store.shapes import Shape


class State(StrEnum):
    """How well something is, the worst last. UNKNOWN is never success."""

    OK = "OK"
    WARNING = "WARNING"
    """It works, with the drawback that is told."""
    UNKNOWN = "UNKNOWN"
    """It could not be found out."""
    MISSING = "MISSING"


def worst(states: tuple[State, ...]) -> State:
    """Give the worst of some states; OK where there are none."""
    return max(states, key=list(State).index, default=State.OK)


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the records."""


# -- the host -----------------------------------------------------------------------------------------------------


class Probe(_Record, frozen=True, kw_only=True):
    """One thing of the host: how it is, what was found, in words, and what to do where it is not well."""

    state: State
    found: str
    cure: str = ""


class EngineProbe(Probe, frozen=True, kw_only=True):
    """The Docker Engine."""

    kernel: str = ""
    """Release of the kernel that its containers run on: another one than this host's where it is elsewhere."""
    here: bool = False
    """Whether that kernel is this host's, so that what was found here holds in its containers."""
    cgroup: str = ""
    """`1` or `2`, as the engine says it."""
    root: str = ""
    """The folder of the engine's host where it keeps images and containers."""


class ProgramProbe(Probe, frozen=True, kw_only=True):
    """A program; its path is empty where there is none."""

    path: str = ""


Vsyscall = Literal["native", "emulate", "xonly", "none", "unknown"]
CgroupVersion = Literal["v1", "hybrid", "v2", "none", "unknown"]


class VsyscallProbe(Probe, frozen=True, kw_only=True):
    """What becomes of a program that calls into the page [vsyscall]; it dies where the mode is `none`."""

    mode: Vsyscall


class CgroupProbe(Probe, frozen=True, kw_only=True):
    """Which control groups are mounted."""

    version: CgroupVersion


class DescriptorsProbe(Probe, frozen=True, kw_only=True):
    """How many files a process may have open."""

    soft: int
    hard: int


class SpaceProbe(Probe, frozen=True, kw_only=True):
    """Bytes that are free in a folder; None where that is not known."""

    free: int | None


class MemoryProbe(Probe, frozen=True, kw_only=True):
    """Bytes of memory that new work can use; None where that is not known."""

    available: int | None


class RpmProbe(Probe, frozen=True, kw_only=True):
    """The rpm that judges signatures; `version` is empty where it is not known."""

    version: str = ""
    policy: str = ""
    """Name of the host's crypto policy, as DEFAULT or FUTURE; empty where there is none."""


class ClockProbe(Probe, frozen=True, kw_only=True):
    """The clock, in seconds since 1970."""

    now: int


class Host(_Record, frozen=True, kw_only=True):
    """All that was asked of this host."""

    engine: EngineProbe
    apptainer: ProgramProbe
    qemu: ProgramProbe
    kvm: Probe
    vsyscall: VsyscallProbe
    engine_vsyscall: VsyscallProbe
    cgroup: CgroupProbe
    nofile: DescriptorsProbe
    namespaces: Probe
    fuse: Probe
    store_space: SpaceProbe
    engine_space: SpaceProbe
    memory: MemoryProbe
    rpm: RpmProbe
    clock: ClockProbe

    def probes(self) -> Iterator[tuple[str, Probe]]:
        """Give each probe and its name, in the order of a report."""
        for name in self.__struct_fields__:
            yield name, getattr(self, name)


# -- a release ----------------------------------------------------------------------------------------------------


class Finding(_Record, frozen=True, kw_only=True):
    """What one thing of the host means for one step of a release."""

    about: str
    """Name of the probe, or of what else it is about."""
    state: State
    meaning: str
    cure: str = ""


class Route(_Record, frozen=True, kw_only=True):
    """The way that will be taken: the shape that is started, and with what, in words."""

    shape: Shape
    how: str


Step = Literal["freeze", "build"]


class ShapeAdvice(_Record, frozen=True, kw_only=True):
    """What becomes of one shape of a release on this host; without a route it can not be started here."""

    shape: Shape
    state: State
    built: bool
    """Whether the store has it."""
    route: Route | None
    findings: tuple[Finding, ...] = ()


class StepAdvice(_Record, frozen=True, kw_only=True):
    """Whether a step, `freeze` or `build`, can be done on this host."""

    step: Step
    state: State
    findings: tuple[Finding, ...] = ()


class ReleaseAdvice(_Record, frozen=True, kw_only=True):
    """A release on this host."""

    release: str
    system: str
    """Its operating system, in words."""
    shapes: tuple[ShapeAdvice, ...]
    steps: tuple[StepAdvice, ...]

    @property
    def has_routes(self) -> bool:
        """Whether each shape certainly can be started here: UNKNOWN is never success."""
        return all(one.route is not None and one.state in {State.OK, State.WARNING} for one in self.shapes)
