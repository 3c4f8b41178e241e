"""What an audit found, and what a log says, as JSON and as text for people."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from builder.audit.examine import Report
from builder.audit.log import Event, State
from builder.audit.problems import UNKNOWN, AuditProblem
from builder.audit.signing.found import FoundSignatures
from builder.core.errors import ExitCode
from builder.core.progress import amount_text


def as_json(report: Report) -> dict[str, Any]:
    """Give a report as JSON has it; sizes in bytes."""
    return {
        "store": str(report.store),
        "asked": str(report.asked),
        "well": report.exit_code is ExitCode.OK,
        "blobs": report.blobs,
        "size": report.size,
        "quick": report.quick,
        "new": report.new,
        "references": report.references,
        **signatures_as_json(report.signatures),
        "problems": problems_as_json(report.problems),
        "notes": problems_as_json(report.notes),
        "events": [msgspec.to_builtins(event) for event in report.events],
        "not_logged": report.not_logged,
    }


def signatures_as_json(found: FoundSignatures) -> dict[str, Any]:
    """Give who signed releases, and the log, as JSON has it."""
    return {
        "signatures": [msgspec.to_builtins(one) for one in found.good],
        "signed_heads": [msgspec.to_builtins(one) for one in found.heads],
    }


def problems_as_json(problems: Iterable[AuditProblem]) -> list[dict[str, str]]:
    """Give problems as JSON has them."""
    return [
        {"code": str(one.code), "about": one.about, "seen": one.seen, "message": one.message, "hint": one.hint}
        for one in problems
    ]


def as_text(report: Report) -> Iterator[str]:
    """Give a report line by line; what can be done about a kind of problem is said once."""
    yield from _problem_lines(report.problems)
    yield from _problem_lines(report.notes)
    number = len(report.problems)
    verdict = {ExitCode.OK: "well", ExitCode.UNFINISHED: f"not all could be read or checked (problems: {number})"}
    what = verdict.get(report.exit_code, f"damaged (problems: {number})")
    yield f"{report.store}: {what}"
    how = f", {report.quick} of them quickly" if report.quick else ""
    new = f"; {report.new} new in the record of digests" if report.new and not report.not_logged else ""
    yield f"{report.blobs} blobs, {amount_text(report.size)}{how}; {report.references} references{new}"
    yield from _signature_lines(report.signatures)
    if report.events:
        first, last = report.events[0].event_identifier, report.events[-1].event_identifier
        yield f"logged: events {first} to {last}"
    else:
        yield f"NOTHING WAS LOGGED: {report.not_logged}"


def _signature_lines(found: FoundSignatures) -> Iterator[str]:
    for one in found.good:
        yield f"{one.release}: signed by {one.identity} with {one.fingerprint}"
    for head in found.longest:
        yield f"log: its first {head.count} lines signed by {head.identity} with {head.fingerprint}"


def _problem_lines(problems: Iterable[AuditProblem]) -> Iterator[str]:
    said = set[str]()
    for one in problems:
        yield f"{one.code}: {one.message}"
        if one.hint not in said:
            said.add(one.hint)
            yield f"    {one.hint}"


def log_exit_code(state: State, found: FoundSignatures) -> ExitCode:
    """Give 0 where a log and its signed heads are well; 1; 4 where signatures could not be checked."""
    problems = [one for one in (*state.problems, *found.problems) if not one.is_note]
    if any(one.code not in UNKNOWN for one in problems):
        return ExitCode.FOUND
    return ExitCode.UNFINISHED if problems else ExitCode.OK


def log_as_json(state: State, found: FoundSignatures) -> dict[str, Any]:
    """Give a log with its signed heads, and what is wrong with them, as JSON has it."""
    told = (*state.problems, *state.notes, *found.problems)
    return {
        "well": log_exit_code(state, found) is ExitCode.OK,
        "head": msgspec.to_builtins(state.head),
        "events": [msgspec.to_builtins(event) for event in state.events],
        "signed_heads": signatures_as_json(found)["signed_heads"],
        "problems": problems_as_json(one for one in told if not one.is_note),
        "notes": problems_as_json(one for one in told if one.is_note),
    }


def log_as_text(state: State, found: FoundSignatures) -> Iterator[str]:
    """Give a log line by line, who signed its heads, and what is wrong with it."""
    yield from (_event_line(event) for event in state.events)
    yield from _problem_lines((*state.problems, *state.notes, *found.problems))
    yield from _signature_lines(found)
    verdict = {ExitCode.OK: "well", ExitCode.UNFINISHED: "not all of it could be checked"}.get(
        log_exit_code(state, found), "damaged"
    )
    yield f"log: {verdict} ({state.head.count} lines, the last is {state.head.last})"


def _event_line(event: Event) -> str:
    outcome = (
        f"{event.event_outcome}: {event.event_outcome_detail}" if event.event_outcome_detail else event.event_outcome
    )
    number, what = event.event_identifier, f"{event.event_type}: {event.event_detail}"
    return f"{number:5}  {event.event_date_time}  {what}: {outcome}"
