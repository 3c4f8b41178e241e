"""What a release needs of a host: known from its lock where there is one, else from the family of its system."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field

import msgspec

from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import WorkFailure
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.recipe.epoch import release_epoch
from builder.recipe.generation import generation
from builder.recipe.model import Recipe
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION, SHAPES, Shape, reference
from builder.store.store import Store
from builder.toolbox.image import reference as builder_reference

Version = tuple[int, ...]
GLIBC: dict[int, Version] = {4: (2, 3), 5: (2, 5), 6: (2, 12), 7: (2, 17), 8: (2, 28), 9: (2, 34), 10: (2, 39)}
SYSTEMD: dict[int, Version] = {7: (219,), 8: (239,), 9: (252,), 10: (257,)}
"""What each Enterprise Linux came with; 4 to 6 have no systemd."""
GLIBC_PACKAGES = ("glibc", "libc6")
VSYSCALL_BEFORE: Version = (2, 14)
"""glibc called the page [vsyscall] for time() until this version; statically linked programs do so until 2.31."""
SHA1_UNTIL = 6
"""The last Enterprise Linux whose packages have digests by MD5 and SHA-1 alone."""

# Shares of the bytes of a lock's inputs, measured on miniboss-1.0.0 and rounded up: see docs/commands/doctor.md
IMAGE_SHARE = 1.2
"""What one image adds to the store."""
SCRATCH_SHARE = 8.0
"""What lies in the store's folder for a while, where memory has no room for it: a root, unpacked and packed."""
ENGINE_SHARE = 8.0
"""What the engine keeps while stages are built upon each other."""
LOADED_SHARE = 4.0
"""What the engine keeps of a loaded image, as a multiple of its layers."""


@dataclass(frozen=True)
class System:
    """The operating system of a release: what is known of it, and from where."""

    title: str
    enterprise_linux: int | None = None
    """5, 6, 7...; None where it is another system."""
    glibc: Version | None = None
    systemd: Version | None = None

    @property
    def calls_vsyscall(self) -> bool | None:
        """Whether its programs die where the kernel has vsyscall=none; None where that is not known."""
        return None if self.glibc is None else self.glibc < VSYSCALL_BEFORE


@dataclass(frozen=True)
class Stored:
    """What the store has of a release. Sizes are in bytes."""

    built: frozenset[Shape] = frozenset()
    """Shapes that can be started."""
    current: frozenset[Shape] = frozenset()
    """Those of them that were built from the lock."""
    missing_inputs: int = 0
    layers: int = 0
    """Of the OCI image, as they are stored."""
    builder_image: bool = False


@dataclass(frozen=True)
class Needs:
    """What a release needs."""

    release: str
    system: System
    shapes: tuple[Shape, ...]
    """Those that its recipe asks for."""
    epoch: int
    """The release's date, in seconds since 1970."""
    memory: int = 0
    """Bytes that its virtual machine has; 0 where it asks for none."""
    inputs: int | None = None
    """Bytes of all inputs; None where it is not frozen."""
    stored: Stored = field(default_factory=Stored)

    def to_build(self, asked: Collection[Shape] | None = None) -> tuple[Shape, ...]:
        """Give the shapes that a build makes: of those asked for, by default all, those that are not there."""
        wanted = self.shapes if asked is None else ("oci", *asked)
        return tuple(s for s in self.shapes if s in wanted and s not in self.stored.current)

    def store_space(self, asked: Collection[Shape] | None = None) -> int | None:
        """Bytes that the store's folder needs for a build; None where they are not known."""
        shapes = self.to_build(asked)
        if self.inputs is None or not shapes:
            return None if shapes else 0
        return self.stored.missing_inputs + int((IMAGE_SHARE * len(shapes) + SCRATCH_SHARE) * self.inputs)

    def engine_space(self, asked: Collection[Shape] | None = None) -> int | None:
        """Bytes that the engine's folder needs for a build; None where they are not known."""
        shapes = self.to_build(asked)
        if self.inputs is None or not shapes:
            return None if shapes else 0
        return int(ENGINE_SHARE * self.inputs)

    @property
    def loaded_space(self) -> int:
        """Bytes that the engine's folder needs to start the OCI image; 0 where it is not built."""
        return int(LOADED_SHARE * self.stored.layers)


