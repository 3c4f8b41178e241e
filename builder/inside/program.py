"""How a program here takes its request and gives its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

SHOWN = 400
"""Letters of a command that the log shows; some name every package of a release."""


class RefusedError(Exception):
    """The input is at fault; carries pairs of message and hint for the person outside."""

    def __init__(self, *problems: tuple[str, str]) -> None:
        """Take pairs of message and hint."""
        super().__init__("; ".join(message for message, _ in problems))
        self.problems = problems


def serve(function: Callable[[dict[str, Any]], Any]) -> NoReturn:
    """Call `function` with `request.json` of the current folder and write its result, or refusal, to `answer.json`.

    What was written belongs to the owner of the folder afterwards, who need not be root. A tool that fails, or a disk
    that is full, ends the program with a line that says so.
    """
    request = json.loads(Path("request.json").read_bytes())
    try:
        answer = {"result": function(request)}
    except RefusedError as refusal:
        answer = {"refused": [{"message": m, "hint": h} for m, h in refusal.problems]}
    except subprocess.CalledProcessError as error:  # the tool has said why
        sys.exit(f"{error.cmd[0]} failed with exit code {error.returncode}")
    except OSError as error:
        sys.exit(f"{error.filename or 'a file'}: {error.strerror or error}")
    Path("answer.json").write_text(json.dumps(answer), "utf-8")
    give_away(Path())
    sys.exit(0)


def give_away(folder: Path) -> None:
    """Give everything below a folder to the folder's owner."""
    status = folder.stat()
    for path in folder.rglob("*"):
        os.chown(path, status.st_uid, status.st_gid, follow_symlinks=False)


def call(
    *words: str, environment: dict[str, str] | None = None, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run a tool; its stderr goes to the log, its stdout is returned."""
    shown = " ".join(words)
    print("$", shown if len(shown) <= SHOWN else shown[:SHOWN] + " ...", file=sys.stderr, flush=True)
    return subprocess.run(
        words, check=check, stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
