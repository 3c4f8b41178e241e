"""Runs made by hand, a day apart, for the tests of history and reports."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from builder.rebuild.model import Answer, Finding, Question, Run, finding
from builder.rebuild.taxonomy import Cause
from builder.store.shapes import Shape

DAY = timedelta(days=1)
BEGIN = datetime(2026, 11, 1, 3, 0, 0, tzinfo=UTC)
RELEASE = "tiny-1"
ENVIRONMENT = {"boss-builder": "0.1.0", "engine": "Docker 20.10.24", "kernel": "6.1.0", "cpu features": "avx sse"}
GOOD = (Cause.BIT_IDENTICAL,)


def time(day: float) -> str:
    return (BEGIN + day * DAY).isoformat(timespec="seconds").replace("+00:00", "Z")


def found(cause: Cause, about: str = "image oci", message: str = "seen") -> Finding:
    return finding(cause, about, message, release=RELEASE)


def answer(*causes: Cause | Finding, shape: Shape | None = "oci", question: Question = "frozen") -> Answer:
    findings = tuple(one if isinstance(one, Finding) else found(one) for one in causes)
    return Answer(question=question, shape=shape, findings=findings)


def upstream(*causes: Cause | Finding) -> Answer:
    return answer(*causes, shape=None, question="upstream")


def run(day: float, *answers: Answer, **others: Any) -> Run:
    return Run(
        **{
            "release": RELEASE,
            "title": "Tiny",
            "lock": "sha256:" + 64 * "0",
            "began": time(day),
            "seconds": 1.5,
            "environment": ENVIRONMENT,
            "answers": answers,
            **others,
        }
    )


def daily(*days: Sequence[Cause | Finding] | None) -> tuple[Run, ...]:
    """A run a day, of one shape; None is a day on which nobody asked."""
    return tuple(run(day, *([] if causes is None else [answer(*causes)])) for day, causes in enumerate(days))
