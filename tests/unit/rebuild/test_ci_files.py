"""Ready-made CI jobs: they are what the services take, they call commands that are there, and their shell lines run."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner

from builder import __version__
from builder.cli.ci import command
from builder.cli.main import LazyGroup
from builder.rebuild.ci_files import PLACES, SERVICES, Service, ci_file
from tests.unit.rebuild.ci_jobs import JOBS, STORE_JOBS, Ran, parsed, run_job, steps, variables

VENV = Path(sys.executable).parent
both = pytest.mark.parametrize("service", SERVICES)

RECORDER = """#!/bin/bash
[ "$1" != --version ] || exit 0
printf '%q ' "$@" >> "$CALLS"; echo >> "$CALLS"
while [ $# -gt 0 ]; do
    if [ "$1" = --report ]; then mkdir -p "$2"; echo "all is told" > "$2/summary.txt"; fi
    shift
done
exit "$CODE"
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project with two recipes, one of them frozen, and a boss-builder that notes how it was called."""
    for name in ("base", "tiny-1"):
        (tmp_path / "recipes" / name).mkdir(parents=True)
    (tmp_path / "recipes" / "tiny-1" / "recipe.lock.json").touch()
    program(tmp_path / "bin" / "boss-builder", RECORDER)
    program(tmp_path / "bin" / "qemu-system-x86_64", "#!/bin/sh\n")
    return tmp_path


def program(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


def called(service: Service, job: str, place: Path, *, code: int = 0, **others: str) -> tuple[Ran, list[list[str]]]:
    """Run a job with the recorder, which ends with this code; gives its calls but --version."""
    calls = place / "calls"
    environment = {"PATH": f"{place / 'bin'}:/usr/bin:/bin", "CALLS": str(calls), "CODE": str(code), **others}
    ran = run_job(service, job, place, environment)
    return ran, [shlex.split(line) for line in calls.read_text().splitlines()]


# -- the form -------------------------------------------------------------------------------------------------------


@both
def test_a_file_is_yaml_of_known_size_that_names_its_version(service: Service):
    text = ci_file(service)
    assert isinstance(yaml.safe_load(text), dict)
    assert variables(service)["BOSS_BUILDER_PACKAGE"] == f"boss-builder=={__version__}"
    assert text.startswith("# Night by night")
    assert PLACES[service] in text
    assert max(len(line) for line in text.splitlines()) <= 120


def test_gitlab_jobs_have_a_stage_a_time_limit_and_what_they_extend():
    document = parsed("gitlab")
    keywords = {"stages", "variables", "workflow", "default"}
    jobs = {name: job for name, job in document.items() if name not in keywords and not name.startswith(".")}
    assert tuple(jobs) == JOBS
    assert [job["stage"] for job in jobs.values()] == document["stages"]
    for name, job in jobs.items():
        assert re.fullmatch(r"\d+ (minutes|hours)", job["timeout"])
        assert job.get("extends", ".store") in document
        assert ("extends" in job) is (name in STORE_JOBS)
        assert set(job.get("needs", [])) <= set(jobs)


def test_gitlab_runs_nightly_and_asks_upstream_whatever_the_rebuild_found():
    document = parsed("gitlab")
    for name in ("rebuild", "upstream"):
        never, nightly = document[name]["rules"]
        assert never == {"if": '$FILL == "yes"', "when": "never"}
        assert '$CI_PIPELINE_SOURCE == "schedule"' in nightly["if"]
    assert nightly["when"] == "always"
    assert {"if": '$CI_PIPELINE_SOURCE == "schedule"'} in document["workflow"]["rules"]
    assert document["upstream"]["allow_failure"] == {"exit_codes": [1, 4]}
    assert "allow_failure" not in document["rebuild"]


def test_gitlab_keeps_store_and_report_of_red_jobs_too():
    document = parsed("gitlab")
    store = document[".store"]
    assert (store["cache"]["key"], store["cache"]["when"]) == ("boss-builder-store-v1", "always")
    assert store["cache"]["paths"] == ["images/blobs/", "images/index.json", "images/oci-layout"]
    assert store["resource_group"]
    for name in ("rebuild", "upstream"):
        artifacts = document[name]["artifacts"]
        (folder,) = artifacts["paths"]
        assert artifacts["when"] == "always"
        assert artifacts["reports"] == {"junit": f"{folder}junit.xml"}
        assert f"--report {folder.rstrip('/')}" in document[name]["script"][-1]


def test_github_jobs_have_a_host_a_time_limit_and_steps_of_one_kind():
    jobs = parsed("github")["jobs"]
    assert tuple(jobs) == JOBS
    for job in jobs.values():
        assert job["runs-on"]
        assert 0 < job["timeout-minutes"] <= 360
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(r"actions/[a-z/-]+@v\d+", step.get("uses", "actions/x@v1"))


def test_github_runs_nightly_with_few_rights_and_upstream_after_the_rebuild():
    document = parsed("github")
    (nightly,) = document["on"]["schedule"]
    assert re.fullmatch(r"\d+ \d+ \* \* \*", nightly["cron"])
    assert document["permissions"] == {"contents": "read"}
    assert document["jobs"]["upstream"]["needs"] == "rebuild"
    assert "!cancelled()" in document["jobs"]["upstream"]["if"]
    assert "schedule" in document["jobs"]["rebuild"]["if"]
    assert {document["jobs"][name]["concurrency"] for name in STORE_JOBS} == {"boss-builder-store"}


def test_github_keeps_the_store_of_each_job_under_a_key_that_the_next_one_takes():
    keys = set()
    for name in STORE_JOBS:
        (fetch,), (keep,) = (actions(name, f"actions/cache/{what}@v4") for what in ("restore", "save"))
        assert fetch["with"]["key"] == keep["with"]["key"]
        assert fetch["with"]["path"] == keep["with"]["path"]
        assert keep["with"]["key"].startswith(fetch["with"]["restore-keys"].strip())
        assert keep["if"].startswith("always()")
        keys.add(keep["with"]["key"])
    assert len(keys) == len(STORE_JOBS)


def test_github_keeps_the_report_of_a_red_job_too():
    for name in ("rebuild", "upstream"):
        (upload,) = actions(name, "actions/upload-artifact@v4")
        assert upload["if"] == "always()"
        assert any(f"--report {upload['with']['path'].rstrip('/')}" in step.script for step in steps("github", name))


def actions(job: str, name: str) -> list[dict[str, Any]]:
    return [step for step in parsed("github")["jobs"][job]["steps"] if step.get("uses") == name]


# -- the shell lines, with a boss-builder that notes its calls ------------------------------------------------------


@both
@pytest.mark.parametrize(
    ("job", "expected"),
    [
        ("check", ["check"]),
        ("fill", ["freeze tiny-1", "build tiny-1", "validate tiny-1"]),
        ("rebuild", ["rebuild --all --jobs 2 --report reports/rebuild"]),
        ("upstream", ["rebuild --all --only-upstream --report reports/upstream"]),
    ],
)
def test_a_job_calls_commands_that_are_there(service: Service, job: str, expected: list[str], place: Path):
    ran, calls = called(service, job, place)
    assert ran.code == 0, ran.out
    assert [" ".join(words) for words in calls] == expected
    group = LazyGroup(name="boss-builder")
    for words in calls:
        found = group.get_command(click.Context(group), words[0])
        assert found is not None
        found.make_context(words[0], words[1:])


@both
def test_fill_can_take_another_builder_image(service: Service, place: Path):
    _, calls = called(service, "fill", place, BUILDER_IMAGE="debian@sha256:0")
    assert calls[0] == ["freeze", "tiny-1", "--builder-image", "debian@sha256:0"]


@both
@pytest.mark.parametrize("job", ["check", "fill", "rebuild"])
@pytest.mark.parametrize("code", [1, 2, 3, 4])
def test_what_is_wrong_makes_a_job_red_at_once(service: Service, job: str, code: int, place: Path):
    ran, calls = called(service, job, place, code=code)
    assert (ran.code, len(calls)) == (code, 1)


@pytest.mark.parametrize(("code", "ended"), [(0, 0), (1, 0), (2, 2), (3, 3), (4, 0)])
def test_what_upstream_lost_is_a_warning_only(code: int, ended: int, place: Path):
    github, _ = called("github", "upstream", place, code=code)
    gitlab, _ = called("gitlab", "upstream", place, code=code)
    assert github.code == ended
    assert ("::warning" in github.out) is (code in (1, 4))
    allowed = parsed("gitlab")["upstream"]["allow_failure"]["exit_codes"]
    assert gitlab.code == code
    assert (code in allowed or code == 0) is (ended == 0)


@pytest.mark.parametrize("code", [0, 1])
def test_github_shows_the_text_also_of_a_red_job(code: int, place: Path):
    called("github", "rebuild", place, code=code)
    assert "all is told" in (place / "github-summary").read_text()


@both
def test_boss_builder_is_installed_where_it_is_not(service: Service, place: Path):
    venv = f"mkdir -p .venv/bin; cp {place}/bin/boss-builder .venv/kept; cp {place}/bin/pip .venv/bin/python"
    program(place / "bin" / "python3", f'#!/bin/bash\n[ "$*" = "-m venv .venv" ] || exit 9\n{venv}\n')
    pip = '#!/bin/bash\necho "$*" > installed\ncp .venv/kept .venv/bin/boss-builder\n'
    program(place / "bin" / "pip", pip)
    (place / "without").mkdir()
    (place / "without" / "python3").symlink_to(place / "bin" / "python3")
    calls = place / "calls"
    environment = {"PATH": f"{place / 'without'}:/usr/bin:/bin", "CALLS": str(calls), "CODE": "0"}
    ran = run_job(service, "check", place, environment)
    assert ran.code == 0, ran.out
    assert (place / "installed").read_text() == f"-m pip install --quiet boss-builder=={__version__}\n"
    assert calls.read_text().split() == ["check"]


# -- the shell lines, with the real command -------------------------------------------------------------------------


def real(service: Service, job: str, place: Path) -> Ran:
    (place / "bin" / "boss-builder").unlink()
    return run_job(service, job, place, {"PATH": f"{VENV}:{place / 'bin'}:/usr/bin:/bin", "HOME": str(place)})


RECIPE = """release "tiny" "1" {
  title = "Tiny"
  date  = "2020-01-01"
}
"""


@both
def test_check_tells_of_the_recipes(service: Service, place: Path):
    (place / "recipes" / "tiny-1" / "recipe.hcl").write_text(RECIPE)
    ran = real(service, "check", place)
    assert ran.code == 2
    assert "recipes/tiny-1/recipe.hcl" in ran.out


@both
@pytest.mark.parametrize("job", ["rebuild", "upstream"])
def test_a_store_that_is_not_filled_yet_is_told(service: Service, job: str, place: Path):
    ran = real(service, job, place)
    assert ran.code == 2
    assert "nothing is frozen in the store" in ran.out


# -- the command ----------------------------------------------------------------------------------------------------


@both
def test_the_command_prints_the_file_or_writes_it(service: Service, tmp_path: Path):
    printed = CliRunner().invoke(command, [service])
    assert (printed.exit_code, printed.stdout) == (0, ci_file(service))
    target = tmp_path / PLACES[service]
    written = CliRunner().invoke(command, [service, "--output", str(target)])
    assert (written.exit_code, written.stdout) == (0, f"{target}\n")
    assert target.read_text() == ci_file(service)


def test_a_file_that_is_there_is_left_alone(tmp_path: Path):
    target = tmp_path / "ci.yml"
    target.write_text("mine")
    result = CliRunner().invoke(command, ["gitlab", "--output", str(target)])
    assert result.exit_code == 2
    assert "exists already" in result.stderr
    assert target.read_text() == "mine"
    below = CliRunner().invoke(command, ["gitlab", "--output", str(target / "x.yml")])
    assert below.exit_code == 2
    assert CliRunner().invoke(command, ["jenkins"]).exit_code == 2
