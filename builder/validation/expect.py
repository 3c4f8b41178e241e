"""How a check of the standard suite says what it found: the findings themselves, one a line, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from builder.boot.machine import Result


def nothing(findings: Sequence[str]) -> None:
    """Fail with the findings, if there are any."""
    if findings:
        pytest.fail("\n".join(findings), pytrace=False)


def success(done: Result) -> str:
    """Give what a command wrote, decoded; fail with its messages where it did not end with 0."""
    if done.exit_code:
        errors = done.stderr.decode("utf-8", "replace").strip()
        pytest.fail(f"the command ended with {done.exit_code}\n{errors}".rstrip(), pytrace=False)
    return done.stdout.decode("utf-8", "replace")
