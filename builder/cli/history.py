"""`boss-builder history`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from builder.cli.common import (
    command_options,
    json_option,
    load_release,
    problem_as_json,
    recipes_option,
    release_argument,
    show_json,
    store_option,
    store_path,
)
from builder.core.errors import InputFailure, WorkFailure

if TYPE_CHECKING:
    from builder.rebuild.earlier import Standing
    from builder.rebuild.model import Run
    from builder.store.store import Store

LAST = 10
EPILOG = """\b
Examples:
  boss-builder history miniboss-1.0.0
  boss-builder history miniboss-1.0.0 --last 100
  boss-builder history miniboss-1.0.0 --json

Exit codes: 0 well, whatever the runs found; 2 the store has no run of RELEASE; 4 it has some, and none can be read."""


@click.command(epilog=EPILOG)
@release_argument
@recipes_option
@store_option
@click.option(
    "--last", type=click.IntRange(min=1), default=LAST, show_default=True, metavar="N", help="How many runs to list."
)
@json_option
@command_options
def command(release: str, recipes: Path, store: Path | None, last: int, as_json: bool) -> None:
    """Show what the rebuilds of RELEASE found, run by run: what is wrong, since when, and when all was well.

    Reads the store and nothing else. Nothing is ever taken out of a history.
    """
    from builder.rebuild.earlier import standings
    from builder.rebuild.history import read
    from builder.store.store import Store

    name = load_release(release, recipes, ()).recipe.full_name if "/" in release else release
    opened = Store(store_path(store, recipes))
    history = read(opened, name)
    if not history.runs:
        raise WorkFailure(*history.problems) if history.problems else _no_run(opened, name)
    standing = standings(history.runs)
    latest = history.runs[-last:]
    if as_json:
        show_json(
            {
                "release": name,
                "number_of_runs": len(history.runs),
                "standings": [_as_json(one) for one in standing],
                "runs": [msgspec.to_builtins(run) for run in latest],
                "damaged": [problem_as_json(problem) for problem in history.problems],
            }
        )
        return
    click.echo(f"{name}: {latest[-1].state} (runs: {len(history.runs)}, since {history.runs[0].began})")
    for line in (*_standing_lines(standing), *_run_lines(latest)):
        click.echo(line)
    for problem in history.problems:
        click.echo(str(problem), err=True)


def _no_run(store: Store, release: str) -> InputFailure:
    from builder.rebuild.history import releases

    known = ", ".join(releases(store))
    hint = f"boss-builder rebuild {release}" + (f"; there are runs of {known}" if known else "")
    return InputFailure(f"the store {store.path} has no run of {release}", hint=hint)


def _as_json(standing: Standing) -> dict[str, Any]:
    return {
        "question": standing.answer.question,
        "shape": standing.answer.shape,
        "state": standing.answer.state.value,
        "asked": standing.run.began,
        "fault": msgspec.to_builtins(standing.fault),
        "last_good": standing.last_good.began if standing.last_good else None,
        "flapping": standing.flapping,
    }


def _standing_lines(standings: Sequence[Standing]) -> Iterator[str]:
    from builder.core.table import columns
    from builder.rebuild.words import cause_of, subject_of

    rows = [
        (
            subject_of(one.answer),
            one.answer.state,
            cause_of(one.fault),
            one.fault.first_seen if one.fault else "",
            one.last_good.began if one.last_good else "never",
            "flapping" if one.flapping else "",
        )
        for one in standings
    ]
    yield ""
    yield from columns(("", "state", "fault", "first seen", "last good", ""), rows)


def _run_lines(runs: Sequence[Run]) -> Iterator[str]:
    """Tell each run in a line, the latest first."""
    from builder.core.table import columns
    from builder.rebuild.earlier import answer_of, asked
    from builder.rebuild.words import decisive_line, subject

    keys = asked(runs)
    rows = []
    for run in reversed(runs):
        states = [answer.state if (answer := answer_of(run, *key)) else "-" for key in keys]
        rows.append((run.began, *states, decisive_line(run)))
    yield ""
    yield from columns(("run", *(subject(*key) for key in keys), "what decided"), rows)
