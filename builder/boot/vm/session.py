"""A command in a machine that shares no folders with the host: what is bound is copied in, and back."""

from __future__ import annotations

import contextlib
import io
import posixpath
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

import click

from builder.boot.binds import Bind
from builder.boot.session import Session, terminating
from builder.boot.shell.machine import TRANSFER_LIMIT, ShellMachine
from builder.boot.vm.results import State, bring_back, states
from builder.core.errors import WorkFailure

IN_FOLDER = 'cd "$0" && exec "$@"'


class CopyingSession(Session):
    """A command in a machine that is booted for it."""

    def __init__(
        self, boot: Callable[[], ShellMachine], words: Sequence[str], binds: Sequence[Bind], folder: str
    ) -> None:
        """Take how the machine is booted, the command, what to copy in and back, and where the command starts."""
        self._boot, self._binds = boot, tuple(binds)
        self._words = ["/bin/sh", "-c", IN_FOLDER, folder, *words]

    def run_piped(self, stdin: BinaryIO | None) -> int:
        """See `Session.run_piped`. What has changed is copied back also where the command is interrupted."""
        with terminating(), self._boot() as machine, self._copied(machine):
            return machine.stream(self._words, stdin, sys.stdout.buffer, sys.stderr.buffer)

    def run_on_terminal(self) -> int:
        """See `Session.run_on_terminal`."""
        with terminating(), self._boot() as machine, self._copied(machine):
            return machine.terminal(self._words, sys.stdin.buffer, sys.stdout.buffer)

    @contextlib.contextmanager
    def _copied(self, machine: ShellMachine) -> Iterator[None]:
        before = {bind: states(bind.host) for bind in self._binds if bind.writable}
        for bind in self._binds:
            machine.put(bind.host, bind.guest)
        try:
            yield
        finally:
            for bind, known in before.items():
                copy_back(machine, bind, known)


def copy_back(machine: ShellMachine, bind: Bind, before: Mapping[str, State]) -> None:
    """Fetch what is bound and write what has changed. Raises WorkFailure where something could not be written.

    The whole is kept then, as a tar file, and it is said where.
    """
    folder, name = (bind.guest, ".") if bind.host.is_dir() else posixpath.split(bind.guest)
    archive = Path(tempfile.mkstemp(prefix="boss-builder-results-", suffix=".tar")[1])
    kept = f"all of {bind.guest} is kept in {archive}"
    said = io.BytesIO()
    try:
        with archive.open("wb") as sink:
            words = ["tar", "-c", "-f", "-", "-C", folder, "--", name]
            code = machine.stream(words, None, sink, said, time_limit=TRANSFER_LIMIT)
        problems = bring_back(archive, bind.host, before)
    except BaseException:
        click.echo(f"the results were not copied back whole; {kept}", err=True)
        raise
    if code:
        problems.append(said.getvalue().decode("utf-8", "replace").strip())
    if problems:
        raise WorkFailure(f"some results could not be copied back to {bind.host}", hint="\n".join([*problems, kept]))
    archive.unlink()
    click.echo(f"{bind.guest} is copied back to {bind.host}", err=True)
