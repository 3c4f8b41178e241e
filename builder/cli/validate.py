"""`boss-builder validate`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from builder.cli.common import load_lock, on_release, problem_as_json, progress_for, show_json, store_path
from builder.core.errors import ExitCode
from builder.store.shapes import SHAPES, Shape

if TYPE_CHECKING:
    from builder.validation.validate import Outcome, Validation

ALL = "all"
EPILOG = """\b
Examples:
  boss-builder validate miniboss-1.0.0
  boss-builder validate miniboss-1.0.0 --image sif
  boss-builder validate miniboss-1.0.0 --json

Exit codes: 0 every check passed in every shape; 1 a check failed, or the result is UNKNOWN; 2 there is no lock or no
image; 3 a shape could not be judged because this host lacks something; 4 an image does not boot."""


@click.command(epilog=EPILOG)
@on_release
@click.option(
    "--image",
    "shape",
    type=click.Choice([*SHAPES, ALL]),
    default=ALL,
    show_default=True,
    help="The shape to judge; all: every shape that the recipe asks for or that was built from its lock.",
)
def command(
    release: str, recipes: Path, store: Path | None, variables: tuple[str, ...], as_json: bool, shape: str
) -> None:
    """Boot the images of RELEASE with networking off and run the validation suites in each.

    The standard suite compares an image with its lock; the recipe's suite says whether BOSS works. The result is
    stored with the image, and written to reports/RELEASE/ in the store. UNKNOWN is never success.
    """
    from builder.store.store import Store
    from builder.validation.validate import images_to_judge, validate

    opened = Store(store_path(store, recipes))
    lock = load_lock(release, recipes, variables, opened)
    one: Shape | None = next((known for known in SHAPES if known == shape), None)
    images = images_to_judge(opened, lock, one)
    validation = validate(
        opened, lock, images, report_folder=opened.path / "reports" / lock.recipe.full_name, progress=progress_for()
    )
    if as_json:
        show_json(_as_json(validation))
    else:
        _show(validation)
    code = _exit_code(validation)
    if code == ExitCode.OK and not as_json:
        click.echo(f"next: boss-builder run {release}", err=True)
    raise click.exceptions.Exit(code)


def _exit_code(validation: Validation) -> int:
    """What was found goes first; what kept a shape from being judged is told where nothing was."""
    from builder.validation.outcome import State

    if any(outcome.evidence.state is not State.PASSED for outcome in validation.outcomes):
        return ExitCode.FOUND
    return max((failure.exit_code for failure in validation.failures.values()), default=ExitCode.OK)


def _as_json(validation: Validation) -> dict[str, Any]:
    return {
        "release": validation.release,
        "state": validation.state.value,
        "report": str(validation.report),
        "images": [_image_as_json(outcome) for outcome in validation.outcomes],
        "not_judged": [
            {"shape": shape, "problems": [problem_as_json(problem) for problem in failure.problems]}
            for shape, failure in validation.failures.items()
        ],
    }


def _image_as_json(outcome: Outcome) -> dict[str, Any]:
    result: dict[str, Any] = msgspec.to_builtins(outcome.evidence)
    return result | {
        "artifact": str(outcome.descriptor.digest),
        "folder": str(outcome.folder),
        "seconds": {name: round(seconds, 3) for name, seconds in outcome.seconds.items()},
    }


def _show(validation: Validation) -> None:
    from builder.validation.evidence import stand_in_notes

    for outcome in validation.outcomes:
        _show_image(outcome)
    for note in dict.fromkeys(note for outcome in validation.outcomes for note in stand_in_notes(outcome.evidence)):
        click.echo(f"  note: {note}")
    for shape, failure in validation.failures.items():
        click.echo(f"{shape}: could not be judged", err=True)
        for problem in failure.problems:
            click.echo("".join(f"  {line}\n" for line in str(problem).splitlines()), err=True, nl=False)
    click.echo(f"{validation.release}: {validation.state}")
    click.echo(f"report: {validation.report}")


def _show_image(outcome: Outcome) -> None:
    from builder.validation.outcome import State, Totals

    evidence = outcome.evidence
    click.echo(f"{evidence.image.shape}: {evidence.state} ({evidence.totals})  {outcome.descriptor.digest}")
    for suite in evidence.suites:
        seconds = f"{outcome.seconds[suite.name]:.1f} s" if suite.name in outcome.seconds else ""
        click.echo(f"  {suite.name:10} {suite.state:8} {Totals.of(suite.checks)!s:32} {seconds}".rstrip())
        for problem in suite.problems:
            click.echo(f"    {problem}")
        for check in suite.checks:
            if check.state is not State.PASSED:
                click.echo(f"    {check.outcome}: {check.name}")
                click.echo("".join(f"      {line}\n" for line in check.message.splitlines()), nl=False)
