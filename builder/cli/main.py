"""The group of subcommands; each lives in a module of its own that is imported only when it is called."""

from __future__ import annotations

import importlib
import keyword
import signal
import sys

import click

from builder import __version__
from builder.core.errors import ExitCode

COMMANDS = {
    "check": "read a recipe and report every mistake in it",
    "fmt": "put recipes into the standard layout",
    "init": "write a commented recipe to start from",
    "schema": "print the JSON Schema of a recipe",
    "show": "print a recipe as it is understood",
    "bookkeeping": "check, query and compare the tables of calibration constants",
    "freeze": "fetch and check every input, write the lock",
    "render": "write the Dockerfile and its context",
    "build": "build the images from the lock",
    "validate": "boot the images and run the validation suite in each",
    "compare": "judge the physics of one release against another",
    "rebuild": "build again from what was frozen, and say what has rotted and why",
    "history": "show what earlier rebuilds of a release found",
    "ci": "print ready-made jobs for GitLab CI or GitHub Actions",
    "doctor": "say what this host has and lacks for each release",
    "run": "open a shell, or run a command, in a release",
    "export": "write images, checksums and plain commands for use without this software",
    "list": "show what the store holds",
    "verify": "check every blob of the store against its name, and a release's signatures",
    "audit": "examine the store, and log that it was examined",
    "key": "make keys to sign with, and keep the list of those who may sign",
    "sign": "sign a release: its blobs, how its images were made, what was found of them",
    "replicate": "copy the store to a folder or a registry",
    "repair": "fetch from a copy what is damaged or missing",
    "import": "take a bag, a layout, an OCFL object or a registry into the store",
    "gc": "remove the blobs that nothing refers to",
}


class LazyGroup(click.Group):
    """A group that knows its commands by name and imports one only to run or describe it."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names in the order of the work."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import the module of one command."""
        if cmd_name not in COMMANDS:
            return None
        module = f"{cmd_name}_" if keyword.iskeyword(cmd_name) else cmd_name
        command: click.Command = importlib.import_module(f"builder.cli.{module}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


EXAMPLES = """\b
Examples:
  boss-builder check miniboss-1.0.0
  boss-builder freeze miniboss-1.0.0
  boss-builder build miniboss-1.0.0
  boss-builder validate miniboss-1.0.0
  boss-builder run miniboss-1.0.0 -- boss.exe"""


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXAMPLES,
)
@click.version_option(__version__, prog_name="boss-builder")
def cli() -> None:
    """Freeze a release of BOSS, rebuild it bit for bit, boot it and validate it.

    RELEASE is a name under recipes/, or a path to a recipe or its folder.

    Exit codes: 0 well; 1 the work found something wrong; 2 the recipe, the arguments or an input are at
    fault; 3 the host lacks something; 4 the work could not be finished; 130 interrupted.
    """


def main() -> None:
    """Entry point of the console script. A polite end (SIGTERM) is an interrupt: everything is put away first."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        ended: int | None = cli.main(prog_name="boss-builder", standalone_mode=False)
    except click.exceptions.Abort:
        click.echo("interrupted; nothing is half-written", err=True)
        sys.exit(ExitCode.INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    sys.exit(ended or ExitCode.OK)
