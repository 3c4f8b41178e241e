"""Options that say where inputs come from on this host: mirrors, and where CernVM-FS is mounted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from builder.freeze.trees import Places

mirror_option = click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="FROM=TO",
    help="Take what begins with the address FROM from TO: an address of http, https or file, or a folder; may be "
    "repeated. [env var: BOSS_BUILDER_MIRRORS, with spaces between them]",
)
cvmfs_option = click.option(
    "--cvmfs",
    type=click.Path(path_type=Path),
    default=None,
    envvar="BOSS_BUILDER_CVMFS",
    metavar="FOLDER",
    help="Where repositories of CernVM-FS are mounted.  [default: /cvmfs]",
)


def places_for(mirrors: tuple[str, ...], cvmfs: Path | None) -> Places:
    """Give what the options, and the environment, say. Raises InputFailure for a mirror that is none."""
    from builder.freeze.cvmfs import TOP
    from builder.freeze.mirrors import read_mirrors
    from builder.freeze.trees import Places

    return Places(read_mirrors(mirrors, os.environ), cvmfs.absolute() if cvmfs else TOP)
