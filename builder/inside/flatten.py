"""The root that canonical layers add up to."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from builder.inside.canonical import CHUNK, WHITEOUT, Content, merge

NO_SCRATCH = b".boss-builder"
"""The stages left nothing here already."""


def flatten(layers: Sequence[tarfile.TarFile], epoch: int) -> list[Content]:
    """Give the files of a root, sorted, from its layers, lowest first; nothing of what a layer took away is left."""
    merged = merge(layers, epoch, NO_SCRATCH)
    return [content for content in merged if not content[0].path.rpartition(b"/")[2].startswith(WHITEOUT)]


@contextmanager
def open_layers(paths: Sequence[Path], folder: Path) -> Iterator[list[tarfile.TarFile]]:
    """Open layers compressed with gzip for random access; they are unpacked into `folder` for the time."""
    with ExitStack() as stack:
        opened = []
        for number, path in enumerate(paths):
            plain = stack.enter_context((folder / f"layer-{number}.tar").open("w+b"))
            subprocess.run(["pigz", "--decompress", "--stdout", path], stdout=plain, check=True)
            plain.seek(0)
            opened.append(stack.enter_context(tarfile.open(fileobj=plain, bufsize=CHUNK)))
        yield opened
