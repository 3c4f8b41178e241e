"""`boss-builder bookkeeping`: check, query and compare the tables of calibration constants."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from builder.cli.common import (
    command_options,
    json_option,
    recipes_option,
    show_json,
    store_option,
    store_path,
    variable_option,
)
from builder.core.errors import ExitCode, InputFailure

if TYPE_CHECKING:
    from builder.bookkeeping.check import Finding
    from builder.bookkeeping.lookup import Answer
    from builder.bookkeeping.table import Bookkeeping

EXAMPLES = """\b
Examples:
  boss-builder bookkeeping check miniboss-1.0.0
  boss-builder bookkeeping query miniboss-1.0.0 Mdc 10000
  boss-builder bookkeeping diff miniboss-1.0.0 miniboss-1.1.0"""
CHECK_EXAMPLES = """\b
Examples:
  boss-builder bookkeeping check miniboss-1.0.0
  boss-builder bookkeeping check CalVtxLumVer.csv --boss-release 6.6.4 --accept gap
  boss-builder bookkeeping check CalVtxLumVer.csv --payloads payloads
  boss-builder bookkeeping check offlinedb.sql --json

Exit codes: 0 nothing is wrong but what is accepted; 1 there are findings; 2 a table can not be read."""
QUERY_EXAMPLES = """\b
Examples:
  boss-builder bookkeeping query miniboss-1.0.0 Mdc 10000
  boss-builder bookkeeping query miniboss-1.0.0 TofSim -10000
  boss-builder bookkeeping query offlinedb.db --boss-release 6.6.4 EsTime 9950 --json

Exit codes: 0 there is a row, and constants where a table holds them; 1 there is none: BOSS would end with 1 too."""
DIFF_EXAMPLES = """\b
Examples:
  boss-builder bookkeeping diff miniboss-1.0.0 miniboss-1.1.0
  boss-builder bookkeeping diff old.csv new.csv
  boss-builder bookkeeping diff offlinedb.sql offlinedb.sql --boss-release 6.6.4 --boss-release 6.6.5

Exit codes: 0 every run gets the same; 1 they differ."""
TABLE = "RELEASE|FILE"

release_option = click.option(
    "--boss-release", metavar="NAME", help="The rows of this BossRelease; of a FILE that has several."
)
payloads_option = click.option(
    "--payloads",
    type=click.Path(path_type=Path),
    help="A folder of payload tables (NAME.csv) that belong to a FILE of CSV.",
)


class _Named(NamedTuple):
    """A bookkeeping of one release: what it is called, where it was read, and what its recipe accepts."""

    release: str
    origin: str
    book: Bookkeeping
    accept: tuple[str, ...] = ()


@click.group("bookkeeping", epilog=EXAMPLES)
def command() -> None:
    """Check, query and compare which calibration constants belong to which runs.

    RELEASE is a name under recipes/, or a path to a recipe or its folder: its snapshot in the store, or, where it is
    not frozen, the tables beside the recipe. FILE is a table (CSV), a dump (of mysqldump or sqlite3) or a file of
    sqlite.
    """


@command.command("check", epilog=CHECK_EXAMPLES)
@click.argument("table", metavar=TABLE)
@release_option
@payloads_option
@click.option("--accept", multiple=True, metavar="KIND", help="A kind of finding that does no harm here.")
@recipes_option
@store_option
@variable_option
@json_option
@command_options
def check_command(
    table: str, boss_release: str | None, payloads: Path | None, accept: tuple[str, ...], recipes: Path,
    store: Path | None, variables: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Find what is wrong with a table, though BOSS would say nothing of it.

    Overlaps (BOSS silently takes the first row), gaps between covered runs, ranges that end before they begin, unknown
    data types, runs of the wrong sign, "default" versions, versions that are empty or have no constants. What a recipe
    accepts is told too, and is no error.
    """
    import msgspec

    from builder.bookkeeping.check import Kind, check, count_text

    unknown = [kind for kind in accept if kind not in set(Kind)]
    if unknown:
        raise InputFailure(f"{unknown[0]!r} is no kind of finding", hint=f"known: {', '.join(Kind)}")
    place = _Place(recipes, store, variables, payloads)
    books = place.all_of(table, boss_release)
    findings = [(finding, finding.kind in (*named.accept, *accept)) for named in books for finding in check(named.book)]
    findings = list(dict(findings).items())  # payload tables that several releases share are told once
    refused = [finding for finding, accepted in findings if not accepted]
    if as_json:
        rows = [msgspec.to_builtins(finding) | {"accepted": accepted} for finding, accepted in findings]
        checked = [{"release": n.release, "origin": n.origin, "rows": len(n.book.rows)} for n in books]
        show_json({"checked": checked, "findings": rows})
    else:
        _show_findings(findings)
        click.echo(f"{table}: {count_text(refused)}" + _accepted(len(findings) - len(refused)))
        for named in books:
            click.echo(f"{named.release}: {len(named.book.rows)} rows of {named.origin}", err=True)
    raise click.exceptions.Exit(ExitCode.FOUND if refused else ExitCode.OK)


