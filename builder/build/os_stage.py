"""The stage `os`: dnf installs the frozen packages into an empty root, in the builder image."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from builder.build.job import SPARE, TIME_LIMIT, UNPACKED_RATIO
from builder.build.kept import BuiltStage, Layer, keep
from builder.core.host import available_memory
from builder.core.progress import Progress
from builder.engine.engine import Folder
from builder.lock.model import Lock
from builder.render.plan import Stage
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox

REPOSITORY = "/boss-builder/repository"
ROOT = "/boss-builder/os"


class _Request(msgspec.Struct, frozen=True):
    packages: tuple[str, ...]
    files: tuple[str, ...]
    repository: str
    folder: str
    epoch: int
    rpm_database: str


def build_os(
    stage: Stage,
    lock: Lock,
    store: Store,
    toolbox: Toolbox,
    progress: Progress,
    *,
    time_limit: float = TIME_LIMIT,
) -> BuiltStage:
    """Build the stage `os` of a lock and store it; it may take `time_limit` seconds.

    Raises WorkFailure where an input is missing or damaged, or dnf does not install what the lock says.
    """
    started = time.monotonic()
    with store.workspace("os") as folder, progress.task("stage os", 0):
        repository = folder / "repository"
        write_repository(lock, store, repository)
        work = folder / "work"
        work.mkdir(mode=0o755)
        request = _Request(
            packages=lock.os_packages,
            files=tuple(lock.package(nevra).file_name for nevra in lock.os_packages),
            repository=REPOSITORY,
            folder=ROOT,
            epoch=stage.epoch,
            rpm_database=lock.recipe.os.rpm_database or "",
        )
        layer = toolbox.run(
            "install_os",
            request,
            Layer,
            work=work,
            folders=[Folder(repository, REPOSITORY)],
            tmpfs=_memory_for(lock),
            time_limit=time_limit,
        )
        return keep(stage, work / "layer.tar.gz", layer, store, time.monotonic() - started)


def _memory_for(lock: Lock) -> dict[str, str]:
    """Let the root grow in memory where that has room for it: dnf then takes half the time. The bytes are the same."""
    need = UNPACKED_RATIO * sum(lock.package(nevra).blob.size for nevra in lock.os_packages) + SPARE
    return {ROOT: f"exec,suid,dev,size={need}"} if available_memory() > 2 * need else {}


def write_repository(lock: Lock, store: Store, folder: Path) -> None:
    """Lay out the frozen repository: every package of the lock, and the metadata that lists them.

    Files are second names of blobs, which are read-only. Raises WorkFailure where one is missing or damaged.
    """
    (folder / "repodata").mkdir(parents=True)
    wanted = {folder / package.file_name: package.blob for package in lock.packages()}
    wanted |= {folder / "repodata" / name: blob for name, blob in lock.frozen_repository.items()}
    for target, blob in wanted.items():
        target.hardlink_to(store.checked_path(blob.digest))
    for path in (folder, folder / "repodata"):
        path.chmod(0o755)
