from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.boot.shell.protocol import PIECE, Answer, Answers, Marker, bootstrap, command_words, line, pieces, quote

NONCE = "boss0123456789ab"


@given(st.lists(st.binary(min_size=1).filter(lambda b: b"\0" not in b), min_size=1, max_size=8))
def test_a_shell_reads_quoted_words_as_they_are(words: list[bytes]) -> None:
    script = b"printf '%s\\n-' " + line(words)
    read = subprocess.run(["/bin/sh", "-c", script], capture_output=True, check=True)
    assert read.stdout == b"".join(word + b"\n-" for word in words)


def test_bytes_that_are_no_text_are_quoted_unchanged() -> None:
    assert quote(os.fsdecode(b"\xff'\x80")) == b"'\xff'\\''\x80'"


@given(st.lists(st.integers(1, 40), max_size=60))
def test_answers_are_found_however_their_bytes_arrive(cuts: list[int]) -> None:
    data = f"noise\r\n{NONCE} ready virtio\n# {NONCE} ended 3 0\r\n{NONCE} fed 3\nhalf".encode()
    answers, found = Answers(NONCE), []
    for cut in cuts:
        found += answers.feed(data[:cut])
        data = data[cut:]
    found += answers.feed(data)
    assert found == [Answer("ready", ("virtio",)), Answer("ended", ("3", "0")), Answer("fed", ("3",))]
    assert answers.noise == b"noise\r\n"
    assert answers.pending() == b"half"


def test_noise_without_end_is_not_kept_without_end() -> None:
    answers = Answers(NONCE)
    for _ in range(1000):
        assert answers.feed(b"x" * 1000) == []
    assert len(answers.noise) + len(answers.pending()) < 16384
    assert answers.feed(f"\n{NONCE} ready\n".encode()) == [Answer("ready", ())]


@given(st.binary(max_size=200), st.lists(st.integers(1, 30), max_size=60))
def test_a_stream_passes_up_to_its_marker_however_it_arrives(before: bytes, cuts: list[int]) -> None:
    mark = f"{NONCE}.1.out".encode()
    data, marker, passed = before + mark, Marker(mark), b""
    for cut in cuts:
        passed += marker.feed(data[:cut])
        data = data[cut:]
    passed += marker.feed(data)
    assert marker.found
    assert passed == before


def test_what_only_looks_like_a_marker_passes() -> None:
    marker = Marker(b"abcabd")
    assert marker.feed(b"abcabcab") + marker.feed(b"x") == b"abcabcabx"
    assert not marker.found


def test_the_bootstrap_fits_a_terminals_line_and_does_not_spell_what_it_answers() -> None:
    said = bootstrap(NONCE)
    assert len(said) < 4095
    assert said.count(b"\n") == 1
    assert NONCE.encode() + b"\n" not in said


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_the_agent_is_cut_into_whole_pieces(size: int) -> None:
    cut = pieces(b"x" * size)
    assert all(len(piece) == PIECE for piece in cut)
    assert b"".join(cut).rstrip(b"\n") == b"x" * size


def test_a_command_always_has_a_path() -> None:
    assert any(word.startswith("PATH=/") for word in command_words(["true"], "", {}))
    assert "PATH=/own" in command_words(["true"], "", {"PATH": "/own"})


def test_the_agent_is_a_script_for_every_shell_of_this_host() -> None:
    agent = Path(__file__).parents[3] / "builder" / "boot" / "shell" / "agent.sh"
    for shell in (["dash"], ["bash", "--posix"]):
        checked = subprocess.run([*shell, "-n", agent], capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, b"")
