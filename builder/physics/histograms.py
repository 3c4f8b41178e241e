"""Result files: the histograms that an analysis job wrote.

A result is one JSON document, name -> histogram, in the serialisation of UHI, schema version 1
(https://uhi.readthedocs.io/en/latest/serialization.html). Of it, histograms of one dimension are understood, with a
regular or a variable axis and the storages `int`, `double` and `weighted`; anything else is refused, by name.

What a job wrote is not trusted: sizes are bounded, every number must be finite, no histogram may come twice.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Literal, Never, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import InputFailure, Location, Problem

Floats: TypeAlias = NDArray[np.float64]

MAX_BYTES = 64 * 1024 * 1024
MAX_HISTOGRAMS = 10_000
MAX_BINS = 100_000
MAX_TEXT = 1_000
MAX_CONTENT = 2.0**53
"""The largest whole number up to which a double counts exactly."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,199}")
SAME_EDGE = 1e-9
"""Edges agree that are nearer than this part of a bin: 3.05 + 7 * 0.001 has several spellings in binary."""


@dataclass(frozen=True, eq=False)
class Histogram:
    """A histogram of one dimension with n bins. Its arrays can not be written to; compare histograms by `digest`."""

    title: str
    label: str
    """Of the axis, with its unit: `m(K_S K pi) [GeV]`."""
    edges: Floats
    """(n + 1,): lower edges of the bins and the upper edge of the last; ascending, in the axis's unit."""
    contents: Floats
    """(n + 2,): underflow, the bins, overflow. Never negative."""
    content_variances: Floats
    """(n + 2,): of `contents`; the sum of the squared weights, so of counts the counts."""

    @property
    def values(self) -> Floats:
        """(n,): contents of the bins, without underflow and overflow."""
        return self.contents[1:-1]

    @property
    def variances(self) -> Floats:
        """(n,): variances of `values`."""
        return self.content_variances[1:-1]

    @property
    def underflow(self) -> float:
        """What lies below the axis."""
        return float(self.contents[0])

    @property
    def overflow(self) -> float:
        """What lies above the axis."""
        return float(self.contents[-1])

    @property
    def entries(self) -> float:
        """Sum of all contents (of all weights), underflow and overflow included."""
        return float(self.contents.sum())

    @property
    def is_counts(self) -> bool:
        """Whether the contents count events: whole numbers that are their own variances."""
        return bool(
            np.array_equal(self.contents, self.content_variances)
            and np.array_equal(self.contents, np.floor(self.contents))
        )

    def same_binning(self, other: Histogram) -> bool:
        """Whether both have the same bins, up to the rounding of their edges."""
        if self.edges.shape != other.edges.shape:
            return False
        width = float(np.diff(self.edges).min())
        return bool(np.abs(self.edges - other.edges).max() <= SAME_EDGE * width)

    @cached_property
    def digest(self) -> Digest:
        """Digest of all that it holds, however the file spelled it."""
        return Digest.of(
            documents.compact(
                {
                    "title": self.title,
                    "label": self.label,
                    "edges": self.edges.tolist(),
                    "contents": self.contents.tolist(),
                    "variances": self.content_variances.tolist(),
                }
            )
        )


@dataclass(frozen=True, eq=False)
class Result(Mapping[str, Histogram]):
    """The histograms of one sample by name, in the order of their names."""

    where: str
    """What a person calls it: the file, or the sample and release."""
    histograms: Mapping[str, Histogram]

    def __getitem__(self, name: str) -> Histogram:
        """Give a histogram. Raises KeyError where there is none of the name."""
        return self.histograms[name]

    def __iter__(self) -> Iterator[str]:
        """Give the names, sorted."""
        return iter(self.histograms)

    def __len__(self) -> int:
        """Give the number of histograms."""
        return len(self.histograms)

    @cached_property
    def digest(self) -> Digest:
        """Digest of all histograms, however the file spelled and ordered them."""
        return Digest.of(documents.compact({name: histogram.digest for name, histogram in self.items()}))


def read_result(data: bytes, where: str) -> Result:
    """Read a result file. `where` names it in errors: a file, or a sample's result in an image.

    Raises InputFailure with every histogram that can not be taken, and why.
    """
    location = Location(where)
    if len(data) > MAX_BYTES:
        raise InputFailure(f"{len(data)} bytes are too many for a result: at most {MAX_BYTES}", location=location)
    try:
        whole = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=_not_a_number)
    except (ValueError, RecursionError) as error:  # of UTF-8, of JSON, and of the two hooks
        raise InputFailure(f"not a result of histograms: {_said(error)}", location=location) from None
    if not isinstance(whole, dict):
        raise InputFailure("not a result of histograms: not an object of name and histogram", location=location)
    if len(whole) > MAX_HISTOGRAMS:
        raise InputFailure(f"{len(whole)} histograms are too many: at most {MAX_HISTOGRAMS}", location=location)
    histograms: dict[str, Histogram] = {}
    problems = []
    for name, content in sorted(whole.items()):
        try:
            histograms[name] = _histogram(name, content)
        except ValueError as error:
            problems.append(Problem(f'histogram "{name[:200]}": {_said(error)}', location=location))
    if problems:
        raise InputFailure(*problems)
    return Result(where=where, histograms=histograms)


