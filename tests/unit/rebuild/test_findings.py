"""Findings, answers and exit codes: the first stage that fails is the answer, and UNKNOWN is never success."""

from __future__ import annotations

import pytest

from builder.core.errors import ExitCode
from builder.rebuild.model import Answer, Finding, Run, State, exit_code, finding, in_order
from builder.rebuild.taxonomy import TAXONOMY, Cause, Severity, Stage

GOOD = finding(Cause.BIT_IDENTICAL, "image oci", "")
CORRUPT = finding(Cause.BLOB_CORRUPT, "input a", "")
DIFFERS = finding(Cause.CONTENT_DIFFERS, "image oci", "")
WITHIN = finding(Cause.WITHIN_TOLERANCE, "samples", "")
BEYOND = finding(Cause.DIFFERS, "samples", "")
TRANSIENT = finding(Cause.NETWORK_TRANSIENT, "repository os", "")
GONE = finding(Cause.SOURCE_GONE, "repository boss", "")
LACKS = finding(Cause.HOST_LACKS, "build", "")
CHANGED = finding(Cause.HOST_CHANGED, "host", "")


def answer(*findings: Finding) -> Answer:
    return Answer(question="frozen", shape="oci", findings=in_order(findings))


def run(*answers: Answer) -> Run:
    return Run(
        release="tiny-1", title="Tiny", lock="", began="2026-01-01T00:00:00Z", seconds=1.0, environment={},
        answers=answers,
    )  # fmt: skip


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_has_a_stage_a_severity_and_words(cause: Cause) -> None:
    entry = TAXONOMY[cause]
    assert cause.stage in Stage
    assert cause.value == f"{cause.stage}/{cause.short}"
    assert entry.meaning
    assert bool(entry.advice) == (entry.severity is not Severity.NONE)


@pytest.mark.parametrize(
    ("findings", "state", "decisive"),
    [
        ((GOOD,), State.GOOD, GOOD),
        ((GOOD, CHANGED), State.GOOD, GOOD),
        ((CHANGED,), State.GOOD, None),
        ((), State.GOOD, None),
        ((DIFFERS, CORRUPT), State.BAD, CORRUPT),
        ((GOOD, WITHIN, BEYOND), State.BAD, BEYOND),
        ((TRANSIENT,), State.UNKNOWN, TRANSIENT),
        ((TRANSIENT, GONE), State.BAD, GONE),
        ((LACKS,), State.UNKNOWN, LACKS),
        ((GOOD, BEYOND, LACKS), State.BAD, BEYOND),
    ],
)
def test_the_answer_is_the_gravest_of_the_first_stage(
    findings: tuple[Finding, ...], state: State, decisive: Finding | None
) -> None:
    assert (answer(*findings).state, answer(*findings).decisive) == (state, decisive)


@pytest.mark.parametrize(
    ("runs", "code"),
    [
        ([run(answer(GOOD))], ExitCode.OK),
        ([run(answer(GOOD)), run(answer(DIFFERS))], ExitCode.FOUND),
        ([run(answer(TRANSIENT))], ExitCode.UNFINISHED),
        ([run(answer(LACKS))], ExitCode.HOST),
        ([run(answer(LACKS)), run(answer(BEYOND))], ExitCode.FOUND),
        ([run()], ExitCode.UNFINISHED),
    ],
)
def test_exit_codes(runs: list[Run], code: ExitCode) -> None:
    assert exit_code(runs) == code


def test_what_a_server_says_does_no_harm_to_a_terminal() -> None:
    made = finding(Cause.SOURCE_GONE, "repository os", "404 \x1b[2Jgone\nand \x07more", release="tiny-1")
    assert made.message == "404 \N{REPLACEMENT CHARACTER}[2Jgone\nand \N{REPLACEMENT CHARACTER}more"