def system_of(recipe: Recipe, lock: Lock | None) -> System:
    """Say what is known of a release's system: of the lock's packages first, then of the family.

    A system that only stands in for another one is not what its family says.
    """
    number = None if recipe.os.stands_in_for else generation(recipe.os)
    locked = {package.name: package.version for package in lock.packages()} if lock else {}
    glibc = next((version_of(locked[name]) for name in GLIBC_PACKAGES if name in locked), None)
    systemd = version_of(locked["systemd"]) if "systemd" in locked else None
    if number is not None:
        glibc = glibc or GLIBC.get(number)
        systemd = systemd or (None if lock else SYSTEMD.get(number))
    known = [f"glibc {'.'.join(map(str, glibc))}"] if glibc else []
    known += [f"systemd {systemd[0]}"] if systemd else []
    return System(", ".join((f"{recipe.os.family} {recipe.os.version}", *known)), number, glibc, systemd)


def version_of(text: str) -> Version | None:
    """Read the numbers that a version begins with: (2, 12) of `2.12`; None where it begins with none."""
    found = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else None


def needs_of(recipe: Recipe, lock: Lock | None, store: Store) -> Needs:
    """Say what a release needs on top of what the store has of it. Raises WorkFailure for a damaged manifest.

    Of a release that is built and has no lock beside its recipe, the lock that the image names tells the system.
    """
    machine = recipe.image_of("vm")
    image = store.find(reference(recipe.full_name, "oci")) if lock is None else None
    in_image = system_in_image(store, image) if image and store.has(image.digest, image.size) else None
    blobs = {blob.digest: blob.size for blob in lock.blobs().values()} if lock else {}
    return Needs(
        release=recipe.full_name,
        system=in_image or system_of(recipe, lock),
        shapes=recipe.shapes,
        epoch=release_epoch(recipe),
        memory=machine.memory_bytes if machine else 0,
        inputs=sum(blobs.values()) if lock else None,
        stored=stored_of(recipe.full_name, lock, store),
    )


def stored_of(release: str, lock: Lock | None, store: Store) -> Stored:
    """Look what the store has of a release. Raises WorkFailure for a damaged manifest."""
    images = {shape: store.find(reference(release, shape)) for shape in SHAPES}
    manifests = {
        shape: store.manifest(image) for shape, image in images.items() if image and store.has(image.digest, image.size)
    }
    own = Digest.of(lock_file.encode(lock)) if lock else ""
    inputs = {blob.digest: blob.size for blob in lock.blobs().values()} if lock else {}
    return Stored(
        built=frozenset(manifests),
        current=frozenset(shape for shape, found in manifests.items() if found.annotations.get(LOCK_ANNOTATION) == own),
        missing_inputs=sum(size for digest, size in inputs.items() if not store.has(digest, size)),
        layers=sum(layer.size for layer in manifests["oci"].layers) if "oci" in manifests else 0,
        builder_image=store.find(builder_reference()) is not None
        or (lock is not None and store.has(lock.builder_image.digest)),
    )


def system_in_image(store: Store, image: oci.Descriptor) -> System | None:
    """Say what is known of the system in an image, by the lock that it names; None where not all of it is there."""
    try:
        digest = store.manifest(image).annotations.get(LOCK_ANNOTATION, "")
        lock = documents.decode(store.read(digest), Lock) if digest and store.has(digest) else None
    except (WorkFailure, msgspec.DecodeError):
        return None
    return system_of(lock.recipe, lock) if lock else None
