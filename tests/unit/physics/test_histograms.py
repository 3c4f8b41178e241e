"""Result files are read as the field writes them, and what no analysis writes is refused by name."""

import json
import math

import hist
import jsonschema
import numpy as np
import pytest
import uhi.io.json
import uhi.schema
from hypothesis import example, given
from hypothesis import strategies as st

from builder.core.errors import InputFailure
from builder.physics.histograms import MAX_BINS, MAX_BYTES, Histogram, Result, read_result


def counts(values=(1, 2, 3, 4, 5), **changes):
    """The mass histogram of a result, as plain JSON: three bins with underflow and overflow."""
    axis = {"type": "regular", "lower": 3.05, "upper": 3.15, "bins": 3} | dict.fromkeys(("underflow", "overflow"), True)
    axis |= {"circular": False, "metadata": {"label": "m(p pbar) [GeV]"}}
    plain = {"uhi_schema": 1, "axes": [axis], "storage": {"type": "int", "values": list(values)}}
    return plain | {"metadata": {"title": "Invariant mass"}} | changes


def encoded(**histograms):
    return json.dumps(histograms).encode()


def refusal(data):
    with pytest.raises(InputFailure) as caught:
        read_result(data, "ppbar.json")
    assert all(problem.location.file == "ppbar.json" for problem in caught.value.problems)
    return str(caught.value)


def test_a_histogram_of_counts_is_read():
    jsonschema.validate(counts(), json.loads(uhi.schema.histogram_file.read_text("utf-8")))
    mass = read_result(encoded(mpp=counts()), "ppbar.json")["mpp"]
    assert (mass.title, mass.label) == ("Invariant mass", "m(p pbar) [GeV]")
    assert mass.edges == pytest.approx([3.05, 3.05 + 0.1 / 3, 3.05 + 0.2 / 3, 3.15])
    assert mass.values.tolist() == [2, 3, 4]
    assert mass.variances.tolist() == [2, 3, 4]
    assert (mass.underflow, mass.overflow, mass.entries, mass.is_counts) == (1, 5, 15, True)


def test_names_come_sorted_and_nothing_can_be_changed():
    result = read_result(encoded(b=counts(), a=counts()), "ppbar.json")
    assert list(result) == ["a", "b"]
    with pytest.raises(ValueError, match="read-only"):
        result["a"].values[0] = 7


@pytest.mark.parametrize("storage", [hist.storage.Int64(), hist.storage.Double(), hist.storage.Weight()])
@pytest.mark.parametrize("flow", [True, False])
def test_what_hist_writes_comes_back(storage, flow):
    axis = hist.axis.Regular(20, -1, 1, label="cos theta", flow=flow)
    written = hist.Hist(axis, storage=storage, label="Polar angle")
    draws = np.random.default_rng(4).normal(0, 0.8, 500)
    if isinstance(storage, hist.storage.Weight):
        written.fill(draws, weight=np.linspace(0.5, 2, 500))
    else:
        written.fill(draws)
    data = json.dumps({"cos": written}, default=uhi.io.json.default).encode()
    read = read_result(data, "ee.json")["cos"]
    assert (read.title, read.label) == ("Polar angle", "cos theta")
    assert read.edges == pytest.approx(written.axes[0].edges, abs=1e-15)
    assert np.array_equal(read.values, written.values())
    assert np.array_equal(read.variances, written.variances())
    everything = written.sum(flow=True)
    assert read.entries == pytest.approx(getattr(everything, "value", everything))


def test_a_variable_axis_is_read():
    axis = hist.axis.Variable([0.05, 0.1, 0.3, 1.5], label="p_T [GeV]")
    written = hist.Hist(axis, storage=hist.storage.Int64()).fill([0.01, 0.07, 0.2, 0.2, 9])
    read = read_result(json.dumps({"pt": written}, default=uhi.io.json.default).encode(), "ee.json")["pt"]
    assert read.edges.tolist() == [0.05, 0.1, 0.3, 1.5]
    assert read.contents.tolist() == [1, 1, 2, 0, 1]


def test_an_empty_storage_is_zeros():
    empty = read_result(encoded(mpp=counts(storage={"type": "int"})), "ppbar.json")["mpp"]
    assert empty.contents.tolist() == [0] * 5


def test_an_empty_result_is_a_result_without_histograms():
    assert len(read_result(b"{}", "ppbar.json")) == 0


def test_the_digest_is_of_the_content_not_of_the_spelling():
    one = read_result(encoded(a=counts(), b=counts()), "one")
    other = read_result(json.dumps({"b": counts(), "a": counts()}, indent=3).encode(), "other")
    assert one.digest == other.digest
    assert one["a"].digest == one["b"].digest
    assert one.digest != read_result(encoded(a=counts(), c=counts()), "renamed").digest
    assert one["a"].digest != read_result(encoded(a=counts((1, 2, 3, 4, 6))), "one more")["a"].digest


