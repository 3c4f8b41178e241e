"""What every subcommand shares: options, the way from a `Failure` to text and exit code, results as text or JSON."""

from __future__ import annotations

import functools
import json
import logging
import math
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec

import click

from builder.core.errors import ExitCode, Failure, Problem
from builder.core.files import as_failure
from builder.core.progress import PlainProgress, Progress, TerminalProgress

if TYPE_CHECKING:
    from builder.lock.model import Lock
    from builder.recipe.load import LoadedRecipe
    from builder.store.oci import Descriptor
    from builder.store.store import Store
    from builder.toolbox.toolbox import Toolbox

P = ParamSpec("P")

json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON document.")
recipes_option = click.option(
    "--recipes",
    type=click.Path(path_type=Path),
    envvar="BOSS_BUILDER_RECIPES",
    default=Path("recipes"),
    show_default=True,
    help="The folder of recipes.",
)
store_option = click.option(
    "--store",
    type=click.Path(path_type=Path),
    envvar="BOSS_BUILDER_STORE",
    default=None,
    help="The store.  [default: images/ beside the folder of recipes]",
)
variable_option = click.option(
    "--var",
    "variables",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a variable of the recipe (or the environment's BOSS_BUILDER_VAR_NAME).",
)
release_argument = click.argument("release")


def command_options(function: Callable[P, None]) -> Callable[P, None]:
    """Give a subcommand `-v`, and turn what it raises into text and an exit code.

    Problems go to stderr as text, or with `--json` to stdout as `{"problems": [...]}`.
    """

    @click.option("-v", "--verbose", is_flag=True, help="Show the commands that run.")
    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> None:
        verbose = bool(kwargs.pop("verbose"))
        logging.basicConfig(
            level=logging.INFO if verbose else logging.WARNING,
            format="%(message)s",
            stream=sys.stderr,
            force=True,
        )
        try:
            function(*args, **kwargs)
        except Failure as failure:
            fail(failure, as_json=bool(kwargs.get("as_json", False)))
        except KeyboardInterrupt:
            click.echo("interrupted; nothing is half-written", err=True)
            raise click.exceptions.Exit(ExitCode.INTERRUPTED) from None
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise click.exceptions.Exit(ExitCode.UNFINISHED) from None
        except OSError as error:
            told = as_failure(error)
            if told is None:
                raise
            fail(told, as_json=bool(kwargs.get("as_json", False)))

    return wrapped


def on_release(function: Callable[P, None]) -> Callable[P, None]:
    """Give a subcommand that works on one RELEASE what all of them take: RELEASE, recipes, store, variables, --json."""
    for option in (command_options, json_option, variable_option, store_option, recipes_option, release_argument):
        function = option(function)
    return function


def problem_as_json(problem: Problem) -> dict[str, Any]:
    """Give a problem as a JSON object with `message`, `hint` and, where known, `file`, `line`, `column`."""
    shown: dict[str, Any] = {"message": problem.message, "hint": problem.hint}
    if problem.location:
        shown |= {
            "file": problem.location.file,
            "line": problem.location.line,
            "column": problem.location.column,
        }
    return shown


def fail(failure: Failure, *, as_json: bool) -> NoReturn:
    """Show a failure and end with its exit code."""
    if as_json:
        show_json({"problems": [problem_as_json(p) for p in failure.problems]})
    else:
        for problem in failure.problems:
            click.echo(str(problem), err=True)
    raise click.exceptions.Exit(failure.exit_code)


def show_json(value: Any) -> None:
    """Print a result for machines: one JSON document on stdout."""
    click.echo(json.dumps(_finite(value), indent=2, sort_keys=True, default=str, allow_nan=False))


def _finite(value: Any) -> Any:
    """Give a value as JSON can hold it: an infinite number, which it can not, is null."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def progress_for(stream_is_terminal: bool | None = None) -> Progress:
    """Choose bars on a terminal, plain lines elsewhere."""
    terminal = sys.stderr.isatty() if stream_is_terminal is None else stream_is_terminal
    return TerminalProgress() if terminal else PlainProgress()


def store_path(store: Path | None, recipes: Path) -> Path:
    """Where the store is: as told, or `images/` beside the folder of recipes."""
    return store if store is not None else recipes.absolute().parent / "images"


def load_release(release: str, recipes: Path, variables: Iterable[str]) -> LoadedRecipe:
    """Find and read the recipe that a command names, with the variables of `--var` and of the environment."""
    from builder.recipe.find import find
    from builder.recipe.load import load
    from builder.recipe.variables import from_words

    return load(find(release, recipes), from_words(variables), os.environ)


def toolbox_opener(store: Store, progress: Progress, name: str | None = None) -> Callable[[Descriptor | None], Toolbox]:
    """Give a way to open the builder image; the engine is asked for only when somebody opens it."""

    def opener(descriptor: Descriptor | None) -> Toolbox:
        from builder.engine.engine import connect
        from builder.toolbox.toolbox import open_toolbox

        return open_toolbox(store, connect(), progress, descriptor=descriptor, name=name)

    return opener


def load_lock(release: str, recipes: Path, variables: Iterable[str], store: Store) -> Lock:
    """Read the lock of the release that a command names; where no such recipe is at hand, the store's copy of it."""
    from builder.build.build import locked
    from builder.lock.stored import stored_lock
    from builder.recipe.find import names

    if "/" not in release and release not in names(recipes):
        lock = stored_lock(store, release)
        if lock is not None:
            click.echo(f"there is no recipe {release} in {recipes}; the store's own lock is used", err=True)
            return lock
    return locked(load_release(release, recipes, variables))
