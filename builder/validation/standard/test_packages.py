"""The image holds the packages of the lock, whole."""
# ruff: noqa: INP001 - pytest runs copies of these files

from __future__ import annotations

from builder.boot.machine import Machine
from builder.lock.model import Lock
from builder.store.shapes import Shape
from builder.validation import expect, facts

LIMIT = 240


def test_the_packages_are_those_of_the_lock(machine: Machine, lock: Lock, shape: Shape) -> None:
    """Epoch, version, release and architecture count; a package more or less does too."""
    listing = expect.success(machine.run(facts.QUERY_PACKAGES, time_limit=LIMIT))
    expect.nothing(facts.package_differences(facts.expected_packages(lock, shape), facts.installed_packages(listing)))


def test_no_packaged_file_differs_but_what_a_site_configures(machine: Machine) -> None:
    """Programs, libraries and data are as their packages brought them; see `facts.changed_files` for the rule."""
    users = machine.run(facts.PRINT_USERS, time_limit=LIMIT).stdout.decode()
    done = machine.run(facts.verify_packages(users), time_limit=LIMIT)
    expect.nothing(facts.changed_files((done.stdout + done.stderr).decode("utf-8", "replace")))
