"""The head of an OCFL object (OCFL 1.0, 1.1) that holds an OCI image layout."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from builder.audit.copies.layout import Layout, check_layout
from builder.audit.copies.untrusted import Untrue, checked_name, decode, hex_digest, read_small

DECLARATIONS = ("0=ocfl_object_1.1", "0=ocfl_object_1.0")
ALGORITHMS = ("sha512", "sha256")
INVENTORY_LIMIT = 512 << 20
"""Bytes: some millions of files."""


class _Version(msgspec.Struct, frozen=True):
    """One version: logical paths by digest."""

    state: dict[str, list[str]]


class _Inventory(msgspec.Struct, frozen=True, rename="camel"):
    """As much of inventory.json as is used here."""

    head: str
    digest_algorithm: str
    versions: dict[str, _Version]
    manifest: dict[str, list[str]]


class _Object(Layout):
    """A layout whose files lie where the inventory says."""

    def __init__(self, top: Path, name: str, places: dict[str, str]) -> None:
        super().__init__(top, name)
        self._places = places

    def place(self, relative: str) -> Path | None:
        """Where the head has a file of the layout; None where it has none."""
        content = self._places.get(relative)
        return self.top / content if content is not None else None


def open_object(folder: Path, name: str = "") -> Layout:
    """Read an inventory, checked against its sidecar, and give the layout in the head. Raises Untrue."""
    called = name or str(folder)
    try:
        data = read_small(folder / "inventory.json", INVENTORY_LIMIT)
    except FileNotFoundError:
        raise Untrue(f"{called} has no inventory.json") from None
    inventory = decode(data, _Inventory, f"inventory.json of {called}")
    if inventory.digest_algorithm not in ALGORITHMS:
        raise Untrue(f"{called} has digests of {inventory.digest_algorithm!r}", hint="sha512 or sha256 are known")
    _check_sidecar(folder, data, inventory.digest_algorithm, called)
    logical = _logical(inventory, called)
    tops = [path.removesuffix("oci-layout") for path in logical if path.rpartition("/")[2] == "oci-layout"]
    if len(tops) != 1:
        raise Untrue(f"{called} holds {len(tops)} OCI image layouts, not one")
    for path in ("oci-layout", "index.json"):
        _check_content(folder, *logical.get(tops[0] + path, ("", path)), inventory.digest_algorithm, called)
    places = {path.removeprefix(tops[0]): place for path, (_, place) in logical.items() if path.startswith(tops[0])}
    for parent in {parent for place in places.values() for parent in Path(place).parents[:-1]}:
        if (folder / parent).is_symlink():
            raise Untrue(f"{parent} of {called} is a link")
    return check_layout(_Object(folder, called, places))


def _logical(inventory: _Inventory, called: str) -> dict[str, tuple[str, str]]:
    """Give digest and content path of every logical path of the head. Raises Untrue."""
    version = inventory.versions.get(inventory.head)
    if version is None:
        raise Untrue(f"{called} has no version {inventory.head!r}, its head")
    content = {digest.lower(): paths for digest, paths in inventory.manifest.items()}
    logical: dict[str, tuple[str, str]] = {}
    for digest, paths in version.state.items():
        stored = content.get(digest.lower())
        if not stored:
            raise Untrue(f"{called} has a digest in its head that its manifest has not: {digest[:80]!r}")
        for path in paths:
            if path in logical:
                raise Untrue(f"{called} names {path!r} twice")
            logical[checked_name(path)] = (digest.lower(), checked_name(stored[0]))
    return logical


def _check_sidecar(folder: Path, data: bytes, algorithm: str, called: str) -> None:
    try:
        sidecar = read_small(folder / f"inventory.json.{algorithm}", 4096).split()
    except FileNotFoundError:
        raise Untrue(f"{called} has no inventory.json.{algorithm}") from None
    found = hashlib.new(algorithm, data).hexdigest().encode("ascii")
    if sidecar[:1] != [found]:
        raise Untrue(f"inventory.json of {called} is damaged: its {algorithm} is {found.decode('ascii')}")


def _check_content(folder: Path, digest: str, place: str, algorithm: str, called: str) -> None:
    try:
        found = hex_digest(folder / place, algorithm)
    except FileNotFoundError:
        raise Untrue(f"{place} is missing from {called}") from None
    if found != digest:
        raise Untrue(f"{place} is damaged in {called}: its {algorithm} is {found}")
