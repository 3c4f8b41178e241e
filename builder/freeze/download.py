"""Fetch files over http: four at a time, resumed, retried with back-off, and checked before they get their name."""

from __future__ import annotations

import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import requests

from builder import __version__
from builder.core.errors import Failure, InputFailure, Problem, WorkFailure
from builder.core.progress import NoProgress, Progress, Task
from builder.freeze.mirrors import Mirrors, file_of, is_file

AT_ONCE = 4
TRIES = 5
FIRST_PAUSE = 0.5
PIECE = 1 << 16
"""Bytes that are written at a time; what a server that stops sends beyond whole pieces is lost."""
TIME_LIMITS = (10.0, 60.0)  # to connect, and between two pieces, in seconds
ALGORITHMS = {"sha": "sha1", "sha1": "sha1", "md5": "md5", "sha256": "sha256", "sha384": "sha384", "sha512": "sha512"}
"""Names of checksums in RPM metadata, and what Python calls them."""


@dataclass(frozen=True)
class Checksum:
    """A digest that somebody published: the algorithm as RPM metadata names it, and hexadecimal digits."""

    algorithm: str
    value: str

    def matches(self, path: Path) -> bool:
        """Whether a file has this digest; raises InputFailure for an unknown algorithm."""
        name = ALGORITHMS.get(self.algorithm)
        if name is None:
            raise InputFailure(
                f"the checksum algorithm {self.algorithm!r} is not known",
                hint="known: " + ", ".join(sorted(ALGORITHMS)),
            )
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, name).hexdigest() == self.value.lower()


@dataclass(frozen=True)
class Wanted:
    """One file to fetch: its address, and what is known of it.

    `limit` bounds it in bytes where the size is unknown; `tries` are as many as the downloader makes, or fewer.
    """

    url: str
    checksum: Checksum | None = None
    size: int | None = None
    limit: int = 1 << 40
    tries: int | None = None

    @property
    def file_name(self) -> str:
        """Name under which it is kept until it is stored; the same file has the same name in the next try."""
        known = f"{self.checksum.algorithm}:{self.checksum.value}" if self.checksum else ""
        return hashlib.sha256(f"{self.url}\n{known}".encode()).hexdigest()


class _Temporary(Exception):  # noqa: N818 - control flow between a try and the next one
    """The server failed in a way that may pass."""


