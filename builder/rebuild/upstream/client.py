"""Ask a server: conditional requests, redirects by hand, back-off, and a bound on everything a hostile one can do."""

from __future__ import annotations

import hashlib
import queue
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
import urllib3.exceptions
from requests.utils import requote_uri

from builder import __version__
from builder.core.errors import WorkFailure
from builder.core.progress import Task
from builder.freeze.mirrors import Mirrors, file_of, is_file

T = TypeVar("T")
PIECE = 1 << 16
SMALL = 16 << 20
"""Bytes of a document that is kept in memory, at most."""
REDIRECTS = 5
BROKEN_HOST = 3
"""After so many addresses of a host that failed in every try, the others are not tried."""
PERMANENT = frozenset({HTTPStatus.MOVED_PERMANENTLY, HTTPStatus.PERMANENT_REDIRECT})
FOLLOWED = PERMANENT | {HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT}
NO_METHOD = frozenset({HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
"""Statuses below 500 that may pass."""
CLOSED = frozenset({
    HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.PROXY_AUTHENTICATION_REQUIRED,
    HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,
})  # fmt: skip
FLEETING = frozenset({"age", "connection", "date", "expires", "keep-alive", "set-cookie", "x-request-id"})
"""Headers that differ from answer to answer."""


class Trouble(StrEnum):
    """Why an address gave no document."""

    GONE = "gone"
    CLOSED = "closed"
    """It wants to know who we are."""
    PASSING = "passing"
    """It failed in a way that may pass, in every try."""
    CERTIFICATE_EXPIRED = "certificate expired"
    CERTIFICATE_UNKNOWN = "certificate unknown"
    ENCRYPTION = "encryption"
    """Its encryption is not accepted today."""
    TOO_LONG = "too long"
    """It is longer than what was asked for may be."""


@dataclass(frozen=True)
class Ask:
    """One address to ask.

    `etag` makes the question conditional. `size` in bytes is known: an answer of another length is not read. `limit`
    bounds what is read otherwise. The body is kept in memory, or in the file `into`, or only its digest, or not read.
    A server that knows no HEAD is asked with GET, and not read.
    """

    url: str
    method: Literal["GET", "HEAD"] = "GET"
    etag: str = ""
    size: int | None = None
    limit: int = SMALL
    body: Literal["memory", "file", "digest", "none"] = "memory"
    into: Path | None = None


@dataclass(frozen=True)
class Reply:
    """What came of it: a document, or the trouble with it in words that are the same from run to run."""

    ask: Ask
    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    trouble: Trouble | None = None
    words: str = ""
    body: bytes = b""
    sha256: str = ""
    length: int | None = None
    """Bytes, as far as the server said or sent them."""
    moved_to: str = ""
    """Where it was sent to for good."""

    @property
    def unchanged(self) -> bool:
        """Whether the condition held: the document is the one that was remembered."""
        return self.status == HTTPStatus.NOT_MODIFIED and bool(self.ask.etag)

    @property
    def etag(self) -> str:
        """The strong validator, or "": a weak one does not vouch for bytes (RFC 9110, 8.8.1)."""
        tag = next((value for name, value in self.headers if name.lower() == "etag"), "")
        return tag if tag.startswith('"') else ""

    def as_evidence(self) -> bytes:
        """Give status line and headers, without what differs from answer to answer."""
        lines = [f"{self.ask.method} {self.ask.url}"]
        if self.status:
            lines.append(f"{self.status} {_phrase(self.status)}".rstrip())
        lines += sorted(f"{name}: {value}" for name, value in self.headers if name.lower() not in FLEETING)
        lines += [self.words] if self.words else []
        return "\n".join([*lines, ""]).encode()


@dataclass(frozen=True)
class Manners:
    """How patient a client is; times in seconds. `pause` waits between two tries."""

    tries: int = 4
    first_pause: float = 0.5
    connect: float = 10.0
    silence: float = 30.0
    """Between two pieces of an answer."""
    whole: float = 60.0
    """For a whole answer, and what its size takes at `slowest` bytes a second."""
    slowest: float = 100_000.0
    at_once: int = 4
    pause: Callable[[float], None] = field(default=time.sleep)


class _PassingError(Exception):
    """It may pass; `host` where the whole host could not be reached."""

    def __init__(self, words: str, *, host: bool = False, final: bool = False) -> None:
        super().__init__(words)
        self.host = host
        self.final = final


class _TroubleError(Exception):
    def __init__(self, trouble: Trouble, words: str, reply: Reply | None = None) -> None:
        super().__init__(words)
        self.trouble = trouble
        self.reply = reply


class _Session(requests.Session):
    """Follows no redirect by itself, and so does not read the body of one, which may have no end."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002 - the signature of requests
        return None


class Client(AbstractContextManager["Client"]):
    """Asks many addresses, a few at a time, and counts the requests."""

    def __init__(self, manners: Manners, mirrors: Mirrors | None = None) -> None:
        """Ask with these manners; what `mirrors` cover is asked of them, and answered as by the original."""
        self._manners = manners
        self._mirrors = mirrors or Mirrors()
        self._lock = threading.Lock()
        self._failures: dict[str, list[str]] = {}
        self._unreachable: dict[str, str] = {}
        self._sessions: list[requests.Session] = []
        self.requests = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for session in self._sessions:
            session.close()

    def ask_all(self, asks: Sequence[Ask], task: Task) -> list[Reply]:
        """Ask addresses; gives the replies in the same order. An interrupt does not wait for a slow server."""
        todo: queue.SimpleQueue[int] = queue.SimpleQueue()
        for number in range(len(asks)):
            todo.put(number)
        ended: queue.SimpleQueue[tuple[int, Reply | BaseException]] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            session = self._session()
            while not stop.is_set():
                try:
                    number = todo.get_nowait()
                except queue.Empty:
                    return
                try:
                    session, reply = self._ask(asks[number], session)
                except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
                    ended.put((number, error))
                else:
                    ended.put((number, reply))

        for _ in range(min(self._manners.at_once, len(asks))):
            threading.Thread(target=work, daemon=True).start()
        replies: dict[int, Reply] = {}
        try:
            while len(replies) < len(asks):
                number, reply = ended.get()
                if isinstance(reply, BaseException):
                    raise reply
                replies[number] = reply
                task.advance(1)
        finally:
            stop.set()
        return [replies[number] for number in range(len(asks))]

    def _session(self) -> requests.Session:
        session = _Session()
        session.headers.update({"User-Agent": f"boss-builder/{__version__}", "Accept-Encoding": "identity"})
        with self._lock:
            self._sessions.append(session)
        return session

    def _ask(self, ask: Ask, session: requests.Session) -> tuple[requests.Session, Reply]:
        """Ask in several tries; gives the session to use next, as one that hangs is left behind."""
        manners = self._manners
        shown, host = self._mirrors.shown(ask.url), urlsplit(self._mirrors.of(ask.url)).netloc
        limit = manners.whole + (ask.size or 0) / manners.slowest
        words = ""
        for attempt in range(manners.tries):
            with self._lock:
                known = self._unreachable.get(host, "")
            if known:
                words = known
                break
            if attempt:
                manners.pause(manners.first_pause * 2 ** (attempt - 1))
            try:
                return session, _within(limit, partial(self._follow, ask, session))
            except TimeoutError:
                session, words = self._session(), f"the server did not finish its answer within {limit:.0f} s"
                self._note_failure(host, words, whole_host=False)
                break
            except _PassingError as error:
                words = str(error)
                if attempt == manners.tries - 1:
                    self._note_failure(host, words, whole_host=error.host)
                if error.final:
                    break
            except _TroubleError as error:
                reply = error.reply or Reply(ask)
                return session, _with_trouble(reply, error.trouble, f"{shown}: {error}")
        return session, _with_trouble(Reply(ask), Trouble.PASSING, f"{shown}: {words}")

    def _note_failure(self, host: str, words: str, *, whole_host: bool) -> None:
        with self._lock:
            failures = self._failures.setdefault(host, [])
            failures.append(words)
            if whole_host or len(failures) >= BROKEN_HOST:
                self._unreachable[host] = words

    def _follow(self, ask: Ask, session: requests.Session) -> Reply:
        """Ask once and follow redirects; raises _PassingError and _TroubleError."""
        url, moved_to = self._mirrors.of(ask.url), ""
        if is_file(url):
            return _look_at(ask, url)
        only_permanent = url == ask.url  # where a mirror moves to is not where upstream moved to
        for _ in range(REDIRECTS + 1):
            with self._lock:
                self.requests += 1
            headers = {"If-None-Match": ask.etag} if ask.etag else {}
            try:
                with session.request(
                    ask.method, url, headers=headers, stream=True, allow_redirects=False,
                    timeout=(self._manners.connect, self._manners.silence),
                ) as answer:  # fmt: skip
                    reply = Reply(ask, answer.status_code, tuple(answer.headers.items()), moved_to=moved_to)
                    if ask.method == "HEAD" and answer.status_code in NO_METHOD:
                        return self._follow(replace(ask, method="GET", body="none"), session)
                    if answer.status_code not in FOLLOWED or "location" not in answer.headers:
                        return _read(reply, answer)
                    target = requote_uri(urljoin(url, answer.headers["location"]))
            except requests.exceptions.RequestException as error:
                raise trouble_of(error) from error
            except (urllib3.exceptions.HTTPError, ValueError) as error:
                raise _PassingError("the answer is not one of http") from error
            if urlsplit(target).scheme not in {"http", "https"}:
                raise _TroubleError(Trouble.GONE, f"it leads to {target}, which is not followed", reply)
            only_permanent = only_permanent and reply.status in PERMANENT
            moved_to = target if only_permanent else moved_to
            url = target
        raise _TroubleError(Trouble.GONE, f"it was sent on more than {REDIRECTS} times", reply)


def _with_trouble(reply: Reply, trouble: Trouble, words: str) -> Reply:
    return replace(reply, trouble=trouble, words=words)


def _read(reply: Reply, answer: requests.Response) -> Reply:
    """Judge a final answer and read its body as it was asked."""
    ask = reply.ask
    trouble = trouble_of_status(reply.status)
    said = f"the server answered {reply.status} {_phrase(reply.status)}".rstrip()
    if trouble is Trouble.PASSING or (reply.status == HTTPStatus.NOT_MODIFIED and not ask.etag):
        raise _PassingError(said)
    if trouble is not None:
        raise _TroubleError(trouble, said, reply)
    announced = answer.headers.get("content-length", "")
    length = int(announced) if announced.isdigit() and "content-encoding" not in answer.headers else None
    reply = replace(reply, length=length)
    if reply.unchanged or ask.method == "HEAD" or ask.body == "none":
        return reply
    if ask.size is not None and length not in {None, ask.size}:
        return reply
    limit = ask.limit if ask.size is None else ask.size
    if length is not None and length > limit:
        raise _TroubleError(Trouble.TOO_LONG, f"it is longer than the {limit} bytes that are read", reply)
    return _received(reply, answer.iter_content(PIECE), limit)


def _look_at(ask: Ask, address: str) -> Reply:
    """Answer from a file of this host, which stands in for upstream."""
    try:
        path = file_of(address)
        with path.open("rb") as stream:
            reply = Reply(ask, HTTPStatus.OK, length=path.stat().st_size)
            if ask.method == "HEAD" or ask.body == "none" or (ask.size is not None and reply.length != ask.size):
                return reply
            limit = ask.limit if ask.size is None else ask.size
            return _received(reply, iter(lambda: stream.read(PIECE), b""), limit)
    except OSError as error:
        raise _TroubleError(Trouble.GONE, f"it can not be read: {error.strerror}", Reply(ask)) from error
    except WorkFailure as failure:
        raise _TroubleError(Trouble.GONE, failure.problems[0].message, Reply(ask)) from failure


def _received(reply: Reply, pieces: Iterator[bytes], limit: int) -> Reply:
    ask = reply.ask
    digest, got, kept = hashlib.sha256(), 0, []
    sink = ask.into.open("wb") if ask.body == "file" and ask.into is not None else None
    try:
        for piece in pieces:
            got += len(piece)
            if got > limit:
                break
            digest.update(piece)
            if sink is not None:
                _write(sink, piece)
            elif ask.body == "memory":
                kept.append(piece)
    finally:
        if sink is not None:
            sink.close()
    if got > limit and ask.size is None:
        raise _TroubleError(Trouble.TOO_LONG, f"it is longer than the {limit} bytes that are read", reply)
    if reply.length is not None and got < reply.length:
        raise _PassingError(f"the server stopped before the end of {reply.length} bytes")
    whole = "" if got > limit else f"sha256:{digest.hexdigest()}"
    return replace(reply, body=b"".join(kept), sha256=whole, length=got)


def _write(sink: BinaryIO, piece: bytes) -> None:
    try:
        sink.write(piece)
    except OSError as error:
        raise WorkFailure(f"an answer could not be written to the store's folder: {error.strerror}") from error


def _within(seconds: float, work: Callable[[], T]) -> T:
    """Do something on a thread of its own; raises TimeoutError where it takes longer, and leaves it behind."""
    box: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def run() -> None:
        try:
            box.put((work(), None))
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that waits
            box.put((None, error))

    threading.Thread(target=run, daemon=True).start()
    try:
        value, error = box.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]  # it is there where no error is


def trouble_of_status(status: int) -> Trouble | None:
    """Tell what a status of a final answer means; None where it brings the document, or says that it is unchanged."""
    if status in {HTTPStatus.OK, HTTPStatus.NOT_MODIFIED}:
        return None
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR and status not in CLOSED:
        return Trouble.PASSING
    if status in PASSING:
        return Trouble.PASSING
    return Trouble.CLOSED if status in CLOSED else Trouble.GONE


EXPIRED, NOT_YET_VALID = 10, 9
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED and X509_V_ERR_CERT_NOT_YET_VALID."""


def trouble_of(error: requests.exceptions.RequestException) -> _PassingError | _TroubleError:
    """Tell what a request that got no answer means."""
    encryption = next((cause for cause in causes(error) if isinstance(cause, ssl.SSLError)), None)
    if encryption is not None:
        return _trouble_of_encryption(encryption)
    if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
        return _TroubleError(Trouble.GONE, "it leads to an address that is none")
    text = str(error)
    words, host = next((w, h) for kind, part, w, h in _WORDS if isinstance(error, kind) and part in text)
    return _PassingError(words, host=host)


def _trouble_of_encryption(error: ssl.SSLError) -> _PassingError | _TroubleError:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _PassingError("the connection broke")
    if not isinstance(error, ssl.SSLCertVerificationError):
        why = (getattr(error, "reason", "") or "unknown").lower().replace("_", " ")
        return _TroubleError(Trouble.ENCRYPTION, f"no encrypted connection could be made: {why}")
    if error.verify_code == EXPIRED:
        return _TroubleError(Trouble.CERTIFICATE_EXPIRED, "the server's certificate has expired")
    if error.verify_code == NOT_YET_VALID:
        return _PassingError("the server's certificate is not valid yet; is the clock right?", final=True)
    why = f"the server's certificate is not accepted: {error.verify_message}"
    return _TroubleError(Trouble.CERTIFICATE_UNKNOWN, why.rstrip(": "))


_WORDS: tuple[tuple[type[Exception], str, str, bool], ...] = (
    (requests.exceptions.ConnectTimeout, "", "the server does not answer", True),
    (requests.exceptions.Timeout, "", "the server stopped answering", False),
    (requests.exceptions.ChunkedEncodingError, "", "the server stopped in the middle", False),
    (requests.exceptions.ConnectionError, "refused", "the connection was refused", True),
    (requests.exceptions.ConnectionError, "resolve", "the server's name is not known", True),
    (requests.exceptions.ConnectionError, "timed out", "the server stopped answering", False),
    (requests.exceptions.ConnectionError, "", "the connection broke", False),
    (Exception, "", "the answer is not one of http", False),
)


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and all that it comes of: causes, contexts, and those that libraries keep as arguments."""
    todo, seen = [error], set()
    while todo:
        one = todo.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
        todo += [cause for cause in inner if isinstance(cause, BaseException)]


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus._value2member_map_ else ""
