"""Errors, digests, files, programs, progress: what every room stands on."""

import io
import os
import sys

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.core import documents
from builder.core.digest import Digest, digest_stream
from builder.core.errors import ExitCode, HostFailure, InputFailure, Location, Problem, WorkFailure
from builder.core.files import atomic_writer, write_atomically
from builder.core.process import run
from builder.core.progress import PlainProgress, amount_text


def test_a_problem_says_where_what_and_what_to_do():
    problem = Problem("unknown attribute", hint="did you mean this?\nor that?", location=Location("a.hcl", 3, 5))
    assert str(problem) == "a.hcl:3:5: unknown attribute\n    did you mean this?\n    or that?"
    assert str(Location("a.hcl")) == "a.hcl"


def test_a_failure_carries_all_problems_and_its_exit_code():
    failure = InputFailure(Problem("one"), "two")
    assert [p.message for p in failure.problems] == ["one", "two"]
    assert failure.exit_code is ExitCode.INPUT


@pytest.mark.parametrize("text", ["", "sha256:", "sha256:" + "g" * 64, "md5:" + "0" * 64, "sha256:" + "0" * 63])
def test_what_is_no_digest_is_refused(text):
    with pytest.raises(ValueError, match="not a sha256 digest"):
        Digest(text)


@given(st.binary(max_size=3_000_000))
def test_a_stream_has_the_digest_of_its_bytes(data):
    assert digest_stream(io.BytesIO(data)) == (Digest.of(data), len(data))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(json_values)
def test_a_document_has_one_spelling_and_is_read_back(value):
    assert documents.decode(documents.compact(value), object) == value
    assert documents.decode(documents.readable(value), object) == value
    if isinstance(value, dict):
        shuffled = dict(reversed(value.items()))
        assert documents.compact(shuffled) == documents.compact(value)


def test_a_file_is_written_whole_whatever_the_umask(tmp_path):
    before = os.umask(0o077)
    try:
        write_atomically(tmp_path / "file", b"data")
    finally:
        os.umask(before)
    assert (tmp_path / "file").read_bytes() == b"data"
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_a_writer_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    write_atomically(tmp_path / "file", b"old")
    with pytest.raises(ValueError, match="closed file"), atomic_writer(tmp_path / "file") as stream:
        stream.close()  # the writer can not flush and sync what is closed
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_a_program_that_fails_is_shown_with_its_last_words():
    words = [sys.executable, "-c", "import sys; print('why', file=sys.stderr); sys.exit(3)"]
    with pytest.raises(WorkFailure, match="exit code 3") as caught:
        run(words, time_limit=30)
    assert "why" in caught.value.problems[0].hint
    assert run(words, time_limit=30, check=False).returncode == 3


def test_a_program_that_is_not_there_is_the_hosts_lack():
    with pytest.raises(HostFailure, match="'no-such-program' is not installed"):
        run(["no-such-program"], time_limit=30)


def test_a_program_over_its_limit_is_ended():
    with pytest.raises(WorkFailure, match=r"did not end within 0\.2 s"):
        run([sys.executable, "-c", "import time; time.sleep(60)"], time_limit=0.2)


def test_output_to_a_log_is_shown_from_there(tmp_path):
    words = [sys.executable, "-c", "print('said'); raise SystemExit(1)"]
    with pytest.raises(WorkFailure) as caught:
        run(words, time_limit=30, log_file=tmp_path / "log")
    assert "said" in caught.value.problems[0].hint
    assert (tmp_path / "log").read_text() == "said\n"


def test_plain_progress_tells_begin_and_end_and_never_that_a_failure_is_done():
    stream = io.StringIO()
    progress = PlainProgress(stream)
    with progress.task("work", 10) as task:
        task.advance(10)
    with pytest.raises(RuntimeError), progress.task("other"):
        raise RuntimeError
    lines = stream.getvalue().splitlines()
    assert [line.partition(" in ")[0].partition(" after ")[0] for line in lines] == [
        "work ...",
        "work: done",
        "other ...",
        "other: stopped",
    ]


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (81_600_000, "81.6 MB"), (4_000_000_000_000, "4.0 TB")],
)
def test_amounts_are_in_si_units(amount, text):
    assert amount_text(amount) == text


def test_json_that_is_nested_too_deeply_is_no_json_of_ours():
    with pytest.raises(msgspec.DecodeError, match="too deeply"):
        documents.decode(b"[" * 100_000 + b"]" * 100_000, list)
