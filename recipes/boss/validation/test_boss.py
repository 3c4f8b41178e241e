"""BOSS in its image: the environment that its own scripts set, its program, its libraries, and what its jobs need.

Nothing here is particular to a release: what differs is read from the lock.
"""

from __future__ import annotations

import shlex

import pytest
from testinfra.host import Host

from builder.lock.model import Lock

SETUP = ". /etc/profile.d/boss.sh && setup_boss > /dev/null 2>&1"
LIBRARIES = '"$BesArea/InstallArea/$CMTCONFIG/lib"'
INCLUDED = [
    "$OFFLINEEVENTLOOPMGRROOT/share/OfflineEventLoopMgr_Option.txt",
    "$KKMCROOT/share/jobOptions_KKMC.txt",
    "$BESEVTGENROOT/share/BesEvtGen.txt",
    "$BESSIMROOT/share/G4Svc_BesSim.txt",
    "$CALIBSVCROOT/share/calibConfig_sim.txt",
    "$ROOTIOROOT/share/jobOptions_Digi2Root.txt",
    "$ROOTIOROOT/share/jobOptions_ReadRec.txt",
    "$VERTEXFITROOT/share/jobOptions_VertexDbSvc.txt",
    "$MAGNETICFIELDROOT/share/MagneticField.txt",
    "$ABSCORROOT/share/jobOptions_AbsCor.txt",
]


def boss(host: Host, command: str) -> tuple[int, str]:
    """Run a command of bash in a new folder, in the environment of a job; give its exit code and what it printed."""
    script = f"{SETUP}; cd $(mktemp -d) && {{ {command}; }}"
    done = host.run(f"bash -c {shlex.quote(script)}")
    return done.rc, done.stdout


def version_of(lock: Lock, component: str) -> str:
    """The version that the recipe says of a component."""
    return next(one.version for one in lock.recipe.component if one.name == component)


@pytest.mark.parametrize(
    "path",
    [
        "$BOSS_CMTHOME/requirements",
        "$BOSS_CMTHOME/setupCMT.sh",
        "$CMTROOT/mgr/setup.sh",
        "$BOSS_TEST_RELEASE/cmt/setup.sh",
        "$BOSS_TEST_RELEASE/run/jobOptions_sim.txt",
        "$BOSS_TEST_RELEASE/run/jobOptions_rec.txt",
    ],
)
def test_a_script_that_sets_the_environment_is_in_the_image(host: Host, path: str) -> None:
    assert host.run(f"bash -lc 'test -s \"{path}\"'").rc == 0


def test_the_scripts_set_the_environment(host: Host) -> None:
    code, said = boss(host, "true")
    assert (code, said) == (0, "")


def test_packages_are_looked_for_in_the_order_of_cmt(host: Host, lock: Lock) -> None:
    environment = lock.recipe.package.environment
    _, said = boss(host, 'echo "$CMTPATH"')
    assert said.strip().split(":") == environment["CMTPATH"].split(":")


@pytest.mark.parametrize("name", ["BES_RELEASE", "CMTCONFIG", "BesArea", "WorkArea", "CMTROOT"])
def test_the_scripts_leave_a_variable_as_the_image_has_it(host: Host, lock: Lock, name: str) -> None:
    _, said = boss(host, f'echo "${name}"')
    assert said.strip() == lock.recipe.package.environment[name]


def test_malloc_does_not_stop_at_what_old_code_does(host: Host) -> None:
    assert boss(host, 'echo "$MALLOC_CHECK_"') == (0, "0\n")


def test_the_compiler_is_the_one_that_the_release_was_built_with(host: Host, lock: Lock) -> None:
    assert boss(host, "gcc -dumpversion")[1].strip() == version_of(lock, "gcc")


def test_cmt_is_the_one_that_the_release_was_built_with(host: Host, lock: Lock) -> None:
    assert version_of(lock, "CMT") in boss(host, "cmt version")[1]


def test_boss_exe_without_job_options_prints_its_version_and_fails(host: Host, lock: Lock) -> None:
    code, said = boss(host, "boss.exe")
    lines = [line.strip() for line in said.splitlines()]
    assert f"BOSS version: {lock.recipe.release.version}" in lines
    assert "ERROR! the jobOptions file is empty!" in lines
    assert code == 1


def test_boss_exe_finds_every_library(host: Host) -> None:
    code, said = boss(host, 'ldd "$(command -v boss.exe)"')
    assert code == 0
    assert [line for line in said.splitlines() if "not found" in line] == []


def test_the_libraries_of_the_release_find_every_library(host: Host) -> None:
    code, said = boss(host, f"find {LIBRARIES} -name '*.so' -exec ldd {{}} +")
    assert code == 0
    assert said
    assert sorted({line.strip() for line in said.splitlines() if "not found" in line}) == []


def test_the_library_of_each_channel_is_in_the_release(host: Host, lock: Lock) -> None:
    validation = lock.recipe.validation
    assert validation is not None
    for sample in validation.sample:
        library = sample.command[2]
        assert boss(host, f"test -s {LIBRARIES}/lib{library}.so")[0] == 0, f"{sample.name}: lib{library}.so"


@pytest.mark.parametrize("path", INCLUDED)
def test_what_job_options_include_is_in_the_release(host: Host, path: str) -> None:
    assert boss(host, f'test -s "{path}"')[0] == 0


def test_the_decay_card_of_rho_pi_is_in_the_release(host: Host) -> None:
    assert boss(host, 'test -s "$BOSS_TEST_RELEASE/run/rhopi.dec"')[0] == 0


def test_the_constants_are_a_database_of_sqlite_for_reading_only(host: Host, lock: Lock) -> None:
    bookkeeping = lock.recipe.bookkeeping
    assert bookkeeping is not None
    database = host.file(bookkeeping.install_to)
    assert (database.user, database.mode) == ("root", 0o444)
    assert host.check_output("head -c 15 %s", bookkeeping.install_to) == "SQLite format 3"


def test_a_program_writes_histograms_for_the_comparison(host: Host) -> None:
    assert boss(host, "python -c 'import ROOT'")[0] == 0
