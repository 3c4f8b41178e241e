"""Every program and library of the image finds the libraries that it needs."""
# ruff: noqa: INP001 - pytest runs copies of these files

from __future__ import annotations

import pytest

from builder.boot.machine import Machine
from builder.lock.model import Lock
from builder.validation import expect, facts

LIMIT = 120


def test_shared_libraries_resolve(machine: Machine, lock: Lock) -> None:
    """The image's own loader is asked, in the image's own environment; see `facts.unresolved` for the rule."""
    command = ["/bin/sh", "-c", facts.LIST_LIBRARIES, "sh", *facts.library_folders(lock)]
    report = expect.success(machine.run(command, time_limit=LIMIT))
    if not facts.is_complete(report):
        pytest.fail("the search was cut off", pytrace=False)
    if not facts.resolved_count(report):
        pytest.fail("no dynamically linked file was found", pytrace=False)
    expect.nothing(facts.unresolved(report))
