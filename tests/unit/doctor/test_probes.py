"""What is asked of the host: for real on this one, and by what other hosts say."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

import pytest

from builder.boot.vm import accelerator
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
)
from builder.doctor.host import examine
from builder.doctor.model import Probe, State
from tests.unit.doctor.hosts import ELSEWHERE, ENGINE, NO_ENGINE, NO_QEMU, QEMU, XONLY

NO_HOST = "tcp://127.0.0.1:1"
"""Where no engine listens. (A socket that is not there makes the SDK leave a descriptor open.)"""
V1 = "cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n"
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n"


def program(folder: Path, name: str, script: str) -> Path:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_a_host_is_asked_for_everything_and_fails_at_nothing(tmp_path, monkeypatch) -> None:
    """Even where nothing is there: no engine, no program on PATH, no store."""
    monkeypatch.setenv("DOCKER_HOST", NO_HOST)
    monkeypatch.setenv("PATH", str(tmp_path))
    host = examine(tmp_path / "no" / "store")
    found = {name: probe.state for name, probe in host.probes()}
    assert {name for name, state in found.items() if state is State.MISSING} >= {"engine", "apptainer", "qemu"}
    assert (found["kvm"], found["namespaces"], found["engine_space"]) == (State.UNKNOWN,) * 3
    assert (found["store_space"], found["clock"]) == (State.OK, State.OK)
    for name, probe in host.probes():
        assert probe.found, name
        assert probe.cure or probe.state in {State.OK, State.UNKNOWN}, name


@pytest.mark.parametrize(
    ("mounts", "version"),
    [(V1, "v1"), (V2, "v2"), (V1 + V2, "hybrid"), ("proc /proc proc rw 0 0\n\n", "none"), ("", "none")],
    ids=["v1", "v2", "hybrid", "none", "empty"],
)
def test_control_groups_are_read_from_the_mounts(mounts: str, version: str) -> None:
    assert cgroups.version_of(mounts) == version


def test_the_mounts_of_this_host_are_read(monkeypatch, tmp_path) -> None:
    assert cgroups.probe().version == cgroups.version_of(Path("/proc/self/mounts").read_text())
    monkeypatch.setattr(cgroups, "MOUNTS", tmp_path / "mounts")
    assert (cgroups.probe().state, cgroups.probe().version) == (State.UNKNOWN, "unknown")


@pytest.mark.parametrize(
    ("soft", "state"),
    [
        (1024, State.OK),
        (1 << 20, State.OK),
        ((1 << 20) + 1, State.WARNING),
        (1_073_741_816, State.WARNING),
        (resource.RLIM_INFINITY, State.WARNING),
        (64, State.WARNING),
    ],
)
def test_too_many_and_too_few_descriptors_are_told(soft: int, state: State) -> None:
    found = descriptors.judged(soft, soft)
    assert (found.state, bool(found.cure)) == (state, state is not State.OK)


def test_the_limit_is_that_of_this_process() -> None:
    assert (descriptors.probe().soft, descriptors.probe().hard) == resource.getrlimit(resource.RLIMIT_NOFILE)


@pytest.mark.parametrize(
    ("script", "state", "found"),
    [
        ("exit 0", State.OK, "one can be made"),
        (
            "echo 'unshare: unshare failed: Operation not permitted' >&2; exit 1",
            State.MISSING,
            "Operation not permitted",
        ),
        ("exit 3", State.MISSING, "unshare ended with 3"),
    ],
    ids=["well", "refused", "silent"],
)
def test_a_user_namespace_is_made_or_the_reason_is_told(tmp_path, monkeypatch, script, state, found) -> None:
    program(tmp_path, "unshare", script)
    monkeypatch.setenv("PATH", str(tmp_path))
    probe = namespaces.probe()
    assert probe.state is state
    assert found in probe.found


def test_the_device_of_fuse_is_opened(tmp_path) -> None:
    assert fuse.probe(Path("/dev/null")) == Probe(state=State.OK, found="/dev/null opens")
    assert fuse.probe(tmp_path / "fuse").found == f"there is no {tmp_path / 'fuse'}"
    assert fuse.probe(tmp_path).state is State.MISSING, "a folder does not open"


def test_space_is_that_of_the_nearest_folder_that_is_there(tmp_path) -> None:
    found = space.probe(tmp_path / "no" / "such" / "store")
    assert found.state is State.OK
    assert found.free is not None
    assert 0 < found.free <= shutil.disk_usage(tmp_path).total
    assert str(tmp_path) in found.found


def test_the_space_of_an_engine_elsewhere_is_not_known() -> None:
    assert [space.probe_engine(one).free for one in (ELSEWHERE, NO_ENGINE)] == [None, None]
    assert space.probe_engine(ENGINE).free is not None


def test_memory_is_told() -> None:
    found = memory.probe()
    assert found.state is State.OK
    assert found.available is not None
    assert found.available > 0


@pytest.mark.parametrize(
    ("said", "policy", "state"),
    [
        ("RPM version 4.20.1", "", State.OK),
        ("RPM version 4.16.1.3", "LEGACY", State.OK),
        ("RPM version 4.16.1.3", "DEFAULT:SHA1", State.OK),
        ("RPM version 4.16.1.3", "FUTURE", State.WARNING),
        ("RPM version 6.0.0", "", State.WARNING),
        ("RPM version 16.2", "LEGACY", State.WARNING),
        ("nothing", "", State.UNKNOWN),
    ],
)
def test_a_strict_rpm_is_told(said: str, policy: str, state: State) -> None:
    found = rpm.judged(said, policy)
    assert (found.state, found.policy) == (state, policy)
    assert bool(found.version) == (state is not State.UNKNOWN)


def test_the_rpm_of_a_host_is_asked(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (rpm.probe().state, rpm.probe().version) == (State.OK, "")
    monkeypatch.setattr(rpm, "POLICY", tmp_path / "current")
    (tmp_path / "current").write_text("FUTURE\n")
    program(tmp_path, "rpm", "echo RPM version 4.14.3")
    assert (rpm.probe().state, rpm.probe().version, rpm.probe().policy) == (State.WARNING, "4.14.3", "FUTURE")
    program(tmp_path, "rpm", "exit 1")
    assert rpm.probe().state is State.UNKNOWN


def test_a_clock_that_is_behind_the_installation_is_wrong() -> None:
    assert clock.probe().state is State.OK
    assert clock.judged(1_000_000_000, 1_000_000_000 + clock.DAY).state is State.OK
    wrong = clock.judged(0, 1_000_000_000)
    assert (wrong.state, wrong.now) == (State.WARNING, 0)
    assert wrong.found.startswith("1970-01-01T00:00:00Z")


def test_a_program_that_does_not_run_is_unknown_and_one_that_does_tells_its_version(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin")
    path = program(tmp_path, "singularity", "echo singularity-ce version 3.8.7")
    assert programs.apptainer().found == f"{path}: singularity-ce version 3.8.7"
    path = program(tmp_path, "apptainer", "echo the library is gone >&2; exit 127")
    assert (programs.apptainer().state, programs.apptainer().path) == (State.UNKNOWN, str(path)), "it is preferred"
    path.write_bytes(b"\x7fELF")
    assert programs.apptainer().state is State.UNKNOWN


def test_an_engine_that_does_not_answer_is_missing_with_a_cure(monkeypatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", NO_HOST)
    found = engine.probe()
    assert (found.state, found.found, found.here) == (State.MISSING, "no Docker Engine answers", False)
    assert "dockerd" in found.cure


def test_where_the_engine_is_elsewhere_and_does_nothing_its_kernel_is_unknown(monkeypatch) -> None:
    assert containers.probe(ENGINE, XONLY) is XONLY
    assert containers.probe(NO_ENGINE, XONLY) is XONLY
    monkeypatch.setenv("DOCKER_HOST", NO_HOST)
    found = containers.probe(ELSEWHERE, XONLY)
    assert (found.state, found.mode) == (State.UNKNOWN, "unknown")
    assert found.found == "it could not be tried in a container: no Docker Engine answers"


@pytest.fixture
def no_kvm(monkeypatch, tmp_path) -> None:
    monkeypatch.delenv(accelerator.VARIABLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(accelerator, "DEVICE", tmp_path / "kvm")


@pytest.mark.usefixtures("no_kvm")
def test_kvm_is_found_as_a_machine_finds_it(monkeypatch, tmp_path) -> None:
    assert (kvm.probe(QEMU).state, kvm.probe(QEMU).found) == (State.WARNING, f"there is no {tmp_path / 'kvm'}")
    assert kvm.probe(NO_QEMU).state is State.UNKNOWN
    monkeypatch.setenv(accelerator.VARIABLE, "tcg")
    assert kvm.probe(QEMU).found == f"not tried: {accelerator.VARIABLE}=tcg"
    monkeypatch.setenv(accelerator.VARIABLE, "kvm")
    assert kvm.probe(QEMU).state is State.MISSING
    monkeypatch.setenv(accelerator.VARIABLE, "xen")
    assert kvm.probe(QEMU).state is State.MISSING


@pytest.mark.usefixtures("no_kvm")
def test_that_qemu_was_missing_is_not_remembered_of_kvm(monkeypatch, tmp_path) -> None:
    (tmp_path / "kvm").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert accelerator.problem_of_kvm() == accelerator.NO_QEMU
    assert not (tmp_path / "boss-builder" / "kvm.json").exists()
    program(tmp_path, "qemu-system-x86_64", "echo no such device >&2; exit 1")
    assert accelerator.problem_of_kvm() == "no such device"
    assert (tmp_path / "boss-builder" / "kvm.json").exists()
