"""The command line of boss.exe: `boss.exe [JOBOPTIONS]`.

Without an argument it does what the real boss.exe does, which serves as the cheapest test of an installation.
"""

# ruff: noqa: T201 - a job speaks through stdout

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from miniboss.errors import JobError
from miniboss.release import VERSION

USAGE = "usage: boss.exe [--version] [--help] [JOBOPTIONS]"
ABOUT = "miniboss is a toy that stands in for BOSS in an example; its results are not physics of BESIII"
HOME = Path(__file__).resolve().parents[2]
"""Where this version is installed: `BesArea`, unless the environment says otherwise."""


def main(arguments: Sequence[str]) -> int:
    """Run one job; give the exit code: 0 well, 1 the job cannot be done, 2 the command line is wrong."""
    if list(arguments) in (["--version"], ["--help"]):
        print(f"miniboss {VERSION}" if arguments[0] == "--version" else USAGE)
        print(ABOUT)
        return 0
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(USAGE, file=sys.stderr)
        return 2
    print(f"BOSS version: {VERSION}")
    try:
        _run(arguments)
    except JobError as error:
        for line in str(error).splitlines():
            print(line if line.startswith(" ") else f"ERROR! {line}")
        return 1
    return 0


def _run(arguments: Sequence[str]) -> None:
    """Run the job, if there is one. Raises JobError."""
    # numpy is imported for a job alone, so that the bare boss.exe starts at once; one thread, since matrices are small
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from miniboss.job_options import read_job_options

    environment = {"BesArea": str(HOME), **os.environ}
    properties = read_job_options(Path(arguments[0]), environment) if arguments else ()
    if not properties:
        raise JobError("the jobOptions file is empty!")
    from miniboss.jobs import job_of

    job = job_of(properties, environment)
    from miniboss import algorithms

    algorithms.say("ApplicationMgr", f"{ABOUT}")
    algorithms.run(job, environment)
    algorithms.say("ApplicationMgr", "Application Manager Finalized successfully")
