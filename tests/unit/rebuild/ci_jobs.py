"""The jobs of a rendered CI file, and a way to run their shell lines as the service would."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from builder.rebuild.ci_files import Service, ci_file

STORE_JOBS = ("fill", "rebuild", "upstream")
JOBS = ("check", *STORE_JOBS)


@dataclass(frozen=True)
class Step:
    """Lines for one shell; `always`: also after a failure."""

    script: str
    always: bool = False


@dataclass(frozen=True)
class Ran:
    """A job that ended: the first code that is not 0, and all that was printed."""

    code: int
    out: str


def parsed(service: Service) -> dict[str, Any]:
    document = yaml.safe_load(ci_file(service))
    assert isinstance(document, dict)
    return document


def variables(service: Service) -> dict[str, str]:
    return parsed(service)["variables" if service == "gitlab" else "env"]


def steps(service: Service, job: str) -> list[Step]:
    """GitLab gives all lines of a job to one shell; GitHub starts one for each step."""
    document = parsed(service)
    if service == "gitlab":
        return [Step("\n".join([*document["default"]["before_script"], *document[job]["script"]]))]
    listed = document["jobs"][job]["steps"]
    return [Step(step["run"], "always()" in step.get("if", "")) for step in listed if "run" in step]


def run_job(
    service: Service, job: str, folder: Path, environment: Mapping[str, str], *, time_limit: float = 120
) -> Ran:
    """Run the shell lines of a job in a folder, with the variables of the file, and PATH as GITHUB_PATH extends it."""
    added, summary = folder / "github-path", folder / "github-summary"
    values = {**variables(service), "GITHUB_PATH": str(added), "GITHUB_STEP_SUMMARY": str(summary), **environment}
    code, out = 0, ""
    for step in steps(service, job):
        if code and not step.always:
            continue
        extra = added.read_text().split() if added.exists() else []
        path = ":".join([*reversed(extra), values["PATH"]])
        done = subprocess.run(
            ["/bin/bash", "-euo", "pipefail", "-c", step.script],
            cwd=folder,
            env={**values, "PATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=time_limit,
            check=False,
        )
        code, out = code or done.returncode, out + done.stdout
    return Ran(code, out)
