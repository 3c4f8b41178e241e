"""A virtual machine that is built as ever and does not boot: one that panics, one that never answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.spine import Workplace
from tests.integration.test_rebuild_frozen import causes, faults, found, rebuilt
from tests.integration.tiny_release import Quirk, tiny_releases

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("rebuild-boot")]
MACHINE = ("kmod", "libpam-systemd", "linux-image-cloud-amd64", "systemd", "systemd-sysv", "udev", "util-linux")


def machine(*arguments: str) -> Quirk:
    words = ", ".join(f'"{argument}"' for argument in arguments)
    images = f"""\
image "oci" {{}}

image "vm" {{
  disk             = "1GiB"
  disk_bus         = "nvme"
  kernel_arguments = [{words}]
}}
"""
    return Quirk(images=images, packages=MACHINE)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    quirks = {"panics": machine("init=/no/such/file", "panic=1"), "silent": machine("init=/usr/bin/cat")}
    with tiny_releases(tmp_path_factory.mktemp("rebuild-boot"), quirks) as work:
        yield work


def test_a_kernel_that_the_store_lost_is_named(releases: Workplace, tmp_path: Path) -> None:
    work = releases.copy(tmp_path)
    packages = json.loads(work.lock("panics-1.0").read_text())["repositories"][0]["packages"]
    kernel = max((p["blob"]["size"], p["blob"]["digest"]) for p in packages if p["name"].startswith("linux-image"))
    work.store.blob_path(kernel[1]).unlink()
    run = rebuilt(work, "panics-1.0", 1, "--image", "vm")
    assert faults(run) == ["STORE/missing"]
    assert "linux-image" in found(run, "STORE/missing")["about"]


def test_a_machine_that_panics_does_not_boot(releases: Workplace) -> None:
    run = rebuilt(releases, "panics-1.0", 1, "--image", "vm")
    assert "COMPARE/bit-identical" in causes(run)
    assert faults(run) == ["BOOT/no-boot"]
    (log,) = found(run, "BOOT/no-boot")["evidence"]
    assert b"Kernel panic" in releases.store.read(log)


def test_a_machine_that_never_answers_takes_too_long(releases: Workplace) -> None:
    run = rebuilt(releases, "silent-1.0", 1, "--image", "vm", "--boot-limit", "20")
    assert "COMPARE/bit-identical" in causes(run)
    assert faults(run) == ["BOOT/boot-timeout"]
