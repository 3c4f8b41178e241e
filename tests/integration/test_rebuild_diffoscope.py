"""diffoscope itself, as Debian has it in diffoscope-minimal: what it says of a pair is in the account of it."""

import gzip
from pathlib import Path

import pytest

from builder.core.progress import NoProgress
from builder.rebuild.differences.pairs import Looker, new_pair

pytestmark = pytest.mark.integration


def account(folder: Path, path: str, one: bytes, two: bytes) -> str:
    pair = new_pair(folder, 0, path)
    pair.stored.write_bytes(one)
    pair.rebuilt.write_bytes(two)
    return Looker(NoProgress()).look(pair).detail


def test_diffoscope_unpacks_what_the_comparison_does_not(tmp_path):
    said = account(
        tmp_path, "/usr/share/doc/toy.gz", gzip.compress(b"one\n" * 9), gzip.compress(b"one\n" * 8 + b"two\n")
    )
    assert "diffoscope:\n--- 0-stored.gz\n+++ 0-rebuilt.gz\n" in said
    assert "+two" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-rebuilt.gz", "0-stored.gz"]


def test_names_and_contents_that_are_hostile_get_no_further(tmp_path):
    said = account(tmp_path, "/$(touch x);.json", b'{"a": "\x1b[31m"}', b'{"a": "../../x"}')
    assert "\x1b" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-rebuilt.json", "0-stored.json"]
