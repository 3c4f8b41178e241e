"""Run a suite: pytest in a process of its own, against a machine at the other end of a connection."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from builder.boot.machine import Machine
from builder.boot.remote import serve
from builder.core.archives import extract
from builder.core.errors import HostFailure, InputFailure
from builder.core.process import run
from builder.inside.canonical import HashingWriter, walk_source, write_tar
from builder.lock.model import Source
from builder.store.shapes import Shape
from builder.store.store import Store
from builder.validation import records
from builder.validation.outcome import Suite

log = logging.getLogger(__name__)
STANDARD = Path(__file__).with_name("standard")
SETTINGS = "[pytest]\nxfail_strict = true\n"
ALLOWED_CODES = (0, 1)
"""pytest's exit codes where the suite ran to its end: all passed, or some failed."""
CLOSING_LIMIT = 30.0
PACKAGE_PARENT = Path(__file__).parents[2]


@dataclass(frozen=True)
class SuiteFolder:
    """A suite's files in a folder of their own that nothing writes to, and their digest as a canonical tar."""

    name: str
    folder: Path
    digest: str


def standard_suite(folder: Path) -> SuiteFolder:
    """Copy the product's own suite into a new folder."""
    folder.mkdir()
    for path in sorted(STANDARD.glob("*.py")):
        shutil.copyfile(path, folder / path.name)
    taken = HashingWriter(None)
    write_tar(walk_source(folder, 0), taken)
    _protect(folder)
    return SuiteFolder("standard", folder, taken.digest)


def recipe_suite(store: Store, source: Source, folder: Path) -> SuiteFolder:
    """Unpack a recipe's suite, as it was frozen, into a new folder. Raises WorkFailure where the store lacks it."""
    data = store.read(source.blob.digest)
    folder.mkdir()
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            extract(archive, folder)
    except (tarfile.TarError, ValueError, OSError) as error:
        raise InputFailure(f"the validation suite {source.source} can not be unpacked: {error}") from error
    _protect(folder)
    return SuiteFolder("recipe", folder, source.blob.digest)


def _protect(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            path.chmod(0o555 if path.is_dir() else 0o444)


def run_suite(
    suite: SuiteFolder,
    machine: Machine,
    lock: Path,
    *,
    shape: Shape,
    work: Path,
    log_file: Path,
    time_limit: float,
) -> Suite:
    """Run a suite to its end or for `time_limit` seconds, stretched to the machine's pace; it prints to `log_file`.

    `lock` is the lock's file, `shape` that of the image which was booted; `work` is an empty folder for the suite's
    home and temporary files. Everything that the suite started on this host or in the machine is ended when this
    returns.
    """
    recorded = work / "records"
    recorded.touch()
    time_limit *= machine.pace
    deadline = time.monotonic() + time_limit
    with _serving(machine, deadline) as connection, log_file.open("ab") as sink:
        options = {
            "--machine-descriptor": connection.fileno(),
            "--machine-time-limit": time_limit / machine.pace,
            "--machine-shape": shape,
            "--machine-lock": lock,
            "--machine-records": recorded,
        }
        process = subprocess.Popen(
            _command(suite.folder, work) + [f"{name}={value}" for name, value in options.items()],
            cwd=suite.folder,
            env=_environment(work),
            pass_fds=[connection.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        connection.close()
        problem = ""
        try:
            problem = _early_end(process.wait(time_limit))
        except subprocess.TimeoutExpired:
            problem = f"the suite did not end within {time_limit:g} s and was killed"
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return _judged(suite, recorded.read_bytes(), problem)


def _command(folder: Path, work: Path) -> list[str]:
    """Spell the call of pytest: this Python, no plugin but ours, no settings but ours, nothing above the suite."""
    settings = work / "pytest.ini"
    settings.write_text(SETTINGS, "utf-8")
    options = ["-c", settings, f"--rootdir={folder}", f"--confcutdir={folder}", f"--basetemp={work / 'basetemp'}"]
    options += ["-p", "no:cacheprovider", "-p", "builder.validation.plugin", "--color=no", "--tb=short", "-v"]
    return [*_without_network(), sys.executable, "-P", "-B", "-m", "pytest", *map(str, options), str(folder)]


@functools.cache
def _without_network() -> tuple[str, ...]:
    """Spell what starts a program in a network namespace of its own, where nothing but the program is.

    As root that needs CAP_SYS_ADMIN, else a user namespace. Where the host allows neither, the machine is cut off
    from the network all the same; only the suite's own process is not, and that is said.
    """
    for options in (("--net",), ("--map-current-user", "--net")):
        words = ("unshare", *options, "--")
        try:
            if run((*words, "true"), time_limit=10, check=False).returncode == 0:
                return words
        except HostFailure:
            break
    log.warning("this host lets no process give up the network (unshare --net): pytest itself keeps it")
    return ()


def _environment(work: Path) -> dict[str, str]:
    """Give the suite's process nothing of the caller's environment: it could change what the suite finds."""
    home = work / "home"
    home.mkdir()
    return {
        "HOME": str(home),
        "TMPDIR": str(home),
        "LANG": "C.UTF-8",
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": str(PACKAGE_PARENT),
        "TZ": "UTC",
    }


@contextlib.contextmanager
def _serving(machine: Machine, deadline: float) -> Iterator[Connection]:
    """Give the far end of a connection that the machine answers."""
    near, far = Pipe()
    server = threading.Thread(target=serve, args=(machine, near, deadline), daemon=True)
    server.start()
    patience = 0.0
    try:
        yield far
        patience = CLOSING_LIMIT  # none after an interruption: the machine is about to be closed
    finally:
        far.close()
        with socket.socket(fileno=os.dup(near.fileno())) as ending, contextlib.suppress(OSError):
            ending.shutdown(socket.SHUT_RDWR)  # wakes the server, whoever else still holds the far end
        server.join(patience)
        near.close()


def _early_end(code: int) -> str:
    """Say what it means if a process with this exit code did not come to the end of its suite."""
    if code < 0:
        return f"the suite was ended by the signal {signal.Signals(-code).name}"
    return f"pytest ended before the suite did, with exit code {code}: {EXIT_CODES.get(code, 'see its log')}"


def _judged(suite: SuiteFolder, data: bytes, end: str) -> Suite:
    """Read what a suite recorded; where it did not come to its end, `end` says how it ended instead."""
    problems: list[str] = []
    try:
        lines = records.read(data)
    except msgspec.DecodeError as error:
        lines = ()
        problems.append(f"its records are damaged: {error}")
    checks = records.checks(lines)
    codes = [line.exit_code for line in lines if isinstance(line, records.Finished)]
    if not codes:
        problems.append(end)
    elif codes[-1] not in ALLOWED_CODES:
        problems.append(f"pytest ended with exit code {codes[-1]}: {EXIT_CODES.get(codes[-1], 'unknown')}")
    if not checks:
        problems.append("the suite has no checks")
    return Suite(name=suite.name, digest=suite.digest, checks=checks, problems=tuple(problems))


EXIT_CODES = {
    2: "interrupted, or a file of the suite could not be read",
    3: "an internal error",
    4: "it was called wrongly, or a conftest.py of the suite is broken",
    5: "no checks were found",
}
"""pytest's exit codes; source: pytest reference, "Exit codes"."""
