"""What the host's state means for a release: for each shape and step, and the route that is taken. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from builder.boot.choose import Choice, choose
from builder.boot.choose import Host as Programs
from builder.core.errors import HostFailure
from builder.core.progress import amount_text
from builder.doctor.model import (
    Finding,
    Host,
    Probe,
    ReleaseAdvice,
    Route,
    ShapeAdvice,
    SpaceProbe,
    State,
    Step,
    StepAdvice,
    VsyscallProbe,
    worst,
)
from builder.doctor.needs import SHA1_UNTIL, Needs, System
from builder.store.shapes import Shape

CGROUP_V2_FROM = (230,)
"""The first systemd that starts where control groups are of version 2 alone."""
DIES = "its programs die on this kernel, which has vsyscall=none (boot the host with vsyscall=emulate)"
MAY_DIE = "its programs die where a kernel has vsyscall=none, and what this one has is not known (boss-builder doctor)"
SYSTEMD_ALONE = "a systemd of before 2016 can not start services on a host with control groups of version 2 alone"
SET_CLOCK = "set it: timedatectl set-time, or chronyd -q"


def advise(host: Host, needs: Needs, asked: Collection[Shape] = ()) -> ReleaseAdvice:
    """Say what becomes of a release on a host; `asked` are the shapes that count, by default all of its recipe."""
    shapes = tuple(shape for shape in needs.shapes if shape in asked or not asked)
    return ReleaseAdvice(
        release=needs.release,
        system=needs.system.title,
        shapes=tuple(_shape(shape, host, needs) for shape in shapes),
        steps=(_step("freeze", _freeze(host, needs)), _step("build", _build(host, needs, asked or None))),
    )


# -- what dies of vsyscall=none -----------------------------------------------------------------------------------


def kernels(here: VsyscallProbe, in_engine: VsyscallProbe, apptainer: str) -> dict[Shape, VsyscallProbe]:
    """Give what is known of the kernel that each shape of container runs on: this host's, or the engine's.

    `apptainer` is the host's own, or empty: then the engine starts a `sif` too.
    """
    return {"oci": in_engine, "sif": here if apptainer else in_engine}


def barred(system: System | None, modes: Mapping[Shape, VsyscallProbe]) -> dict[Shape, str]:
    """Give the shapes in which a system's programs die, or may die for all that is known; each with the reason.

    The end of a reason, in brackets, is the cure. Where nothing is known of the system, nothing is barred.
    """
    if system is None or not system.calls_vsyscall:
        return {}
    return {shape: DIES if probe.mode == "none" else MAY_DIE for shape, probe in modes.items() if _is_doubted(probe)}


def death(system: System | None, probe: VsyscallProbe) -> str:
    """Say why a program ended by SIGSEGV on a kernel; empty where vsyscall has nothing to do with it."""
    if not _is_doubted(probe) or (system is not None and system.calls_vsyscall is False):
        return ""
    if probe.mode == "none" and system is not None and system.calls_vsyscall:
        return DIES.partition(" (")[0]
    return f"{probe.found}; programs of before 2011, as those of Enterprise Linux 5 and 6, die where vsyscall=none"


def _is_doubted(probe: VsyscallProbe) -> bool:
    return probe.state is not State.OK


def _vsyscall(probe: VsyscallProbe, system: System) -> Iterator[Finding]:
    """Say what a kernel's mode means for the system's programs in a container, where it means something."""
    calls = system.calls_vsyscall
    if calls is False or (calls is None and not _is_doubted(probe)):
        return
    if not _is_doubted(probe):
        state, meaning = State.OK, f"its programs call the page [vsyscall], and that works: {probe.found}"
    elif calls and probe.mode == "none":
        state, meaning = State.MISSING, DIES.partition(" (")[0]
    else:
        reason = "" if calls else ", and its glibc is not known before it is frozen"
        state, meaning = State.UNKNOWN, f"whether its programs run is not known: {probe.found}{reason}"
    yield Finding(about="vsyscall", state=state, meaning=meaning, cure=probe.cure)


# -- shapes -------------------------------------------------------------------------------------------------------


def _shape(shape: Shape, host: Host, needs: Needs) -> ShapeAdvice:
    """Judge a shape. A route that `run` takes though something is not known stays UNKNOWN."""
    findings = tuple(_findings(shape, host, needs))
    state = worst(tuple(finding.state for finding in findings))
    route = None if state is State.MISSING else Route(shape=shape, how=_how(shape, host))
    if shape in barred(needs.system, _kernels(host)):
        route = _instead(host, needs)
        state = State.WARNING if route else state
    return ShapeAdvice(shape=shape, state=state, built=shape in needs.stored.built, route=route, findings=findings)


def _findings(shape: Shape, host: Host, needs: Needs) -> Iterator[Finding]:
    match shape:
        case "oci":
            return _oci(host, needs)
        case "sif":
            return _sif(host, needs)
        case "vm":
            return _vm(host, needs)


def _instead(host: Host, needs: Needs) -> Route | None:
    """Take the virtual machine in place of a container, where the recipe has one and this host can start it."""
    if "vm" not in needs.shapes:
        return None
    state = worst(tuple(finding.state for finding in _vm(host, needs)))
    how = f"{_how('vm', host)}, because vsyscall is {'off' if host.vsyscall.mode == 'none' else 'not known to be on'}"
    return Route(shape="vm", how=how) if state in {State.OK, State.WARNING} else None


def _kernels(host: Host) -> dict[Shape, VsyscallProbe]:
    return kernels(host.vsyscall, host.engine_vsyscall, host.apptainer.path)


def programs(host: Host) -> Programs:
    """Give what images are started with, as `run` chooses by it."""
    return Programs(engine=host.engine.state is not State.MISSING, apptainer=host.apptainer.path, qemu=host.qemu.path)


def _choice(shape: Shape, host: Host) -> Choice | None:
    try:
        return choose(programs(host), (shape,))
    except HostFailure:
        return None


def _how(shape: Shape, host: Host) -> str:
    """Say with what a shape is started, where it can be."""
    if shape == "oci":
        return "a container of the Docker Engine"
    if shape == "sif":
        return host.apptainer.path or "the builder image's apptainer, in a container of the Docker Engine"
    return f"{host.qemu.path}, {'KVM' if host.kvm.state is State.OK else 'emulated (TCG)'}"


def _oci(host: Host, needs: Needs) -> Iterator[Finding]:
    if _choice("oci", host) is None:
        yield _lacking("engine", host.engine)
        return
    yield from _unclear("engine", host.engine)
    yield from _vsyscall(_kernels(host)["oci"], needs.system)
    yield from _services(host, needs)
    if "oci" in needs.stored.built:
        yield from _space("engine_space", host.engine_space, needs.loaded_space, "the engine unpacks the image")


def _sif(host: Host, needs: Needs) -> Iterator[Finding]:
    if _choice("sif", host) is None:
        cure = f"{host.apptainer.cure}; or start a Docker Engine, in which the builder image's apptainer can run"
        yield _lacking("apptainer", msgspec.structs.replace(host.apptainer, cure=cure))
        return
    yield from _vsyscall(_kernels(host)["sif"], needs.system)
    yield from _services(host, needs)
    if host.apptainer.path:
        yield from _unclear("apptainer", host.apptainer)
        yield from _unprivileged(host)
        if needs.system.enterprise_linux is not None and host.nofile.state is not State.OK:
            meaning = f"a program in it inherits the limit of open files: {host.nofile.found}"
            yield Finding(about="nofile", state=State.WARNING, meaning=meaning, cure=host.nofile.cure)
        return
    yield from _unclear("engine", host.engine)
    if "sif" in needs.stored.built and not needs.stored.builder_image:
        meaning = "the host has no apptainer, and the store no builder image, whose apptainer would do"
        yield Finding(about="apptainer", state=State.MISSING, meaning=meaning, cure=host.apptainer.cure)
    if host.engine.here and host.fuse.state is not State.OK:
        meaning = f"apptainer mounts the image by FUSE: {host.fuse.found}"
        yield Finding(about="fuse", state=host.fuse.state, meaning=meaning, cure=host.fuse.cure)


def _vm(host: Host, needs: Needs) -> Iterator[Finding]:
    if _choice("vm", host) is None:
        yield _lacking("qemu", host.qemu)
        return
    yield from _unclear("qemu", host.qemu)
    emulated = "it is emulated: " if host.kvm.state is State.WARNING else ""
    yield Finding(about="kvm", state=host.kvm.state, meaning=f"{emulated}{host.kvm.found}", cure=host.kvm.cure)
    if host.memory.available is not None and host.memory.available < needs.memory:
        meaning = f"the machine asks for {amount_text(needs.memory)} of memory: {host.memory.found}"
        yield Finding(about="memory", state=State.WARNING, meaning=meaning, cure="end what else takes memory")


def _lacking(about: str, probe: Probe) -> Finding:
    """Say that what starts a shape is not there."""
    meaning = f"it can not be started: {probe.found}"
    return Finding(about=about, state=State.MISSING, meaning=meaning, cure=probe.cure)


def _unclear(about: str, probe: Probe) -> Iterator[Finding]:
    """Say that what starts a shape is there, and does not answer as it should."""
    if probe.state is not State.OK:
        yield Finding(about=about, state=probe.state, meaning=probe.found, cure=probe.cure)


def _services(host: Host, needs: Needs) -> Iterator[Finding]:
    """Say where services of the release can not be started in a container; commands run all the same."""
    systemd = needs.system.systemd
    if systemd is None or systemd >= CGROUP_V2_FROM:
        return
    if host.engine.cgroup == "2" if host.engine.cgroup else host.cgroup.version == "v2":
        cure = "commands run all the same; for services boot the virtual machine: boss-builder run {} --as vm"
        yield Finding(about="cgroup", state=State.WARNING, meaning=SYSTEMD_ALONE, cure=cure.format(needs.release))


def _unprivileged(host: Host) -> Iterator[Finding]:
    """Say what an apptainer of the host that is not setuid lacks."""
    for about, probe in (("namespaces", host.namespaces), ("fuse", host.fuse)):
        if probe.state is not State.OK:
            meaning = f"an apptainer that is not installed setuid does not start here: {about}: {probe.found}"
            yield Finding(about=about, state=State.WARNING, meaning=meaning, cure=probe.cure)


# -- steps --------------------------------------------------------------------------------------------------------


def _step(step: Step, findings: Iterator[Finding]) -> StepAdvice:
    found = tuple(findings)
    return StepAdvice(step=step, state=worst(tuple(finding.state for finding in found)), findings=found)


def _freeze(host: Host, needs: Needs) -> Iterator[Finding]:
    if host.engine.state is not State.OK:
        meaning = f"packages are resolved, and signatures checked, in the builder image: {host.engine.found}"
        yield Finding(about="engine", state=host.engine.state, meaning=meaning, cure=host.engine.cure)
    if host.clock.now < needs.epoch:
        day = datetime.fromtimestamp(needs.epoch, UTC).strftime("%Y-%m-%d")
        meaning = (
            f"the clock says {host.clock.found}, and the release is of {day}: its signatures count as not made yet"
        )
        yield Finding(about="clock", state=State.WARNING, meaning=meaning, cure=SET_CLOCK)
    elif host.clock.state is not State.OK:
        yield Finding(about="clock", state=host.clock.state, meaning=host.clock.found, cure=host.clock.cure)
    number = needs.system.enterprise_linux
    if host.rpm.state is not State.OK and number is not None and number <= SHA1_UNTIL:
        meaning = f"its packages, checked by hand on this host, may be refused: {host.rpm.found}"
        yield Finding(about="rpm", state=State.WARNING, meaning=meaning, cure=host.rpm.cure)


def _build(host: Host, needs: Needs, asked: Collection[Shape] | None) -> Iterator[Finding]:
    if not needs.to_build(asked):
        return
    if needs.inputs is None:
        meaning = "it is not frozen, so that what a build needs is not known"
        yield Finding(about="lock", state=State.UNKNOWN, meaning=meaning, cure=f"boss-builder freeze {needs.release}")
    if host.engine.state is not State.OK:
        meaning = f"stages are built in containers: {host.engine.found}"
        yield Finding(about="engine", state=host.engine.state, meaning=meaning, cure=host.engine.cure)
    yield from before_build(needs, asked, _kernels(host)["oci"], host.store_space, host.engine_space)


def before_build(
    needs: Needs,
    asked: Collection[Shape] | None,
    vsyscall: VsyscallProbe,
    store_space: SpaceProbe,
    engine_space: SpaceProbe,
) -> Iterator[Finding]:
    """Say what a build of the shapes `asked`, None: all, meets: do programs run in its containers, is there space.

    `vsyscall` is that of the engine's kernel. What it says of space is an estimate, and stops nothing.
    """
    yield from _vsyscall(vsyscall, needs.system)
    for_store, for_engine = needs.store_space(asked), needs.engine_space(asked)
    yield from _space("store_space", store_space, for_store or 0, "stages and images are written")
    yield from _space("engine_space", engine_space, for_engine or 0, "stages are built upon each other")


def _space(about: str, probe: SpaceProbe, need: int, purpose: str) -> Iterator[Finding]:
    if need and probe.free is not None:
        few = probe.free < need
        yield Finding(
            about=about,
            state=State.WARNING if few else State.OK,
            meaning=f"{purpose}: about {amount_text(need)} are needed, {probe.found}",
            cure="free some, or use another disk" if few else "",
        )
