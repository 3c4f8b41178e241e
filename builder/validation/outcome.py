"""What a validation found, typed.

Nothing here tells when, where or how long: the same image and suites give the same evidence, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from builder.physics.model import Judgement
from builder.store.shapes import Shape

EVIDENCE_VERSION = 2
NOT_APPLICABLE = "not applicable: "
"""How the reason of a skip begins that does not make the result UNKNOWN."""


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the records."""


class CheckOutcome(StrEnum):
    """How one check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    ERROR = "error"
    """It could not be run, or not to its end."""


class State(StrEnum):
    """What the checks amount to. UNKNOWN is never success."""

    PASSED = "PASSED"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class Check(_Record, frozen=True):
    """One check: pytest's node id within its suite, how it ended, and why where it did not pass."""

    name: str
    outcome: CheckOutcome
    message: str = ""

    @property
    def state(self) -> State:
        """What it says of the image."""
        match self.outcome:
            case CheckOutcome.PASSED:
                return State.PASSED
            case CheckOutcome.FAILED:
                return State.FAILED
            case CheckOutcome.SKIPPED if self.message.startswith(NOT_APPLICABLE):
                return State.PASSED
            case _:
                return State.UNKNOWN


class Suite(_Record, frozen=True):
    """A suite that was run: its digest, its checks in order, and what went wrong with it as a whole."""

    name: str
    digest: str
    checks: tuple[Check, ...]
    problems: tuple[str, ...] = ()

    @property
    def state(self) -> State:
        """PASSED only where it ran whole and at least one check passed."""
        states = {check.state for check in self.checks}
        if State.FAILED in states:
            return State.FAILED
        passed = any(check.outcome is CheckOutcome.PASSED for check in self.checks)
        return State.UNKNOWN if self.problems or State.UNKNOWN in states or not passed else State.PASSED


class Totals(_Record, frozen=True):
    """How many checks ended in which way."""

    passed: int
    failed: int
    skipped: int
    error: int

    @classmethod
    def of(cls, checks: Iterable[Check]) -> Totals:
        """Count."""
        outcomes = [check.outcome for check in checks]
        return cls(**{outcome.value: outcomes.count(outcome) for outcome in CheckOutcome})

    def __str__(self) -> str:
        """Give `41 passed, 1 failed`, without what is zero."""
        counts = ((self.passed, "passed"), (self.failed, "failed"), (self.skipped, "skipped"), (self.error, "error"))
        return ", ".join(f"{count} {word}" for count, word in counts if count) or "no checks"


class ImageId(_Record, frozen=True):
    """Which image was judged: its manifest's digest and size in bytes, and the shape in which it was booted."""

    shape: Shape
    media_type: str
    digest: str
    size: int


class Evidence(_Record, frozen=True):
    """The whole result, as the store keeps it."""

    version: int
    release: str
    title: str
    image: ImageId
    lock: str
    """Digest of the lock that the image was built from."""
    stands_in_for: tuple[str, ...]
    """What is only imitated; empty for a real release."""
    tools: dict[str, str]
    """The programs that judged, by name and version."""
    state: State
    totals: Totals
    suites: tuple[Suite, ...]
    results: str = ""
    """Digest of the artifact that holds the samples' histograms; empty where the recipe has no samples."""
    physics: Judgement | None = None
    """What comparing them gave, in numbers."""


class Unjudged(_Record, frozen=True):
    """A shape of a release without a result, and why there is none."""

    shape: Shape
    problems: tuple[str, ...]

    @property
    def state(self) -> State:
        """What is not judged is UNKNOWN."""
        return State.UNKNOWN


def overall(parts: Sequence[Suite | Evidence | Unjudged]) -> State:
    """FAILED where any part (a suite, or an image's whole result) failed, PASSED where there are some and all passed.

    UNKNOWN otherwise.
    """
    states = {part.state for part in parts}
    if State.FAILED in states:
        return State.FAILED
    return State.PASSED if states == {State.PASSED} else State.UNKNOWN
