"""Which shape is started where nobody says, and why."""

from __future__ import annotations

import pytest

from builder.boot.choose import Host, choose
from builder.core.errors import HostFailure
from builder.store.shapes import SHAPES, Shape

NOTHING = Host(engine=False, apptainer="", qemu="")
DOCKER = Host(engine=True, apptainer="", qemu="")
APPTAINER = Host(engine=False, apptainer="/usr/bin/apptainer", qemu="")
QEMU = Host(engine=False, apptainer="", qemu="/usr/bin/qemu-system-x86_64")
EVERYTHING = Host(engine=True, apptainer="/usr/bin/apptainer", qemu="/usr/bin/qemu-system-x86_64")


@pytest.mark.parametrize(
    ("host", "built", "shape", "reason"),
    [
        (EVERYTHING, SHAPES, "oci", "a Docker Engine answers"),
        (EVERYTHING, ("sif", "vm"), "sif", "/usr/bin/apptainer is there"),
        (EVERYTHING, ("vm",), "vm", "/usr/bin/qemu-system-x86_64 is there"),
        (DOCKER, ("sif", "vm"), "sif", "a Docker Engine answers, in which apptainer can run"),
        (APPTAINER, SHAPES, "sif", "no Docker Engine answers, and /usr/bin/apptainer is there"),
        (QEMU, SHAPES, "vm", "no Docker Engine answers, and apptainer is not installed, and /usr/bin/qemu"),
    ],
)
def test_the_first_shape_that_the_host_can_start_is_taken(
    host: Host, built: tuple[Shape, ...], shape: Shape, reason: str
) -> None:
    choice = choose(host, built)
    assert choice.shape == shape
    assert choice.reason.startswith(reason)


@pytest.mark.parametrize(
    ("host", "built", "lacking"),
    [(NOTHING, SHAPES, ["oci", "sif", "vm"]), (DOCKER, ("vm",), ["vm"]), (QEMU, ("oci", "sif"), ["oci", "sif"])],
)
def test_a_host_that_can_start_none_is_told_what_each_needs(
    host: Host, built: tuple[Shape, ...], lacking: list[str]
) -> None:
    with pytest.raises(HostFailure) as raised:
        choose(host, built)
    assert [problem.message.split()[6] for problem in raised.value.problems] == lacking
