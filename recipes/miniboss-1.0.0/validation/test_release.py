"""The release: boss.exe, its environment, and the libraries that it stands on."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

BOSS = "/opt/miniboss/1.0.0/bin/boss.exe"
EXTERNALS = "/opt/miniboss/external"


def test_boss_exe_without_job_options_prints_its_version_and_fails(host: Host) -> None:
    done = host.run(BOSS)
    assert done.stdout.splitlines() == ["BOSS version: 1.0.0", "ERROR! the jobOptions file is empty!"]
    assert done.stderr == ""
    assert done.rc == 1


def test_boss_exe_refuses_a_job_that_it_cannot_do(host: Host) -> None:
    script = f"options=$(mktemp) && echo 'ApplicationMgr.EvtMax = 10;' > $options && {BOSS} $options"
    done = host.run(script)
    assert "ApplicationMgr.EvtMax is not in this version of the toy" in done.stdout
    assert done.rc == 1


def test_boss_exe_calls_itself_a_toy(host: Host) -> None:
    assert "is a toy" in host.check_output(f"{BOSS} --version")


def test_boss_exe_runs_for_the_account_of_jobs(host: Host) -> None:
    done = host.run(f"setpriv --reuid bes3 --regid bes3 --clear-groups {BOSS}")
    assert (done.rc, done.stdout.splitlines()[0]) == (1, "BOSS version: 1.0.0")


def test_a_login_shell_finds_the_release(host: Host) -> None:
    said = host.check_output("env -i bash -lc 'echo $BES_RELEASE $BesArea; command -v boss.exe; echo $SITE_NAME'")
    assert said.split() == ["1.0.0", "/opt/miniboss/1.0.0", BOSS, "EXAMPLE"]


def test_the_files_of_the_release_belong_to_root_and_nobody_else_writes_them(host: Host) -> None:
    assert host.check_output("find /opt/miniboss ! -type l \\( ! -user root -o -perm /022 \\)") == ""
    boss = host.file(BOSS)
    assert (boss.user, boss.group, boss.mode) == ("root", "root", 0o755)


def test_the_particle_table_is_in_its_place_and_can_be_used(host: Host) -> None:
    script = "from particletable import particle; print(particle(443).mass, particle(-211).charge)"
    path = f"{EXTERNALS}/particletable/1.0.0"
    assert host.check_output(f'PYTHONDONTWRITEBYTECODE=1 PYTHONPATH={path} python3 -c "{script}"') == "3.0969 -1"


def test_the_detector_geometry_is_in_its_place(host: Host) -> None:
    geometry = json.loads(host.file(f"{EXTERNALS}/detector-geometry/1.0/geometry.json").content_string)
    assert geometry["tracker"]["layers"] == 43
    assert geometry["field_tesla"] == pytest.approx(1.0)


def test_numpy_computes(host: Host) -> None:
    script = "import numpy; print(round(numpy.linalg.det(numpy.array([[2.0, 1.0], [1.0, 3.0]])), 12))"
    assert host.check_output(f"PYTHONDONTWRITEBYTECODE=1 python3 -c '{script}'") == "5.0"
