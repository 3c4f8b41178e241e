"""Resolve the closure of a recipe's packages from metadata on disk, with dnf in the builder image."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from builder.engine.engine import Folder
from builder.freeze.metadata import Contents
from builder.recipe.fields import FileRef
from builder.recipe.model import Recipe, RpmSource
from builder.toolbox.toolbox import Toolbox

RESOLVE_LIMIT = 600
BOSS = "boss"
"""Name of the repository that `package "boss"` brings."""
GUEST_REPOSITORIES = "/boss-builder/repositories"


@dataclass(frozen=True)
class Asked:
    """One repository as the recipe names it; `where` leads to its block."""

    name: str
    url: str
    keys: tuple[FileRef | str, ...]
    gpgcheck: bool
    repo_gpgcheck: bool
    weak_signatures: bool
    where: tuple[str, ...]
    mirrorlist: str = ""
    """Where a list of its mirrors is; `url` is "" until one of them is chosen."""
    architectures: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()

    @property
    def of_os(self) -> bool:
        """Whether the OS may be taken from it."""
        return self.where[0] == "os"

    def address(self, location: str) -> str:
        """Address of something below the repository."""
        return f"{self.url.rstrip('/')}/{location}"


def asked_repositories(recipe: Recipe) -> tuple[Asked, ...]:
    """Every repository of a recipe: the OS's, then the one of the BOSS package, if it has one."""
    asked = [
        Asked(
            r.name,
            r.url or "",
            r.gpg_keys,
            r.gpgcheck,
            r.repo_gpgcheck,
            r.weak_signatures,
            ("os", "rpm_repository", r.name),
            r.mirrorlist or "",
            r.architectures,
            r.modules,
        )
        for r in recipe.os.rpm_repository
    ]
    source = recipe.package.source
    if isinstance(source, RpmSource):
        asked.append(
            Asked(
                BOSS,
                source.url or "",
                source.gpg_keys,
                source.gpgcheck,
                source.repo_gpgcheck,
                source.weak_signatures,
                ("package", BOSS, "source"),
                source.mirrorlist or "",
                source.architectures,
            )
        )
    return tuple(asked)


# -- what the program inside takes and gives ------------------------------------------------------------------------


class _Repository(msgspec.Struct, frozen=True):
    name: str
    folder: str
    os: bool
    architectures: tuple[str, ...]


class _Request(msgspec.Struct, frozen=True):
    architecture: str
    repositories: tuple[_Repository, ...]
    os: tuple[str, ...]
    boss: tuple[str, ...]
    vm: tuple[str, ...]
    modules: tuple[str, ...]


class Resolved(msgspec.Struct, frozen=True):
    """A package that was chosen, as the metadata describes it."""

    repository: str
    name: str
    epoch: int
    version: str
    release: str
    architecture: str
    location: str
    checksum_type: str
    checksum: str
    size: int

    @property
    def nevra(self) -> str:
        """`name-epoch:version-release.architecture`."""
        return f"{self.name}-{self.epoch}:{self.version}-{self.release}.{self.architecture}"


class Unresolved(msgspec.Struct, frozen=True):
    """Why a group of packages was refused; `item` is the number of the one that no repository has, or -1."""

    group: Literal["os", "boss", "vm"]
    item: int
    message: str
    hint: str


class Closure(msgspec.Struct, frozen=True):
    """What each group adds to the ones before it; nothing where anything was refused."""

    os: tuple[Resolved, ...]
    boss: tuple[Resolved, ...]
    vm: tuple[Resolved, ...]
    refused: tuple[Unresolved, ...]

    @property
    def packages(self) -> tuple[Resolved, ...]:
        """All of it."""
        return (*self.os, *self.boss, *self.vm)


def wanted_packages(recipe: Recipe) -> dict[str, tuple[str, ...]]:
    """Give what a recipe asks to install, by group, as dnf takes it."""
    source = recipe.package.source
    machine = recipe.image_of("vm")
    return {
        "os": recipe.os.packages,
        "boss": source.packages if isinstance(source, RpmSource) else (),
        "vm": machine.packages if machine else (),
    }


def lay_out(contents: Contents, metadata: Mapping[str, Path], folder: Path) -> None:
    """Make `folder` a repository that dnf can read, of the needed parts of its metadata (paths by location)."""
    (folder / "repodata").mkdir()
    for part in contents.parts:
        target = folder / part.location
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(metadata[part.location], target)
    (folder / "repodata" / "repomd.xml").write_bytes(contents.reduced)


def resolve(recipe: Recipe, folders: Mapping[str, Path], toolbox: Toolbox, work: Path) -> Closure:
    """Resolve a recipe's packages from its repositories, laid out in `folders` by name; `work` is an empty folder.

    Raises InputFailure where dnf can not read the metadata, WorkFailure where it fails.
    """
    wanted, repositories = wanted_packages(recipe), asked_repositories(recipe)
    request = _Request(
        architecture=recipe.os.architecture,
        repositories=tuple(
            _Repository(asked.name, f"{GUEST_REPOSITORIES}/{asked.name}", asked.of_os, asked.architectures)
            for asked in repositories
        ),
        os=wanted["os"],
        boss=wanted["boss"],
        vm=wanted["vm"],
        modules=tuple(sorted({stream for asked in repositories for stream in asked.modules})),
    )
    seen = [Folder(folder, f"{GUEST_REPOSITORIES}/{name}") for name, folder in folders.items()]
    return toolbox.run("resolve", request, Closure, work=work, folders=seen, time_limit=RESOLVE_LIMIT)
