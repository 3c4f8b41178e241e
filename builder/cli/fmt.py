"""`boss-builder fmt`: put recipes into the standard layout."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from builder.cli.common import command_options, recipes_option
from builder.core.errors import ExitCode, Failure, InputFailure, Problem

EXAMPLES = """\b
Examples:
  boss-builder fmt
  boss-builder fmt -check -diff
  boss-builder fmt recipes/el6/recipe.hcl
  boss-builder fmt - < recipe.hcl"""


@click.command("fmt", epilog=EXAMPLES)
@click.argument("paths", metavar="[PATH]...", nargs=-1)
@click.option(
    "-check", "--check", "only_check", is_flag=True, help="Write nothing; exit code 1 where something would change."
)
@click.option("-diff", "--diff", "show_diff", is_flag=True, help="Print what changes, as a unified diff.")
@recipes_option
@command_options
def command(paths: tuple[str, ...], recipes: Path, only_check: bool, show_diff: bool) -> None:
    """Put recipes into the standard layout, in place; print the names of the files that change.

    PATH is a file, a folder (every .hcl file in it), the name of a recipe, or - for standard input to standard output.
    Without one, all recipes are laid out. Comments stay, and what a recipe means never changes.
    """
    changed = False
    problems: list[Problem] = []
    for path in _files(paths, recipes):
        try:
            changed |= _format_one(path, write=not only_check, show_diff=show_diff)
        except Failure as failure:
            problems.extend(failure.problems)
    if problems:
        raise InputFailure(*problems)
    if changed and only_check:
        raise click.exceptions.Exit(ExitCode.FOUND)


def _files(paths: tuple[str, ...], recipes: Path) -> list[Path | None]:
    """Give the files that the words name; None is standard input."""
    from builder.recipe.find import find, names

    if not paths:
        return [find(name, recipes) for name in names(recipes)]
    files: list[Path | None] = []
    for word in paths:
        path = Path(word)
        if word == "-":
            files.append(None)
        elif path.is_dir():
            files.extend(sorted(path.rglob("*.hcl")))
        else:
            files.append(find(word, recipes))
    return list(dict.fromkeys(files))


def _format_one(path: Path | None, *, write: bool, show_diff: bool) -> bool:
    """Lay one file out; say whether it changes."""
    from builder.core.files import write_atomically
    from builder.recipe.layout import formatted

    name = str(path) if path else "<stdin>"
    try:
        before = path.read_bytes() if path else sys.stdin.buffer.read()
    except OSError as error:
        raise InputFailure(f"{name} cannot be read: {error.strerror}") from error
    after = formatted(before, name)
    if show_diff:
        old, new = (text.decode().splitlines(keepends=True) for text in (before, after))
        click.echo("".join(difflib.unified_diff(old, new, f"{name} (now)", f"{name} (formatted)")), nl=False)
    if path is None:
        if write and not show_diff:
            click.echo(after, nl=False)
        return before != after
    if before != after:
        if not show_diff:
            click.echo(name)
        if write:
            target = path.resolve()
            write_atomically(target, after, mode=target.stat().st_mode & 0o7777)
    return before != after
