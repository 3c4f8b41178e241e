"""`boss-builder rebuild`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.build.job import TIME_LIMIT
from builder.cli.common import (
    command_options,
    json_option,
    load_lock,
    progress_for,
    recipes_option,
    show_json,
    store_option,
    store_path,
    toolbox_opener,
    variable_option,
)
from builder.cli.places import cvmfs_option, mirror_option, places_for
from builder.core.errors import Failure, InputFailure
from builder.store.shapes import SHAPES, Shape

if TYPE_CHECKING:
    from builder.lock.model import Lock
    from builder.store.store import Store

EPILOG = """\b
Examples:
  boss-builder rebuild miniboss-1.0.0
  boss-builder rebuild --all --jobs 2 --report reports/rebuild
  boss-builder rebuild --all --only-upstream
  boss-builder rebuild miniboss-1.0.0 --image oci --without-validation --json

Exit codes: 0 all is well: every image is bit-identical, boots and validates as before, and upstream has what it had;
1 something is not; 2 there is no such release; 3 this host lacks what is needed to find out; 4 something else kept us
from finding out."""


@click.command(epilog=EPILOG)
@click.argument("releases", nargs=-1, metavar="[RELEASE ...]")
@click.option("--all", "every", is_flag=True, help="Every release that the store has the inputs of.")
@click.option(
    "--image", "shapes", type=click.Choice([*SHAPES, "all"]), multiple=True,
    help="Rebuild this shape; may be repeated.  [default: all of the recipe]",
)  # fmt: skip
@click.option("--upstream", is_flag=True, help="Ask upstream too: the only part that uses the network.")
@click.option("--only-upstream", is_flag=True, help="Ask upstream, and rebuild nothing.")
@click.option("--thorough", is_flag=True, help="Ask upstream for every package; some vaults list what they lack.")
@click.option("--without-validation", is_flag=True, help="Build and compare; boot and validate nothing.")
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Releases at a time.")
@click.option(
    "--time-limit", type=click.FloatRange(1), default=TIME_LIMIT, show_default=True, metavar="SECONDS",
    help="How long each stage and each image may take.",
)  # fmt: skip
@click.option(
    "--boot-limit", type=click.FloatRange(1), default=None, metavar="SECONDS",
    help="How long a virtual machine may take to boot.  [default: 300]",
)  # fmt: skip
@click.option(
    "--report", type=click.Path(path_type=Path), default=None,
    help="Folder for the report: page, JSON, JUnit XML, text.  [default: reports/rebuild in the store]",
)  # fmt: skip
@mirror_option
@cvmfs_option
@variable_option
@recipes_option
@store_option
@json_option
@command_options
def command(
    releases: tuple[str, ...],
    every: bool,
    shapes: tuple[Shape, ...],
    upstream: bool,
    only_upstream: bool,
    thorough: bool,
    without_validation: bool,
    jobs: int,
    time_limit: float,
    boot_limit: float | None,
    report: Path | None,
    mirrors: tuple[str, ...],
    cvmfs: Path | None,
    variables: tuple[str, ...],
    recipes: Path,
    store: Path | None,
    as_json: bool,
) -> None:
    """Build each RELEASE again from what was frozen, and say whether it is rotting, where, and why.

    In a clean place, with no cache and no network: build from the lock; compare with the stored images down to layer,
    file and field; boot; validate; compare the physics with the stored results. With --upstream also: is each input
    still there, with the same bytes and signatures, and would the same packages be taken today? Every run is added to
    the history of the release.
    """
    from builder.rebuild.history import read
    from builder.rebuild.model import exit_code
    from builder.rebuild.rebuild import Asked, rebuild
    from builder.rebuild.report import as_json as report_as_json
    from builder.rebuild.report import as_text
    from builder.rebuild.write import write_reports
    from builder.store.store import Store

    opened = Store(store_path(store, recipes))
    named = _named(releases, recipes, variables, opened, every=every)
    asked = Asked(
        shapes=None if not shapes or "all" in shapes else shapes,
        frozen=not only_upstream,
        upstream=upstream or only_upstream,
        validates=not without_validation,
        thorough=thorough,
        time_limit=time_limit,
        boot_limit=boot_limit,
        places=places_for(mirrors, cvmfs),
    )
    runs = rebuild(named, opened, asked, toolbox_opener, progress_for(), jobs=jobs)
    histories = {run.release: read(opened, run.release) for run in runs}
    folder = report or opened.path / "reports" / "rebuild"
    write_reports(folder, runs, histories, opened)
    if as_json:
        show_json(report_as_json(runs))
    else:
        click.echo(as_text(runs), nl=False)
        click.echo(f"report: {folder / 'index.html'}")
    raise click.exceptions.Exit(exit_code(runs))


def _named(
    releases: tuple[str, ...], recipes: Path, variables: tuple[str, ...], store: Store, *, every: bool
) -> dict[str, Lock | Failure]:
    """Give the lock of each release that was named: the store's own, since it is what was frozen; else the recipe's.

    One that the store can not read any more is a Failure, which the run tells. Raises InputFailure where nothing, or
    nothing known, is named.
    """
    from builder.lock.stored import frozen_lock, frozen_releases

    if every == bool(releases):
        raise InputFailure(
            "name releases, or --all, and not both" if every else "name a RELEASE, or --all",
            hint="boss-builder list shows what the store has",
        )
    names = frozen_releases(store) if every else tuple(dict.fromkeys(releases))
    if not names:
        raise InputFailure(f"nothing is frozen in the store {store.path}", hint="boss-builder freeze RELEASE")
    named: dict[str, Lock | Failure] = {}
    for name in names:
        lock = frozen_lock(store, name) or load_lock(name, recipes, variables, store)
        named[name if isinstance(lock, Failure) else lock.recipe.full_name] = lock
    return named
