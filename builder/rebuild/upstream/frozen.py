"""Read what was frozen, where today's is compared with it; what the store lacks is a finding, not an end."""

from __future__ import annotations

from builder.core.digest import Digest
from builder.freeze.download import ALGORITHMS, Checksum
from builder.lock.model import Blob, RpmPackage
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.packages import about_package
from builder.store.store import Store

SHA256 = "sha256"


class Frozen:
    """The store, as far as it is needed here."""

    def __init__(self, store: Store, notes: Notes) -> None:
        """Read `store`, and note what it lacks."""
        self._store = store
        self._notes = notes

    def has(self, blob: Blob | None) -> bool:
        """Whether the store has a blob, as far as its length tells."""
        return blob is not None and self._store.has(blob.digest, blob.size)

    def read(self, blob: Blob, about: str) -> bytes | None:
        """Give the bytes of a small blob, or None and a finding about it."""
        if not self.has(blob):
            self.lacks(blob, about)
            return None
        data = self._store.blob_path(blob.digest).read_bytes()
        if Digest.of(data) != blob.digest:
            self._notes.add(Cause.BLOB_CORRUPT, about, f"the store has other bytes under {blob.digest}")
            return None
        return data

    def lacks(self, blob: Blob, about: str) -> None:
        """Note that a blob is missing, so that something of it could not be judged."""
        self._notes.add(
            Cause.BLOB_MISSING, about, f"the store lacks {blob.digest}: not everything of it could be judged"
        )

    def matches(self, package: RpmPackage, checksum: Checksum) -> bool:
        """Whether a checksum is that of a package as it was frozen, whatever algorithm the metadata uses today."""
        if checksum.algorithm == SHA256:
            return package.blob.digest == f"sha256:{checksum.value.lower()}"
        if checksum.algorithm not in ALGORITHMS:
            return False
        if not self.has(package.blob):
            self.lacks(package.blob, about_package(package))
            return True
        return checksum.matches(self._store.blob_path(package.blob.digest))
