"""`boss-builder ci`."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.common import command_options
from builder.core.errors import InputFailure
from builder.core.files import write_atomically
from builder.rebuild.ci_files import SERVICES, Service, ci_file

EPILOG = """\b
Examples:
  boss-builder ci gitlab > .gitlab-ci.yml
  boss-builder ci github --output .github/workflows/rebuild.yml"""


@click.command(epilog=EPILOG)
@click.argument("service", type=click.Choice(SERVICES), metavar="gitlab|github")
@click.option(
    "--output", type=click.Path(path_type=Path, dir_okay=False), default=None, metavar="FILE",
    help="Write FILE, which must not exist, instead of printing.",
)  # fmt: skip
@command_options
def command(service: Service, output: Path | None) -> None:
    """Print ready-made CI jobs: rebuild every frozen release each night, and ask upstream.

    How to set them up stands at the beginning of the file.
    """
    text = ci_file(service)
    if output is None:
        click.echo(text, nl=False)
        return
    if output.exists() or output.is_symlink():
        raise InputFailure(f"{output} exists already", hint="name another file, or remove it first")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(output, text.encode())
    except OSError as error:
        raise InputFailure(f"{output} can not be written: {error.strerror}", hint="name another file") from error
    click.echo(output)
    click.echo("next: read its beginning, which says how to set it up", err=True)
