"""What the recipe promises is there."""
# ruff: noqa: INP001 - pytest runs copies of these files

from __future__ import annotations

import pytest

from builder.boot.machine import Machine
from builder.lock.model import Lock
from builder.validation import expect, facts
from builder.validation.outcome import NOT_APPLICABLE

LIMIT = 60


@pytest.mark.parametrize("options", [["-c"], ["-l", "-c"]], ids=["image", "login-shell"])
def test_the_environment_is_as_promised(machine: Machine, lock: Lock, options: list[str]) -> None:
    """In the image's own environment, and after a login shell has read its profile."""
    promised = facts.promised_environment(lock)
    if not promised:
        pytest.skip(f"{NOT_APPLICABLE}the recipe promises no environment")
    done = machine.run(["/bin/sh", *options, facts.PRINT_VARIABLES, "sh", *promised], time_limit=LIMIT)
    expect.nothing(facts.broken_promises(promised, expect.success(done)))


def test_folders_exist_and_hold_something(machine: Machine, lock: Lock) -> None:
    """Each `install_to` of the recipe."""
    folders = facts.promised_folders(lock)
    if not folders:
        pytest.skip(f"{NOT_APPLICABLE}the recipe installs nothing to a folder")
    listed = {folder: machine.run(["ls", "-A", f"{folder}/"], time_limit=LIMIT) for folder in folders}
    expect.nothing([f"{f} is missing or empty" for f, done in listed.items() if done.exit_code or not done.stdout])


def test_the_documents_are_there(machine: Machine, lock: Lock) -> None:
    """Each `document` of the recipe."""
    documents = facts.promised_documents(lock)
    if not documents:
        pytest.skip(f"{NOT_APPLICABLE}the recipe has no documents")
    tested = {path: machine.run(["test", "-s", path], time_limit=LIMIT) for path in documents}
    expect.nothing([f"{path} is missing or empty" for path, done in tested.items() if done.exit_code])


def test_there_is_no_network(machine: Machine) -> None:
    """A validation that needs the network proves nothing for the day when the other side is gone."""
    listing = expect.success(machine.run(["/bin/sh", "-c", facts.LIST_INTERFACES], time_limit=LIMIT))
    expect.nothing([f"the interface {name} is up" for name in facts.live_interfaces(listing)])
