"""The client of upstream, against a server on loopback that misbehaves: whatever it does, there is an answer, soon."""

import http
import socket
import ssl
import subprocess
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from builder.core.digest import Digest
from builder.core.progress import NoProgress
from builder.freeze.mirrors import read_mirrors
from builder.rebuild.taxonomy import Cause, Severity
from builder.rebuild.upstream.client import Ask, Client, Manners, Trouble, causes, trouble_of, trouble_of_status
from builder.rebuild.upstream.notes import CAUSES
from example.upstream.server import Reply as Sent
from example.upstream.server import error_reply
from tests.tinyrpm import NotFound, OtherBytes, ServerError, Slow, StopsAfter, Vault, WrongLength

DATA = b"the document\n" * 100
SWIFT = {"first_pause": 0.5, "connect": 2.0, "silence": 2.0, "whole": 5.0}


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def vault(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "file").write_bytes(DATA)
    (tmp_path / "served" / "other").write_bytes(DATA)
    with Vault(tmp_path / "served") as vault:
        yield vault


def through(mirror):
    """Give a client for which another place stands in for upstream."""
    return Client(Manners(**SWIFT, pause=lambda _: None), read_mirrors([f"http://upstream.example/a={mirror}"], {}))


URL = "http://upstream.example/a"


def test_a_mirror_is_asked_and_answers_as_upstream(vault, tmp_path):
    for mirror in (vault.url, tmp_path / "served"):
        with through(mirror) as client:
            reply = ask(client, Ask(f"{URL}/file"))
            assert (reply.trouble, reply.body, reply.sha256) == (None, DATA, Digest.of(DATA))
            looked = ask(client, Ask(f"{URL}/file", method="HEAD", size=len(DATA)))
            assert (looked.trouble, looked.length, looked.sha256) == (None, len(DATA), "")
            other = ask(client, Ask(f"{URL}/file", size=5, body="digest"))
            assert (other.trouble, other.sha256, other.length) == (None, "", len(DATA))


@pytest.mark.parametrize("name", ["nothing", "", "%2e%2e/served/file"], ids=["missing", "a folder", "climbs"])
def test_what_a_folder_that_is_a_mirror_has_not_is_gone(tmp_path, name):
    (tmp_path / "served").mkdir()
    with through(tmp_path / "served") as client:
        reply = ask(client, Ask(f"{URL}/{name}"))
    assert reply.trouble is Trouble.GONE
    assert reply.words.startswith(f"{URL}/{name} (at file://")


def test_a_file_of_a_mirror_is_read_up_to_the_limit(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "file").write_bytes(DATA)
    with through(tmp_path / "served") as client:
        assert ask(client, Ask(f"{URL}/file", limit=10)).trouble is Trouble.TOO_LONG


def test_where_a_mirror_moved_to_is_not_where_upstream_moved_to(vault):
    vault.misbehave("/file", Answers(http.HTTPStatus.MOVED_PERMANENTLY, {"Location": "/other"}))
    with through(vault.url) as client:
        reply = ask(client, Ask(f"{URL}/file"))
    assert (reply.trouble, reply.body, reply.moved_to) == (None, DATA, "")


@pytest.fixture
def client(pauses):
    with Client(Manners(**SWIFT, pause=pauses.append)) as client:
        yield client


def ask(client, *asks):
    with NoProgress().task("ask") as task:
        replies = client.ask_all(asks, task)
    return replies if len(replies) > 1 else replies[0]


