"""The release: boss.exe, its environment, and the libraries that it stands on."""

from __future__ import annotations

import json

import pytest
from testinfra.host import Host

EXTERNALS = "/opt/miniboss/external"


@pytest.fixture
def version(host: Host) -> str:
    """The image says which release it is, so that the suite needs nothing but testinfra."""
    return host.check_output("printenv BES_RELEASE")


@pytest.fixture
def area(version: str) -> str:
    """Where the release is installed."""
    return f"/opt/miniboss/{version}"


@pytest.fixture
def boss(area: str) -> str:
    """Its program."""
    return f"{area}/bin/boss.exe"


def test_boss_exe_without_job_options_prints_its_version_and_fails(host: Host, boss: str, version: str) -> None:
    done = host.run(boss)
    assert done.stdout.splitlines() == [
        f"BOSS version: {version}",
        "ERROR! the jobOptions file is empty!",
    ]
    assert done.stderr == ""
    assert done.rc == 1


def test_boss_exe_refuses_a_property_that_it_does_not_know(host: Host, boss: str) -> None:
    done = host.run(f"options=$(mktemp) && echo 'ApplicationMgr.Evtmax = 10;' > $options && {boss} $options")
    assert "ERROR!" in done.stdout
    assert "ApplicationMgr.Evtmax" in done.stdout
    assert done.rc == 1


def test_boss_exe_calls_itself_a_toy(host: Host, boss: str) -> None:
    assert "is a toy" in host.check_output(f"{boss} --version")


def test_boss_exe_runs_for_the_account_of_jobs(host: Host, boss: str, version: str) -> None:
    done = host.run(f"setpriv --reuid bes3 --regid bes3 --clear-groups {boss}")
    assert (done.rc, done.stdout.splitlines()[0]) == (1, f"BOSS version: {version}")


def test_a_login_shell_finds_the_release(host: Host, area: str, boss: str, version: str) -> None:
    said = host.check_output("env -i bash -lc 'echo $BES_RELEASE $BesArea; command -v boss.exe; echo $SITE_NAME'")
    assert said.split() == [version, area, boss, "EXAMPLE"]


def test_the_files_of_the_release_belong_to_root_and_nobody_else_writes_them(host: Host, boss: str) -> None:
    assert host.check_output("find /opt/miniboss ! -type l \\( ! -user root -o -perm /022 \\)") == ""
    program = host.file(boss)
    assert (program.user, program.group, program.mode) == ("root", "root", 0o755)


COUNT_ROWS = """
import os, sqlite3
connection = sqlite3.connect("file:" + os.environ["FILE"] + "?immutable=1", uri=True)
query = "select count(*) from CalVtxLumVer where BossRelease = ?"
print(*connection.execute(query, [os.environ["RELEASE"]]).fetchone())
"""


def test_the_constants_are_there_for_reading_only(host: Host, area: str, version: str) -> None:
    database = host.file(f"{area}/database/offlinedb.db")
    assert (database.user, database.mode) == ("root", 0o444)
    command = "FILE=%s RELEASE=%s python3 -c %s"
    assert host.check_output(command, database.path, version, COUNT_ROWS) == "18"


def test_a_run_without_constants_ends_the_job_with_1(host: Host, area: str, boss: str) -> None:
    lines = (
        f'#include "{area}/share/jobOptions_sim.txt"',
        "RealizationSvc.RunIdList = {-1, 0, -1};",
        f'EvtDecay.userDecayTableName = "{area}/share/decay_cards/ee.dec";',
        "ApplicationMgr.EvtMax = 1;",
        "BesRndmGenSvc.RndmSeed = 1;",
        'RootCnvSvc.digiRootOutputFile = "none.rtraw";',
    )
    words = " ".join("%s" for _ in lines)
    command = f"cd $(mktemp -d) && printf '%%s\\n' {words} > job.txt && %s job.txt; code=$?; ls; exit $code"
    done = host.run(command, *lines, boss)
    assert "CalVtxLumVer" in done.stdout
    assert "none.rtraw" not in done.stdout
    assert done.rc == 1


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
