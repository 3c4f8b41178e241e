"""Running the host's packaging programs, and the one error of the example upstream."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

TAIL_LINES = 20
COMMAND_SHOWN = 1000
DEBIAN_PACKAGE = {
    "apt-get": "apt",
    "createrepo_c": "createrepo-c",
    "dpkg-deb": "dpkg",
    "gpg": "gnupg",
    "gpgconf": "gpgconf",
    "rpm": "rpm",
    "rpmbuild": "rpm",
    "rpmsign": "rpm",
}


class UpstreamError(Exception):
    """The upstream could not be made or served; `message` says why, `hint` what to do."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return self.message + "".join(f"\n    {line}" for line in self.hint.splitlines())


def require_programs() -> None:
    """Raise UpstreamError that names every program that is missing, and the command that installs them."""
    missing = sorted(name for name in DEBIAN_PACKAGE if shutil.which(name) is None)
    if missing:
        packages = " ".join(sorted({DEBIAN_PACKAGE[name] for name in missing}))
        raise UpstreamError(f"not installed: {', '.join(missing)}", hint=f"apt-get install {packages}")


def run(
    words: Sequence[str | Path],
    *,
    time_limit: float,
    environment: Mapping[str, str] | None = None,
    stdin: bytes = b"",
) -> str:
    """Run a program to its end and give its stdout. `time_limit` is in seconds.

    Raises UpstreamError with the command and the last lines of what it said, where it fails.
    """
    arguments = [os.fspath(word) for word in words]
    try:
        done = subprocess.run(
            arguments,
            input=stdin,
            capture_output=True,
            env={**os.environ, "LC_ALL": "C", **(environment or {})},
            timeout=time_limit,
            check=False,
        )
    except FileNotFoundError as error:
        raise UpstreamError(f"the program {arguments[0]!r} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise UpstreamError(
            f"{arguments[0]} did not end within {time_limit:g} s", hint=shlex.join(arguments)
        ) from error
    if done.returncode != 0:
        said = (done.stderr + done.stdout).decode("utf-8", "replace")
        tail = "\n".join(said.splitlines()[-TAIL_LINES:])
        raise UpstreamError(
            f"{arguments[0]} failed with exit code {done.returncode}",
            hint=f"command: {shlex.join(arguments)[:COMMAND_SHOWN]}\n{tail}",
        )
    return done.stdout.decode("utf-8", "replace")
