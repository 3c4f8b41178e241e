"""Files of sqlite that are written by hand, as the library reads them."""

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.bookkeeping.sqlite_format import Table, database

INTEGERS = st.one_of(*(st.integers(-(2**bits), 2**bits - 1) for bits in (1, 7, 15, 23, 31, 47, 63)))
VALUES = st.one_of(
    st.none(), INTEGERS, st.floats(allow_nan=False), st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    st.binary(max_size=50),
)  # fmt: skip
ROWS = st.lists(st.tuples(VALUES, VALUES), max_size=30)
quick = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def read_again(tmp_path: Any, *tables: Any):
    """Let the library check a file and give its rows."""
    path = tmp_path / "x.db"
    path.write_bytes(database(tables))
    with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("pragma integrity_check").fetchall() == [("ok",)]
        return [connection.execute(f"select * from {t.name} order by rowid").fetchall() for t in tables]  # noqa: S608 - our name


def table(rows: Any, name: str = "t", columns: str = "a, b"):
    return Table(name, f"CREATE TABLE {name}({columns})", rows)


@quick
@given(ROWS, ROWS)
@example([], [])
@example([(b"", ""), (0, 0.0)], [(2**63 - 1, -(2**63))])
def test_what_is_written_is_read(tmp_path: Any, one: Any, two: Any):
    assert read_again(tmp_path, table(one), table(two, "u")) == [one, two]


@pytest.mark.parametrize("count", [1, 80, 400, 5_000, 120_000])
def test_many_rows_make_a_tree_of_several_levels(tmp_path: Any, count: Any):
    rows = [(n, f"row {n}") for n in range(count)]
    assert read_again(tmp_path, table(rows)) == [rows]


@pytest.mark.parametrize(
    "length", [4045, *range(4050, 4066), 4500, 8125, 8126, 8140, 8141, 8150, 8151, 12_300, 500_000]
)
def test_long_values_go_to_pages_of_their_own(tmp_path: Any, length: Any):
    rows = [(1, "short"), (2, b"\x01" * length), (3, "x" * length), (4, "short")]
    assert read_again(tmp_path, table(rows)) == [rows]


@quick
@given(st.lists(st.integers(0, 9000), min_size=1, max_size=40))
def test_rows_of_all_lengths_stand_beside_each_other(tmp_path: Any, lengths: Any):
    rows = [(n, "y" * length) for n, length in enumerate(lengths)]
    assert read_again(tmp_path, table(rows)) == [rows]


@pytest.mark.parametrize("count", [1, 20, 60, 300, 2_000])
def test_many_tables_make_a_schema_of_several_pages(tmp_path: Any, count: Any):
    tables = [table([(n, "x")], f"t{n}") for n in range(count)]
    assert read_again(tmp_path, *tables) == [[(n, "x")] for n in range(count)]


@pytest.mark.parametrize("columns", [1, 60, 126, 127, 128, 500])
def test_many_columns_make_a_long_head_and_a_long_statement(tmp_path: Any, columns: Any):
    names = ", ".join(f'"{"long" * 12}{n}" REAL' for n in range(columns))
    rows = [tuple(n / 7 for n in range(columns))] * 3
    assert read_again(tmp_path, table(rows, "t", names)) == [rows]


def test_a_number_beyond_64_bits_is_refused():
    with pytest.raises(OverflowError):
        database([table([(2**63, 0)])])
