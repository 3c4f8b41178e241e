"""Every program and library of the image finds the libraries that it needs."""
# ruff: noqa: INP001, S101 - pytest runs copies of these files; checks are asserts

from __future__ import annotations

from builder.boot.machine import Machine
from builder.lock.model import Lock
from builder.validation import facts

LIMIT = 120


def test_shared_libraries_resolve(machine: Machine, lock: Lock) -> None:
    """The image's own loader is asked, in the image's own environment."""
    command = ["/bin/sh", "-c", facts.LIST_LIBRARIES, "sh", *facts.library_folders(lock)]
    done = machine.run(command, time_limit=LIMIT)
    report = done.stdout.decode("utf-8", "replace")
    assert facts.is_complete(report), done.stderr.decode("utf-8", "replace")
    assert facts.resolved_count(report) > 0, "no dynamically linked file was found"
    assert facts.unresolved(report) == ()
