"""`boss-builder audit`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.common import (
    command_options,
    json_option,
    load_release,
    progress_for,
    recipes_option,
    show_json,
    store_option,
    store_path,
)
from builder.core.errors import InputFailure

if TYPE_CHECKING:
    from builder.store.store import Store

EPILOG = """\b
Examples:
  boss-builder audit
  boss-builder audit --quick
  boss-builder audit --part 3/12
  boss-builder audit miniboss-1.0.0 --store /archive/images --json
  boss-builder audit --allowed-signers signers-from-the-library
  boss-builder audit --log

Exit codes: 0 well; 1 damage was found; 2 there is no such store or release;
4 something could not be read or checked."""


@click.command(epilog=EPILOG)
@click.argument("releases", metavar="[RELEASE]...", nargs=-1)
@click.option("--quick", is_flag=True, help="Compare blobs with their recorded size and blake3 alone.")
@click.option(
    "--part",
    default=None,
    metavar="N/M",
    help="Read one of M parts of the blobs: 1/12, 2/12 ... in the months of a year.",
)
@click.option(
    "--log", "shows_log", is_flag=True, help="Show the log of earlier audits, and check it. Reads nothing else."
)
@click.option(
    "--allowed-signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Who may sign releases and the log.  [default: audit/allowed_signers in the store]",
)
@recipes_option
@store_option
@json_option
@command_options
def command(
    releases: tuple[str, ...],
    quick: bool,
    part: str | None,
    shows_log: bool,
    allowed_signers: Path | None,
    recipes: Path,
    store: Path | None,
    as_json: bool,
) -> None:
    """Examine the store, or what each RELEASE has in it: digests, references, locks, signatures; and log that it was.

    Every blob is read once, and compared with its name (sha256) and with the md5 and blake3 that the first audit
    recorded. Of a release that is signed, signatures, receipt and statements are checked as verify does. The log is a
    chain, and signed heads say who vouches for it: what is edited, taken out, cut off or written anew is found.
    Nothing but the log and its records is ever changed.
    """
    from builder.audit.examine import Asked, Part, audit
    from builder.audit.report import as_json as report_as_json
    from builder.audit.report import as_text
    from builder.store.store import Store

    opened = Store(store_path(store, recipes))
    if shows_log:
        if releases or quick or part:
            raise InputFailure("--log shows the log of the whole store", hint="give it alone")
        _show_log(opened, allowed_signers, as_json=as_json)
        return
    try:
        asked_part = None if part is None else Part.parse(part)
    except ValueError as error:
        raise InputFailure(str(error)) from error
    names = [load_release(one, recipes, ()).recipe.full_name if "/" in one else one for one in releases]
    asked = Asked(tuple(dict.fromkeys(names)), asked_part, quick, allowed_signers)
    report = audit(opened, asked, progress_for(), lambda: datetime.now(UTC))
    if as_json:
        show_json(report_as_json(report))
    else:
        click.echo("\n".join(as_text(report)))
    raise click.exceptions.Exit(report.exit_code)


def _show_log(store: Store, allowed_signers: Path | None, *, as_json: bool) -> None:
    from builder.audit import log
    from builder.audit.report import log_as_json, log_as_text, log_exit_code
    from builder.audit.signing.audited import of_log

    state, found = of_log(store, allowed_signers)
    if state == log.NEW and not found.is_any:
        raise InputFailure(f"no audit of {store.path} was ever logged", hint="boss-builder audit")
    if as_json:
        show_json(log_as_json(state, found))
    else:
        click.echo("\n".join(log_as_text(state, found)))
    raise click.exceptions.Exit(log_exit_code(state, found))
