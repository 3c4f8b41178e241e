"""Fetching: resumed, retried, checked, and never more than was promised."""

import hashlib

import pytest

from builder.core.errors import InputFailure, WorkFailure
from builder.core.progress import NoProgress
from builder.freeze.download import Checksum, Downloader, Wanted
from tests.tinyrpm import IgnoresRange, NotFound, OtherBytes, ServerError, StopsAfter, Vault, WrongLength

DATA = bytes(range(256)) * 4096


@pytest.fixture
def vault(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "file").write_bytes(DATA)
    with Vault(folder) as vault:
        yield vault


@pytest.fixture
def pauses() -> list[float]:
    return []


@pytest.fixture
def downloader(tmp_path, pauses) -> Downloader:
    kept = tmp_path / "kept"
    kept.mkdir()
    return Downloader(kept, NoProgress(), pause=pauses.append)


def wanted(vault, path="/file", data=DATA, size=len(DATA)) -> Wanted:
    return Wanted(vault.url + path, Checksum("sha256", hashlib.sha256(data).hexdigest()), size)


def test_a_file_comes_whole_and_is_fetched_once(vault, downloader):
    assert downloader.fetch(wanted(vault)).read_bytes() == DATA
    assert downloader.fetch(wanted(vault)).read_bytes() == DATA
    assert vault.asked("/file") == 1
    assert (downloader.fetched_files, downloader.fetched_bytes) == (1, len(DATA))


def test_a_server_that_stops_is_resumed_where_it_stopped(vault, downloader, pauses):
    vault.misbehave("/file", StopsAfter(300_000, times=2))
    assert downloader.fetch(wanted(vault)).read_bytes() == DATA
    starts = [int(r.range.removeprefix("bytes=").removesuffix("-") or 0) for r in vault.requests]
    assert starts[0] == 0
    assert 200_000 < starts[1] <= 300_000  # whole pieces are kept, the last broken one is not
    assert starts[1] + 200_000 < starts[2] <= 600_000
    assert pauses == [0.5, 1.0]


def test_a_later_run_goes_on_where_an_earlier_one_stopped(vault, downloader):
    vault.misbehave("/file", StopsAfter(100_000))
    with pytest.raises(WorkFailure, match="could not be fetched: the server stopped"):
        downloader.fetch(wanted(vault))
    (part,) = downloader.path(wanted(vault)).parent.glob("*.part")
    came = part.stat().st_size
    assert came > 300_000
    vault.behave("/file")
    vault.forget()
    assert downloader.fetch(wanted(vault)).read_bytes() == DATA
    assert [r.range for r in vault.requests] == [f"bytes={came}-"]


def test_a_server_without_ranges_begins_again(vault, downloader):
    vault.misbehave("/file", StopsAfter(100_000))
    with pytest.raises(WorkFailure):
        downloader.fetch(wanted(vault))
    vault.misbehave("/file", IgnoresRange())
    assert downloader.fetch(wanted(vault)).read_bytes() == DATA


def test_a_server_error_passes(vault, downloader, pauses):
    vault.misbehave("/file", ServerError(times=3))
    assert downloader.fetch(wanted(vault)).read_bytes() == DATA
    assert pauses == [0.5, 1.0, 2.0]


def test_a_missing_file_is_not_asked_for_again(vault, downloader, pauses):
    vault.misbehave("/file", NotFound())
    with pytest.raises(WorkFailure, match="404") as caught:
        downloader.fetch(wanted(vault))
    assert "--update" in str(caught.value)
    assert pauses == []


def test_other_bytes_are_refused_and_forgotten(vault, downloader, tmp_path):
    vault.misbehave("/file", OtherBytes(DATA[:-1] + b"!"))
    with pytest.raises(InputFailure, match="is not what it should be"):
        downloader.fetch(wanted(vault))
    assert list((tmp_path / "kept").iterdir()) == []


def test_more_bytes_than_promised_are_refused(vault, downloader):
    vault.misbehave("/file", OtherBytes(DATA + b"more"))
    with pytest.raises(InputFailure, match="is longer than"):
        downloader.fetch(wanted(vault))


def test_a_length_that_is_not_kept_is_a_stop(vault, downloader):
    vault.misbehave("/file", WrongLength(len(DATA) + 10))
    with pytest.raises(WorkFailure, match="stopped"):
        downloader.fetch(Wanted(vault.url + "/file"))


def test_every_failure_of_many_files_is_named(vault, downloader):
    files = [wanted(vault, f"/no-{n}") for n in range(6)]
    with pytest.raises(WorkFailure) as caught:
        downloader.fetch_all([*files, wanted(vault)], "files")
    assert len(caught.value.problems) == 6
    assert downloader.path(wanted(vault)).exists()


def test_a_server_that_is_not_there_is_said_plainly(tmp_path, downloader):
    (tmp_path / "empty").mkdir()
    with Vault(tmp_path / "empty") as gone:
        url = gone.url
    with pytest.raises(WorkFailure, match="the connection was refused"):
        downloader.fetch(Wanted(url + "/file"))


def test_an_unknown_checksum_is_the_inputs_fault(vault, downloader):
    with pytest.raises(InputFailure, match="'crc32' is not known"):
        downloader.fetch(Wanted(vault.url + "/file", Checksum("crc32", "00"), len(DATA)))
