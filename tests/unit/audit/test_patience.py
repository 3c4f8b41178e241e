"""A server that trickles, goes on for ever or leads in circles is given up in words, within its time and size."""

import itertools
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import requests

from builder.audit.copies import registry as registry_module
from builder.audit.copies.patience import Patience
from builder.audit.copies.registry import Registry, parse_address
from builder.audit.copies.registry_target import RegistryTarget
from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure

ENDLESS = range(2000)
"""Longer than any test waits: a server of a test that fails ends too."""
PAUSE = 0.05
OK = b"HTTP/1.1 200 OK\r\n"
DIGEST = str(Digest.of(b"blob"))
Answer = Callable[[socket.socket], object]


class Server:
    """Reads a request, answers as it was told, and closes; again and again."""

    def __init__(self, answer: Answer, context: ssl.SSLContext | None = None) -> None:
        self._answer, self._context = answer, context
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with line:
            try:
                talking = self._context.wrap_socket(line, server_side=True) if self._context else line
                with talking:
                    self._answer(talking)
            except OSError:  # the other side has had enough
                pass

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


@contextmanager
def serving(answer: Answer, context: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(answer, context)
    try:
        yield server
    finally:
        server.close()


def request_of(line: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        piece = line.recv(4096)
        if not piece:
            raise ConnectionError
        data += piece
    return data


def drip(*parts: bytes):
    """Send some parts at once, and the last one again and again, slowly."""

    def answer(line: socket.socket) -> None:
        request_of(line)
        line.sendall(b"".join(parts[:-1]))
        for _ in ENDLESS:
            line.sendall(parts[-1])
            time.sleep(PAUSE)

    return answer


def pour(*parts: bytes):
    """Send some parts, and the last one for ever, as fast as it goes."""

    def answer(line: socket.socket) -> None:
        request_of(line)
        line.sendall(b"".join(parts[:-1]))
        while True:
            line.sendall(parts[-1] * 1000)

    return answer


def silence(line: socket.socket) -> None:
    request_of(line)
    line.recv(1)  # until the other side gives up


def redirect(line: socket.socket) -> None:
    path = request_of(line).split()[1].decode()
    line.sendall(f"HTTP/1.1 307 Away\r\nLocation: {path}x\r\nContent-Length: 0\r\n\r\n".encode())


SLOW = {
    "a first line that drips": drip(b"HTTP/1.1 200 O", b"K"),
    "headers that drip": drip(OK, b"X: y\r\nZ: ", b"z"),
    "a body that drips": drip(OK, b"Content-Length: 999999\r\n\r\n", b"x"),
    "chunks that drip": drip(OK, b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    "the length of a chunk that drips": drip(OK, b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "a body without length that drips": drip(OK, b"\r\n", b"x"),
    "to be continued, for ever": drip(b"HTTP/1.1 100 Continue\r\n\r\n"),
    "nothing": silence,
}


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(registry_module, "PATIENCE", 0.4)
    monkeypatch.setattr(registry_module, "SLOWEST", 1 << 30)


def source(server: Server) -> Registry:
    return Registry(parse_address(f"oci://127.0.0.1:{server.port}/name"))


def read(server: Server) -> bytes:
    return b"".join(source(server).stream("blobs", DIGEST, 20_000))


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("way", SLOW)
def test_an_answer_that_never_ends_is_too_slow_however_it_trickles(way):
    with serving(SLOW[way]) as server, pytest.raises(WorkFailure, match="is too slow"):
        read(server)


@pytest.mark.usefixtures("hasty")
def test_a_server_that_takes_nothing_is_too_slow():
    def answer(line: socket.socket) -> None:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        if request_of(line).startswith(b"POST"):
            line.sendall(b"HTTP/1.1 202 Accepted\r\nLocation: /upload\r\nContent-Length: 0\r\n\r\n")
        else:
            for _ in ENDLESS:
                time.sleep(PAUSE)

    with serving(answer) as server, pytest.raises(WorkFailure, match="is too slow"):
        RegistryTarget(source(server)).put(DIGEST, 8 << 20, [b"x" * (8 << 20)], lambda _: None)


ENDLESS_WAYS = {
    "a body": (pour(OK, b"\r\n", b"x"), InputFailure, "gives more than"),
    "chunks": (pour(OK, b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"), InputFailure, "gives more than"),
    "headers": (pour(OK, b"X: y\r\n"), WorkFailure, "does not answer"),
    "a header": (pour(OK, b"X: ", b"y"), WorkFailure, "does not answer"),
    "a first line": (pour(b"H"), WorkFailure, "does not answer"),
    "an error": (pour(b"HTTP/1.1 403 No\r\n\r\n", b"x"), InputFailure, "answers without end"),
    "redirections": (redirect, InputFailure, "from place to place"),
}  # fmt: skip


@pytest.mark.parametrize("way", ENDLESS_WAYS)
def test_an_answer_without_end_is_refused(monkeypatch, way):
    monkeypatch.setattr(registry_module, "ATTEMPTS", 1)
    answer, failure, said = ENDLESS_WAYS[way]
    with serving(answer) as server, pytest.raises(failure, match=said):
        read(server)


def test_the_body_of_a_redirection_is_not_read():
    """It has no end; what it points to is read all the same."""

    def answer(line: socket.socket) -> None:
        if request_of(line).startswith(b"GET /there"):
            line.sendall(OK + b"Content-Length: 4\r\n\r\nblob")
        else:
            line.sendall(b"HTTP/1.1 307 Away\r\nLocation: /there\r\n\r\n")
            while True:
                line.sendall(b"x" * 1000)

    with serving(answer) as server:
        assert read(server) == b"blob"


@pytest.mark.parametrize("place", ["ftp://127.0.0.1/x", "file:///etc/passwd", "gopher:x", "data:,x"])
def test_a_redirection_to_something_else_is_refused(place):
    def answer(line: socket.socket) -> None:
        request_of(line)
        line.sendall(f"HTTP/1.1 307 Away\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode())

    with serving(answer) as server, pytest.raises(InputFailure, match="not as safe as itself"):
        read(server)


def json_of(text: str, *headers: str) -> bytes:
    lines = "".join(f"{header}\r\n" for header in (f"Content-Length: {len(text)}", *headers))
    return OK + f"{lines}\r\n{text}".encode()


def tags(page: Callable[[int], bytes]):
    """A registry that has no index of ours, and answers for its tags with a page after the other."""
    number = itertools.count()

    def answer(line: socket.socket) -> None:
        if b"/tags/list" in request_of(line):
            line.sendall(page(next(number)))
        else:
            line.sendall(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")

    return answer


NEXT = 'Link: </v2/name/tags/list?n=1000&last=x>; rel="next"'
TAGS = {
    "more and more": (lambda n: json_of(f'{{"tags": ["t{n}"]}}', NEXT), "tags without end"),
    "elsewhere": (
        lambda n: json_of(f'{{"tags": ["t{n}"]}}', 'Link: <http://127.0.0.2/x>; rel="next"'), "or elsewhere"),
    "the same for ever": (lambda _: json_of('{"tags": ["t"]}', NEXT), "holds nothing"),
    "deep": (lambda _: json_of('{"tags": ' + "[" * 1000 + "]" * 1000 + "}"), "not what it should be|nested"),
    "a long page": (lambda _: json_of('{"tags": ["' + "x" * (2 << 20) + '"]}'), "answers without end"),
    "no names": (lambda _: json_of('{"tags": ["../../etc", "a\\\\u0000b", ""]}'), "holds nothing"),
    "no JSON": (lambda _: json_of("no"), "not what it should be"),
    "no UTF-8": (lambda _: OK + b'Content-Length: 13\r\n\r\n{"tags": "\xff"}', "not what it should be"),
}  # fmt: skip


@pytest.mark.parametrize("way", TAGS)
def test_tags_without_end_or_sense_are_refused(monkeypatch, way):
    monkeypatch.setattr(registry_module, "TAGS_LIMIT", 20)
    page, said = TAGS[way]
    with serving(tags(page)) as server, pytest.raises(InputFailure, match=said):
        source(server).index_bytes()


def test_a_list_of_tags_has_one_time_for_all_of_it(monkeypatch):
    monkeypatch.setattr(registry_module, "TAG_ROUNDS", 0)
    with serving(tags(TAGS["more and more"][0])) as server, pytest.raises(WorkFailure, match="is too slow"):
        source(server).index_bytes()


# -- by TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> str:
    """A certificate for this host, and its key."""
    path = str(tmp_path_factory.mktemp("tls") / "both.pem")
    words = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 36500 -subj /CN=here"
    subprocess.run(
        ["openssl", *words.split(), "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", path, "-out", path + ".crt"],
        check=True, capture_output=True,
    )  # fmt: skip
    return path


@contextmanager
def encrypted(answer: Answer, certificate: str, patience: Patience) -> Iterator[tuple[requests.Session, str]]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate + ".crt", certificate)
    with requests.Session() as session, serving(answer, context) as server:
        session.trust_env = False
        session.verify = certificate + ".crt"
        patience.guard(session)
        yield session, f"https://127.0.0.1:{server.port}/"


def test_an_answer_by_tls_comes_whole(certificate):
    def answer(line: socket.socket) -> None:
        request_of(line)
        line.sendall(OK + b"Content-Length: 100000\r\n\r\n" + b"x" * 100_000)

    patience = Patience(60)
    with encrypted(answer, certificate, patience) as (session, url), patience.until(time.monotonic() + 60):
        assert session.get(url, timeout=60).content == b"x" * 100_000


def test_a_server_with_a_certificate_of_nobody_is_not_believed(certificate):
    with encrypted(drip(OK), certificate, Patience(60)) as (session, url):
        session.verify = True
        with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
            session.get(url, timeout=60)


@pytest.mark.parametrize("way", ["headers that drip", "a body that drips", "nothing"])
def test_an_answer_by_tls_that_never_ends_is_given_up(certificate, way):
    patience = Patience(60)
    with (
        encrypted(SLOW[way], certificate, patience) as (session, url),
        patience.until(time.monotonic() + 0.4),
        pytest.raises(requests.RequestException, match=r"timed out|too long"),
    ):
        _ = session.get(url, timeout=60).content


def test_deadlines_within_deadlines_end_with_the_first():
    patience = Patience(5)
    assert patience.left() == 5
    with patience.until(time.monotonic() + 1000):
        assert patience.left() == 5
        with patience.until(time.monotonic() - 1), pytest.raises(TimeoutError):
            patience.left()
        with patience.until(time.monotonic() + 3), patience.until(time.monotonic() + 1000):
            assert patience.left() <= 3
    assert patience.left() == 5
