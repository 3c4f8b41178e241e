"""What the suite's process tells its runner, one JSON document a line, and how that becomes checks."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from builder.validation.outcome import Check, CheckOutcome


class _Line(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of the lines."""


class Collected(_Line, frozen=True):
    """The checks that are about to run, in their order."""

    names: tuple[str, ...]


class Recorded(_Line, frozen=True):
    """One phase of one check: `collect`, `setup`, `call` or `teardown`; pytest's word for how it ended; why."""

    name: str
    phase: str
    outcome: str
    message: str


class Finished(_Line, frozen=True):
    """The suite came to its end, with pytest's exit code."""

    exit_code: int


Line = Collected | Recorded | Finished


def read(data: bytes) -> tuple[Line, ...]:
    """Read lines; a last line that was cut off by a kill is left out. Raises msgspec.DecodeError for other damage."""
    complete, _, _ = data.rpartition(b"\n")
    decoder = msgspec.json.Decoder(Line)
    return tuple(decoder.decode(line) for line in complete.splitlines())


def checks(lines: Iterable[Line]) -> tuple[Check, ...]:
    """Give each check one outcome; one that was to run and did not is an error."""
    found: dict[str, Check | None] = {}
    for line in lines:
        if isinstance(line, Collected):
            found |= {name: None for name in line.names if name not in found}
        elif isinstance(line, Recorded):
            check = _check(line)
            if check is not None and _outranks(check, found.get(line.name)):
                found[line.name] = check
    return tuple(
        check or Check(name=name, outcome=CheckOutcome.ERROR, message="it did not run to its end")
        for name, check in found.items()
    )


def _check(line: Recorded) -> Check | None:
    match line.outcome, line.phase:
        case "passed", "call":
            return Check(name=line.name, outcome=CheckOutcome.PASSED)
        case "passed", _:
            return None
        case "skipped", _:
            return Check(name=line.name, outcome=CheckOutcome.SKIPPED, message=line.message)
        case "failed", "call":
            return Check(name=line.name, outcome=CheckOutcome.FAILED, message=line.message)
        case _:
            return Check(name=line.name, outcome=CheckOutcome.ERROR, message=f"{line.phase}: {line.message}")


def _outranks(new: Check, old: Check | None) -> bool:
    """A failure stands, whatever comes after it; an error in the teardown takes a pass away."""
    order = (CheckOutcome.PASSED, CheckOutcome.SKIPPED, CheckOutcome.ERROR, CheckOutcome.FAILED)
    return old is None or order.index(new.outcome) > order.index(old.outcome)
