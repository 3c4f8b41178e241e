"""The honest server: what it sends, to whom, and what it keeps back."""

from __future__ import annotations

import email.utils
import http.client
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from example.upstream.server import TreeServer, byte_range, file_under

TEXT = b"0123456789" * 100


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TreeServer]:
    (tmp_path / "tree" / "a b").mkdir(parents=True)
    (tmp_path / "tree" / "file.rpm").write_bytes(TEXT)
    (tmp_path / "tree" / "a b" / "x+y%").write_bytes(b"odd")
    (tmp_path / "tree" / "out").symlink_to(tmp_path / "secret")
    (tmp_path / "secret").write_bytes(b"secret")
    with TreeServer(tmp_path / "tree") as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield serving
        serving.shutdown()
        thread.join()


def ask(server: TreeServer, path: str, method: str = "GET", **headers: str) -> tuple[http.client.HTTPResponse, bytes]:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)  # type: ignore[arg-type]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def test_a_file_comes_whole_with_its_length_type_and_validators(server: TreeServer) -> None:
    answer, body = ask(server, "/file.rpm")
    assert (answer.status, body) == (200, TEXT)
    assert answer.headers["Content-Length"] == str(len(TEXT))
    assert answer.headers["Content-Type"] == "application/x-rpm"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert email.utils.parsedate_to_datetime(answer.headers["Last-Modified"]).year > 2000


def test_head_sends_the_headers_of_get_and_no_body(server: TreeServer) -> None:
    (got, _), (headed, body) = ask(server, "/file.rpm"), ask(server, "/file.rpm", "HEAD")
    assert body == b""
    assert headed.headers["Content-Length"] == got.headers["Content-Length"]
    assert headed.headers["ETag"] == got.headers["ETag"]


@pytest.mark.parametrize(
    ("asked", "status", "first", "last"),
    [
        ("bytes=0-9", 206, 0, 10),
        ("bytes=990-", 206, 990, 1000),
        ("bytes=990-5000", 206, 990, 1000),
        ("bytes=-10", 206, 990, 1000),
        ("bytes=-5000", 206, 0, 1000),
        ("bytes=5-2", 200, 0, 1000),
        ("bytes=0-1,5-6", 200, 0, 1000),
        ("lines=1-2", 200, 0, 1000),
        ("bytes=-", 200, 0, 1000),
    ],
)
def test_a_range_is_answered_as_the_standard_says(
    server: TreeServer, asked: str, status: int, first: int, last: int
) -> None:
    answer, body = ask(server, "/file.rpm", Range=asked)
    assert (answer.status, body) == (status, TEXT[first:last])
    assert answer.headers["Content-Range"] == (f"bytes {first}-{last - 1}/1000" if status == 206 else None)


@pytest.mark.parametrize("asked", ["bytes=1000-", "bytes=5000-6000", "bytes=-0"])
def test_a_range_beyond_the_end_is_refused_with_the_size(server: TreeServer, asked: str) -> None:
    answer, _ = ask(server, "/file.rpm", Range=asked)
    assert answer.status == 416
    assert answer.headers["Content-Range"] == "bytes */1000"


@given(st.integers(0, 1200), st.integers(0, 1200))
def test_a_range_never_leads_out_of_the_file(first: int, last: int) -> None:
    if first >= len(TEXT):
        with pytest.raises(ValueError, match="bytes"):
            byte_range(f"bytes={first}-{last}", len(TEXT))
        return
    part = byte_range(f"bytes={first}-{last}", len(TEXT))
    if last < first:
        assert part is None
    else:
        assert part == (first, min(last, len(TEXT) - 1) - first + 1)


def test_what_the_reader_has_already_is_not_sent_again(server: TreeServer) -> None:
    answer, _ = ask(server, "/file.rpm")
    tag, modified = answer.headers["ETag"], answer.headers["Last-Modified"]
    assert ask(server, "/file.rpm", If_None_Match=tag)[0].status == 304
    assert ask(server, "/file.rpm", If_None_Match='"other"')[0].status == 200
    assert ask(server, "/file.rpm", If_Modified_Since=modified)[0].status == 304
    assert ask(server, "/file.rpm", If_Modified_Since="Mon, 01 Jan 2001 00:00:00 GMT")[0].status == 200
    assert ask(server, "/file.rpm", If_Modified_Since="nonsense")[0].status == 200


def test_a_resumed_transfer_starts_over_when_the_file_has_changed(server: TreeServer) -> None:
    tag = ask(server, "/file.rpm")[0].headers["ETag"]
    assert ask(server, "/file.rpm", Range="bytes=5-", If_Range=tag)[0].status == 206
    file = server.folder / "file.rpm"
    file.unlink()
    file.write_bytes(TEXT[::-1])
    answer, body = ask(server, "/file.rpm", Range="bytes=5-", If_Range=tag)
    assert (answer.status, body) == (200, TEXT[::-1])


def test_an_escaped_name_is_found(server: TreeServer) -> None:
    assert ask(server, "/a%20b/x+y%25?query=1")[1] == b"odd"


@pytest.mark.parametrize("path", ["/missing", "/", "/a%20b", "/../secret", "/%2e%2e/secret", "/out", "/x%00y"])
def test_what_is_no_file_of_the_tree_is_not_found(server: TreeServer, path: str) -> None:
    assert ask(server, path)[0].status == 404


def test_a_connection_serves_many_requests(server: TreeServer) -> None:
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=10)  # type: ignore[arg-type]
    for path, status in (("/file.rpm", 200), ("/missing", 404), ("/file.rpm", 200)):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == status
    connection.close()


def test_only_this_machine_is_served(server: TreeServer) -> None:
    assert server.server_address[0] == "127.0.0.1"
    assert server.url == f"http://127.0.0.1:{server.server_address[1]}"


def test_the_folder_may_be_a_link_that_moves(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    link = tmp_path / "current"
    for name in ("one", "two"):
        link.unlink(missing_ok=True)
        link.symlink_to(name)
        found = file_under(link, "/file")
        assert found is not None
        assert found.read_text() == name
