"""Each file of bad/ is a recipe with mistakes; the text beside it is what must be said of them, all of it, in order."""

from pathlib import Path
from typing import Any

import pytest

from builder.core.errors import ExitCode, InputFailure
from builder.recipe.load import load

CASES = sorted((Path(__file__).parent / "bad").glob("*.hcl"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_bad_recipe_is_reported_in_full(case: Any, write: Any):
    path = write(case.read_bytes())
    with pytest.raises(InputFailure) as failure:
        load(path, {}, {})
    said = "".join(f"{problem}\n" for problem in failure.value.problems)
    assert said == case.with_suffix(".txt").read_text("utf-8")
    assert failure.value.exit_code == ExitCode.INPUT


def test_every_expectation_has_its_recipe():
    expected = {path.stem for path in (Path(__file__).parent / "bad").glob("*.txt")}
    assert expected == {case.stem for case in CASES}


def test_problems_are_sorted_by_file_and_position(write: Any):
    path = write((Path(__file__).parent / "bad" / "problems-in-base.hcl").read_text())
    with pytest.raises(InputFailure) as failure:
        load(path, {}, {})
    places = [problem.location for problem in failure.value.problems]
    assert places == sorted(places)
    assert len({place.file for place in places}) == 2


def test_too_many_lines_are_refused_at_once(write: Any):
    path = write("# a line\n" * 20_000)
    with pytest.raises(InputFailure, match="too large: 20000 lines") as failure:
        load(path, {}, {})
    assert "at most 5000 lines" in failure.value.problems[0].hint


def test_too_many_bytes_are_refused_at_once(write: Any):
    path = write("#" * (256 * 1024 + 1))
    with pytest.raises(InputFailure, match="too large: 262145 bytes"):
        load(path, {}, {})


def test_a_recipe_that_is_not_there_is_an_input_failure(recipes: Any):
    with pytest.raises(InputFailure, match="no such file"):
        load(recipes / "none" / "recipe.hcl", {}, {})
