"""What a freeze has fetched and not yet stored: the store changes only once everything is there and checked."""

from __future__ import annotations

from pathlib import Path

from builder.core.digest import digest_file
from builder.freeze.download import Downloader, Wanted
from builder.lock.model import Blob
from builder.store.store import Store


class Staging:
    """Files that wait for the end of a freeze."""

    def __init__(self, store: Store, workspace: Path) -> None:
        """Work in `workspace`, a folder on the store's file system."""
        self._store = store
        self._workspace = workspace
        self._folders = 0
        self._files: dict[str, Path] = {}

    def folder(self, purpose: str) -> Path:
        """Give a new, empty folder."""
        self._folders += 1
        folder = self._workspace / f"{self._folders:03}-{purpose}"
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        return folder

    def holds(self, wanted: Wanted) -> bool:
        """Whether the store has a file already, so that it need not be fetched."""
        checksum = wanted.checksum
        return (
            checksum is not None
            and checksum.algorithm == "sha256"
            and self._store.has("sha256:" + checksum.value.lower(), wanted.size)
        )

    def has(self, blob: Blob) -> bool:
        """Whether the store has a blob of a lock."""
        return self._store.has(blob.digest, blob.size)

    def path(self, wanted: Wanted, downloader: Downloader) -> Path:
        """Where a file lies: in the store, or where it was fetched to."""
        if self.holds(wanted) and wanted.checksum is not None:
            return self._store.blob_path("sha256:" + wanted.checksum.value.lower())
        return downloader.path(wanted)

    def stage(self, path: Path) -> Blob:
        """Note a file for storing; gives what the lock says of it."""
        digest, size = digest_file(path)
        self._files[digest] = path
        return Blob(digest=digest, size=size)

    def commit(self) -> None:
        """Put everything into the store: what lies on its file system by a rename, the rest as a copy."""
        for digest, path in self._files.items():
            if path == self._store.blob_path(digest):
                continue
            if path.is_relative_to(self._store.path):
                self._store.put_file(path, digest)
            else:
                self._store.put_copy(path, digest)
