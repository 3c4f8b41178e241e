"""The command line of boss.exe: `boss.exe [JOBOPTIONS]`.

Without an argument it does what the real boss.exe does, which serves as the cheapest test of an installation.
"""

# ruff: noqa: T201 - a job speaks through stdout

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from miniboss import __version__
from miniboss.job_options import JobOptionsError, read_job_options

USAGE = "usage: boss.exe [--version] [--help] [JOBOPTIONS]"
ABOUT = "miniboss is a toy that stands in for BOSS in an example; its results are not physics of BESIII"


def main(arguments: Sequence[str]) -> int:
    """Run one job; give the exit code: 0 well, 1 the job cannot be done, 2 the command line is wrong."""
    if list(arguments) in (["--version"], ["--help"]):
        print(f"miniboss {__version__}" if arguments[0] == "--version" else USAGE)
        print(ABOUT)
        return 0
    if len(arguments) > 1 or any(argument.startswith("-") for argument in arguments):
        print(USAGE, file=sys.stderr)
        return 2
    print(f"BOSS version: {__version__}")
    try:
        properties = read_job_options(Path(arguments[0])) if arguments else ()
    except JobOptionsError as error:
        print(f"ERROR! {error}")
        return 1
    if not properties:
        print("ERROR! the jobOptions file is empty!")
        return 1
    for asked in properties:
        print(f"ERROR! {arguments[0]}:{asked.line}: {asked.component}.{asked.name} is not in this version of the toy")
    return 1
