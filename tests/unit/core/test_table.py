"""Tables in plain text."""

import pytest

from builder.core.table import columns


def test_every_column_is_as_wide_as_its_widest_cell_and_no_line_ends_with_spaces():
    assert list(columns(("name", "n"), [("a", "1000"), ("longer", "")])) == ["name    n", "a       1000", "longer"]


def test_without_rows_the_heads_are_the_table():
    assert list(columns(("name", "n"), [])) == ["name  n"]


def test_a_row_with_a_cell_too_few_is_refused():
    with pytest.raises(ValueError, match="shorter"):
        list(columns(("name", "n"), [("a",)]))
