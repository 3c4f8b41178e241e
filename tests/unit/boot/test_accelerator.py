"""What is found out about KVM on this host, remembered, and for how long."""

import os
import re
import time
from pathlib import Path

import pytest

from builder.boot.vm import accelerator
from builder.boot.vm.accelerator import KEPT, choose, problem_of_kvm


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The boots under KVM that were tried; none starts a guest."""
    boots: list[Path] = []

    def boot(disk: Path) -> str:
        boots.append(disk)
        return "no guest starts"

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(accelerator, "DEVICE", tmp_path / "kvm")
    monkeypatch.setattr(accelerator, "_problem_of_boot", boot)
    (tmp_path / "kvm").touch()
    return boots


def test_a_host_where_no_guest_starts_is_asked_once(asked):
    assert [problem_of_kvm(), problem_of_kvm()] == ["no guest starts"] * 2
    assert len(asked) == 1
    assert "no guest starts" in choose().reason


def test_it_is_asked_again_after_a_restart_of_the_host(asked, monkeypatch, tmp_path):
    problem_of_kvm()
    (tmp_path / "boot_id").write_text("another\n")
    monkeypatch.setattr(accelerator, "BOOT_ID", tmp_path / "boot_id")
    problem_of_kvm()
    assert len(asked) == 2


@pytest.mark.parametrize("later", [KEPT + 1, -60.0])
def test_it_is_asked_again_after_a_day_or_when_the_clock_went_back(asked, monkeypatch, later):
    problem_of_kvm()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + later)
    problem_of_kvm()
    assert len(asked) == 2


def test_a_damaged_memory_is_no_memory(asked, tmp_path):
    problem_of_kvm()
    (tmp_path / "boss-builder" / "kvm.json").write_text("{")
    problem_of_kvm()
    assert len(asked) == 2


def test_it_is_asked_again_when_kvm_is_asked_for(asked):
    problem_of_kvm()
    with pytest.raises(accelerator.HostFailure, match="KVM was asked for"):
        choose("kvm")
    assert len(asked) == 2


def test_without_a_device_nothing_is_tried(asked, tmp_path):
    (tmp_path / "kvm").unlink()
    assert problem_of_kvm().startswith("there is no")
    assert asked == []


PROGRAM = r"""#!/bin/bash
case "$*" in
*-accel\ tcg*) sleep {emulated} ;;
*) {kvm} ;;
esac
words="$*"
fd=${{words#*,fd=}}
printf K >&"${{fd%% *}}"
sleep 10
"""
"""Stands for QEMU: says its byte after some seconds, as on hosts that are not at hand."""


@pytest.mark.parametrize(
    ("emulated", "kvm", "problem"),
    [
        (0, "sleep 0", ""),
        (0, "sleep 4", "under KVM a guest does not start within 1.0 s"),
        (0.5, "sleep 4", "under KVM a guest does not start within 1.[5-9] s"),
        (0, "echo ioctl failed >&2; exit 1", "ioctl failed"),
        (0, "exit 1", r"QEMU ended after 0\.\d s"),
    ],
)
def test_kvm_is_measured_against_the_emulation(monkeypatch, tmp_path, emulated, kvm, problem):
    program = tmp_path / "qemu-system-x86_64"
    program.write_text(PROGRAM.format(emulated=emulated, kvm=kvm))
    program.chmod(0o755)
    (tmp_path / "kvm").touch()
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(accelerator, "DEVICE", tmp_path / "kvm")
    assert re.fullmatch(problem, problem_of_kvm())
