"""Whatever stands in a file, reading it succeeds or says what is wrong; it never breaks and never takes long."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.core.errors import InputFailure
from builder.recipe.load import load

PIECES = [
    'release "a" "1" {\n', "extends = ", '"el"', "os {\n", "}\n", "{", "}", "[", "]", "(", ")", "\n", "\n",
    " ", '"', "${", "$${", "%{", "<<EOF\n", "EOF\n", "=", "==", "!", "?", ":", ",", ".", "var", "local", "a",
    "1", "-", "#", "/*", "*/", "true", "null", 'variable "a" {\n', "locals {\n", "a = ", "b = local.a\n",
    'package "boss" {\n', 'source "tarball" {\n', "url = ", "\\", "\r\n", "\x00", "é", "\ue000",
    "for x in y : x", "[*]", ".*", "...", "::", "join(", 'image "oci" {}\n', "document ", '"x"', "file = ",
]  # fmt: skip

fast = settings(
    deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@pytest.fixture
def judge(write: Any):
    path = write("")

    def judge(data: bytes) -> None:
        path.write_bytes(data)
        try:
            load(path, {}, {})
        except InputFailure as failure:
            problems = failure.problems
        else:
            return
        assert problems
        assert all(problem.message for problem in problems)
        assert all(problem.location and problem.location.file for problem in problems)

    return judge


@given(data=st.binary(max_size=300))
@fast
def test_random_bytes(judge: Any, data: Any):
    judge(data)


@given(pieces=st.lists(st.sampled_from(PIECES), max_size=40))
@example(pieces=['release "a" "1" {\n', "}\n", "os {\n", "a = ", "[", "1", "]", "}\n"])
@fast
def test_random_soups_of_tokens(judge: Any, pieces: Any):
    judge("".join(pieces).encode())


@given(data=st.data())
@settings(fast, max_examples=60)  # the recipe is long
def test_a_good_recipe_with_a_random_cut_or_insertion(judge: Any, recipes: Any, data: Any):
    good = (recipes / "whole-1.0" / "recipe.hcl").read_text()
    start = data.draw(st.integers(0, len(good)))
    end = data.draw(st.integers(start, min(len(good), start + 20)))
    judge((good[:start] + data.draw(st.sampled_from(["", *PIECES])) + good[end:]).encode())


HEAD = 'release "a" "1" {\n}\n'
BOMBS = {
    "doubled lists": HEAD + "locals {\n  a0 = [1, 2]\n" + "".join(
        f"  a{n} = [local.a{n - 1}, local.a{n - 1}]\n" for n in range(1, 60)) + "}\n",
    "replace": HEAD + 'locals {\n  a = "' + "x" * 16_000 + '"\n  b = replace(local.a, "x", local.a)\n}\n',
    "thousands of brackets": HEAD + "a = " + "[" * 100_000,
    "thousands of texts in texts": HEAD + "a = " + '"${' * 60_000,
    "thousands of references": HEAD + "locals {\n" + "".join(
        f"  a{n} = local.a{n + 1}\n" for n in range(2_000)) + "}\n",
    "thousands of comparisons": HEAD + "locals {\n  a = 1" + " == 1" * 20_000 + "\n}\n",
    "thousands of members": HEAD + "locals {\n  a = b" + ".c" * 20_000 + "\n}\n",
    "thousands of heredocs that never end": HEAD + "a = <<E\n" * 4_000,
    "one long word": "a" * 250_000,
    "many open quotes": '"\n' * 4_000,
}  # fmt: skip


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS.keys())
def test_a_hostile_recipe_is_refused_within_seconds(judge: Any, text: Any):
    started = time.monotonic()
    judge(text.encode())
    assert time.monotonic() - started < 100
