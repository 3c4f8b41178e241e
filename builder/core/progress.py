"""Progress of long work: bars on a terminal, plain lines elsewhere, nothing in tests.

Work calls `Progress`; the command line chooses who listens. All of it goes to stderr: stdout is for results.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO


class Task(Protocol):
    """One piece of long work under way."""

    def advance(self, amount: int) -> None:
        """Say that `amount` more (bytes or items) is done."""


class Progress(Protocol):
    """Who is told how long work goes on."""

    def say(self, message: str) -> None:
        """Tell one line."""

    @contextmanager
    def task(self, title: str, total: int = 0, unit: str = "B") -> Iterator[Task]:
        """Open a piece of work of `total` (0: unknown) bytes or, with another unit, items."""


class _Silent:
    def advance(self, amount: int) -> None:
        pass


class NoProgress:
    """Nobody listens."""

    def say(self, message: str) -> None:
        """Drop it."""

    @contextmanager
    def task(self, title: str, total: int = 0, unit: str = "B") -> Iterator[Task]:  # noqa: ARG002
        """Drop it."""
        yield _Silent()


class PlainProgress:
    """Lines for logs: one when work begins, one when it ends with its time, one a few seconds between."""

    INTERVAL = 5.0

    def __init__(self, stream: TextIO | None = None, *, prefix: str = "") -> None:
        """Write to `stream`, by default stderr; every line begins with `prefix`."""
        self._stream = stream or sys.stderr
        self._prefix = prefix

    def say(self, message: str) -> None:
        """Print it."""
        print(f"{self._prefix}{message}", file=self._stream, flush=True)

    @contextmanager
    def task(self, title: str, total: int = 0, unit: str = "B") -> Iterator[Task]:
        """Print begin, now and then the state, and end."""
        started = time.monotonic()
        plain = self

        class _Lines:
            done = 0
            last = started

            def advance(self, amount: int) -> None:
                self.done += amount
                now = time.monotonic()
                if now - self.last >= PlainProgress.INTERVAL:
                    self.last = now
                    plain.say(f"{title}: {state_text(self.done, total, now - started, unit)}")

        self.say(f"{title} ...")
        try:
            yield _Lines()
        except BaseException:
            self.say(f"{title}: stopped after {time.monotonic() - started:.1f} s")
            raise
        self.say(f"{title}: done in {time.monotonic() - started:.1f} s")


class TerminalProgress:
    """Bars on a terminal, by rich."""

    def __init__(self) -> None:
        """Open a console on stderr; NO_COLOR is honoured by rich."""
        from rich.console import Console

        self._console = Console(stderr=True)

    def say(self, message: str) -> None:
        """Print it above the bars."""
        self._console.print(message, markup=False, highlight=False)

    @contextmanager
    def task(self, title: str, total: int = 0, unit: str = "B") -> Iterator[Task]:
        """Show a bar with amount, rate and time left, or a spinner where the total is unknown."""
        from rich import progress

        columns: list[progress.ProgressColumn] = (
            [
                progress.SpinnerColumn(),
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                *(
                    [progress.DownloadColumn(), progress.TransferSpeedColumn()]
                    if unit == "B"
                    else [progress.MofNCompleteColumn()]
                ),
                progress.TimeElapsedColumn(),
                progress.TimeRemainingColumn(),
            ]
            if total
            else [
                progress.SpinnerColumn(),
                progress.TextColumn("{task.description}"),
                progress.TimeElapsedColumn(),
            ]
        )
        with progress.Progress(*columns, console=self._console, transient=True) as bar:
            handle = bar.add_task(title, total=total or None)

            class _Bar:
                def advance(self, amount: int) -> None:
                    bar.advance(handle, amount)

            started = time.monotonic()
            yield _Bar()
        self.say(f"{title}: done in {time.monotonic() - started:.1f} s")


def state_text(done: int, total: int, seconds: float, unit: str = "B") -> str:
    """Spell how far work is that has gone on for some seconds: amount, rate, and time left where that is known."""
    rate = done / seconds if seconds > 0 else 0.0
    of = f" of {amount_text(total, unit)}" if total else ""
    left = f", {time_text((total - done) / rate)} left" if rate and total > done else ""
    return f"{amount_text(done, unit)}{of}, {amount_text(round(rate), unit)}/s{left}"


def time_text(seconds: float) -> str:
    """Spell a time for people: 42 s, 5 min 3 s, 7 h 12 min."""
    whole = round(seconds)
    if whole < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def amount_text(amount: int, unit: str = "B") -> str:
    """Spell an amount for people: bytes with decimal prefixes (SI), items with their unit."""
    if unit != "B":
        return f"{amount} {unit}"
    value = float(amount)
    for prefix in ("", "k", "M", "G"):
        if value < 1000:  # noqa: PLR2004 - SI
            return f"{value:.0f} B" if not prefix else f"{value:.1f} {prefix}B"
        value /= 1000
    return f"{value:.1f} TB"
