"""The page on the language says all of it."""

from pathlib import Path
from typing import Any

import pytest

from builder.recipe.evaluate import FUNCTIONS
from builder.recipe.language import SizeKind, top_level
from builder.recipe.parse import MAXIMUM_LINES
from builder.recipe.sizes import size_text

PAGE = (Path(__file__).parents[3] / "docs" / "recipe.md").read_text("utf-8")


def blocks(kinds: Any):
    for kind in kinds:
        yield kind
        yield from blocks([*kind.blocks.values(), *kind.variants.values()])


@pytest.mark.parametrize("kind", list(blocks(top_level().values())), ids=lambda kind: kind.name)
def test_every_attribute_of_a_block_is_on_the_page_with_its_meaning(kind: Any):
    for attribute in kind.attributes.values():
        row = f"| `{attribute.name}` |"
        assert any(
            line.startswith(row) and line.endswith(f"| {attribute.description} |") for line in PAGE.splitlines()
        ), f"{row} ... | {attribute.description} |"


def test_functions_and_limits_are_on_the_page():
    assert all(f"`{name}(" in PAGE for name in FUNCTIONS)
    assert f"{MAXIMUM_LINES:,} lines" in PAGE


def test_the_bounds_and_defaults_of_sizes_are_on_the_page():
    sizes = [
        a for kind in blocks(top_level().values()) for a in kind.attributes.values() if isinstance(a.kind, SizeKind)
    ]
    assert {attribute.name for attribute in sizes} == {"disk", "memory"}
    for attribute in sizes:
        bounds = f"{size_text(attribute.kind.minimum)} to {size_text(attribute.kind.maximum)}"
        assert f'| `{attribute.name}` | size, {bounds} | `"{attribute.default}"` |' in PAGE
