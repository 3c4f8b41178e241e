"""The inventory of an OCFL object, typed: what each version holds, and where its bytes lie.

Digests are sha256: the store's blobs have it as their names, so an inventory can be compared with a store by eye.
Source: Oxford Common File Layout Specification 1.1, section 3.5.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec

from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.export.folder import checksums

NAME, SIDECAR = "inventory.json", "inventory.json.sha256"
TYPE = "https://ocfl.io/1.1/spec/#inventory"
ALGORITHM = "sha256"
CONTENT = "content"
VERSION = re.compile(r"v([1-9][0-9]{0,8})")
Paths = dict[str, tuple[str, ...]]
"""Paths by the hexadecimal digest of what they name."""


class User(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who made a version."""

    name: str
    address: str | None = None


class Version(msgspec.Struct, frozen=True, omit_defaults=True):
    """One state of an object; `state` has logical paths."""

    created: str
    state: Paths
    message: str | None = None
    user: User | None = None


class Inventory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """An object; `manifest` and `fixity` have paths below the object's folder."""

    id: str
    type: str = msgspec.field(default_factory=lambda: TYPE)
    digest_algorithm: str = msgspec.field(default_factory=lambda: ALGORITHM)
    head: str
    manifest: Paths
    versions: dict[str, Version]
    fixity: dict[str, Paths] = {}
    content_directory: str = CONTENT

    @property
    def number(self) -> int:
        """Number of the latest version."""
        found = VERSION.fullmatch(self.head)
        return int(found[1]) if found else 0

    @property
    def latest(self) -> Paths:
        """State of the latest version."""
        return self.versions[self.head].state


def sidecar(data: bytes) -> bytes:
    """Give the file that holds an inventory's digest, as `sha256sum --check` reads it."""
    return checksums([(NAME, Digest.of(data).hex)])


def by_digest(digests: Mapping[str, str]) -> Paths:
    """Turn digests by path into paths by digest, both sorted."""
    found: dict[str, list[str]] = {}
    for path in sorted(digests):
        found.setdefault(digests[path], []).append(path)
    return {digest: tuple(found[digest]) for digest in sorted(found)}


def read(folder: Path, identifier: str) -> Inventory:
    """Read the inventory of an object of this name.

    Raises WorkFailure where it is missing or does not match its digest, InputFailure where it is another object, or
    is written in a way that can not be continued here.
    """
    try:
        data = (folder / NAME).read_bytes()
        noted = (folder / SIDECAR).read_bytes()
    except OSError as error:
        raise _damaged(folder, f"{error.filename} can not be read: {error.strerror}") from error
    if noted.split() != sidecar(data).split():
        raise _damaged(folder, f"{NAME} does not have the digest that {SIDECAR} says")
    try:
        inventory = documents.decode(data, Inventory)
    except msgspec.DecodeError as error:
        raise _damaged(folder, f"{NAME} is no inventory: {error}") from error
    problem = _problem(inventory, identifier)
    if problem:
        raise InputFailure(f"no version can be added to {folder}: {problem}", hint="name another storage root")
    return inventory


def _problem(inventory: Inventory, identifier: str) -> str:
    """Say why an inventory can not be continued; nothing where it can."""
    versions = {f"v{number}" for number in range(1, inventory.number + 1)}
    paths = [path for paths in inventory.manifest.values() for path in paths]
    if inventory.id != identifier:
        return f"it is the object {inventory.id!r}"
    if (inventory.type, inventory.digest_algorithm, inventory.content_directory) != (TYPE, ALGORITHM, CONTENT):
        return f"it is not of OCFL 1.1 with {ALGORITHM} and {CONTENT}/"
    if inventory.number == 0 or set(inventory.versions) != versions:
        return "its versions are not v1, v2, ... up to its head"
    odd = next((path for path in paths if not _is_content(path)), None)
    return f"it names {odd!r}, which is no path of a version's content" if odd is not None else ""


def _is_content(path: str) -> bool:
    version, *rest = path.split("/")
    return (
        bool(VERSION.fullmatch(version) and rest[:1] == [CONTENT] and rest[1:] and not {"", ".", ".."} & set(rest))
        and "\0" not in path
    )


def _damaged(folder: Path, what: str) -> WorkFailure:
    return WorkFailure(f"the object {folder} is damaged: {what}", hint="restore it from another copy of the archive")
