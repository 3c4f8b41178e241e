"""What a word of the command means: a store, a layout, a bag or its volumes, an export, an OCFL object, a registry."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path

from builder.audit.copies.archive import unpack
from builder.audit.copies.bag import open_bag
from builder.audit.copies.copy import Target
from builder.audit.copies.exported import is_export, open_export
from builder.audit.copies.layout import Layout, check_layout
from builder.audit.copies.ocfl import DECLARATIONS, open_object
from builder.audit.copies.place import Folder, check_room, telling
from builder.audit.copies.registry import Registry, is_address, parse_address
from builder.audit.copies.registry_target import RegistryTarget
from builder.audit.copies.source import Source
from builder.audit.copies.untrusted import Untrue, reading
from builder.audit.copies.volumes import membership, open_volumes
from builder.core.errors import InputFailure
from builder.core.progress import Progress
from builder.store.store import Store

STORE_NAME = re.compile(r"(blobs|tmp|index\.json|\.lock)$|\.(oci-layout|index\.json)\.")
"""What a copy that was cut short at its very beginning may have made already."""
STORAGE_ROOT = ("0=ocfl_1.1", "0=ocfl_1.0")
ENTRIES = 10_000
"""Of a folder of volumes."""
ARCHIVES = (".tar", ".tar.gz", ".tgz")
IMAGE = ".oci.tar"
"""An archive that is an image, and no bag."""
Unpack = Callable[[Path], Path]


def open_store(path: Path) -> Layout:
    """Open the store that a command works on. Raises InputFailure where it is none."""
    if not (path / "oci-layout").exists():
        raise InputFailure(f"{path} is not a store", hint="name one with --store; boss-builder freeze makes one")
    return Layout(path)


def open_source(word: str) -> Source:
    """Open a copy: a registry, or a folder that `import` takes as it is, without unpacking. Raises InputFailure."""
    if is_address(word):
        return Registry(parse_address(word))
    path = Path(word)
    with reading(word):
        if not path.is_dir():
            raise InputFailure(f"there is no folder {path}", hint="name a folder, or oci://HOST/NAME")
        return _folder(path, word, None)


def _folder(path: Path, name: str, unpacked: Unpack | None) -> Layout:
    """Open a folder, whatever it is; archives in it are looked at where they can be unpacked."""
    if (path / "bagit.txt").exists():
        return _bags([(path, name)], name)
    if any((path / declaration).exists() for declaration in DECLARATIONS):
        return open_object(path, name)
    if any((path / declaration).exists() for declaration in STORAGE_ROOT):
        raise InputFailure(f"{name} is an OCFL storage root", hint="name the folder of one object in it")
    if is_export(path):
        return open_export(path, name)
    if not (path / "oci-layout").exists() and (bags := _bags_in(path, name, unpacked)):
        return _bags(bags, name)
    return check_layout(Layout(path, name))


def _bags(bags: Sequence[tuple[Path, str]], name: str) -> Layout:
    """Open one bag that stands alone, or the volumes of a group."""
    if len(bags) == 1 and membership(*bags[0]) is None:
        return open_bag(*bags[0])
    return open_volumes(bags, name)


def _bags_in(path: Path, name: str, unpacked: Unpack | None) -> list[tuple[Path, str]]:
    """Give the bags that lie in a folder, as folders and as archives, with what people call them. Raises Untrue."""
    with os.scandir(path) as entries:
        found = sorted((entry.name, entry.is_symlink()) for entry in islice(entries, ENTRIES + 1))
    if len(found) > ENTRIES:
        raise Untrue(f"{name} holds more than {ENTRIES} entries, and is nothing that can be imported")
    bags: list[tuple[Path, str]] = []
    for entry, is_link in found:
        inner, called = path / entry, f"{name}/{entry}"
        is_archive = unpacked is not None and entry.endswith(ARCHIVES) and not entry.endswith(IMAGE)
        if not ((inner / "bagit.txt").exists() or (is_archive and inner.is_file())):
            continue
        if is_link:
            raise Untrue(f"{called} is a link", hint="name the volumes one by one")
        bags.append((inner if unpacked is None or inner.is_dir() else unpacked(inner), called))
    return bags


@contextmanager
def opened_source(word: str, store: Store, progress: Progress, more: Sequence[str] = ()) -> Iterator[Source]:
    """Open a copy, which may be a tar or tar.gz too, or the volumes of one, of which `more` names the others.

    Archives are unpacked in the store's tmp/. Raises as `open_source`; SpaceFailure where there is no room for them.
    """
    with ExitStack() as stack:

        def unpacked(archive: Path) -> Path:
            check_room(store.path, archive.stat().st_size, f"unpacking {archive}")
            with telling(str(store.path)):
                folder = stack.enter_context(store.workspace("import"))
                progress.say(f"unpacking {archive}")
                return unpack(archive, folder)

        with reading(word):
            source = _opened(word, more, unpacked)
        yield source


def _opened(word: str, more: Sequence[str], unpacked: Unpack) -> Source:
    path = Path(word)
    if more:
        bags = [bag for one in (word, *more) for bag in _named_bags(one, unpacked)]
        return open_volumes(bags, f"{word} and {len(more)} more")
    if not is_address(word) and path.is_file():
        return _folder(unpacked(path), word, None)
    if not is_address(word) and path.is_dir():
        return _folder(path, word, unpacked)
    return open_source(word)


def _named_bags(word: str, unpacked: Unpack) -> list[tuple[Path, str]]:
    """Give the volumes that one of several words names: one, or those in a folder. Raises InputFailure."""
    path = Path(word)
    if path.is_file():
        return [(unpacked(path), word)]
    if (path / "bagit.txt").exists():
        return [(path, word)]
    bags = _bags_in(path, word, unpacked) if path.is_dir() else []
    if not bags:
        raise InputFailure(f"{word} is no volume of a bag", hint="several names are for the volumes of one bag alone")
    return bags


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
