"""What a rebuild found, typed, as the store keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from builder.core.errors import ExitCode
from builder.rebuild.taxonomy import Cause, Severity, Stage
from builder.store.shapes import Shape

RUN_VERSION = 1
Question = Literal["frozen", "upstream"]
"""Does it build, boot and validate from what was frozen? Could it still be built from upstream today?"""


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the records."""


class State(StrEnum):
    """What an answer amounts to. UNKNOWN is never success."""

    GOOD = "GOOD"
    BAD = "BAD"
    UNKNOWN = "UNKNOWN"


class Finding(_Record, frozen=True, kw_only=True):
    """One thing that was found."""

    cause: Cause
    about: str
    """What it is about: `repository os`, `package hello-1.0-1.noarch`, `stage site`, `image sif`..."""
    message: str
    """What was seen, without times and names of temporary files: the same finding reads the same in the next run."""
    severity: Severity
    advice: str = ""
    evidence: tuple[str, ...] = ()
    """Digests of what proves it, in the store: logs, differences, answers of a server."""
    first_seen: str = ""
    """When the unbroken row of runs with this finding began; RFC 3339, UTC."""
    explanations: tuple[str, ...] = ()
    """What changed on this host since the last good run and can be the reason."""

    @property
    def stage(self) -> Stage:
        """Where it shows."""
        return self.cause.stage

    @property
    def is_fault(self) -> bool:
        """Whether all is not well with it."""
        return self.severity not in {Severity.NONE, Severity.NOTE}


def finding(cause: Cause, about: str, message: str, *, release: str = "", evidence: Sequence[str] = ()) -> Finding:
    """Make a finding with the severity and the advice that the taxonomy gives its cause.

    What a server or an image says may be in the message: letters that do not print are taken out of it.
    """
    entry = cause.entry
    return Finding(
        cause=cause,
        about=about,
        message="\n".join(map(_printable, message.splitlines())),
        severity=entry.severity,
        advice=entry.advice.replace("{release}", release or "RELEASE"),
        evidence=tuple(evidence),
    )


def _printable(line: str) -> str:
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


class Answer(_Record, frozen=True, kw_only=True):
    """The answer to one question about a release, and for what was frozen about one shape."""

    question: Question
    shape: Shape | None = None
    findings: tuple[Finding, ...]
    """In the order of the stages."""
    stored: str = ""
    """Digest of the stored image's manifest."""
    rebuilt: str = ""
    """Digest of the rebuilt image's manifest; empty where there is none."""
    seconds: dict[str, float] = {}
    """How long each step took."""

    @property
    def state(self) -> State:
        """BAD where something is wrong, UNKNOWN where something could not be found out, else GOOD."""
        return state_of(self.findings)

    @property
    def decisive(self) -> Finding | None:
        """The finding that names the answer: the gravest of the first stage that has a fault.

        Without any, that the images are identical, or None.
        """
        faults = [found for found in self.findings if found.is_fault]
        first = [found for found in faults if found.stage is faults[0].stage]
        for severity in (Severity.ERROR, Severity.WARNING, Severity.UNKNOWN):
            for found in first:
                if found.severity is severity:
                    return found
        return next((found for found in self.findings if found.cause is Cause.BIT_IDENTICAL), None)


class Run(_Record, frozen=True, kw_only=True):
    """Everything that one rebuild of one release found."""

    version: int = RUN_VERSION
    release: str
    title: str
    lock: str
    """Digest of the lock."""
    began: str
    """RFC 3339, UTC, in whole seconds."""
    seconds: float
    environment: dict[str, str]
    """The tools and the host, by name: what can explain a difference."""
    answers: tuple[Answer, ...]
    stands_in_for: tuple[str, ...] = ()
    """What is only imitated; empty for a real release."""

    @property
    def state(self) -> State:
        """The worst of the answers; of none, UNKNOWN."""
        if not self.answers:
            return State.UNKNOWN
        return state_of(found for answer in self.answers for found in answer.findings)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by their stage, and keep the order within one."""
    order = list(Stage)
    return tuple(sorted(findings, key=lambda found: order.index(found.stage)))


def state_of(findings: Iterable[Finding]) -> State:
    """Tell what findings amount to."""
    severities = {found.severity for found in findings}
    if severities & {Severity.ERROR, Severity.WARNING}:
        return State.BAD
    return State.UNKNOWN if Severity.UNKNOWN in severities else State.GOOD


def exit_code(runs: Sequence[Run]) -> ExitCode:
    """0 only where all is well; 1 where something is wrong; else 3 where the host lacks something, or 4."""
    states = {run.state for run in runs}
    if State.BAD in states:
        return ExitCode.FOUND
    if State.UNKNOWN not in states:
        return ExitCode.OK
    causes = {found.cause for run in runs for answer in run.answers for found in answer.findings}
    return ExitCode.HOST if Cause.HOST_LACKS in causes else ExitCode.UNFINISHED
