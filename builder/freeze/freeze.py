"""Freeze a release: from its recipe to its lock, with every input in the store."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.core.errors import WorkFailure
from builder.core.progress import Progress
from builder.freeze.bookkeeping import freeze_bookkeeping
from builder.freeze.changes import changes
from builder.freeze.download import Checksum, Downloader, Wanted
from builder.freeze.precedents import FrozenRepositories, same_packages
from builder.freeze.repositories import freeze_repositories
from builder.freeze.sources import freeze_local, freeze_remote
from builder.freeze.staging import Staging
from builder.freeze.trees import Places, freeze_trees
from builder.lock import file as lock_file
from builder.lock.model import LOCK_VERSION, Blob, Lock
from builder.lock.stored import store_lock
from builder.recipe.epoch import shared_epoch
from builder.recipe.load import LoadedRecipe
from builder.store import oci
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox


@dataclass(frozen=True)
class Frozen:
    """A freeze that went well: the lock, whether its file changed and how, and what came over the network."""

    lock: Lock
    lock_path: Path
    lock_changed: bool
    changes: tuple[str, ...]
    fetched_files: int
    fetched_bytes: int


def freeze(
    loaded: LoadedRecipe,
    store: Store,
    open_toolbox: Callable[[oci.Descriptor | None], Toolbox],
    progress: Progress,
    environment: Mapping[str, str],
    *,
    update: bool = False,
    places: Places | None = None,
) -> Frozen:
    """Bring every input of a recipe into the store and write `recipe.lock.json` beside it.

    With a lock that still fits the recipe, only what the store lacks is fetched, by the lock's digests. Where the
    recipe changed, what the change touches is resolved anew; with `update` everything is. The store and the lock
    change only once everything is there and checked. `open_toolbox` opens the builder image that a lock names, or
    the present one; it is called only when something must be resolved. `environment` holds the password of the server
    that a bookkeeping comes from; `places` tells where other inputs come from on this host.

    Raises InputFailure for a bad input, or a variable for which only an example stands, WorkFailure where the network
    or the disk fails, HostFailure where the host lacks what freezing needs.
    """
    loaded.check_is_set()
    lock_path = loaded.files[0].with_name(lock_file.NAME)
    before = lock_file.read(lock_path)
    with _one_freeze_at_a_time(store, progress) as kept, store.workspace("freeze") as workspace:
        here = places or Places()
        downloader = Downloader(kept, progress, mirrors=here.mirrors)
        staging = Staging(store, workspace)
        bookkeeping = freeze_bookkeeping(loaded, before, store, staging, environment, update=update)
        if before is not None and not update and same_packages(before.recipe, loaded.recipe):
            _fetch_missing(before, store, downloader, staging)
            builder_image = before.builder_image
            rpms = FrozenRepositories.of(before)
        else:
            toolbox = open_toolbox(None)
            builder_image = Blob(digest=toolbox.descriptor.digest, size=toolbox.descriptor.size)
            rpms = freeze_repositories(
                loaded,
                toolbox=toolbox,
                downloader=downloader,
                staging=staging,
                epoch=shared_epoch(loaded.recipe),
                progress=progress,
                store=None if update else store,
            )
        lock = Lock(
            version=LOCK_VERSION,
            recipe=loaded.recipe,
            recipe_files={path.parent.name: staging.stage(path) for path in loaded.files},
            builder_image=builder_image,
            repositories=rpms.repositories,
            os_packages=rpms.os_packages,
            boss_packages=rpms.boss_packages,
            vm_packages=rpms.vm_packages,
            frozen_repository=rpms.metadata,
            sources={
                **freeze_remote(loaded, downloader, staging),
                **freeze_trees(loaded, before, staging, here, progress, update=update),
                **freeze_local(loaded, staging, shared_epoch(loaded.recipe)),
                **bookkeeping.sources,
            },
            default_versions=bookkeeping.default_versions,
        )
        staging.commit()
        store_lock(lock, store)
        changed = lock_file.write(lock, lock_path)
        for path in kept.iterdir():
            if path.name != LOCK_NAME:
                path.unlink()
    return Frozen(
        lock=lock,
        lock_path=lock_path,
        lock_changed=changed,
        changes=changes(before, lock) if before is not None else (),
        fetched_files=downloader.fetched_files,
        fetched_bytes=downloader.fetched_bytes,
    )


LOCK_NAME = "lock"


@contextmanager
def _one_freeze_at_a_time(store: Store, progress: Progress) -> Iterator[Path]:
    """Give the folder of partial downloads, which one freeze uses at a time."""
    kept = store.kept_folder("downloads")
    with (kept / LOCK_NAME).open("ab") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("another freeze uses this store; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield kept


def _fetch_missing(lock: Lock, store: Store, downloader: Downloader, staging: Staging) -> None:
    """Fetch what a lock names and the store lacks, by the lock's digests."""
    wanted = []
    for repository in lock.repositories:
        top = repository.url.rstrip("/")
        content = {p.location: p.blob for p in repository.packages} | repository.metadata
        wanted += [_by_digest(f"{top}/{location}", blob) for location, blob in content.items()]
        wanted += [_by_digest(key.source, key.blob) for key in repository.keys if "://" in key.source]
    missing = [w for w in wanted if not staging.holds(w)]
    for path in downloader.fetch_all(missing, f"{len(missing)} missing inputs"):
        staging.stage(path)
    lost = [name for name, blob in lock.frozen_repository.items() if not store.has(blob.digest, blob.size)]
    if lost:
        raise WorkFailure(
            f"the frozen repository's {', '.join(lost)} is missing from the store",
            hint="restore it from a copy of the store, or make the lock anew: boss-builder freeze RELEASE --update",
        )


def _by_digest(url: str, blob: Blob) -> Wanted:
    return Wanted(url, Checksum("sha256", blob.digest.removeprefix("sha256:")), blob.size)