class _Wire(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Base of what stands in the file."""


_Metadata: TypeAlias = dict[str, Any]
_Numbers: TypeAlias = Annotated[list[float], Meta(max_length=MAX_BINS + 2)]


class _Axis(_Wire, frozen=True):
    """What every axis with edges has."""

    underflow: bool
    overflow: bool
    circular: bool
    metadata: _Metadata = {}
    writer_info: _Metadata = {}


class _Regular(_Axis, frozen=True, kw_only=True, tag_field="type", tag="regular"):
    lower: float
    upper: float
    bins: Annotated[int, Meta(ge=1, le=MAX_BINS)]

    def edges(self) -> Floats:
        return np.linspace(self.lower, self.upper, self.bins + 1)


class _Variable(_Axis, frozen=True, kw_only=True, tag_field="type", tag="variable"):
    all_edges: Annotated[list[float], Meta(min_length=2, max_length=MAX_BINS + 1)] = msgspec.field(name="edges")

    def edges(self) -> Floats:
        return np.asarray(self.all_edges, dtype=np.float64)


class _Int(_Wire, frozen=True, tag_field="type", tag="int"):
    values: Annotated[list[int], Meta(max_length=MAX_BINS + 2)] | None = None


class _Double(_Wire, frozen=True, tag_field="type", tag="double"):
    values: _Numbers | None = None


class _Weighted(_Wire, frozen=True, tag_field="type", tag="weighted"):
    values: _Numbers | None = None
    variances: _Numbers | None = None


class _Histogram(_Wire, frozen=True):
    uhi_schema: Literal[1]
    axes: list[_Regular | _Variable]
    storage: _Int | _Double | _Weighted
    metadata: _Metadata = {}
    writer_info: _Metadata = {}


def _histogram(name: str, content: object) -> Histogram:
    """Check one histogram. Raises ValueError (msgspec.ValidationError is one) that says what is wrong."""
    if not NAME.fullmatch(name):
        raise ValueError("a name is letters, digits and . _ + -, at most 200")
    wire = msgspec.convert(content, _Histogram)
    if len(wire.axes) != 1:
        raise ValueError(f"it has {len(wire.axes)} axes: only histograms of one dimension can be compared")
    axis = wire.axes[0]
    if axis.circular:
        raise ValueError("its axis is circular, which is not supported")
    with np.errstate(over="ignore", invalid="ignore"):  # what overflows is refused below
        edges = axis.edges()
        ascending = bool(np.isfinite(edges).all() and (np.diff(edges) > 0).all() and np.isfinite(np.ptp(edges)))
    if not ascending:
        raise ValueError("its edges are not finite and ascending")
    contents, variances = _stored(wire.storage, axis, len(edges) - 1)
    for array in (edges, contents, variances):
        array.setflags(write=False)
    return Histogram(
        title=_text(wire.metadata, "title") or _text(wire.metadata, "label"),  # hist calls its titles labels
        label=_text(axis.metadata, "label"),
        edges=edges,
        contents=contents,
        content_variances=variances,
    )


def _text(metadata: _Metadata, key: str) -> str:
    """Give a text of some metadata, or nothing where there is none: metadata may hold whatever their writer likes."""
    value = metadata.get(key)
    return value[:MAX_TEXT] if isinstance(value, str) else ""


def _stored(storage: _Int | _Double | _Weighted, axis: _Axis, bins: int) -> tuple[Floats, Floats]:
    """Give contents and variances, each (bins + 2,). Raises ValueError for what no histogram holds."""
    contents = _contents(storage.values, axis, bins, "values")
    if isinstance(storage, _Weighted):
        if (storage.values is None) != (storage.variances is None):
            raise ValueError("of values and variances it has one without the other")
        variances = _contents(storage.variances, axis, bins, "variances")
        if not np.array_equal(contents > 0, variances > 0):
            raise ValueError("values and variances are not positive in the same bins")
        return contents, variances
    if not np.array_equal(contents, np.floor(contents)):
        raise ValueError("its values are no counts, and without variances (storage weighted) no test can weigh them")
    return contents, contents.copy()


def _contents(stored: list[int] | list[float] | None, axis: _Axis, bins: int, what: str) -> Floats:
    """Bins with underflow and overflow, (bins + 2,); UHI leaves out flow bins that the axis lacks, and zeros alone."""
    first, last = int(axis.underflow), int(axis.overflow)
    contents = np.zeros(bins + 2)
    if stored is None:
        return contents
    if len(stored) != first + bins + last:
        raise ValueError(f"it has {len(stored)} {what}; its axis has {first + bins + last} bins")
    if any(value < 0 for value in stored):
        raise ValueError(f"some of its {what} are negative")
    if any(not value <= MAX_CONTENT for value in stored):
        raise ValueError(f"some of its {what} are above 2^53")
    contents[1 - first : bins + 1 + last] = stored
    return contents


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs. Raises ValueError where a key comes twice: one of the two would be lost silently."""
    result = dict(pairs)
    if len(result) != len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        raise ValueError(f'"{twice[:200]}" comes twice in one object')
    return result


def _not_a_number(text: str) -> Never:
    """Refuse NaN and Infinity, which Python's JSON would take."""
    raise ValueError(f"{text} is no number of JSON")


def _said(error: Exception) -> str:
    """Give an error as part of a line."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return str(error).replace("\n", " ")[:400]
