"""`boss-builder compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from builder.cli.common import command_options, json_option, recipes_option, show_json, store_option, store_path
from builder.core.errors import ExitCode
from builder.store.shapes import SHAPES, Shape

if TYPE_CHECKING:
    from builder.validation.compare import ReleaseComparison

EPILOG = """\b
Examples:
  boss-builder compare miniboss-1.0.0 miniboss-1.1.0
  boss-builder compare miniboss-1.0.0 miniboss-1.1.0 --image vm
  boss-builder compare miniboss-1.0.0 miniboss-1.1.0 --json

Exit codes: 0 nothing critical differs (GOOD or WARNING); 1 something does, or could not be compared; 2 the store lacks
the results, which validate makes; 4 they are damaged."""


@click.command(epilog=EPILOG)
@click.argument("before", metavar="RELEASE_A")
@click.argument("after", metavar="RELEASE_B")
@click.option(
    "--image", "shape", type=click.Choice(SHAPES), default=None,
    help="Results of which shape.  [default: the first that both releases have]",
)  # fmt: skip
@recipes_option
@store_option
@json_option
@command_options
def command(before: str, after: str, shape: Shape | None, recipes: Path, store: Path | None, as_json: bool) -> None:
    """Judge the physics of RELEASE_B against that of RELEASE_A: efficiencies, masses, angles, resolutions.

    Results are those that `boss-builder validate` stored; nothing is booted. The report with plots is written to
    reports/compare/ in the store. The same results give the same report, byte for byte.
    """
    from builder.store.store import Store
    from builder.validation.compare import compare_releases

    opened = Store(store_path(store, recipes))
    folder = opened.path / "reports" / "compare" / f"{before}..{after}"
    compared = compare_releases(opened, before, after, report_folder=folder, shape=shape)
    if as_json:
        show_json(_as_json(compared))
    else:
        _show(compared)
    raise click.exceptions.Exit(ExitCode.OK if compared.state.is_pass else ExitCode.FOUND)


def _as_json(compared: ReleaseComparison) -> dict[str, Any]:
    return {
        "before": msgspec.to_builtins(compared.before),
        "after": msgspec.to_builtins(compared.after),
        "runs": compared.length,
        "state": compared.state.value,
        "judgement": msgspec.to_builtins(compared.judgement),
        "report": str(compared.page),
    }


def _show(compared: ReleaseComparison) -> None:
    from builder.physics.model import State

    comparisons = compared.judgement.comparisons
    counts = {state: sum(c.state is state for c in comparisons) for state in State}
    told = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    click.echo(f"{compared.after.release} against {compared.before.release} ({compared.after.shape}): {compared.state}")
    click.echo(f"  {len(comparisons)} comparisons: {told}")
    for comparison in comparisons:
        if comparison.state is not State.GOOD:
            observable = comparison.observable
            click.echo(f"  {comparison.state:8} {observable.sample} {observable.name}: {comparison.message}")
    for note in compared.after.stands_in_for:
        click.echo(f"  note: emulated, not the real thing: {note}")
    click.echo(f"report: {compared.page}")
