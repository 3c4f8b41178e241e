"""The folder that an export becomes: it appears whole or not at all, and holds nothing of this machine.

Every file has a fixed mode and the release's time, and is listed with its sha256 and md5.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from builder.core.archives import extract
from builder.core.digest import CHUNK
from builder.core.errors import InputFailure, WorkFailure
from builder.core.files import is_full, remove_abandoned, sync_directory
from builder.core.progress import amount_text
from builder.inside.canonical import Sink

FILE_MODE, PROGRAM_MODE, FOLDER_MODE = 0o644, 0o755, 0o755
SHA256SUMS, MD5SUMS = "SHA256SUMS", "MD5SUMS"
ESCAPED = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r"})
SPARE = 16 << 20
"""Room for folders, file names and rendered texts, in bytes."""


class _Summing:
    """Takes both digests of what is written, and gives it on where there is somebody to give it to."""

    def __init__(self, stream: IO[bytes] | None = None) -> None:
        self._stream = stream
        self._digests = hashlib.sha256(), hashlib.md5(usedforsecurity=False)

    def write(self, data: bytes, /) -> int:
        for digest in self._digests:
            digest.update(data)
        return self._stream.write(data) if self._stream is not None else len(data)

    def sums(self) -> tuple[str, str]:
        sha256, md5 = self._digests
        return sha256.hexdigest(), md5.hexdigest()


def copy(source: IO[bytes], sink: Sink) -> None:
    """Write what is left in a stream."""
    while piece := source.read(CHUNK):
        sink.write(piece)


class GrowingFolder:
    """A folder under work, below which files are written; paths are relative, with slashes.

    `epoch` is the modification time of everything in it, in seconds since 1970.
    """

    def __init__(self, path: Path, epoch: int) -> None:
        """Write below `path`, an empty folder."""
        self.path = path
        self.epoch = epoch
        self._sums: dict[str, tuple[str, str]] = {}

    def place(self, name: str) -> Path:
        """Give the path of a new file, its folder made. Raises InputFailure for a name that leads out of the export."""
        parts = PurePosixPath(name).parts
        if not parts or ".." in parts or name.startswith("/") or "\0" in name:
            raise InputFailure(
                f"the name {name!r} leads out of the export", hint="make the lock anew: boss-builder freeze RELEASE"
            )
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    @contextmanager
    def file(self, name: str, mode: int = FILE_MODE) -> Iterator[Sink]:
        """Give what takes the content of a new file."""
        with self.place(name).open("xb") as stream:
            sink = _Summing(stream)
            yield sink
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        self._sums[name] = sink.sums()

    def write(self, name: str, data: bytes, mode: int = FILE_MODE) -> None:
        """Write a small file."""
        with self.file(name, mode) as sink:
            sink.write(data)

    def write_text(self, name: str, text: str, mode: int = FILE_MODE) -> None:
        """Write a text as UTF-8."""
        self.write(name, text.encode(), mode)

    def copy(self, name: str, source: IO[bytes], mode: int = FILE_MODE) -> None:
        """Write a file with what is left in a stream, which is closed."""
        with source, self.file(name, mode) as sink:
            copy(source, sink)

    def unpack(self, name: str, archive: IO[bytes]) -> None:
        """Unpack a canonical tar as a folder; one that links out of itself is kept as `NAME.tar`. Closes the stream."""
        target = self.place(name)
        target.mkdir()
        with tempfile.TemporaryFile(dir=self.path) as held:
            with archive:
                copy(archive, held)
            held.seek(0)
            try:
                with tarfile.open(fileobj=held) as opened:
                    extract(opened, target)
            except ValueError:
                shutil.rmtree(target)
                held.seek(0)
                with self.file(f"{name}.tar") as sink:
                    copy(held, sink)
                return
        self.adopt(name)

    def adopt(self, name: str) -> None:
        """Take files that were written below the folder `name` by other means: settle their modes, list them."""
        for path in sorted((self.path / name).rglob("*")):
            if path.is_symlink() or path.is_dir():
                continue
            path.chmod(PROGRAM_MODE if path.stat().st_mode & 0o100 else FILE_MODE)
            with path.open("rb") as stream:
                sink = _Summing()
                copy(stream, sink)
                os.fsync(stream.fileno())
            self._sums[path.relative_to(self.path).as_posix()] = sink.sums()

    def names(self) -> list[str]:
        """Names of the files written so far, sorted by their bytes."""
        return sorted(self._sums, key=os.fsencode)

    def finish(self) -> None:
        """Write the lists of checksums, and settle times and folders."""
        listed = {SHA256SUMS: checksums((n, self._sums[n][0]) for n in self.names())}
        listed[MD5SUMS] = checksums((n, self._sums[n][1]) for n in self.names())
        for name, data in listed.items():
            self.write(name, data)
        for path in sorted(self.path.rglob("*"), reverse=True):  # what lies in a folder before the folder
            if path.is_dir() and not path.is_symlink():
                path.chmod(FOLDER_MODE)
                sync_directory(path)
            os.utime(path, (self.epoch, self.epoch), follow_symlinks=False)
        self.path.chmod(FOLDER_MODE)
        os.utime(self.path, (self.epoch, self.epoch))
        sync_directory(self.path)


def checksums(listed: Iterable[tuple[str, str]]) -> bytes:
    """Spell names and digests as `sha256sum` and `md5sum` do (GNU coreutils manual, "md5sum invocation")."""
    return b"".join(_line(name, digest) for name, digest in listed)


def _line(name: str, digest: str) -> bytes:
    escaped = name.translate(ESCAPED)
    mark = "\\" if escaped != name else ""
    return os.fsencode(f"{mark}{digest}  {escaped}\n")


@contextmanager
def new_folder(target: Path, epoch: int, *, size: int) -> Iterator[GrowingFolder]:
    """Give a folder that grows beside `target` and becomes it when the block ends well; else nothing is left.

    What a killed process left there is removed by the next one: a living owner holds a lock on its folder. `size` is
    about how many bytes it will hold. Raises InputFailure where `target` is there and not an empty folder, WorkFailure
    where it can not be written, or the room does not suffice.
    """
    place = Path(os.path.abspath(target))  # noqa: PTH100 - `..` goes, links stay
    _check_target(place)
    made = _make_parents(place.parent)
    done = False
    try:
        _check_room(place.parent, size)
        _sweep(place)
        growing = Path(tempfile.mkdtemp(dir=place.parent, prefix=_prefix(place)))
        descriptor = os.open(growing, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            folder = GrowingFolder(growing, epoch)
            yield folder
            folder.finish()
            growing.rename(place)
            done = True
        finally:
            shutil.rmtree(growing, ignore_errors=True)
            os.close(descriptor)
        sync_directory(place.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        for parent in () if done else reversed(made):
            with contextlib.suppress(OSError):  # somebody else has put something there
                parent.rmdir()


def _prefix(target: Path) -> str:
    return f".{target.name}.export-"


def _sweep(target: Path) -> None:
    """Remove what killed exports of this name left."""
    remove_abandoned(target.parent.glob(f"{glob.escape(_prefix(target))}*"))


def _check_target(target: Path) -> None:
    try:
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise InputFailure(f"{target} is not a folder", hint="name a new folder")
        if target.exists() and any(target.iterdir()):
            raise InputFailure(f"{target} is not empty", hint="name a new folder")
    except OSError as error:
        raise _unwritable(target, error) from error


def _make_parents(folder: Path) -> list[Path]:
    """Make a folder and those above it; give those that are new, the uppermost first."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()][::-1]
    made: list[Path] = []
    try:
        for path in missing:
            path.mkdir()
            made.append(path)
    except OSError as error:
        for path in reversed(made):
            path.rmdir()
        raise _unwritable(folder, error) from error
    return made


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size + SPARE > free:
        raise WorkFailure(
            f"the export needs {amount_text(size + SPARE)}, and {folder} has room for {amount_text(free)}",
            hint="name a folder on another file system, or choose fewer images: --image",
        )


def _unwritable(target: Path, error: OSError) -> WorkFailure:
    hint = "make room, or name a folder on another file system" if is_full(error) else "name another folder"
    return WorkFailure(f"the export {target} can not be written: {error.strerror}", hint=hint)
