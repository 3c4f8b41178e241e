"""Errors as a person reads them: what is wrong, where, and what to do.

Every error that a user can cause or meet is a `Failure`; the command line turns it into text (or JSON) and an
exit code. Any other exception is a bug.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command, the same for every subcommand."""

    OK = 0
    FOUND = 1
    """The work was done and found something wrong (validation, drift, damage)."""
    INPUT = 2
    """The recipe, the arguments or an input are at fault."""
    HOST = 3
    """The host lacks something."""
    UNFINISHED = 4
    """The work could not be finished (network, space, time limit)."""
    INTERRUPTED = 130


@dataclass(frozen=True, order=True)
class Location:
    """A place in a text file; line and column count from 1, 0 means unknown."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """Give `file:line:column`, without the parts that are unknown."""
        parts = [self.file, *(str(n) for n in (self.line, self.column) if n)]
        return ":".join(parts)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: `message` says what, `location` where, `hint` what to do."""

    message: str
    hint: str = ""
    location: Location | None = None

    def __str__(self) -> str:
        """Give the problem as it is printed: one line, and the hint indented below."""
        head = f"{self.location}: {self.message}" if self.location else self.message
        return head + "".join(f"\n    {line}" for line in self.hint.splitlines())


class Failure(Exception):  # noqa: N818 - it is a failure of the work, reported to people, not a Python error
    """The work failed for reasons that a person can act upon; carries all of them."""

    exit_code = ExitCode.UNFINISHED

    def __init__(self, *problems: Problem | str, hint: str = "", location: Location | None = None) -> None:
        """Take ready problems, or one message with its hint and location."""
        self.problems = tuple(
            p if isinstance(p, Problem) else Problem(p, hint=hint, location=location) for p in problems
        )
        super().__init__("\n".join(str(p) for p in self.problems))


class InputFailure(Failure):
    """The recipe, the arguments or an input are at fault."""

    exit_code = ExitCode.INPUT


class HostFailure(Failure):
    """The host lacks something that the work needs."""

    exit_code = ExitCode.HOST


class WorkFailure(Failure):
    """The work could not be finished: network, space, time limit, a build that failed."""

    exit_code = ExitCode.UNFINISHED


class TimeLimitFailure(WorkFailure):
    """The work was stopped because its time limit passed."""


class SpaceFailure(WorkFailure):
    """The work could not be finished because space or memory ran out."""


class FoundFailure(Failure):
    """The work was done and found something wrong."""

    exit_code = ExitCode.FOUND
