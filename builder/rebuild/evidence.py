"""What proves a finding: blobs of the store, each with a name, that the run's artifact will name."""

from __future__ import annotations

from pathlib import Path

from builder.store import oci
from builder.store.store import Store


class Shelf:
    """Evidence of one run, gathered while it goes on."""

    def __init__(self, store: Store) -> None:
        """Keep evidence in `store`."""
        self._store = store
        self._kept: dict[str, oci.Descriptor] = {}

    def keep(self, name: str, content: bytes | Path, media_type: str = "text/plain") -> str:
        """Store some evidence; gives its digest. `name` is a file's name for people, unique in a run."""
        if isinstance(content, Path):
            digest, size = self._store.put_copy(content)
        else:
            digest, size = self._store.put(content), len(content)
        title = {oci.TITLE: name}
        self._kept[name] = oci.Descriptor(media_type=media_type, digest=str(digest), size=size, annotations=title)
        return str(digest)

    @property
    def kept(self) -> tuple[oci.Descriptor, ...]:
        """All of it, by name."""
        return tuple(self._kept[name] for name in sorted(self._kept))
