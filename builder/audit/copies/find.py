"""What a word of the command means: a store, a layout, a bag, an OCFL object, an archive, a registry."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from builder.audit.copies.archive import unpack
from builder.audit.copies.bag import open_bag
from builder.audit.copies.copy import Target
from builder.audit.copies.layout import Layout, check_layout
from builder.audit.copies.ocfl import DECLARATIONS, open_object
from builder.audit.copies.place import Folder, telling
from builder.audit.copies.registry import Registry, is_address, parse_address
from builder.audit.copies.registry_target import RegistryTarget
from builder.audit.copies.source import Source
from builder.core.errors import InputFailure
from builder.core.progress import Progress
from builder.store.store import Store

STORE_NAME = re.compile(r"(blobs|tmp|index\.json|\.lock)$|\.(oci-layout|index\.json)\.")
"""What a copy that was cut short at its very beginning may have made already."""
STORAGE_ROOT = ("0=ocfl_1.1", "0=ocfl_1.0")


def open_store(path: Path) -> Layout:
    """Open the store that a command works on. Raises InputFailure where it is none."""
    if not (path / "oci-layout").exists():
        raise InputFailure(f"{path} is not a store", hint="name one with --store; boss-builder freeze makes one")
    return Layout(path)


def open_source(word: str) -> Source:
    """Open a copy: a registry, or a folder that is a store, a layout, a bag or an OCFL object. Raises InputFailure."""
    if is_address(word):
        return Registry(parse_address(word))
    path = Path(word)
    if not path.is_dir():
        raise InputFailure(f"there is no folder {path}", hint="name a folder, or oci://HOST/NAME")
    return _folder(path, word)


def _folder(path: Path, name: str) -> Layout:
    if (path / "bagit.txt").exists():
        return open_bag(path, name)
    if any((path / declaration).exists() for declaration in DECLARATIONS):
        return open_object(path, name)
    if any((path / declaration).exists() for declaration in STORAGE_ROOT):
        raise InputFailure(f"{name} is an OCFL storage root", hint="name the folder of one object in it")
    return check_layout(Layout(path, name))


@contextmanager
def opened_source(word: str, store: Store, progress: Progress) -> Iterator[Source]:
    """Open a copy, which may be a tar or tar.gz too: it is unpacked in the store's tmp/. Raises as `open_source`."""
    path = Path(word)
    if is_address(word) or not path.is_file():
        yield open_source(word)
        return
    with telling(str(store.path)), store.workspace("import") as folder:
        progress.say(f"unpacking {path}")
        yield _folder(unpack(path, folder), word)


def open_target(word: str, source: Path, now: datetime) -> Target:
    """Open what is copied to; a folder need not exist. Raises InputFailure where it can be no target."""
    if is_address(word):
        return RegistryTarget(Registry(parse_address(word)))
    path = Path(word)
    if path.exists():
        if not path.is_dir():
            raise InputFailure(f"{path} is not a folder", hint="name a folder, or oci://HOST/NAME")
        if not (path / "oci-layout").exists() and not all(STORE_NAME.match(entry.name) for entry in path.iterdir()):
            raise InputFailure(f"{path} is neither empty nor a store", hint="name a new folder in it")
    here, there = source.resolve(), path.resolve()
    if here == there or here in there.parents or there in here.parents:
        raise InputFailure(f"{path} is, holds or lies in the store itself", hint="a copy belongs on another disk")
    return Folder(Store(path), now)
