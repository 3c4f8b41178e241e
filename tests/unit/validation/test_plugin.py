"""What the plugin takes out of messages."""

from __future__ import annotations

import sys
from pathlib import Path

from builder.validation.plugin import MESSAGE_LIMIT, steady


def test_what_differs_between_runs_is_taken_out() -> None:
    root = Path("/tmp/keep-12/recipe")
    text = f"\x1b[31m{root}/test_a.py:3 <object at 0x7f00aa12bb> in {root}, {sys.prefix}/lib\x1b[0m\x07"
    assert steady(text, root) == "test_a.py:3 <object at 0x...> in ., <python>/lib"


def test_a_long_message_is_cut_and_says_so() -> None:
    assert steady("x" * (MESSAGE_LIMIT + 1), Path("/r")).endswith("x\n(cut)")
    assert steady("x" * MESSAGE_LIMIT, Path("/r")) == "x" * MESSAGE_LIMIT
