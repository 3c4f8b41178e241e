"""What changed on the host, in words, and what it can explain."""

from __future__ import annotations

import pytest

from builder.rebuild.explain import EXPLAINED_BY, changed_environment, explanations
from builder.rebuild.taxonomy import Cause, Stage
from builder.store.shapes import Shape
from tests.unit.rebuild.made_runs import found

NAMES = (
    "boss-builder", "programs", "builder image", "engine", "kernel", "cpu model", "cpu features", "cpus", "apptainer",
    "qemu", "python",
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "before", "after", "told"),
    [
        ("engine", "Docker 20.10.24", "Docker 25.0.1", "engine: Docker 20.10.24 -> 25.0.1"),
        ("engine", "Docker 20.10.24", "Podman 5.0", "engine: Docker 20.10.24 -> Podman 5.0"),
        ("engine", "Docker 20", "Docker 20 rootless", "engine: Docker 20 -> 20 rootless"),
        ("kernel", "6.1", "6.12", "kernel: 6.1 -> 6.12"),
        ("qemu", None, "7.2", "qemu: none -> 7.2"),
        ("qemu", "7.2", None, "qemu: 7.2 -> none"),
        ("cpu features", "sse avx", "avx avx512f sse", "cpu features: now avx512f"),
        ("cpu features", "sse avx fma", "sse", "cpu features: no longer avx fma"),
        ("cpu features", "sse avx", "sse fma", "cpu features: now fma; no longer avx"),
        ("cpu features", "sse avx", "avx sse", "cpu features: other order"),
        ("cpu features", None, "avx", "cpu features: none -> avx"),
    ],
)
def test_a_change_reads_as_a_line(name: str, before: str | None, after: str | None, told: str):
    sides = [{"python": "3.11"} | ({} if value is None else {name: value}) for value in (before, after)]
    assert changed_environment(*sides) == (told,)


def test_what_is_the_same_is_not_told_and_lines_are_by_name():
    before = {"a": "1", "b": "1", "c": "1"}
    assert changed_environment(before, before) == ()
    assert changed_environment(before, {"c": "2", "b": "1", "a": "2"}) == ("a: 1 -> 2", "c: 1 -> 2")


def test_every_stage_has_its_row_and_every_name_explains_something():
    assert set(EXPLAINED_BY) == set(Stage)
    assert set().union(*EXPLAINED_BY.values()) == set(NAMES)


@pytest.mark.parametrize("stage", [Stage.FETCH, Stage.TRUST, Stage.RESOLVE, Stage.STORE])
def test_kernel_and_processor_do_not_explain_what_upstream_or_the_store_gives(stage: Stage):
    assert not EXPLAINED_BY[stage] & {"kernel", "cpu model", "cpu features", "engine", "apptainer", "qemu"}


@pytest.mark.parametrize("stage", [Stage.BUILD, Stage.COMPARE, Stage.BOOT, Stage.VALIDATE])
def test_the_host_explains_what_it_builds_and_boots(stage: Stage):
    assert EXPLAINED_BY[stage] >= {"engine", "kernel", "cpu model", "cpu features", "builder image", "programs"}


@pytest.mark.parametrize(
    ("cause", "shape", "expected"),
    [
        (Cause.SOURCE_GONE, None, ["boss-builder", "python"]),
        (Cause.PACKAGE_MISSING, None, ["boss-builder", "programs", "builder image", "python"]),
        (Cause.BUILD_FAILS, "oci", [n for n in NAMES if n not in {"qemu", "apptainer"}]),
        (Cause.BUILD_FAILS, "sif", [n for n in NAMES if n != "qemu"]),
        (Cause.NO_BOOT, "vm", [n for n in NAMES if n != "apptainer"]),
        (Cause.DIFFERS, "oci", [n for n in NAMES if n not in {"qemu", "apptainer"}]),
        (Cause.BIT_IDENTICAL, "oci", []),
        (Cause.HOST_CHANGED, "oci", []),
        (Cause.HOST_LACKS, "vm", [n for n in NAMES if n != "apptainer"]),
    ],
)
def test_changes_explain_what_they_have_a_hand_in(cause: Cause, shape: Shape | None, expected: list[str]):
    changes = tuple(f"{name}: 1 -> 2" for name in NAMES)
    assert [line.partition(":")[0] for line in explanations(found(cause), changes, shape)] == expected
