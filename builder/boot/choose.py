"""Which shape of a release this host can run, and why that one."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from builder.boot.apptainer.program import PROGRAMS
from builder.boot.vm.command import PROGRAM
from builder.core.errors import Failure, HostFailure, Problem
from builder.engine.engine import connect
from builder.store.shapes import SHAPES, Shape

QEMU = PROGRAM.format("x86_64")


@dataclass(frozen=True)
class Choice:
    """A shape, and why it was taken, as the end of a sentence."""

    shape: Shape
    reason: str


@dataclass(frozen=True)
class Host:
    """What this host has to start images with; what it lacks is empty."""

    engine: bool
    apptainer: str
    qemu: str


def look() -> Host:
    """Find out what this host has."""
    try:
        connect().client.close()
        engine = True
    except Failure:
        engine = False
    apptainer = next(filter(None, map(shutil.which, PROGRAMS)), "")
    return Host(engine=engine, apptainer=apptainer, qemu=shutil.which(QEMU) or "")


def choose(host: Host, built: Collection[Shape], barred: Mapping[Shape, str] | None = None) -> Choice:
    """Choose a shape among those that were built: the one that starts soonest where the host can.

    `barred` are shapes that start here and yet do not work, each with the reason; what stands in brackets at its end
    is the cure. Raises HostFailure, which tells for each shape what the host lacks.
    """
    lacks: dict[Shape, str] = {shape: why for shape, why in (barred or {}).items() if shape in built}
    if "oci" in built and "oci" not in lacks:
        if host.engine:
            return Choice("oci", "a Docker Engine answers")
        lacks["oci"] = "no Docker Engine answers (systemctl start docker, or dockerd)"
    if "sif" in built and "sif" not in lacks:
        if host.apptainer:
            return Choice("sif", f"{_so_far(lacks)}{host.apptainer} is there")
        if host.engine:
            return Choice("sif", f"{_so_far(lacks)}a Docker Engine answers, in which apptainer can run")
        lacks["sif"] = "apptainer is not installed (apt-get install apptainer, dnf install apptainer)"
    if "vm" in built and "vm" not in lacks:
        if host.qemu:
            return Choice("vm", f"{_so_far(lacks)}{host.qemu} is there")
        lacks["vm"] = f"{QEMU} is not installed (apt-get install qemu-system-x86)"
    raise HostFailure(*(Problem(f"this host can not start the {s} image: {lacks[s]}") for s in SHAPES if s in lacks))


def _so_far(lacks: Mapping[Shape, str]) -> str:
    """Say each reason once, without its cure."""
    return "".join(f"{text}, and " for text in dict.fromkeys(text.partition(" (")[0] for text in lacks.values()))
