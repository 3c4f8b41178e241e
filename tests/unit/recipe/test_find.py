"""A word to a recipe."""

from typing import Any

import pytest

from builder.core.errors import InputFailure
from builder.recipe.find import find, names


def test_a_name_a_folder_and_a_file_lead_to_the_same_recipe(recipes: Any):
    expected = recipes / "el" / "recipe.hcl"
    assert find("el", recipes) == expected
    assert find("recipes/el", recipes) == expected
    assert find("recipes/el/", recipes) == expected
    assert find("recipes/el/recipe.hcl", recipes) == expected


def test_names_are_sorted_and_leave_out_folders_without_a_recipe(recipes: Any):
    (recipes / "notes").mkdir()
    assert names(recipes) == ["broken-base", "el", "loop-a", "loop-b", "unreadable-base", "whole-1.0"]
    assert names(recipes / "none") == []


@pytest.mark.parametrize(
    ("word", "message", "hint"),
    [
        ("whole-1.1", 'there is no recipe "whole-1.1"', 'did you mean "whole-1.0"? known: broken-base, el'),
        ("", 'there is no recipe ""', "known: broken-base"),
        ("recipes/none", 'there is no recipe "recipes/none"', "known: "),
        ("notes", "recipes/notes holds no recipe.hcl", "boss-builder init recipes/notes"),
    ],
)
def test_a_recipe_that_is_not_there(recipes: Any, word: Any, message: Any, hint: Any):
    (recipes / "notes").mkdir()
    with pytest.raises(InputFailure) as failure:
        find(word, recipes)
    problem = failure.value.problems[0]
    assert problem.message == message
    assert problem.hint.startswith(hint)
