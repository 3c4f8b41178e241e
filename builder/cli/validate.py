"""`boss-builder validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from builder.cli.common import load_lock, on_release, progress_for, show_json, store_path
from builder.core.errors import ExitCode

if TYPE_CHECKING:
    from builder.validation.validate import Outcome

EPILOG = """\b
Examples:
  boss-builder validate miniboss-1.0.0
  boss-builder validate miniboss-1.0.0 --json

Exit codes: 0 every check passed; 1 a check failed, or the result is UNKNOWN; 2 there is no lock or no image;
3 no Docker Engine answers."""


@click.command(epilog=EPILOG)
@on_release
def command(release: str, recipes: Path, store: Path | None, variables: tuple[str, ...], as_json: bool) -> None:
    """Boot the image of RELEASE with networking off and run the validation suites in it.

    The standard suite compares the image with its lock; the recipe's suite says whether BOSS works. The result is
    stored with the image, and written to reports/RELEASE/ in the store. UNKNOWN is never success.
    """
    from builder.boot.images import find_image
    from builder.engine.engine import connect
    from builder.store.store import Store
    from builder.validation.evidence import is_good
    from builder.validation.validate import validate

    opened = Store(store_path(store, recipes))
    lock = load_lock(release, recipes, variables, opened)
    name = lock.recipe.full_name
    image = find_image(opened, name)
    outcome = validate(
        opened, connect(), lock, image, report_folder=opened.path / "reports" / name, progress=progress_for()
    )
    if as_json:
        show_json(_as_json(outcome))
    else:
        _show(outcome)
        if is_good(outcome.evidence):
            click.echo(f"next: boss-builder run {release}", err=True)
    raise click.exceptions.Exit(ExitCode.OK if is_good(outcome.evidence) else ExitCode.FOUND)


def _as_json(outcome: Outcome) -> dict[str, Any]:
    result: dict[str, Any] = msgspec.to_builtins(outcome.evidence)
    return result | {
        "artifact": str(outcome.descriptor.digest),
        "report": str(outcome.report),
        "seconds": {name: round(seconds, 3) for name, seconds in outcome.seconds.items()},
    }


def _show(outcome: Outcome) -> None:
    from builder.validation.evidence import stand_in_notes
    from builder.validation.outcome import State, Totals

    evidence = outcome.evidence
    for suite in evidence.suites:
        seconds = f"{outcome.seconds[suite.name]:.1f} s" if suite.name in outcome.seconds else ""
        click.echo(f"  {suite.name:10} {suite.state:8} {Totals.of(suite.checks)!s:32} {seconds}".rstrip())
        for problem in suite.problems:
            click.echo(f"    {problem}")
        for check in suite.checks:
            if check.state is not State.PASSED:
                click.echo(f"    {check.outcome}: {check.name}")
                click.echo("".join(f"      {line}\n" for line in check.message.splitlines()), nl=False)
    for note in stand_in_notes(evidence):
        click.echo(f"  note: {note}")
    click.echo(f"{evidence.release}: {evidence.state} ({evidence.totals})  {outcome.descriptor.digest}")
    click.echo(f"report: {outcome.report}")