def test_binnings_agree_up_to_rounding_only():
    def over(edges):
        zeros = np.zeros(len(edges) + 1)
        return Histogram(title="", label="", edges=np.asarray(edges), contents=zeros, content_variances=zeros)

    regular = over(np.linspace(3.05, 3.15, 101))
    assert regular.same_binning(over([3.05 + 0.001 * i for i in range(101)]))
    assert not regular.same_binning(over(np.linspace(3.05, 3.15, 100)))
    assert not regular.same_binning(over(np.linspace(3.05, 3.15001, 101)))


def axis_of(**changes):
    return counts(axes=[counts()["axes"][0] | changes])


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (counts((1, 2, 3)), "it has 3 values; its axis has 5 bins"),
        (counts((1, 2, 3, 4, -1)), "some of its values are negative"),
        (counts((1, 2, 3, 4, 1.5)), "Expected `int`"),
        (counts((1, 2, 3, 4, 2**60)), "above 2^53"),
        (counts((1, 2, 3, 4, 10**400)), "above 2^53"),
        (counts(("1", 2, 3, 4, 5)), "Expected `int`"),
        (counts(uhi_schema=2), "uhi_schema"),
        (counts(axes=[]), "it has 0 axes"),
        (counts(axes=counts()["axes"] * 2), "it has 2 axes"),
        (counts(more=1), "unknown field `more`"),
        (axis_of(circular=True), "circular"),
        (axis_of(bins=0), "Expected `int` >= 1"),
        (axis_of(bins=MAX_BINS + 1), "Expected `int` <= 100000"),
        (axis_of(lower=3.15), "not finite and ascending"),
        (axis_of(lower=-1e308, upper=1e308), "not finite and ascending"),
        (axis_of(type="boolean"), "Invalid value 'boolean'"),
        (counts(storage={"type": "mean", "values": []}), "Invalid value 'mean'"),
        (counts(storage={"type": "int", "index": [[1]], "values": [3]}), "unknown field `index`"),
        (counts(storage={"type": "int", "values": "/path"}), "Expected `array | null`, got `str`"),
        (counts(storage={"type": "double", "values": [0, 1.5, 0, 0, 0]}), "without variances"),
        (counts(storage={"type": "weighted", "values": [0, 1, 0, 0, 0]}), "one without the other"),
        (
            counts(storage={"type": "weighted", "values": [0, 1, 0, 0, 0], "variances": [0, 0, 1, 0, 0]}),
            "not positive in the same bins",
        ),
        ([], "Expected `object`"),
        (None, "Expected `object`"),
    ],
)
def test_what_no_analysis_writes_is_refused_with_the_histograms_name(bad, why):
    message = refusal(encoded(fine=counts(), mpp=bad))
    assert 'histogram "mpp": ' in message
    assert why in message
    assert '"fine"' not in message


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "Expecting value"),
        (b"PK\x03\x04\xff", "utf-8"),
        (b"[]", "not an object"),
        (b'{"mpp": ' + b"[" * 200_000, "nested too deeply"),
        (b'{"mpp": {"a": 1, "a": 2}}', '"a" comes twice'),
        (b'{"mpp": NaN}', "NaN is no number"),
        (b'{"mpp": -Infinity}', "-Infinity is no number"),
        (b'{"mpp": ' + b"1" * 5_000 + b"}", "limit"),
        (b" " * (MAX_BYTES + 1), "too many for a result"),
        (b'{"../etc": {}}', "a name is letters"),
    ],
)
def test_what_is_no_result_is_refused(data, why):
    assert why in refusal(data)


def test_a_number_beyond_doubles_is_refused():
    data = encoded(mpp=counts(storage={"type": "double", "values": [1, 2, 3, 4, 5]})).replace(b"5]", b"1e999]")
    assert "above 2^53" in refusal(data)


def test_all_that_is_wrong_is_told_at_once():
    message = refusal(encoded(a=counts((1,)), b=counts(), c=counts(axes=[])))
    assert 'histogram "a"' in message
    assert 'histogram "c"' in message


def complaint_or_result(data):
    try:
        return read_result(data, "noise")
    except InputFailure as failure:
        return str(failure)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example(b"{}")
def test_no_bytes_lead_to_a_traceback(data):
    assert isinstance(complaint_or_result(data), str | Result)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(st.sampled_from(["axes", "storage", "metadata", "uhi_schema"]), JSON)
def test_no_histogram_leads_to_a_traceback(field, value):
    answer = complaint_or_result(encoded(mpp=counts(**{field: value})))
    assert 'histogram "mpp"' in answer if isinstance(answer, str) else np.isfinite(answer["mpp"].contents).all()


@given(st.lists(st.integers(0, 2**53), min_size=3, max_size=3))
def test_counts_are_exact_up_to_two_to_the_53(values):
    read = read_result(encoded(mpp=counts([0, *values, 0])), "ppbar.json")["mpp"]
    assert read.values.tolist() == values
    assert math.isfinite(read.entries)
