"""Write build contexts: the folders in which `docker build .` works."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from builder.core.archives import extract
from builder.core.errors import InputFailure
from builder.inside.canonical import DIRECTORY, HARD_LINK, REGULAR, Content, Entry, merge, write_tar
from builder.render.plan import Form, Input, Stage
from builder.store.store import Store


def write_inputs(stage: Stage, store: Store, folder: Path) -> None:
    """Write what a stage needs into a context.

    Raises WorkFailure where an input is missing or damaged, InputFailure for an archive that can not be read.
    """
    for item in stage.inputs:
        target = folder / item.path
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(item, stage.epoch, store, target)
    settle_modes(folder)


def settle_modes(folder: Path) -> None:
    """Give every file of a context the mode 0644 and every folder 0755: COPY takes them into the image."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)


def _write(item: Input, epoch: int, store: Store, target: Path) -> None:
    if item.form is Form.TEXT or item.blob is None:
        target.write_text(item.text, "utf-8")
        return
    source = store.checked_path(item.blob.digest)
    if item.form is Form.FILE:
        shutil.copyfile(source, target)
    elif item.form is Form.PACKED:
        entry = Entry(target.name.removesuffix(".tar").encode(), REGULAR, 0o444, 0, 0, epoch, source.stat().st_size)
        with target.open("xb") as sink:
            write_tar([(entry, lambda: source.open("rb"))], sink)
    elif item.form is Form.TREE:
        with tarfile.open(source) as archive:
            extract(archive, target)
    else:
        try:
            with tarfile.open(source) as archive, target.open("xb") as sink:
                write_tar(stripped(merge([archive], epoch, b".boss-builder"), item.strip), sink)
        except (tarfile.TarError, ValueError, EOFError) as error:
            raise InputFailure(
                f"the archive {item.blob.digest} of {item.path} can not be read: {error}",
                hint="it must be a tar, plain or compressed with gzip, bzip2 or xz",
            ) from error


def stripped(contents: list[Content], parts: int) -> Iterator[Content]:
    """Take leading parts off every path, as `tar --strip-components` does; what has no more parts falls away.

    Raises ValueError for a path that climbs out of its archive.
    """
    for entry, opener in contents:
        names = entry.path.split(b"/")
        if b".." in names:
            raise ValueError(f"the path {entry.path!r} leaves the archive")
        rest = b"/".join(names[parts:])
        if not rest:
            continue
        link = b"/".join(entry.link.split(b"/")[parts:]) if entry.kind == HARD_LINK else entry.link
        mode = 0o755 if entry.kind == DIRECTORY else entry.mode
        yield replace(entry, path=rest, link=link, mode=mode, uid=0, gid=0, attributes=()), opener
