"""Write to a store in every way: what the tests of faults run on disks that err, fill up, or lose their writer."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from builder.core.errors import Failure
from builder.core.files import as_failure
from builder.store import oci
from builder.store.garbage import DAY, find, remove
from builder.store.store import Store
from builder.store.verify import verify

BEFORE = ("before/one", "before/two")
"""References that `begin` makes. `work` moves the second one."""
AFTER = ("after/one", *BEFORE)


def artifact(store: Store, *blobs: bytes) -> oci.Manifest:
    """Store some blobs, and what names them."""
    layers = tuple(oci.Descriptor(media_type="x", digest=store.put(data), size=len(data)) for data in blobs)
    return oci.Manifest(config=store.put_empty_config(), layers=layers, artifact_type="application/vnd.test")


def begin(path: Path) -> Store:
    """Make the store as it is before."""
    store = Store(path)
    for name in BEFORE:
        store.put_manifest(artifact(store, b"shared", name.encode() * 300), name)
    for number in range(3):
        store.put(f"nothing refers to it: {number}".encode())
    return store


def work(path: Path) -> None:
    """Add blobs from a file and from memory, and a reference to them and to what is there already; move another."""
    store = Store(path)
    with store.workspace("build") as folder:
        (folder / "scratch").write_bytes(b"no part of it")
        (folder / "layer").write_bytes(b"layer" * 2000)
        digest, size = store.put_file(folder / "layer")
    layer = oci.Descriptor(media_type="x", digest=digest, size=size)
    manifest = artifact(store, b"shared", b"own")
    store.put_manifest(oci.Manifest(config=manifest.config, layers=(*manifest.layers, layer)), AFTER[0])
    store.put_manifest(oci.Manifest(config=manifest.config, layers=(layer,)), BEFORE[1])


def collect(path: Path) -> None:
    """Remove what nothing refers to, as on the day after tomorrow."""
    remove(Store(path), DAY, time.time() + 2 * DAY)


def garbage(store: Store) -> set[str]:
    """What nothing refers to."""
    return set(find(store, DAY, time.time() + 2 * DAY).blobs)


def working(path: str) -> int:
    """`work`, as a command."""
    return _as_command(work, path)


def collecting(path: str) -> int:
    """`collect`, as a command."""
    return _as_command(collect, path)


def _as_command(do: Callable[[Path], None], path: str) -> int:
    """Do as a command does: failures become text and exit code, what is none of the host's is a traceback."""
    try:
        do(Path(path))
    except Failure as failure:
        return _said(failure)
    except OSError as error:
        told = as_failure(error)
        if told is None:
            raise
        return _said(told)
    return 0


def refer(path: str) -> int:
    """Give what is there one more name."""
    store = Store(Path(path))
    store.put_manifest(store.manifest(store.references()[BEFORE[0]]), "after/name")
    return 0


def _said(failure: Failure) -> int:
    os.write(2, str(failure).encode())
    return int(failure.exit_code)


def left_over(store: Store) -> list[str]:
    """What does not belong into a store where nobody works."""
    belongs = {"blobs", "index.json", "oci-layout", "tmp", ".lock"}
    top = sorted(path.name for path in store.path.iterdir() if path.name not in belongs)
    return top + sorted(f"tmp/{path.name}" for path in (store.path / "tmp").iterdir())


def lost(store: Store, before: dict[str, str]) -> list[str]:
    """What a store had before, lacks, or has in another state than before or after the work; problems that it has."""
    after = {name: str(one.digest) for name, one in store.references().items()}
    return [
        *(str(problem) for problem in verify(store)),
        *(name for name, digest in before.items() if after.get(name) != digest and name != BEFORE[1]),
        *({BEFORE[1]} - after.keys()),
    ]