class Downloader:
    """Fetches files into a folder; what is complete and checked has its final name, the rest ends in `.part`."""

    def __init__(
        self,
        folder: Path,
        progress: Progress,
        *,
        mirrors: Mirrors | None = None,
        pause: Callable[[float], None] = time.sleep,
        tries: int = TRIES,
    ) -> None:
        """Keep files in `folder`, taken from `mirrors` where these cover an address; `pause` waits some seconds."""
        self._folder = folder
        self._mirrors = mirrors or Mirrors()
        self._progress = progress
        self._pause = pause
        self._tries = tries
        self._sessions = threading.local()
        self.fetched_files = 0
        self.fetched_bytes = 0
        self._count = threading.Lock()

    def path(self, wanted: Wanted) -> Path:
        """Where a file lies once it is fetched."""
        return self._folder / wanted.file_name

    def fetch(self, wanted: Wanted) -> Path:
        """Fetch one file; see `fetch_all`."""
        return self.fetch_all([wanted])[0]

    def fetch_all(self, files: Sequence[Wanted], title: str = "") -> list[Path]:
        """Fetch files, four at a time; gives their paths in the same order.

        With a `title`, progress is told. Raises one failure that names every file that could not be had: InputFailure
        where a server gave other bytes than were promised, WorkFailure where it gave none.
        """
        todo = {w.file_name: w for w in files if w.checksum is None or not self.path(w).exists()}
        total = sum(w.size or 0 for w in todo.values())
        if todo:
            progress = self._progress if title else NoProgress()
            with progress.task(f"download {title}", total) as task:
                errors = self._fetch_together(list(todo.values()), task)
                for error in errors:
                    if not isinstance(error, Failure):
                        raise error
                _raise_together([error for error in errors if isinstance(error, Failure)])
        return [self.path(w) for w in files]

    def _fetch_together(self, files: list[Wanted], task: Task) -> list[BaseException]:
        """Fetch files on a few threads; gives what went wrong. An interrupt does not wait for a slow server."""
        todo: queue.SimpleQueue[Wanted] = queue.SimpleQueue()
        for wanted in files:
            todo.put(wanted)
        ended: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    wanted = todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    self._fetch_one(wanted, task)
                except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
                    ended.put(error)
                else:
                    ended.put(None)

        for _ in range(min(AT_ONCE, len(files))):
            threading.Thread(target=work, daemon=True).start()
        try:
            results = [ended.get() for _ in files]
        finally:
            stop.set()
        return [error for error in results if error is not None]

    def _session(self) -> requests.Session:
        if not hasattr(self._sessions, "value"):
            session = requests.Session()
            session.headers.update({"User-Agent": f"boss-builder/{__version__}", "Accept-Encoding": "identity"})
            self._sessions.value = session
        value: requests.Session = self._sessions.value
        return value

    def _fetch_one(self, wanted: Wanted, task: Task) -> None:
        part = self.path(wanted).with_suffix(".part")
        why = ""
        tries = self._tries if wanted.tries is None else wanted.tries
        for attempt in range(tries):
            if attempt:
                self._pause(FIRST_PAUSE * 2 ** (attempt - 1))
            try:
                self._try(wanted, part, task)
            except _Temporary as error:
                why = str(error)
            except OSError as error:
                raise WorkFailure(f"{part} can not be written: {error.strerror}") from error
            else:
                self._finish(wanted, part)
                return
        raise WorkFailure(
            f"{self._mirrors.shown(wanted.url)} could not be fetched: {why}",
            hint=f"tried {tries} times; what came is kept, and the next freeze goes on from there",
        )

    def _try(self, wanted: Wanted, part: Path, task: Task) -> None:
        if wanted.checksum is None:  # nothing would tell whether the halves of two tries belong together
            part.unlink(missing_ok=True)
        done = part.stat().st_size if part.exists() else 0
        if wanted.size is not None and done >= wanted.size:
            if done == wanted.size:
                return
            part.unlink()
            done = 0
        address = self._mirrors.of(wanted.url)
        if is_file(address):
            self._copy(wanted, file_of(address), part, task)
            return
        headers = {"Range": f"bytes={done}-"} if done else {}
        try:
            with self._session().get(address, headers=headers, stream=True, timeout=TIME_LIMITS) as answer:
                resumed = self._accept(wanted, answer)
                with part.open("ab" if resumed else "wb") as sink:
                    self._receive(wanted, answer.iter_content(PIECE), sink.write, done if resumed else 0, task)
                    sink.flush()
                    os.fsync(sink.fileno())
        except requests.exceptions.RequestException as error:
            raise _Temporary(_words(error)) from error
        got = part.stat().st_size
        if wanted.size is not None and got < wanted.size:
            raise _Temporary(f"the server stopped after {got} of {wanted.size} bytes")

    def _copy(self, wanted: Wanted, source: Path, part: Path, task: Task) -> None:
        """Take a file from a mirror on this host."""
        try:
            stream = source.open("rb")
        except OSError as error:
            raise WorkFailure(
                f"{self._mirrors.shown(wanted.url)} can not be read: {error.strerror}",
                hint="the mirror has to be complete: stage or mount it, or leave out its --mirror",
            ) from error
        with stream, part.open("wb") as sink:
            size = os.fstat(stream.fileno()).st_size
            if wanted.size is not None and size < wanted.size:
                raise InputFailure(f"{self._mirrors.shown(wanted.url)} has {size} bytes, not {wanted.size}")
            self._receive(wanted, iter(lambda: stream.read(PIECE), b""), sink.write, 0, task)
            sink.flush()
            os.fsync(sink.fileno())

    def _accept(self, wanted: Wanted, answer: requests.Response) -> bool:
        """Judge the status; gives whether the body continues what is there."""
        status = answer.status_code
        if status == HTTPStatus.OK:
            return False
        if status == HTTPStatus.PARTIAL_CONTENT:
            return True
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in (
            HTTPStatus.TOO_MANY_REQUESTS,
            HTTPStatus.REQUEST_TIMEOUT,
        ):
            raise _Temporary(f"the server answered {status} {answer.reason}")
        hint = {
            HTTPStatus.NOT_FOUND: "it is gone, or the address is wrong; try --update to take what is there today",
            HTTPStatus.GONE: "it is gone; another mirror may have it",
            HTTPStatus.UNAUTHORIZED: "the server wants a password",
            HTTPStatus.FORBIDDEN: "the server does not let this host in",
        }.get(HTTPStatus(status) if status in HTTPStatus._value2member_map_ else HTTPStatus.BAD_REQUEST, "")
        shown = self._mirrors.shown(wanted.url)
        raise WorkFailure(f"{shown}: the server answered {status} {answer.reason}", hint=hint)

    def _receive(
        self, wanted: Wanted, chunks: Iterable[bytes], write: Callable[[bytes], int], start: int, task: Task
    ) -> None:
        got = start
        limit = wanted.limit if wanted.size is None else wanted.size
        for chunk in chunks:
            got += len(chunk)
            if got > limit:
                raise InputFailure(
                    f"{self._mirrors.shown(wanted.url)} is longer than the {limit} bytes that it should have",
                    hint="the server does not give what its metadata promises",
                )
            write(chunk)
            task.advance(len(chunk))
            with self._count:
                self.fetched_bytes += len(chunk)

    def _finish(self, wanted: Wanted, part: Path) -> None:
        if wanted.checksum is not None and not wanted.checksum.matches(part):
            with part.open("rb") as stream:
                found = hashlib.file_digest(stream, ALGORITHMS[wanted.checksum.algorithm]).hexdigest()
            part.unlink()
            raise InputFailure(
                Problem(
                    f"{self._mirrors.shown(wanted.url)} is not what it should be: "
                    f"{wanted.checksum.algorithm} is {found}, expected {wanted.checksum.value}",
                    hint="it was changed, or its metadata lies; nothing of it was stored",
                )
            )
        part.replace(self.path(wanted))
        with self._count:
            self.fetched_files += 1


def _raise_together(failures: list[Failure]) -> None:
    """Raise one failure for several; that of the input where one of them is."""
    if failures:
        kind = InputFailure if any(isinstance(f, InputFailure) for f in failures) else WorkFailure
        raise kind(*sorted((p for f in failures for p in f.problems), key=str))


_WORDS: tuple[tuple[type[Exception], str, str], ...] = (
    (requests.exceptions.ConnectTimeout, "", "the server does not answer"),
    (requests.exceptions.Timeout, "", "the server stopped answering"),
    (requests.exceptions.ChunkedEncodingError, "", "the server stopped in the middle"),
    (requests.exceptions.ConnectionError, "refused", "the connection was refused"),
    (requests.exceptions.ConnectionError, "resolve", "the server's name is not known"),
    (requests.exceptions.ConnectionError, "", "the connection broke"),
)


def _words(error: requests.exceptions.RequestException) -> str:
    text = str(error)
    return next((words for kind, part, words in _WORDS if isinstance(error, kind) and part in text), text)
