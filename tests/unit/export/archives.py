"""What the tests of bags and archives share: a release with its inputs in a store, and exports that are cut short."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import bagit

from builder.core import documents
from builder.core.progress import NoProgress, Task
from builder.lock import file as lock_file
from builder.store import oci
from builder.store.shapes import SHAPES
from builder.store.store import Store
from builder.store.verify import verify
from tests.unit.export.release import RELEASE, Site, descriptor

BLOCK = re.compile(r"^```sh ([a-z-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def put_inputs(site: Site) -> None:
    """Store the lock and all inputs, as freezing would."""
    config = descriptor(site.store, "application/vnd.boss-builder.lock.v1+json", lock_file.encode(site.lock))
    layers = tuple(
        oci.Descriptor(media_type="application/octet-stream", digest=blob.digest, size=blob.size)
        for _, blob in sorted(site.lock.blobs().items())
    )
    manifest = oci.Manifest(config=config, layers=layers, artifact_type="application/vnd.boss-builder.inputs.v1")
    site.store.put_manifest(manifest, f"inputs/{RELEASE}")


def build(site: Site) -> None:
    """Freeze and build anew, as after a change of the lock."""
    put_inputs(site)
    for shape in SHAPES:
        site.put_image(shape)


def put_artifact(store: Store, name: str, data: bytes) -> oci.Descriptor:
    """Store anything under a reference."""
    layer = descriptor(store, "text/plain", data)
    return store.put_manifest(
        oci.Manifest(config=store.put_empty_config(), layers=(layer,), artifact_type="text/plain"), name
    )


def references(layout: Path) -> list[str]:
    index = documents.decode((layout / "index.json").read_bytes(), oci.Index)
    return [found.annotations[oci.REF_NAME] for found in index.manifests]


def is_whole(layout: Path) -> bool:
    """Whether a folder is a store that `verify` finds well."""
    return (layout / "oci-layout").exists() and verify(Store(layout)) == ()


def is_valid_bag(folder: Path) -> bool:
    """Ask bagit-python, and coreutils."""
    bagit.Bag(str(folder)).validate(processes=1)
    for tool in ("sha256", "md5"):
        for kind in ("manifest", "tagmanifest"):
            subprocess.run(
                [f"{tool}sum", "--check", "--strict", "--quiet", f"{kind}-{tool}.txt"], cwd=folder, check=True
            )
    return True


def files(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def times(folder: Path) -> set[float]:
    return {path.lstat().st_mtime for path in (folder, *folder.rglob("*"))}


def run_blocks(howto: Path, place: Path, *names: str, **variables: Path) -> str:
    """Run blocks of a HOWTO.md in a folder; gives what they print."""
    script = "".join(block for name, block in BLOCK.findall(howto.read_text("utf-8")) if name in names)
    done = subprocess.run(
        ["sh", "-eu"],
        input=script.encode(),
        cwd=place,
        capture_output=True,
        check=False,
        env={**os.environ, **variables},
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


class _Counting:
    def __init__(self, at: int) -> None:
        self._left = at

    def advance(self, amount: int) -> None:  # noqa: ARG002 - a task's signature
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


class Deadly(NoProgress):
    """Progress that kills its process when it is told something for the n-th time."""

    def __init__(self, at: int) -> None:
        self._at = at

    @contextmanager
    def task(self, title: str, total: int = 0, unit: str = "B") -> Iterator[Task]:  # noqa: ARG002
        yield _Counting(self._at)


def in_child(work: Callable[[], object]) -> int:
    """Run something in a process of its own; gives the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


FULL = """
import sys
from pathlib import Path
from builder.core.errors import WorkFailure
from builder.core.progress import NoProgress
from builder.export import bagit, folder, ocfl
from builder.lock import file as lock_file
from builder.store.store import Store
folder._check_room = lambda *_: None
form, lock, store, target = sys.argv[1:]
work = {"export_bag": bagit.export_bag, "export_ocfl": ocfl.export_ocfl}[form]
try:
    work(lock_file.read(Path(lock)), Store(Path(store)), Path(target), NoProgress())
except WorkFailure as failure:
    print(failure)
"""


def call(form: str, site: Site, target: Path) -> list[str]:
    """Spell an export, by a program of its own that does not ask for room before it begins."""
    lock = site.store.path.with_name("lock.json")
    lock.write_bytes(lock_file.encode(site.lock))
    return [sys.executable, "-c", FULL, form, str(lock), str(site.store.path), str(target)]


def on_small_file_system(folder: Path, size: str, *calls: list[str]) -> list[str]:
    """Run programs while `folder/small` has so much room; gives what they say. What they leave is in `folder/after`."""
    small = folder / "small"
    small.mkdir()
    lines = [f"mount -t tmpfs -o size={size} none {shlex.quote(str(small))}", *map(shlex.join, calls)]
    lines.append(f"cp -a {shlex.quote(str(small))} {shlex.quote(str(folder / 'after'))}")
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-e"], input="\n".join(lines).encode(), capture_output=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout.decode().splitlines()
