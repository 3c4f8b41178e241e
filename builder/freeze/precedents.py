"""What another release has frozen from the very same repositories: its answer is this one's too."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from builder.core.digest import digest_file
from builder.core.errors import Failure, InputFailure
from builder.freeze.fetched import Fetched
from builder.freeze.primary import is_readable, read_packages
from builder.lock.model import Blob, Lock, Repository, RpmPackage, Signature
from builder.lock.stored import frozen_lock, frozen_releases
from builder.recipe.epoch import shared_epoch
from builder.recipe.generation import generation
from builder.recipe.model import Recipe, RpmSource
from builder.store.store import Store


@dataclass(frozen=True)
class FrozenRepositories:
    """All repositories of a release, frozen."""

    repositories: tuple[Repository, ...]
    os_packages: tuple[str, ...]
    boss_packages: tuple[str, ...]
    vm_packages: tuple[str, ...]
    metadata: dict[str, Blob]

    @classmethod
    def of(cls, lock: Lock) -> FrozenRepositories:
        """Give those of a lock."""
        return cls(
            repositories=lock.repositories,
            os_packages=lock.os_packages,
            boss_packages=lock.boss_packages,
            vm_packages=lock.vm_packages,
            metadata=lock.frozen_repository,
        )


def same_packages(one: Recipe, two: Recipe) -> bool:
    """Whether two recipes ask for the same packages of the same repositories."""
    return _package_part(one) == _package_part(two)


def _package_part(recipe: Recipe) -> tuple[Any, ...]:
    os = recipe.os
    source = recipe.package.source
    rpm_source = source if isinstance(source, RpmSource) else None
    machine = recipe.image_of("vm")
    vm_packages = machine.packages if machine else ()
    asked = (os.architecture, os.packages, os.rpm_repository, rpm_source, vm_packages)
    return (*asked, generation(os), shared_epoch(recipe))


def _locks_of(store: Store) -> Iterator[Lock]:
    """Give the locks of a store that can be read."""
    for release in frozen_releases(store):
        lock = frozen_lock(store, release)
        if lock is not None and not isinstance(lock, Failure):
            yield lock


def precedent(
    recipe: Recipe,
    fetched: Mapping[str, Fetched],
    signatures: Mapping[str, Signature],
    builder_image: str,
    store: Store,
) -> Lock | None:
    """Find a lock of the store that answers already what `recipe` asks; None where there is none.

    `fetched` and `signatures` (of the metadata) are what the repositories gave just now, by name. The same packages,
    asked of repositories whose metadata and keys are the same to the byte, in the same builder image (by digest), give
    the same closure, the same verdicts and the same frozen repository; the store must still have all of that. A store
    may have come from anywhere, so that what a lock of it says of a package is believed only where the repository lists
    the package with that sha256 now.
    """
    candidates = [
        lock
        for lock in _locks_of(store)
        if lock.builder_image.digest == builder_image and same_packages(lock.recipe, recipe)
    ]
    today = {name: _given(one, signatures[name]) for name, one in fetched.items()} if candidates else {}
    for lock in candidates:
        if (
            {repository.name: _recorded(repository) for repository in lock.repositories} == today
            and all(store.has(blob.digest, blob.size) for blob in _blobs(lock))
            and all(_are_listed(repository.packages, fetched[repository.name]) for repository in lock.repositories)
        ):
            return lock
    return None


class _Identity(NamedTuple):
    """What makes a repository the very same: address, verdict on its metadata, digests of metadata and keys."""

    url: str
    mirrorlist: str
    signature: Signature
    metadata: dict[str, str]
    keys: tuple[tuple[str, str], ...]


def _recorded(then: Repository) -> _Identity:
    return _Identity(
        then.url,
        then.mirrorlist,
        then.signature,
        {location: blob.digest for location, blob in then.metadata.items()},
        tuple((key.source, key.blob.digest) for key in then.keys),
    )


def _given(now: Fetched, signature: Signature) -> _Identity:
    files = dict(now.metadata)
    if now.signature is not None:
        files["repodata/repomd.xml.asc"] = now.signature
    return _Identity(
        now.asked.url,
        now.asked.mirrorlist,
        signature,
        {location: digest_file(path)[0] for location, path in files.items()},
        tuple((source, digest_file(path)[0]) for source, path in now.keys.items()),
    )


def _are_listed(packages: Iterable[RpmPackage], now: Fetched) -> bool:
    """Whether a repository lists packages by their name, place and sha256; no, where that can not be told."""
    wanted = {(package.nevra, package.location, package.blob.digest) for package in packages}
    try:
        for part in now.contents.parts:
            if part.kind == "primary" and is_readable(part.location):
                for listed in read_packages(now.metadata[part.location], part.location):
                    if listed.checksum.algorithm == "sha256":
                        wanted.discard((listed.nevra, listed.location, f"sha256:{listed.checksum.value.lower()}"))
    except InputFailure:  # dnf may read it all the same, or says what is wrong
        return False
    return not wanted


def _blobs(lock: Lock) -> Iterator[Blob]:
    for repository in lock.repositories:
        yield from repository.metadata.values()
        yield from (key.blob for key in repository.keys)
        yield from (package.blob for package in repository.packages)
    yield from lock.frozen_repository.values()
