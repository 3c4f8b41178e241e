"""Blobs and references on disk: written whole, named by their sha256, never changed."""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from builder.core import documents
from builder.core.digest import CHUNK, Digest, digest_stream
from builder.core.errors import HostFailure, InputFailure, Problem, WorkFailure
from builder.core.files import is_full, remove_abandoned, remove_unfinished, sync_directory, write_atomically
from builder.store import oci

BLOB_MODE = 0o444
T = TypeVar("T")


def _held_folder(folder: Path) -> int:
    """Make a folder, and hold a lock on it by the descriptor that is given back."""
    folder.mkdir(mode=0o755)
    try:
        folder.chmod(0o755)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    except BaseException:
        os.close(descriptor)
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return descriptor


class Store:
    """An OCI image layout in a folder.

    Besides the layout's own files the folder holds `tmp/` (work under way) and `.lock`. Blobs appear by rename and
    are read-only; the index changes under a lock, so several processes may use one store.
    """

    def __init__(self, path: Path) -> None:
        """Use the store at `path`; nothing is written until something is stored."""
        self.path = path
        self._blobs = path / "blobs" / "sha256"
        self._index = path / "index.json"
        self._layout = path / "oci-layout"
        self._temporary = path / "tmp"

    # -- the folder ---------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the folder a store if it is not one yet. Raises HostFailure where it can not be written."""
        try:
            self._blobs.mkdir(parents=True, exist_ok=True)
            self._temporary.mkdir(exist_ok=True)
            if not (self._layout.exists() and self._index.exists()):
                self._begin()
        except OSError as error:
            if is_full(error):
                raise
            raise HostFailure(
                f"the store {self.path} can not be written: {error.strerror}",
                hint="name another folder with --store, or make this one writable",
            ) from error

    def _begin(self) -> None:
        """Write the files of an empty store, after the folders that they stand for are on the disk."""
        with self.locked():
            for folder in (self._blobs.parent, self.path):
                sync_directory(folder)
            with suppress(PermissionError):  # a folder of somebody else, who lets nobody list it
                sync_directory(self.path.parent)
            if not self._layout.exists():
                write_atomically(self._layout, documents.compact({"imageLayoutVersion": oci.LAYOUT_VERSION}))
            if not self._index.exists():
                write_atomically(self._index, documents.readable(oci.Index()))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock under which the index changes, and garbage is removed. The folder is a store already."""
        with (self.path / ".lock").open("ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    @contextmanager
    def workspace(self, purpose: str) -> Iterator[Path]:
        """Give an empty folder on the store's file system, removed at the end.

        What a killed process left behind is removed by the next one: a living owner holds a lock on its folder.
        """
        self.create()
        folder = self._temporary / f"{purpose}-{secrets.token_hex(6)}"
        with self.locked():  # nobody may take the folder for an abandoned one before its lock is held
            self._sweep()
            descriptor = _held_folder(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(descriptor)

    def _sweep(self) -> None:
        """Remove what killed processes left: their folders, files that were to be the index. The lock is held."""
        remove_abandoned(path for path in self._temporary.iterdir() if not path.name.startswith("keep-"))
        for target in (self._layout, self._index):  # both are written under the lock alone
            remove_unfinished(target)

    def kept_folder(self, name: str) -> Path:
        """Give a folder for partial downloads that outlives a killed process (and is no part of the archive)."""
        self.create()
        folder = self._temporary / f"keep-{name}"
        folder.mkdir(exist_ok=True)
        return folder

    @contextmanager
    def exclusively(self, hex_digits: str) -> Iterator[None]:
        """Hold a lock among all processes that use this store; `hex_digits` name what it is about.

        There are 256 locks: two things may share one, and then wait for each other.
        """
        with (self.kept_folder("locks") / hex_digits[:2]).open("ab") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield

    # -- blobs --------------------------------------------------------------------------------------------------

    def blob_path(self, digest: str) -> Path:
        """Where a blob lies, whether or not it is there."""
        return self._blobs / Digest(digest).hex

    def has(self, digest: str, size: int | None = None) -> bool:
        """Whether a blob is there and, where a size in bytes is given, has it."""
        try:
            found = os.stat(f"{self._blobs}/{Digest(digest).hex}").st_size  # noqa: PTH116 - thousands are looked for
        except FileNotFoundError:
            return False
        return size is None or found == size

    def checked_path(self, digest: str) -> Path:
        """Path of a blob whose bytes were just compared with its digest.

        Raises WorkFailure where it is missing or damaged.
        """
        with self.open(digest) as stream:
            found, _ = digest_stream(stream)
        if found != digest:
            raise self._damaged(digest)
        return self.blob_path(digest)

    def _damaged(self, digest: str) -> WorkFailure:
        return WorkFailure(
            f"the blob {digest} is damaged in the store {self.path}",
            hint="boss-builder verify tells what else is; remove it, and boss-builder freeze fetches an input again",
        )

    def read(self, digest: str) -> bytes:
        """Bytes of a small blob, checked against its digest. Raises WorkFailure where it is missing or damaged."""
        with self.open(digest) as stream:
            data = stream.read()
        if Digest.of(data) != digest:
            raise self._damaged(digest)
        return data

    @contextmanager
    def open(self, digest: str) -> Iterator[BinaryIO]:
        """Open a blob for reading. Raises WorkFailure where it is missing."""
        try:
            stream = self.blob_path(digest).open("rb")
        except FileNotFoundError:
            raise WorkFailure(
                f"the blob {digest} is missing from the store {self.path}",
                hint="boss-builder freeze fetches a missing input, boss-builder build makes a missing image",
            ) from None
        with stream:
            yield stream

    def put(self, data: bytes) -> Digest:
        """Store some bytes; a blob of this name that is damaged, or can not be read, is replaced."""
        digest = Digest.of(data)
        if not self._gives(digest, data):
            with self.workspace("put") as folder:
                temporary = folder / digest.hex
                with temporary.open("xb") as stream:
                    stream.write(data)
                self._adopt(temporary, digest)
        return digest

    def _gives(self, digest: str, data: bytes) -> bool:
        """Whether a blob is there and can be read, and these are its bytes."""
        try:
            return self.has(digest, len(data)) and self.blob_path(digest).read_bytes() == data
        except OSError:
            return False

    def put_file(self, path: Path, expected: str | None = None) -> tuple[Digest, int]:
        """Move a file of a `workspace` (or kept folder) of this store into it; its digest is taken on the way.

        It takes the place of a blob of the same name, whose bytes may have suffered since.

        Returns digest and size in bytes. Raises WorkFailure where the digest is not the `expected` one; the file
        stays where it is then.
        """
        with path.open("rb") as stream:
            digest, size = digest_stream(stream)
        if expected is not None and digest != expected:
            raise WorkFailure(f"{path.name} has the digest {digest}, expected {expected}")
        self._adopt(path, digest)
        return digest, size

    def put_copy(self, path: Path, expected: str | None = None) -> tuple[Digest, int]:
        """Store a copy of a file that lies anywhere; returns digest and size in bytes. Raises as `put_file`."""
        with self.workspace("copy") as folder:
            copy = folder / "copy"
            with path.open("rb") as source, copy.open("xb") as target:
                shutil.copyfileobj(source, target, CHUNK)
            return self.put_file(copy, expected)

    def _adopt(self, path: Path, digest: Digest) -> None:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fchmod(descriptor, BLOB_MODE)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        path.rename(self._blobs / digest.hex)
        sync_directory(self._blobs)

    # -- manifests and references -------------------------------------------------------------------------------

    def put_manifest(
        self, manifest: oci.Manifest, reference: str, annotations: dict[str, str] | None = None
    ) -> oci.Descriptor:
        """Store a manifest and point `reference` at it; returns its descriptor as the index holds it.

        Every blob that it names must be in the store already (WorkFailure otherwise), so that whatever the index
        reaches is complete at every moment.
        """
        data = documents.compact(manifest)
        descriptor = oci.Descriptor(
            media_type=oci.MANIFEST,
            digest=self.put(data),
            size=len(data),
            artifact_type=manifest.artifact_type,
            annotations={**(annotations or {}), oci.REF_NAME: reference},
        )

        def edit(kept: tuple[oci.Descriptor, ...]) -> tuple[oci.Descriptor, ...]:
            # here, where the lock is held: what nothing refers to may be removed until it is
            for blob in (manifest.config, *manifest.layers):
                if not self.has(blob.digest, blob.size):
                    raise WorkFailure(f"{reference} names the blob {blob.digest}, which the store does not hold")
            others = (d for d in kept if d.annotations.get(oci.REF_NAME) != reference)
            return tuple(sorted((*others, descriptor), key=lambda d: d.annotations.get(oci.REF_NAME, d.digest)))

        self.edit_index(edit)
        return descriptor

    def put_empty_config(self) -> oci.Descriptor:
        """Store the empty configuration that artifacts have, and describe it."""
        return oci.Descriptor(media_type=oci.EMPTY, digest=self.put(oci.EMPTY_DATA), size=len(oci.EMPTY_DATA))

    def remove_reference(self, reference: str) -> None:
        """Take a reference out of the index; blobs stay."""
        self.edit_index(lambda kept: tuple(d for d in kept if d.annotations.get(oci.REF_NAME) != reference))

    def edit_index(self, edit: Callable[[tuple[oci.Descriptor, ...]], tuple[oci.Descriptor, ...]]) -> bool:
        """Change the references under the lock: `edit` is given what there is, and gives what there is to be.

        Tells whether that was a change. Whatever `edit` raises leaves the index as it is.
        """
        self.create()
        with self.locked():
            self._sweep()
            before = self.index()
            after = edit(before.manifests)
            if after == before.manifests:
                sync_directory(self.path)  # whoever wrote it may have been killed before it was on the disk
                return False
            self.write_index(documents.readable(oci.Index(manifests=after, annotations=before.annotations)))
            return True

    def write_index(self, data: bytes) -> None:
        """Replace the index, whole, while the lock is held (`locked`); first all blobs are on the disk by name.

        A blob that was there already may be another writer's, who was killed between its rename and its sync.
        """
        sync_directory(self._blobs)
        write_atomically(self._index, data)

    def index(self) -> oci.Index:
        """What the store holds. An absent store is an empty one; a damaged index is an InputFailure."""
        try:
            data = self._index.read_bytes()
        except FileNotFoundError:
            return oci.Index()
        try:
            return documents.decode(data, oci.Index)
        except msgspec.DecodeError as error:
            raise InputFailure(
                Problem(f"{self._index} is not an OCI index: {error}", hint="restore it from a copy of the store")
            ) from error

    def references(self, prefix: str = "") -> dict[str, oci.Descriptor]:
        """All references that begin with `prefix`, by name."""
        named = ((d.annotations.get(oci.REF_NAME, ""), d) for d in self.index().manifests)
        return {name: descriptor for name, descriptor in named if name and name.startswith(prefix)}

    def find(self, reference: str) -> oci.Descriptor | None:
        """Descriptor of a reference, or None."""
        return self.references(reference).get(reference)

    def manifest(self, descriptor: oci.Descriptor) -> oci.Manifest:
        """Read a manifest. Raises WorkFailure where it is missing or damaged."""
        return self.document(descriptor, oci.Manifest)

    def document(self, descriptor: oci.Descriptor, kind: type[T]) -> T:
        """Read a JSON blob into a typed value. Raises WorkFailure where it is missing, damaged or of another shape."""
        try:
            return documents.decode(self.read(descriptor.digest), kind)
        except msgspec.DecodeError as error:
            raise WorkFailure(f"the blob {descriptor.digest} is not what it should be: {error}") from error
