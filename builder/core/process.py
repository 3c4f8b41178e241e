"""The one place that runs external programs on the host."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.core.errors import HostFailure, TimeLimitFailure, WorkFailure

log = logging.getLogger(__name__)
TAIL_LINES = 20


@dataclass(frozen=True)
class Finished:
    """A program that ended: exit code (negative: the signal) and what it wrote, decoded as UTF-8."""

    returncode: int
    stdout: str
    stderr: str


def quoted(arguments: Sequence[str | os.PathLike[str]]) -> str:
    """Spell a command so that it can be pasted into a shell."""
    return shlex.join(os.fspath(a) for a in arguments)


def run(
    arguments: Sequence[str | os.PathLike[str]],
    *,
    time_limit: float,
    check: bool = True,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    unset: Collection[str] = (),
    stdin: bytes = b"",
    log_file: Path | None = None,
) -> Finished:
    """Run a program to its end.

    `time_limit` is in seconds. `environment` is added to the caller's, which is taken without the variables that
    `unset` names. With `log_file` both streams go there as they come, and `stdout`/`stderr` of the result hold
    nothing.

    Raises HostFailure where the program is not there; TimeLimitFailure where it exceeds the limit; WorkFailure, with
    `check`, where it ends with anything but 0. The command and its last lines stand in the error.
    """
    words = [os.fspath(a) for a in arguments]
    log.info("$ %s", quoted(words))
    env = {name: value for name, value in os.environ.items() if name not in unset} | dict(environment or {})
    try:
        if log_file is not None:
            with log_file.open("ab") as sink:
                done = subprocess.run(
                    words,
                    input=stdin,
                    stdout=sink,
                    stderr=subprocess.STDOUT,
                    cwd=cwd,
                    env=env,
                    timeout=time_limit,
                    check=False,
                )
            out = err = ""
        else:
            done = subprocess.run(
                words, input=stdin, capture_output=True, cwd=cwd, env=env, timeout=time_limit, check=False
            )
            out, err = (s.decode("utf-8", "replace") for s in (done.stdout, done.stderr))
    except FileNotFoundError as error:
        raise HostFailure(
            f"the program {words[0]!r} is not installed", hint=f"it was needed for: {quoted(words)}"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise TimeLimitFailure(
            f"{words[0]} did not end within {time_limit:g} s", hint=f"command: {quoted(words)}"
        ) from error
    if check and done.returncode != 0:
        text = log_file.read_text("utf-8", "replace") if log_file else err or out
        tail = "\n".join(text.splitlines()[-TAIL_LINES:])
        raise WorkFailure(
            f"{words[0]} failed with exit code {done.returncode}", hint=f"command: {quoted(words)}\n{tail}"
        )
    return Finished(done.returncode, out, err)
