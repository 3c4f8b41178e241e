"""Freeze the inputs that are folders kept elsewhere: commits of git, folders of CernVM-FS."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from builder.core.errors import InputFailure, SpaceFailure, WorkFailure
from builder.core.files import is_full
from builder.core.progress import Progress
from builder.freeze import cvmfs
from builder.freeze.git import Git, read_tree, tree_name
from builder.freeze.mirrors import Mirrors
from builder.freeze.repositories import located
from builder.freeze.staging import Staging
from builder.freeze.swhid import Algorithm, tree_id
from builder.inside.canonical import Content, merge, write_tar
from builder.lock.model import GitTree, Lock, Source
from builder.recipe.epoch import shared_epoch
from builder.recipe.load import LoadedRecipe
from builder.recipe.model import CvmfsSource, GitSource, Recipe

GIT, CVMFS = "git", "cvmfs"
SHA1_LENGTH = 40
Kept = GitSource | CvmfsSource


@dataclass(frozen=True)
class Places:
    """Where trees come from on this host: what stands in for servers, and where CernVM-FS is mounted."""

    mirrors: Mirrors = field(default_factory=Mirrors)
    cvmfs: Path = cvmfs.TOP


def kept_elsewhere(recipe: Recipe) -> Iterator[tuple[str, Kept, tuple[str, ...]]]:
    """Yield key, source and way in the recipe of every such input."""
    for library in recipe.external_library:
        if isinstance(library.source, Kept):
            yield f"external_library.{library.name}", library.source, ("external_library", library.name, "source")
    if isinstance(recipe.package.source, Kept):
        yield "package.boss", recipe.package.source, ("package", "boss", "source")


def freeze_trees(
    loaded: LoadedRecipe,
    before: Lock | None,
    staging: Staging,
    places: Places,
    progress: Progress,
    *,
    update: bool,
) -> dict[str, Source]:
    """Pack each as a canonical tar whose files bear the epoch.

    What a lock has of the same source stays, where the store has it; with `update`, what only a tag names is read anew.
    Raises InputFailure where a source has not what the recipe asks for, WorkFailure where it can not be reached,
    HostFailure where git is not installed or a repository is not mounted.
    """
    frozen = {}
    for key, source, way in kept_elsewhere(loaded.recipe):
        held = _held(key, source, loaded.recipe, before, staging)
        pinned = isinstance(source, GitSource) or source.root_hash is not None
        if held is not None and (pinned or not update):
            frozen[key] = held
            continue
        with located(loaded.where(*way)), progress.task(f"read {key}"):
            frozen[key] = _freeze(source, staging, places, shared_epoch(loaded.recipe))
    return frozen


def _held(key: str, source: Kept, recipe: Recipe, before: Lock | None, staging: Staging) -> Source | None:
    """Give what a lock has of the same source with the same times, if the store has it."""
    if before is None or shared_epoch(before.recipe) != shared_epoch(recipe):
        return None
    known = {name: one for name, one, _ in kept_elsewhere(before.recipe)}
    frozen = before.sources.get(key)
    if frozen is None or known.get(key) != source:
        return None
    return frozen if staging.has(frozen.blob) else None


def _freeze(source: Kept, staging: Staging, places: Places, epoch: int) -> Source:
    archive = staging.folder("tree") / "tree.tar"
    if isinstance(source, GitSource):
        return _freeze_git(source, staging, archive, places.mirrors, epoch)
    return _freeze_cvmfs(source, staging, archive, places.cvmfs, epoch)


def git_address(source: GitSource) -> str:
    """Spell what a source of git names, as package URLs do: `git+URL@COMMIT#subdirectory=PATH`."""
    return f"git+{source.url}@{source.commit}" + (f"#subdirectory={source.path}" if source.path else "")


def algorithm_of(commit: str) -> Algorithm:
    """Tell by the name of a commit what its repository is made with."""
    return "sha1" if len(commit) == SHA1_LENGTH else "sha256"


def _freeze_git(source: GitSource, staging: Staging, archive: Path, mirrors: Mirrors, epoch: int) -> Source:
    algorithm, path = algorithm_of(source.commit), (source.path or "").strip("/")
    git = Git(staging.folder("git"), mirrors, algorithm)
    git.fetch(source.url, source.commit)
    tree = tree_name(git, source.commit, path)
    _pack(read_tree(git, source.commit, path, epoch), archive)
    if _packed(archive, algorithm) != tree:
        raise InputFailure(  # git lists such modes as if they were others
            f"the files of {git_address(source)} are not those of its tree {tree}: it holds modes that git has not "
            "written for many years, as 100664",
            hint='take another commit, or an archive of this one: source "tarball"',
        )
    described = GitTree(
        url=source.url, commit=source.commit, path=path, tree=tree, swhid=f"swh:1:dir:{_packed(archive, 'sha1')}"
    )
    return Source(source=git_address(source), blob=staging.stage(archive), kind=GIT, git=described)


def _packed(archive: Path, algorithm: Algorithm) -> str:
    """Name the tree that a canonical tar holds."""
    with tarfile.open(archive) as tar:
        return tree_id(merge([tar], 1 << 40, b".boss-builder"), algorithm)


def _freeze_cvmfs(source: CvmfsSource, staging: Staging, archive: Path, top: Path, epoch: int) -> Source:
    mount = cvmfs.find_mount(source.repository, top)
    cvmfs.check_revision(source, mount)
    described = cvmfs.describe(source, mount)
    _pack(cvmfs.read_folder(source, mount, epoch), archive)
    if cvmfs.find_mount(source.repository, top).root_hash != mount.root_hash:
        raise WorkFailure(
            f"{mount.folder} went on to another revision while it was read",
            hint="a mount with CVMFS_ROOT_HASH or CVMFS_REPOSITORY_TAG stays where it is",
        )
    address = f"cvmfs://{source.path.removeprefix('/cvmfs/')}"
    return Source(source=address, blob=staging.stage(archive), kind=CVMFS, cvmfs=described)


def _pack(contents: Iterable[Content], archive: Path) -> None:
    try:
        with archive.open("xb") as sink:
            write_tar(contents, sink)
    except OSError as error:
        kind = SpaceFailure if is_full(error) else WorkFailure
        raise kind(f"{archive} can not be written: {error.strerror}") from error
    except ValueError as error:
        raise WorkFailure(str(error)) from error
