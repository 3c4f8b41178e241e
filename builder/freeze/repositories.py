"""Freeze RPM repositories: metadata, keys, signatures, the closure, and a repository that lists it alone."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import msgspec

from builder.core.errors import Failure, InputFailure, Location, Problem, WorkFailure
from builder.core.progress import Progress
from builder.engine.engine import Folder
from builder.freeze.download import Checksum, Downloader, Wanted
from builder.freeze.fetched import Fetched
from builder.freeze.metadata import Contents, parse
from builder.freeze.mirrorlist import read_mirrorlist
from builder.freeze.precedents import FrozenRepositories, precedent
from builder.freeze.resolving import BOSS, Asked, Closure, Resolved, asked_repositories, lay_out, resolve
from builder.freeze.staging import Staging
from builder.lock.model import Blob, Key, Repository, RpmPackage, Signature, Verdict
from builder.recipe.fields import FileRef
from builder.recipe.generation import generation
from builder.recipe.load import LoadedRecipe
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox

SMALL = 16 << 20
SIGNATURE_LIMIT = 1800
SIDE_BY_SIDE = 4
GUEST_PACKAGES = "/boss-builder/packages"
LAST_WITH_SHA1 = 5
"""The last generation of Enterprise Linux whose yum reads no other checksum in metadata."""
PACKAGES_OF = {"os": ("os",), "boss": ("package", BOSS, "source"), "vm": ("image", "vm")}
"""Where the recipe lists the packages that are resolved together."""


# -- what the programs inside take and give -------------------------------------------------------------------------


class _SignatureRequest(msgspec.Struct, frozen=True):
    keys: tuple[str, ...]
    metadata: str
    metadata_signature: str
    packages: tuple[str, ...]
    now: int


class _FoundKey(msgspec.Struct, frozen=True):
    file: str
    fingerprint: str


class _SignatureAnswer(msgspec.Struct, frozen=True):
    keys: tuple[_FoundKey, ...]
    metadata: Signature
    packages: dict[str, Signature]


class _RepositoryRequest(msgspec.Struct, frozen=True):
    packages: str
    epoch: int
    sha1: bool


class _RepositoryAnswer(msgspec.Struct, frozen=True):
    files: tuple[str, ...]


@contextmanager
def located(location: Location, about: str = "") -> Iterator[None]:
    """Give the problems that come out of the block a location, where they have none, and say what they are about."""
    try:
        yield
    except Failure as failure:
        prefix = f"{about}: " if about else ""
        problems = (
            p if p.location else Problem(prefix + p.message, hint=p.hint, location=location) for p in failure.problems
        )
        raise type(failure)(*problems) from failure


# -- freezing ---------------------------------------------------------------------------------------------------------


def freeze_repositories(
    loaded: LoadedRecipe,
    *,
    toolbox: Toolbox,
    downloader: Downloader,
    staging: Staging,
    epoch: int,
    progress: Progress,
    store: Store | None = None,
) -> FrozenRepositories:
    """Resolve, fetch and check every RPM of a recipe, and make the frozen repository's metadata.

    `epoch` (seconds since 1970) is the time that the frozen metadata bears. What is fetched is staged, not stored.
    Where a release in `store` was frozen from the very same repositories, its answer is taken over.
    Raises InputFailure for whatever is wrong with the repositories, WorkFailure where the network fails.
    """
    fetched = []
    for asked in asked_repositories(loaded.recipe):
        with located(loaded.where(*asked.where), f"repository {asked.name!r}"):
            fetched.append(_fetch_metadata(loaded, asked, downloader, staging))
    checked = _check_metadata(loaded, fetched, toolbox, staging)
    if store is not None:
        signatures = {name: answer.metadata for name, answer in checked.items()}
        by_name = {repository.asked.name: repository for repository in fetched}
        known = precedent(loaded.recipe, by_name, signatures, toolbox.descriptor.digest, store)
        if known is not None:
            progress.say(f"the packages are those of {known.recipe.full_name}, from the same repositories")
            return FrozenRepositories.of(known)
    with progress.task("resolve packages"), located(loaded.where("os", "packages")):
        resolved = _resolve(loaded, fetched, toolbox, staging)
    packages = resolved.packages
    addresses = {f.asked.name: f.asked for f in fetched}
    wanted = [
        Wanted(addresses[p.repository].address(p.location), Checksum(p.checksum_type, p.checksum), p.size)
        for p in packages
    ]
    missing = [w for w in wanted if not staging.holds(w)]
    downloader.fetch_all(missing, f"{len(missing)} packages")
    files = {p.nevra: staging.path(w, downloader) for p, w in zip(packages, wanted, strict=True)}
    repositories = []
    for repository in fetched:
        asked = repository.asked
        own = {p.nevra: p for p in packages if p.repository == asked.name}
        with (
            progress.task(f"check signatures of {asked.name}", len(own), "packages"),
            located(loaded.where(*asked.where), f"repository {asked.name!r}"),
        ):
            repositories.append(_frozen(repository, own, files, toolbox, staging))
    with progress.task("write the frozen repository"):
        sha1 = (generation(loaded.recipe.os) or LAST_WITH_SHA1 + 1) <= LAST_WITH_SHA1
        request = _RepositoryRequest(GUEST_PACKAGES, epoch, sha1)
        metadata = _frozen_metadata(packages, files, toolbox, staging, request)
    return FrozenRepositories(
        repositories=tuple(repositories),
        os_packages=tuple(sorted(p.nevra for p in resolved.os)),
        boss_packages=tuple(sorted(p.nevra for p in resolved.boss)),
        vm_packages=tuple(sorted(p.nevra for p in resolved.vm)),
        metadata=metadata,
    )


def _fetch_contents(asked: Asked, downloader: Downloader) -> tuple[Asked, Path, Contents]:
    """Fetch repomd.xml, of the first mirror that has one, where the recipe names a list of mirrors."""
    if not asked.mirrorlist:
        top = asked.address("repodata/repomd.xml")
        repomd = downloader.fetch(Wanted(top, limit=SMALL))
        return asked, repomd, parse(repomd.read_bytes(), top)
    problems: list[Problem] = []
    bases = read_mirrorlist(downloader.fetch(Wanted(asked.mirrorlist, limit=SMALL)).read_bytes(), asked.mirrorlist)
    for base in bases:
        chosen = replace(asked, url=base)
        top = chosen.address("repodata/repomd.xml")
        try:
            repomd = downloader.fetch(Wanted(top, limit=SMALL, tries=1))
            return chosen, repomd, parse(repomd.read_bytes(), top)
        except Failure as failure:
            problems += failure.problems
    raise WorkFailure(
        f"none of the {len(bases)} mirrors that {asked.mirrorlist} names has the repository",
        hint="\n".join(problem.message for problem in problems),
    )


def _fetch_metadata(loaded: LoadedRecipe, asked: Asked, downloader: Downloader, staging: Staging) -> Fetched:
    asked, repomd, contents = _fetch_contents(asked, downloader)
    top = asked.address("repodata/repomd.xml")
    wanted = [Wanted(asked.address(p.location), p.checksum, p.size) for p in contents.parts]
    downloader.fetch_all([w for w in wanted if not staging.holds(w)], f"metadata of {asked.name}")
    metadata = {p.location: staging.path(w, downloader) for p, w in zip(contents.parts, wanted, strict=True)}
    metadata["repodata/repomd.xml"] = repomd
    signature: Path | None = None
    try:
        signature = downloader.fetch(Wanted(top + ".asc", limit=SMALL))
    except Failure:
        if asked.repo_gpgcheck:
            raise
    keys: dict[str, Path] = {}
    for key in asked.keys:
        if isinstance(key, FileRef):
            keys[str(key)] = loaded.resolve(key)
        else:
            keys[key] = downloader.fetch(Wanted(key, limit=SMALL))
    folder = staging.folder(f"repository-{asked.name}")
    lay_out(contents, metadata, folder)
    return Fetched(asked, contents, metadata, signature, keys, folder)


def _resolve(loaded: LoadedRecipe, fetched: list[Fetched], toolbox: Toolbox, staging: Staging) -> Closure:
    folders = {repository.asked.name: repository.folder for repository in fetched}
    closure = resolve(loaded.recipe, folders, toolbox, staging.folder("resolve"))
    if closure.refused:
        raise InputFailure(
            *(
                Problem(r.message, r.hint, loaded.where(*PACKAGES_OF[r.group], "packages", r.item))
                for r in closure.refused
            )
        )
    return closure


def _check_metadata(
    loaded: LoadedRecipe, fetched: list[Fetched], toolbox: Toolbox, staging: Staging
) -> dict[str, _SignatureAnswer]:
    """Check keys and metadata of all repositories, side by side, as most of it is waiting for containers."""
    folders = [staging.folder(f"metadata-{repository.asked.name}") for repository in fetched]
    _ = toolbox.image_id  # once, before several want it

    def check(repository: Fetched, work: Path) -> _SignatureAnswer:
        asked = repository.asked
        with located(loaded.where(*asked.where), f"repository {asked.name!r}"):
            answer = _check_signatures(repository, {}, toolbox, work)
            if asked.repo_gpgcheck and answer.metadata.verdict is not Verdict.GOOD:
                raise InputFailure(
                    "its metadata is not signed, and the recipe asks for it (repo_gpgcheck)",
                    hint=f"there is no {asked.address('repodata/repomd.xml.asc')}",
                )
        return answer

    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        return dict(zip((f.asked.name for f in fetched), pool.map(check, fetched, folders), strict=True))


def _check_signatures(repository: Fetched, packages: dict[str, Path], toolbox: Toolbox, work: Path) -> _SignatureAnswer:
    """Check metadata and packages (by file name) with the keys of their repository; `work` is an empty folder."""
    keys = {
        f"keys/{number}-{source.rpartition('/')[2]}": path
        for number, (source, path) in enumerate(repository.keys.items())
    }
    files = {**keys, "repomd.xml": repository.metadata["repodata/repomd.xml"]}
    if repository.signature is not None:
        files["repomd.xml.asc"] = repository.signature
    for name, path in files.items():
        target = work / name
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
    shelf = work / "packages"
    shelf.mkdir()
    for name, path in packages.items():
        link_or_copy(path, shelf / name)
    request = _SignatureRequest(
        keys=tuple(keys),
        metadata="repomd.xml",
        metadata_signature="repomd.xml.asc" if repository.signature else "",
        packages=tuple(f"packages/{name}" for name in packages),
        now=int(time.time()),
    )
    return toolbox.run("signatures", request, _SignatureAnswer, work=work, time_limit=SIGNATURE_LIMIT)


def _frozen(
    repository: Fetched, own: dict[str, Resolved], files: dict[str, Path], toolbox: Toolbox, staging: Staging
) -> Repository:
    asked = repository.asked
    names = {nevra: f"{number:05}.rpm" for number, nevra in enumerate(own)}
    answer = _check_signatures(
        repository,
        {names[n]: files[n] for n in own} if asked.gpgcheck else {},
        toolbox,
        staging.folder(f"signatures-{asked.name}"),
    )
    if asked.gpgcheck:
        verdicts = {nevra: answer.packages[f"packages/{names[nevra]}"] for nevra in own}
        problems = [_against(nevra, found, asked) for nevra, found in verdicts.items()]
        if any(problems):
            raise InputFailure(*(problem for problem in problems if problem))
    unchecked = Signature(verdict=Verdict.UNCHECKED)
    packages = tuple(
        RpmPackage(
            name=p.name,
            epoch=p.epoch,
            version=p.version,
            release=p.release,
            architecture=p.architecture,
            location=p.location,
            blob=staging.stage(files[nevra]),
            signature=answer.packages[f"packages/{names[nevra]}"] if asked.gpgcheck else unchecked,
        )
        for nevra, p in sorted(own.items())
    )
    metadata = {location: staging.stage(path) for location, path in repository.metadata.items()}
    if repository.signature is not None:
        metadata["repodata/repomd.xml.asc"] = staging.stage(repository.signature)
    keys = tuple(
        Key(source=source, fingerprint=found.fingerprint, blob=staging.stage(path))
        for (source, path), found in zip(repository.keys.items(), answer.keys, strict=True)
    )
    return Repository(
        name=asked.name,
        url=asked.url,
        mirrorlist=asked.mirrorlist,
        revision=repository.contents.revision,
        content=repository.contents.content,
        metadata=metadata,
        signature=answer.metadata,
        keys=keys,
        packages=packages,
    )


def _against(nevra: str, signature: Signature, asked: Asked) -> Problem | None:
    """Say what the recipe's policy has against the signature of a package."""
    if signature.verdict is Verdict.UNSIGNED:
        hint = "set gpgcheck = false only if this repository never signed anything"
        return Problem(f"{nevra} is not signed", hint=hint)
    if signature.verdict is Verdict.WEAK and not asked.weak_signatures:
        return Problem(
            f"{nevra} is signed by {signature.algorithm}, which is refused today",
            hint="the signature is right. To take it, say so in this repository: weak_signatures = true",
        )
    return None


def _frozen_metadata(
    packages: tuple[Resolved, ...],
    files: dict[str, Path],
    toolbox: Toolbox,
    staging: Staging,
    request: _RepositoryRequest,
) -> dict[str, Blob]:
    work = staging.folder("frozen")
    shelf = staging.folder("frozen-packages")
    for package in packages:
        link_or_copy(files[package.nevra], shelf / package.location.rpartition("/")[2])
    answer = toolbox.run(
        "repository", request, _RepositoryAnswer,
        work=work, folders=[Folder(shelf, GUEST_PACKAGES)], time_limit=SIGNATURE_LIMIT,
    )  # fmt: skip
    return {name: staging.stage(work / "repodata" / name) for name in answer.files}


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or where the file system does not, a copy."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
