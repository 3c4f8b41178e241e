"""What `run` and `build` ask of the host: before a container starts, and after a program died in one."""

from __future__ import annotations

from collections.abc import Collection

from builder.core.errors import Problem, WorkFailure
from builder.doctor import containers, engine, programs, space, vsyscall
from builder.doctor.advice import barred, before_build, death, kernels
from builder.doctor.model import State, VsyscallProbe
from builder.doctor.needs import System, needs_of
from builder.lock.model import Lock
from builder.store.shapes import Shape
from builder.store.store import Store

SEGFAULT = vsyscall.SEGFAULT


def barred_shapes(system: System | None) -> dict[Shape, str]:
    """Give the shapes in which the programs of a system die on this host, each with the reason.

    The host is asked only where the system's programs call the page [vsyscall].
    """
    if system is None or not system.calls_vsyscall:
        return {}
    return barred(system, _kernels())


def explained(code: int, release: str, system: System | None, shape: Shape) -> Problem | None:
    """Say why a command of a release ended by SIGSEGV, where the host is to blame; None where it is not known to be."""
    if code != SEGFAULT or shape == "vm":
        return None
    cause = death(system, _kernels()[shape])
    return Problem(f"the command died of SIGSEGV: {cause}", vsyscall.cure(release)) if cause else None


def _kernels() -> dict[Shape, VsyscallProbe]:
    here = vsyscall.probe()
    return kernels(here, containers.probe(engine.probe(), here), programs.apptainer().path)


def build_problems(lock: Lock, store: Store, asked: Collection[Shape] | None) -> tuple[Problem, ...]:
    """Say what a build will meet on this host: programs that die, less free space than it is likely to need.

    Nothing is asked where nothing is to be built. What of the store is damaged, the build itself tells.
    """
    try:
        needs = needs_of(lock.recipe, lock, store)
    except WorkFailure:
        return ()
    if not needs.to_build(asked):
        return ()
    answers = engine.probe()
    found = before_build(
        needs,
        asked,
        containers.probe(answers, vsyscall.probe()),
        space.probe(store.path),
        space.probe_engine(answers),
    )
    return tuple(Problem(finding.meaning, finding.cure) for finding in found if finding.state is not State.OK)
