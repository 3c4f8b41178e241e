"""The pytest plugin that gives a suite its machine, and records what the suite finds.

Fixtures: `host` (testinfra's), `machine` (`builder.boot.machine.Machine`), `lock` (`builder.lock.model.Lock`),
`release` (`builder.recipe.model.Release`), `shape` (`oci`, `sif` or `vm`). The suite runs in a process of its own; the
machine is at the other end of a connection that the process inherits.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import msgspec
import pytest
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from builder.boot.machine import Machine
from builder.boot.remote import RemoteMachine
from builder.core.errors import InputFailure
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.recipe.model import Release
from builder.store.shapes import SHAPES, Shape
from builder.validation.records import Collected, Finished, Line, Recorded

MESSAGE_LIMIT = 4000
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f]")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take what the runner passes."""
    group = parser.getgroup("boss-builder")
    group.addoption("--machine-descriptor", type=int, required=True, help="open descriptor of the connection")
    group.addoption("--machine-time-limit", type=float, required=True, help="seconds that a command may take")
    group.addoption("--machine-shape", choices=SHAPES, required=True, help="the shape of the image that was booted")
    group.addoption("--machine-lock", type=Path, required=True, help="the lock's file")
    group.addoption("--machine-records", type=Path, required=True, help="file to record the checks in")


def pytest_configure(config: pytest.Config) -> None:
    """Begin to record."""
    config.pluginmanager.register(_Recorder(config.option.machine_records, config.rootpath), "boss-builder-recorder")


@pytest.fixture(scope="session")
def machine(pytestconfig: pytest.Config) -> Iterator[Machine]:
    """The booted image."""
    with RemoteMachine(Connection(pytestconfig.option.machine_descriptor)) as remote:
        yield remote


@pytest.fixture(scope="session")
def lock(pytestconfig: pytest.Config) -> Lock:
    """The lock that the image was built from."""
    found = lock_file.read(pytestconfig.option.machine_lock)
    if found is None:
        raise InputFailure("there is no lock")
    return found


@pytest.fixture(scope="session")
def release(lock: Lock) -> Release:
    """Name, version, title, date and licence of the release."""
    return lock.recipe.release


@pytest.fixture(scope="session")
def shape(pytestconfig: pytest.Config) -> Shape:
    """The shape of the image that was booted; what holds for a release holds in every shape."""
    found: Shape = pytestconfig.option.machine_shape
    return found


@pytest.fixture(scope="session")
def host(machine: Machine, pytestconfig: pytest.Config) -> Host:
    """The machine as testinfra sees it."""
    backend = MachineBackend(machine, pytestconfig.option.machine_time_limit)
    seen = Host(backend)
    backend.set_host(seen)
    return seen


class MachineBackend(BaseBackend):  # type: ignore[misc]
    """Runs testinfra's shell commands in a machine, as root."""

    NAME = "machine"

    def __init__(self, machine: Machine, time_limit: float) -> None:
        """Use a machine; a command may take `time_limit` seconds."""
        super().__init__("machine")
        self._machine = machine
        self._time_limit = time_limit

    def __repr__(self) -> str:
        return "<machine>"

    def get_encoding(self) -> str:
        """UTF-8, whatever Python the machine has."""
        return "utf-8"

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        """Run a line of shell, its placeholders filled with quoted arguments."""
        line = self.get_command(command, *args)
        done = self._machine.run(["/bin/sh", "-c", line], time_limit=self._time_limit)
        return self.result(done.exit_code, self.encode(line), done.stdout, done.stderr)


class _Recorder:
    """Writes a line as each thing happens, so that a suite that is killed leaves what it found."""

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root

    def _write(self, line: Line) -> None:
        with self._path.open("ab") as sink:
            sink.write(msgspec.json.encode(line) + b"\n")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._write(Collected(tuple(item.nodeid for item in session.items)))

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        for item in items:
            self._write(Recorded(item.nodeid, "collect", "failed", "the suite deselected it"))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome != "passed":
            self._write(Recorded(report.nodeid, "collect", report.outcome, self._message(report)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        expected = getattr(report, "wasxfail", None)
        if expected is not None and report.outcome == "skipped":
            self._write(Recorded(report.nodeid, report.when, "failed", f"known to fail, and did: {expected}"))
        else:
            self._write(Recorded(report.nodeid, report.when, report.outcome, self._message(report)))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self._write(Finished(int(exitstatus)))

    def _message(self, report: pytest.CollectReport | pytest.TestReport) -> str:
        """Say what happened and where, without what another run would say differently."""
        if report.outcome == "passed":
            return ""
        what = report.longrepr
        if isinstance(what, tuple):
            text = str(what[2]).removeprefix("Skipped: ")
        elif crash := getattr(what, "reprcrash", None):
            text = f"{crash.message}\n{crash.path}:{crash.lineno}"
        else:
            text = str(what)
        return steady(text, self._root)


def steady(text: str, root: Path) -> str:
    """Take out of a message what differs from run to run: folders of this host, addresses in memory, colours."""
    text = ESCAPE.sub("", text).replace(f"{root}/", "").replace(str(root), ".")
    folders = {str(Path(__file__).parents[2]): "<boss-builder>", sys.prefix: "<python>"}
    for folder in sorted(folders, key=len, reverse=True):  # one may lie in the other
        text = text.replace(folder, folders[folder])
    text = ADDRESS.sub("0x...", text)
    return text if len(text) <= MESSAGE_LIMIT else text[:MESSAGE_LIMIT] + "\n(cut)"