def _show_findings(findings: Iterable[tuple[Finding, bool]]) -> None:
    for finding, accepted in findings:
        click.echo(f"{finding.problem}" + ("\n    (accepted)" if accepted else ""))


def _accepted(count: int) -> str:
    return f" ({count} accepted)" if count else ""


@command.command("query", epilog=QUERY_EXAMPLES, context_settings={"ignore_unknown_options": True})
@click.argument("table", metavar=TABLE)
@click.argument("data_type", metavar="TYPE")
@click.argument("run", type=int)
@release_option
@payloads_option
@recipes_option
@store_option
@variable_option
@json_option
@command_options
def query_command(
    table: str, data_type: str, run: int, boss_release: str | None, payloads: Path | None, recipes: Path,
    store: Path | None, variables: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Say which row BOSS gets for a data type and a run, why, and which constants that leads to.

    Simulated runs are negative. Tof, EsTof, TofSim and DedxSim are looked up by the signed run, all other types by its
    absolute value.
    """
    import msgspec

    from builder.bookkeeping.lookup import look_up
    from builder.bookkeeping.table import DATA_TYPES

    named = _Place(recipes, store, variables, payloads).one_of(table, boss_release)
    if data_type not in {*DATA_TYPES, *(row.data_type for row in named.book.rows)}:
        raise InputFailure(f"{data_type!r} is no data type", hint=f"known: {', '.join(DATA_TYPES)}")
    answer = look_up(named.book, named.release, data_type, run)
    if as_json:
        row = msgspec.to_builtins(answer.row) if answer.row else None
        show_json(msgspec.to_builtins(answer) | {"row": row, "sql": answer.sql, "origin": named.origin})
    else:
        _show_answer(answer, named.origin)
    if not answer.row or not all(payload.row for payload in answer.payloads):
        raise click.exceptions.Exit(ExitCode.FOUND)


def _show_answer(answer: Answer, origin: str) -> None:
    from builder.bookkeeping.table import DEFAULT, SIGNED, runs_text

    how = "the signed run" if answer.data_type in SIGNED else "the absolute value of the run"
    click.echo(f"{answer.release} {answer.data_type} run {answer.run}: BOSS asks for {answer.asked}, {how}")
    if answer.row is None:
        click.echo(f"  no row of {origin} fits: BOSS ends with exit code 1")
        click.echo(f"  {answer.sql}")
        return
    row = answer.row
    click.echo(f"  runs {row.runs}: SftVer {row.software or '(empty)'}, ParVer {row.parameters or '(empty)'}")
    for other in answer.matching[1:]:
        click.echo(f"  passed over, since BOSS takes the first row: runs {other.runs}, {other.version}")
    for payload in answer.payloads:
        if payload.row is None:
            click.echo(f"  {payload.table} has no constants {row.version} for it: BOSS ends with exit code 1")
            continue
        found = payload.row
        why = ', the highest: "default" was asked for' if row.parameters == DEFAULT else ""
        click.echo(f"  {payload.table} {found.software}/{found.parameters}{why}, runs "
                   + runs_text(found.run_from, found.run_to)
                   + (f"; the first of {payload.matching} rows" if payload.matching > 1 else ""))  # fmt: skip
        for name, value in zip(payload.constants, found.constants, strict=True):
            click.echo(f"    {name} = {f'{len(value)} bytes' if isinstance(value, bytes) else value}")


@command.command("diff", epilog=DIFF_EXAMPLES)
@click.argument("one", metavar="A")
@click.argument("two", metavar="B")
@click.option(
    "--boss-release", "boss_releases", metavar="NAME", multiple=True,
    help="The rows of this BossRelease; given twice, the first for A and the second for B.",
)  # fmt: skip
@recipes_option
@store_option
@variable_option
@json_option
@command_options
def diff_command(
    one: str, two: str, boss_releases: tuple[str, ...], recipes: Path, store: Path | None, variables: tuple[str, ...],
    as_json: bool,
) -> None:  # fmt: skip
    """Tell which runs get other constants in B than in A: two releases, or two files.

    Compared is what a job would get, run by run, not how the rows are cut: versions, and where payload tables are
    there, the constants themselves.
    """
    import msgspec

    from builder.bookkeeping.diff import differences

    if len(boss_releases) > 2:  # noqa: PLR2004 - one for each
        raise InputFailure("--boss-release is given more than twice", hint="once for both, or once for each")
    place = _Place(recipes, store, variables, None)
    first = place.one_of(one, boss_releases[0] if boss_releases else None)
    second = place.one_of(two, boss_releases[-1] if boss_releases else None)
    found = differences(first.book, second.book)
    if as_json:
        sides = [{"release": side.release, "origin": side.origin} for side in (first, second)]
        show_json({"a": sides[0], "b": sides[1], "differences": msgspec.to_builtins(found)})
    else:
        for difference in found:
            click.echo(difference.text)
        click.echo(f"{first.release} and {second.release}: "
                   + (f"{len(found)} differences" if found else "every run gets the same"))  # fmt: skip
    if found:
        raise click.exceptions.Exit(ExitCode.FOUND)


class _Place(NamedTuple):
    """Where releases and files are looked for."""

    recipes: Path
    store: Path | None
    variables: tuple[str, ...]
    payloads: Path | None

    def one_of(self, table: str, boss_release: str | None) -> _Named:
        """Give the bookkeeping of one release. Raises InputFailure where a file has several and none is named."""
        found = self.all_of(table, boss_release)
        if len(found) > 1:
            raise InputFailure(
                f"{table} has rows of several releases", hint=f"--boss-release {'|'.join(n.release for n in found)}"
            )
        return found[0]

    def all_of(self, table: str, boss_release: str | None) -> list[_Named]:
        """Give the bookkeeping of a RELEASE, or those of all releases (or of one) of a FILE."""
        from builder.bookkeeping.source import read_csv, read_file
        from builder.recipe.find import FILE_NAME, names

        path = Path(table)
        if table in names(self.recipes) or not path.is_file() or path.name == FILE_NAME:
            return [self._release(table, boss_release)]
        book = read_csv(path, self.payloads) if self.payloads else read_file(path)
        if not book.rows:
            raise InputFailure(f"{table} has no rows", hint="nothing can be said of an empty table")
        return [_Named(r, table, book.of_release(r)) for r in ([boss_release] if boss_release else book.releases)]

    def _release(self, table: str, boss_release: str | None) -> _Named:
        from builder.cli.common import load_release
        from builder.freeze.bookkeeping import boss_release as its_release
        from builder.freeze.bookkeeping import frozen_bookkeeping, unfrozen_bookkeeping
        from builder.lock import file as lock_file
        from builder.lock.stored import stored_lock
        from builder.recipe.find import names
        from builder.store.store import Store

        if self.payloads:
            raise InputFailure("--payloads belongs to a FILE of CSV", hint="a recipe names its own")
        opened = Store(store_path(self.store, self.recipes))
        if "/" not in table and table not in names(self.recipes):
            loaded, lock = None, stored_lock(opened, table)
        else:
            loaded = load_release(table, self.recipes, self.variables)
            lock = lock_file.read(loaded.files[0].with_name(lock_file.NAME))
        book = frozen_bookkeeping(lock, opened) if lock else None
        recipe = lock.recipe if lock and book else loaded.recipe if loaded else None
        if recipe is None:
            loaded = load_release(table, self.recipes, self.variables)  # tells what is there instead
            recipe = loaded.recipe
        origin = "the snapshot in the store" if book else "the tables beside the recipe"
        if book is None and loaded is not None:
            book = unfrozen_bookkeeping(loaded)
        if book is None:
            raise InputFailure(f"the store lacks the snapshot of {table}", hint="restore it from a copy of the store")
        release = its_release(recipe)
        if boss_release not in {None, release}:
            raise InputFailure(f"{table} has the rows of {release} alone", hint="leave out --boss-release")
        return _Named(release, origin, book, recipe.bookkeeping.accept if recipe.bookkeeping else ())
