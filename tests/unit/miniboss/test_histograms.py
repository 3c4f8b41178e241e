"""Histograms are filled as boost-histogram fills them, and written as UHI describes."""

from __future__ import annotations

import json
from importlib.resources import files

import hist
import jsonschema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniboss.histograms import Binning, Efficiency, Histogram1D, as_json

AXIS = Binning(30, -0.3, 1.2, "x [cm]")


def filled(values: list[float], name: str = "x") -> Histogram1D:
    histogram = Histogram1D(name, "a quantity", AXIS)
    histogram.fill(values)
    return histogram


def test_a_bin_holds_its_lower_edge_and_not_its_upper() -> None:
    histogram = Histogram1D("x", "", Binning(2, 0.0, 2.0, "x"))
    histogram.fill([0.0, 1.0, 1.5, 2.0, -1e-9])
    assert histogram.counts.tolist() == [1, 1, 2, 1]


def test_what_is_outside_is_counted_beside() -> None:
    assert filled([-np.inf, -1e300, np.inf, 1e300, np.nan]).counts[[0, -1]].tolist() == [2, 3]


def test_fills_add_up_and_may_have_any_shape() -> None:
    histogram = filled([0.1, 0.2])
    histogram.fill(np.full((2, 3), 0.1))
    histogram.fill(np.zeros((0, 2)))
    assert histogram.counts.sum() == 8


@given(st.lists(st.floats(allow_subnormal=False), max_size=50))
def test_boost_histogram_counts_the_same(values: list[float]) -> None:
    theirs = hist.Hist.new.Reg(AXIS.bins, AXIS.low, AXIS.high).Int64()
    theirs.fill(values)
    ours, expected = filled(values).counts, theirs.values(flow=True)
    # an edge's spelling in binary may put a value that lies on it into the bin beside
    edges = theirs.axes[0].edges
    on_edge = sum(bool(np.isclose(value, edges, rtol=0, atol=1e-12).any()) for value in values)
    assert np.abs(ours - expected).sum() <= 2 * on_edge


def test_the_file_is_uhis_and_hist_reads_it() -> None:
    efficiency = Efficiency.book("eff", "efficiency", AXIS)
    efficiency.fill(np.array([0.0, 0.5, 0.5]), np.array([True, False, True]))
    data = as_json([filled([0.1, 0.11, 5.0]), efficiency.passed, efficiency.total])
    document = json.loads(data)
    schema = json.loads(files("uhi").joinpath("resources/histogram.schema.json").read_text())
    for histogram in document.values():
        jsonschema.validate(histogram, schema)
    assert list(document) == ["eff_passed", "eff_total", "x"]
    assert document["x"]["metadata"] == {"title": "a quantity"}
    read = hist.Hist(document["x"])
    assert (read.sum(), read.sum(flow=True)) == (2, 3)
    assert read.axes[0].extent == AXIS.bins + 2
    assert (sum(document["eff_passed"]["storage"]["values"]), sum(document["eff_total"]["storage"]["values"])) == (2, 3)


def test_equal_counts_give_equal_bytes_in_whatever_order_they_came() -> None:
    first = as_json([filled([0.1, 0.2, 0.3], "a"), filled([], "b")])
    second = as_json([filled([], "b"), filled([0.3, 0.1, 0.2], "a")])
    assert first == second
    assert first.endswith(b"]}}\n}\n")
    assert first.count(b"\n") == 4


def test_two_histograms_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two histograms are called 'a'"):
        as_json([filled([], "a"), filled([], "a")])
