"""The multiplexed stream of the Docker Engine."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.boot.docker.streams import Demultiplexer

frames = st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)))


def encoded(parts: list[tuple[int, bytes]]) -> bytes:
    return b"".join(bytes([number, 0, 0, 0]) + len(data).to_bytes(4, "big") + data for number, data in parts)


@given(frames, st.integers(min_value=1, max_value=40))
def test_pieces_of_any_size_give_the_two_streams(parts: list[tuple[int, bytes]], size: int) -> None:
    stream = encoded(parts)
    demultiplexer = Demultiplexer()
    for start in range(0, len(stream), size):
        demultiplexer.feed(stream[start : start + size])
    assert demultiplexer.stdout == b"".join(data for number, data in parts if number == 1)
    assert demultiplexer.stderr == b"".join(data for number, data in parts if number == 2)


@pytest.mark.parametrize("stream", [b"\3\0\0\0\0\0\0\1x", b"\1\0\1\0\0\0\0\1x", b"HTTP/1.1"])
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(ValueError, match="not a frame"):
        Demultiplexer().feed(stream)
