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
from copy import copy as copy_of
from pathlib import Path, PurePosixPath
from typing import IO, Self, TypeVar

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
        self._above = ""

    def below(self, name: str) -> Self:
        """Give a folder in this one, of the same kind and with the same lists; names are relative to it."""
        inner = copy_of(self)
        inner.path = self.path / name
        inner.path.mkdir(parents=True, exist_ok=True)
        inner._above = f"{self._above}{name}/"  # noqa: SLF001 - its own kind
        return inner

    def spell(self, name: str) -> str:
        """Give the name that a file gets; another kind of folder may not take every name."""
        return name

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
        spelled = self.spell(name)
        with self.place(spelled).open("xb") as stream:
            sink = _Summing(stream)
            yield sink
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        self._sums[self._above + spelled] = sink.sums()

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
        target = self.place(self.spell(name))
        target.mkdir()
        with tempfile.TemporaryFile(dir=self.path) as held:
            with archive:
                copy(archive, held)
            held.seek(0)
            try:
                with tarfile.open(fileobj=held) as opened:
                    self.extract(opened, target)
            except ValueError:
                shutil.rmtree(target)
                held.seek(0)
                with self.file(f"{name}.tar") as sink:
                    copy(held, sink)
                return
        self.adopt(self.spell(name))

    def extract(self, archive: tarfile.TarFile, target: Path) -> None:
        """Unpack into an empty folder. Raises ValueError where the archive can not be a folder here."""
        extract(archive, target)

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
            self._sums[self._above + path.relative_to(self.path).as_posix()] = sink.sums()

    def sums(self) -> dict[str, tuple[str, str]]:
        """Give sha256 and md5 of each file written so far in this folder, sorted by the bytes of their names."""
        names = (name for name in self._sums if name.startswith(self._above))
        return {name.removeprefix(self._above): self._sums[name] for name in sorted(names, key=os.fsencode)}

    def write_lists(self) -> None:
        """Write the lists of checksums of what is there."""
        sums = self.sums()
        self.write(SHA256SUMS, checksums((name, sha256) for name, (sha256, _) in sums.items()))
        self.write(MD5SUMS, checksums((name, md5) for name, (_, md5) in sums.items()))

    def settle(self) -> None:
        """Give everything its time, and folders their mode; make it durable."""
        for path in sorted(self.path.rglob("*"), reverse=True):  # what lies in a folder before the folder
            if path.is_dir() and not path.is_symlink():
                path.chmod(FOLDER_MODE)
                sync_directory(path)
            os.utime(path, (self.epoch, self.epoch), follow_symlinks=False)
        self.path.chmod(FOLDER_MODE)
        os.utime(self.path, (self.epoch, self.epoch))
        sync_directory(self.path)


Folder = TypeVar("Folder", bound=GrowingFolder)


def checksums(listed: Iterable[tuple[str, str]]) -> bytes:
    """Spell names and digests as `sha256sum` and `md5sum` do (GNU coreutils manual, "md5sum invocation")."""
    return b"".join(_line(name, digest) for name, digest in listed)


def _line(name: str, digest: str) -> bytes:
    escaped = name.translate(ESCAPED)
    mark = "\\" if escaped != name else ""
    return os.fsencode(f"{mark}{digest}  {escaped}\n")


@contextmanager
def new_folder(target: Path, epoch: int, *, size: int) -> Iterator[GrowingFolder]:
    """Give a folder as `bare_folder` does; the lists of checksums are added at its end."""
    with bare_folder(target, epoch, GrowingFolder, size=size) as folder:
        yield folder
        folder.write_lists()


@contextmanager
def bare_folder(target: Path, epoch: int, kind: type[Folder], *, size: int) -> Iterator[Folder]:
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
        with work_beside(place, size=size) as growing:
            folder = kind(growing, epoch)
            yield folder
            folder.settle()
            growing.rename(place)
            done = True
        sync_directory(place.parent)
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        for parent in () if done else reversed(made):
            with contextlib.suppress(OSError):  # somebody else has put something there
                parent.rmdir()


@contextmanager
def work_beside(place: Path, *, size: int) -> Iterator[Path]:
    """Give an empty folder beside `place`, on its file system, that is removed at the end unless it has gone elsewhere.

    What a killed process left there is removed first. Raises WorkFailure where there is no room for `size` bytes.
    """
    _check_room(place.parent, size)
    _sweep(place)
    growing = Path(tempfile.mkdtemp(dir=place.parent, prefix=_prefix(place)))
    descriptor = os.open(growing, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield growing
    finally:
        shutil.rmtree(growing, ignore_errors=True)
        os.close(descriptor)


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
        raise unwritable(target, error) from error


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
        raise unwritable(folder, error) from error
    return made


def _check_room(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if size + SPARE > free:
        raise WorkFailure(
            f"the export needs {amount_text(size + SPARE)}, and {folder} has room for {amount_text(free)}",
            hint="name a folder on another file system, or choose fewer images: --image",
        )


def unwritable(target: Path, error: OSError) -> WorkFailure:
    """Say that an export can not be written, and what to do."""
    hint = "make room, or name a folder on another file system" if is_full(error) else "name another folder"
    return WorkFailure(f"the export {target} can not be written: {error.strerror}", hint=hint)