@dataclass(frozen=True)
class Answers:
    """A status and headers, and the file's bytes or none."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)

    def spoil(self, exchange, /):
        if self.status in {200, 304}:
            reply = exchange.honest_reply()
            return replace(reply, status=http.HTTPStatus(self.status), headers={**reply.headers, **self.headers})
        reply = error_reply(http.HTTPStatus(self.status))
        return replace(reply, headers={**reply.headers, **self.headers})


@dataclass(frozen=True)
class Endless:
    """Bytes without a length and without an end."""

    def spoil(self, _, /):
        def chunks():
            while True:
                yield b"x" * 65536

        return Sent(http.HTTPStatus.OK, {"Content-Type": "text/plain"}, chunks(), closes=True)


# -- what is well ---------------------------------------------------------------------------------------------------


def test_a_document_comes_with_its_digest_and_a_strong_tag(vault, client):
    reply = ask(client, Ask(f"{vault.url}/file"))
    assert (reply.body, reply.sha256, reply.length, reply.trouble) == (DATA, Digest.of(DATA), len(DATA), None)
    assert reply.etag.startswith('"')
    assert client.requests == 1


def test_a_remembered_tag_saves_the_document(vault, client):
    tag = ask(client, Ask(f"{vault.url}/file")).etag
    reply = ask(client, Ask(f"{vault.url}/file", etag=tag))
    assert (reply.unchanged, reply.body, reply.trouble) == (True, b"", None)


def test_a_weak_tag_is_none(vault, client):
    vault.misbehave("/file", Answers(200, {"ETag": 'W/"1"'}))
    assert ask(client, Ask(f"{vault.url}/file")).etag == ""


def test_a_body_goes_to_a_file_or_is_only_digested(vault, client, tmp_path):
    into = tmp_path / "into"
    one, two = ask(client, Ask(f"{vault.url}/file", body="file", into=into), Ask(f"{vault.url}/other", body="digest"))
    assert (one.body, two.body, into.read_bytes()) == (b"", b"", DATA)
    assert one.sha256 == two.sha256 == Digest.of(DATA)


def test_many_are_asked_and_answered_in_order(vault, client, tmp_path):
    for number in range(50):
        (tmp_path / "served" / f"n{number}").write_text(str(number))
    replies = ask(client, *(Ask(f"{vault.url}/n{number}") for number in range(50)))
    assert [reply.body for reply in replies] == [str(number).encode() for number in range(50)]
    assert client.requests == 50


def test_an_answer_of_another_length_is_not_read(vault, client):
    vault.misbehave("/file", OtherBytes(DATA + b"more"))
    reply = ask(client, Ask(f"{vault.url}/file", size=len(DATA)))
    assert (reply.sha256, reply.length, reply.trouble) == ("", len(DATA) + 4, None)


def test_evidence_says_what_was_answered_and_never_when(vault, client):
    reply = ask(client, Ask(f"{vault.url}/gone"))
    said = reply.as_evidence().decode()
    assert said.splitlines()[:2] == [f"GET {vault.url}/gone", "404 Not Found"]
    assert "date" not in said.lower()
    assert ask(client, Ask(f"{vault.url}/gone")).as_evidence().decode() == said


@pytest.mark.parametrize("status", [405, 501])
def test_a_server_that_knows_no_head_is_asked_with_get_and_not_read(vault, client, status):
    class NoHead:
        def spoil(self, exchange, /):
            return error_reply(http.HTTPStatus(status)) if exchange.count == 0 else exchange.honest_reply()

    vault.misbehave("/file", NoHead())
    reply = ask(client, Ask(f"{vault.url}/file", "HEAD"))
    assert (reply.length, reply.body, reply.trouble) == (len(DATA), b"", None)
    assert [request.method for request in vault.requests] == ["HEAD", "GET"]


# -- redirects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "told"), [(301, True), (308, True), (302, False), (303, False), (307, False)])
def test_only_what_moved_for_good_is_told(vault, client, status, told):
    vault.misbehave("/old", Answers(status, {"Location": "/file"}))
    reply = ask(client, Ask(f"{vault.url}/old"))
    assert reply.body == DATA
    assert reply.moved_to == (f"{vault.url}/file" if told else "")


def test_a_mirror_behind_a_new_address_is_not_the_new_address(vault, client):
    vault.misbehave("/old", Answers(301, {"Location": "/new"}))
    vault.misbehave("/new", Answers(302, {"Location": "/file"}))
    assert ask(client, Ask(f"{vault.url}/old")).moved_to == f"{vault.url}/new"
    vault.misbehave("/mirrors", Answers(302, {"Location": "/old"}))
    assert ask(client, Ask(f"{vault.url}/mirrors")).moved_to == ""


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/file", "gopher://127.0.0.1/", "data:,x"])
def test_a_redirect_that_leaves_http_is_not_followed(vault, client, target):
    vault.misbehave("/file", Answers(301, {"Location": target}))
    reply = ask(client, Ask(f"{vault.url}/file"))
    assert (reply.trouble, reply.body) == (Trouble.GONE, b"")
    assert "not followed" in reply.words


@pytest.mark.parametrize("target", ["http://", "http://[", "http://a b/", "http:///x"])
def test_a_redirect_to_no_address_is_an_end(vault, client, target):
    vault.misbehave("/file", Answers(301, {"Location": target}))
    assert ask(client, Ask(f"{vault.url}/file")).trouble in {Trouble.GONE, Trouble.PASSING}


def test_a_circle_of_redirects_ends(vault, client):
    vault.misbehave("/file", Answers(302, {"Location": "/file"}))
    reply = ask(client, Ask(f"{vault.url}/file"))
    assert (reply.trouble, client.requests) == (Trouble.GONE, 6)


# -- what is wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (200, None), (304, None), (204, Trouble.GONE), (400, Trouble.GONE), (404, Trouble.GONE), (410, Trouble.GONE),
        (451, Trouble.GONE), (401, Trouble.CLOSED), (403, Trouble.CLOSED), (407, Trouble.CLOSED),
        (511, Trouble.CLOSED), (408, Trouble.PASSING), (425, Trouble.PASSING), (429, Trouble.PASSING),
        (500, Trouble.PASSING), (502, Trouble.PASSING), (503, Trouble.PASSING), (504, Trouble.PASSING),
        (599, Trouble.PASSING), (999, Trouble.PASSING),
    ],
)  # fmt: skip
def test_what_a_status_means(status, trouble):
    assert trouble_of_status(status) is trouble


def test_what_may_pass_is_tried_again_with_longer_and_longer_pauses(vault, client, pauses):
    vault.misbehave("/file", ServerError(times=3))
    assert ask(client, Ask(f"{vault.url}/file")).body == DATA
    assert pauses == [0.5, 1.0, 2.0]


def test_what_does_not_pass_is_told_with_its_reason(vault, client):
    vault.misbehave("/file", ServerError(times=99))
    reply = ask(client, Ask(f"{vault.url}/file"))
    assert (reply.trouble, client.requests) == (Trouble.PASSING, 4)
    assert reply.words == f"{vault.url}/file: the server answered 500 Internal Server Error"


def test_what_is_gone_is_not_tried_again(vault, client):
    vault.misbehave("/file", NotFound())
    reply = ask(client, Ask(f"{vault.url}/file"))
    assert (reply.trouble, client.requests) == (Trouble.GONE, 1)
    assert reply.words == f"{vault.url}/file: the server answered 404 Not Found"


@pytest.mark.parametrize("fault", [StopsAfter(100), WrongLength(5000)])
def test_a_server_that_stops_in_the_middle_may_come_back(vault, client, fault):
    vault.misbehave("/file", fault)
    assert ask(client, Ask(f"{vault.url}/file")).trouble is Trouble.PASSING
    vault.behave("/file")
    assert ask(client, Ask(f"{vault.url}/file")).body == DATA


def test_a_host_that_is_not_there_is_tried_a_few_times_in_all(client):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    replies = ask(client, *(Ask(f"http://127.0.0.1:{port}/{number}") for number in range(100)))
    assert {reply.trouble for reply in replies} == {Trouble.PASSING}
    assert replies[99].words == f"http://127.0.0.1:{port}/99: the connection was refused"
    assert client.requests <= 16


def test_a_name_that_is_not_known_may_be_known_again(client):
    reply = ask(client, Ask("http://vault.invalid/file"))
    assert reply.trouble is Trouble.PASSING
    assert reply.words in {
        "http://vault.invalid/file: the server's name is not known",
        "http://vault.invalid/file: the connection broke",
    }


def test_a_host_that_fails_for_some_addresses_is_not_asked_for_the_others(vault, client):
    for number in range(60):
        vault.misbehave(f"/{number}", ServerError(times=99))
    replies = ask(client, *(Ask(f"{vault.url}/{number}") for number in range(60)))
    assert {reply.trouble for reply in replies} == {Trouble.PASSING}
    assert client.requests < 60


def test_304_to_a_question_without_condition_is_no_answer(vault, client):
    vault.misbehave("/file", Answers(304))
    reply = ask(client, Ask(f"{vault.url}/file"))
    assert (reply.trouble, reply.unchanged) == (Trouble.PASSING, False)


# -- what is hostile ------------------------------------------------------------------------------------------------


def test_a_body_without_an_end_is_cut_off(vault, client):
    vault.misbehave("/file", Endless())
    reply = ask(client, Ask(f"{vault.url}/file", limit=1 << 20))
    assert (reply.trouble, reply.body) == (Trouble.TOO_LONG, b"")
    longer = ask(client, Ask(f"{vault.url}/file", size=1000, body="digest"))
    assert (longer.trouble, longer.sha256) == (None, "")


def test_the_body_of_a_redirect_is_not_read(vault, client):
    class EndlessRedirect:
        def spoil(self, exchange, /):
            reply = Endless().spoil(exchange)
            return replace(reply, status=http.HTTPStatus.FOUND, headers={"Location": "/other"})

    vault.misbehave("/file", EndlessRedirect())
    assert ask(client, Ask(f"{vault.url}/file")).body == DATA


def test_a_length_beyond_the_limit_is_not_read(vault, client):
    vault.misbehave("/file", Answers(200, {"Content-Length": "99999999999"}))
    assert ask(client, Ask(f"{vault.url}/file")).trouble is Trouble.TOO_LONG


def test_a_body_that_trickles_ends_with_the_time_limit(vault, pauses):
    vault.misbehave("/file", Slow(0.2, size=1))
    began = time.monotonic()
    with Client(Manners(**{**SWIFT, "whole": 1.0}, pause=pauses.append)) as client:
        reply = ask(client, Ask(f"{vault.url}/file"))
    assert reply.trouble is Trouble.PASSING
    assert reply.words.endswith("the server did not finish its answer within 1 s")
    assert (time.monotonic() - began < 40, pauses) == (True, [])


@contextmanager
def speaking(*pieces, pause=0.0):
    """Serve one answer after another as raw bytes, whatever was asked."""
    server = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def answer(connection):
        with connection:
            try:
                connection.recv(65536)
                for piece in pieces:
                    connection.sendall(piece)
                    if stop.wait(pause):
                        return
            except OSError:
                return

    def serve():
        while not stop.is_set():
            try:
                connection, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connection,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        stop.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize(
    "said",
    [
        b"", b"\x00\xff\x00\xff", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 999999 No\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nabc", b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", b"HTTP/1.1 301 \r\nLocation: \xff\xfe\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_answer_of_http_is_trouble_or_a_document_and_never_an_error(said, client):
    with speaking(said) as url:
        reply = ask(client, Ask(f"{url}/file"))
    assert reply.trouble in {Trouble.PASSING, Trouble.GONE, None}


def test_headers_that_trickle_end_with_the_time_limit(pauses):
    with speaking(b"HTTP/1.1 200 OK\r\n", *[b"X: y\r\n"] * 1000, pause=0.1) as url:
        began = time.monotonic()
        with Client(Manners(**{**SWIFT, "whole": 1.0}, pause=pauses.append)) as client:
            reply = ask(client, Ask(f"{url}/file"))
        assert reply.trouble is Trouble.PASSING
        assert time.monotonic() - began < 40


def test_a_bomb_is_bounded_by_what_it_unpacks_to(client):
    import gzip

    bomb = gzip.compress(b"\0" * (64 << 20))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    with speaking(head, bomb) as url:
        assert ask(client, Ask(f"{url}/file", limit=1 << 20)).trouble is Trouble.TOO_LONG


# -- encryption -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """An authority, and certificates of it for 127.0.0.1 that are good and that expired in 2020."""
    folder = tmp_path_factory.mktemp("certificates")
    (folder / "index").touch()
    (folder / "config").write_text(
        f"[ca]\ndefault_ca = a\n[a]\nnew_certs_dir = {folder}\ndatabase = {folder}/index\nrand_serial = yes\n"
        "default_md = sha256\npolicy = p\nunique_subject = no\n[p]\ncommonName = supplied\n[req]\n"
        "distinguished_name = d\n[d]\n[of_ca]\nbasicConstraints = critical, CA:TRUE\n[of_server]\n"
        "subjectAltName = IP:127.0.0.1\n"
    )

    def openssl(*words):
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "rsa:2048", "-nodes", "-config", "config"]
    openssl("req", "-x509", *new_key, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca", "-extensions", "of_ca")
    openssl("req", *new_key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=127.0.0.1")
    for name, begin, end in (
        ("good", "20200101000000Z", "20490101000000Z"),
        ("old", "20200101000000Z", "20200201000000Z"),
    ):
        openssl(
            "ca", "-batch", "-config", "config", "-cert", "ca.pem", "-keyfile", "ca.key", "-in", "server.csr",
            "-out", f"{name}.pem", "-notext", "-startdate", begin, "-enddate", end, "-extensions", "of_server",
        )  # fmt: skip
    return folder


@contextmanager
def encrypted(folder, certificate):
    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(DATA)))
            self.end_headers()
            self.wfile.write(DATA)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / certificate, folder / "server.key")

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_):
            pass  # the client hung up, as it should

    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{server.server_address[1]}/file"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize(
    ("certificate", "known", "trouble"),
    [
        ("good.pem", True, None),
        ("old.pem", True, Trouble.CERTIFICATE_EXPIRED),
        ("good.pem", False, Trouble.CERTIFICATE_UNKNOWN),
    ],
)
def test_what_is_wrong_with_a_certificate(certificates, client, monkeypatch, certificate, known, trouble):
    if known:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates / "ca.pem"))
    with encrypted(certificates, certificate) as url:
        reply = ask(client, Ask(url))
        assert reply.trouble is trouble
        assert trouble is None or (client.requests == 1 and "certificate" in reply.words)


def test_a_protocol_that_is_refused_is_no_matter_of_the_network():
    error = requests.exceptions.SSLError("wrapped")
    error.__cause__ = ssl.SSLError(1, "[SSL: UNSUPPORTED_PROTOCOL] unsupported protocol")
    assert trouble_of(error).trouble is Trouble.ENCRYPTION


def test_causes_are_found_however_they_are_wrapped_and_in_circles():
    inner, outer = ValueError("inner"), OSError("outer")
    outer.args = (inner,)
    inner.__context__ = outer
    assert list(causes(outer)) == [outer, inner]


def test_every_trouble_has_a_cause_and_only_what_may_pass_is_unknown():
    assert set(CAUSES) == set(Trouble)
    assert [trouble for trouble in Trouble if CAUSES[trouble].entry.severity is Severity.UNKNOWN] == [Trouble.PASSING]
    assert CAUSES[Trouble.CERTIFICATE_EXPIRED] is Cause.SIGNATURE_EXPIRED
    assert CAUSES[Trouble.CERTIFICATE_UNKNOWN] is Cause.KEY_MISSING
