"""A small web server for a tree of files, as a vault runs one: GET and HEAD, ranges, validators (RFC 9110).

It listens on the loopback interface only.
"""

from __future__ import annotations

import http
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

ADDRESS = "127.0.0.1"
CHUNK = 1 << 16
TYPES = {
    ".asc": "application/pgp-signature",
    ".gz": "application/gzip",
    ".rpm": "application/x-rpm",
    ".tar": "application/x-tar",
    ".xml": "application/xml",
}
_RANGE = re.compile(r"bytes=(?P<first>\d*)-(?P<last>\d*)$")


@dataclass(frozen=True)
class Reply:
    """An answer before it is sent. `chunks` is the body; `closes` ends the connection after it."""

    status: http.HTTPStatus
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Iterator[bytes] = field(default_factory=lambda: iter(()))
    closes: bool = False


def error_reply(status: http.HTTPStatus) -> Reply:
    """Answer with a status and one line of text."""
    text = f"{status.value} {status.phrase}\n".encode()
    headers = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(text))}
    return Reply(status, headers, iter((text,)))


def file_under(folder: Path, target: str) -> Path | None:
    """Give the regular file that a request's target names below `folder`, or None; links may not lead out."""
    root = folder.resolve()
    try:
        file = (root / unquote(urlsplit(target).path).lstrip("/")).resolve()
    except (ValueError, OSError):
        return None
    return file if file.is_relative_to(root) and file.is_file() else None


def byte_range(text: str | None, size: int) -> tuple[int, int] | None:
    """Read a Range header: (first byte, length), or None for the whole file.

    A range of several parts or another unit is ignored, as the standard allows. Raises ValueError where the range
    begins beyond the end.
    """
    match = _RANGE.match(text.strip()) if text else None
    if match is None or not (match["first"] or match["last"]):
        return None
    if not match["first"]:
        length = min(int(match["last"]), size)
        if length == 0:
            raise ValueError(text)
        return size - length, length
    first = int(match["first"])
    last = min(int(match["last"]), size - 1) if match["last"] else size - 1
    if first >= size:
        raise ValueError(text)
    return None if last < first else (first, last - first + 1)


def file_reply(file: Path, headers: Mapping[str, str]) -> Reply:
    """Answer a request for a file with whole, part, 304 or 416. `headers` are the request's."""
    status = file.stat()
    # files of a frozen tree share one time, so the validator takes the inode and its last change instead
    tag = f'"{status.st_ino:x}-{status.st_size:x}-{status.st_ctime_ns:x}"'
    sent = {
        "Accept-Ranges": "bytes",
        "Content-Type": TYPES.get(file.suffix, "application/octet-stream"),
        "ETag": tag,
        "Last-Modified": formatdate(status.st_mtime, usegmt=True),
    }
    if is_unchanged(headers, tag, int(status.st_mtime)):
        return Reply(http.HTTPStatus.NOT_MODIFIED, sent)
    condition = headers.get("If-Range")
    wanted = headers.get("Range") if condition in {None, tag, sent["Last-Modified"]} else None
    try:
        part = byte_range(wanted, status.st_size)
    except ValueError:
        refusal = error_reply(http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
        return Reply(refusal.status, {**refusal.headers, "Content-Range": f"bytes */{status.st_size}"}, refusal.chunks)
    if part is None:
        length = {"Content-Length": str(status.st_size)}
        return Reply(http.HTTPStatus.OK, sent | length, read_part(file, 0, status.st_size))
    first, count = part
    sent["Content-Length"] = str(count)
    sent["Content-Range"] = f"bytes {first}-{first + count - 1}/{status.st_size}"
    return Reply(http.HTTPStatus.PARTIAL_CONTENT, sent, read_part(file, first, count))


def is_unchanged(headers: Mapping[str, str], tag: str, modified: int) -> bool:
    """Tell whether the reader's copy is good still: by tag where it gives one, otherwise by time."""
    tags = headers.get("If-None-Match")
    if tags is not None:
        return tags.strip() == "*" or tag in (given.strip().removeprefix("W/") for given in tags.split(","))
    since = headers.get("If-Modified-Since")
    if since is None:
        return False
    try:
        return modified <= parsedate_to_datetime(since).timestamp()
    except ValueError:
        return False


def read_part(file: Path, first: int, count: int) -> Iterator[bytes]:
    """Read `count` bytes from byte `first` on, chunk by chunk."""
    with file.open("rb") as stream:
        stream.seek(first)
        while count > 0 and (chunk := stream.read(min(CHUNK, count))):
            count -= len(chunk)
            yield chunk


class TreeHandler(BaseHTTPRequestHandler):
    """Answers one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "example-upstream"
    sys_version = ""
    server: TreeServer

    def do_GET(self) -> None:
        """Send headers and body."""
        self._send(self._reply(), with_body=True)

    def do_HEAD(self) -> None:
        """Send the headers that GET would send."""
        self._send(self._reply(), with_body=False)

    def _reply(self) -> Reply:
        # the names of headers are not case-sensitive: spell them all alike
        return self.server.reply(self.command, self.path, {k.title(): v for k, v in self.headers.items()})

    def _send(self, reply: Reply, *, with_body: bool) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.closes:
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()
        try:
            for chunk in reply.chunks if with_body else ():
                self.wfile.write(chunk)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the reader went away; that is its right

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the signature of http.server
        """Say nothing: who wants a log overrides `TreeServer.reply`."""


class TreeServer(ThreadingHTTPServer):
    """Serves the files below a folder until it is closed; a context manager does both.

    `port` 0 takes a free one. Raises OSError where the port is taken.
    """

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, folder: Path, port: int = 0) -> None:
        super().__init__((ADDRESS, port), TreeHandler)
        self.folder = folder

    @property
    def url(self) -> str:
        """`http://127.0.0.1:PORT`, without a slash at the end."""
        return f"http://{ADDRESS}:{self.server_address[1]}"

    def reply(self, method: str, target: str, headers: Mapping[str, str]) -> Reply:  # noqa: ARG002 - for subclasses
        """Decide what to answer. Called in a thread of its own for each connection.

        `headers` are the request's, their names spelt like `If-None-Match`.
        """
        file = file_under(self.folder, target)
        return error_reply(http.HTTPStatus.NOT_FOUND) if file is None else file_reply(file, headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server_close()
