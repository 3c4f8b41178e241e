"""A copy in a folder: an OCI image layout, as a store is one."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from builder.audit.copies.untrusted import Untrue, checked_digest, decode, open_regular, pieces_of, read_small
from builder.store import oci


class Layout:
    """An OCI image layout in a folder."""

    def __init__(self, top: Path, name: str = "") -> None:
        """Read the layout in `top`; people know it as `name`, by default its path."""
        self.top = top
        self._name = name or str(top)

    @property
    def name(self) -> str:
        """What people call it."""
        return self._name

    def place(self, relative: str) -> Path | None:
        """Where a file of the layout lies; None where there is none."""
        return self.top / relative

    def index_bytes(self) -> bytes:
        """Give `index.json`. Raises Untrue where there is none."""
        path = self.place("index.json")
        try:
            if path is not None:
                return read_small(path)
        except FileNotFoundError:
            pass
        raise Untrue(f"{self.name} has no index.json", hint="name a store, a layout, a bag or an OCFL object")

    def size(self, digest: str) -> int | None:
        """Size of a blob in bytes; None where it is no ordinary file."""
        path = self._blob(digest)
        try:
            found = path.lstat() if path else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Untrue(f"{path} can not be read: {error.strerror}") from error
        return found.st_size if found is not None and stat.S_ISREG(found.st_mode) else None

    @contextmanager
    def pieces(self, digest: str, limit: int) -> Iterator[Iterator[bytes]]:
        """Open a blob. Raises Untrue where it is missing, no ordinary file, or longer than the limit."""
        path = self._blob(digest)
        size = self.size(digest)
        if path is None or size is None:
            raise Untrue(f"{digest} is missing from {self.name}")
        if size > limit:
            raise Untrue(f"{digest} has {size} bytes in {self.name}, and should have no more than {limit}")
        try:
            with open_regular(path) as stream:
                yield pieces_of(stream, str(path))
        except FileNotFoundError:
            raise Untrue(f"{digest} is missing from {self.name}") from None

    def _blob(self, digest: str) -> Path | None:
        return self.place(f"blobs/sha256/{checked_digest(digest).removeprefix('sha256:')}")


def check_layout(layout: Layout) -> Layout:
    """Give a stranger's layout back where it is one. Raises Untrue for another version, or folders that are links."""
    path = layout.place("oci-layout")
    try:
        data = read_small(path) if path is not None else b""
    except FileNotFoundError:
        data = b""
    if not data:
        raise Untrue(f"{layout.name} has no oci-layout", hint="name a store, a layout, a bag or an OCFL object")
    version = decode(data, dict[str, object], f"oci-layout of {layout.name}").get("imageLayoutVersion")
    if version != oci.LAYOUT_VERSION:
        raise Untrue(f"{layout.name} is an OCI image layout of version {version!r}, not {oci.LAYOUT_VERSION}")
    for folder in (layout.top / "blobs", layout.top / "blobs" / "sha256"):
        if folder.is_symlink():
            raise Untrue(f"{folder} is a link")
    return layout
