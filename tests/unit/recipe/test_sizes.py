"""Sizes as text and as bytes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.recipe.sizes import UNITS, nearest_size, size_in_bytes, size_text


@pytest.mark.parametrize(("text", "size"), [("1MiB", 1_048_576), ("8GiB", 8_589_934_592), ("2TiB", 2_199_023_255_552)])
def test_a_size_is_a_number_and_a_unit(text: Any, size: Any):
    assert size_in_bytes(text) == size


@pytest.mark.parametrize(
    "text", ["", "8", "8GB", "8 GiB", "08GiB", "0GiB", "-1GiB", "1.5GiB", "8gib", "8GiB\n", "٨GiB"]
)
def test_what_is_not_written_so_is_no_size(text: Any):
    with pytest.raises(ValueError, match="^" + text.replace("\n", "\\n")):
        size_in_bytes(text)


@given(number=st.integers(1, 9_999_999), unit=st.sampled_from(list(UNITS)))
def test_a_size_written_and_read_again_is_the_same(number: int, unit: str):
    size = size_in_bytes(f"{number}{unit}")
    assert size_in_bytes(size_text(size)) == size


@pytest.mark.parametrize(
    ("text", "meant"),
    [("8GB", "8GiB"), ("8 gib", "8GiB"), ("512m", "512MiB"), (" 2T ", "2TiB"), ("8", ""), ("many", ""), ("1.5GiB", "")],
)
def test_what_was_probably_meant(text: Any, meant: Any):
    assert nearest_size(text) == meant
