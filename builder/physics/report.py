"""The physics report: what its page shows, and the page, one static file that needs nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from builder.core.templates import page_template
from builder.physics.comparison import SUFFIXES, Measured, Planned
from builder.physics.histograms import Histogram
from builder.physics.identity import Identity, Verdict
from builder.physics.model import Comparison, Observable, State, worst

if TYPE_CHECKING:
    from markupsafe import Markup

STATISTICS = {"chi2": "chi2", "ks": "D", "binomial-ratio": "Sum of pull^2"}
EFFECTS = {
    "chi2": "rms of the relative differences",
    "ks": "distance of the cumulative distributions",
    "binomial-ratio": "distance of the ratio from 1",
}

CROSS_SHAPE_STATES = {
    Verdict.BIT_IDENTICAL: State.GOOD,
    Verdict.STATISTICALLY_IDENTICAL: State.GOOD,
    Verdict.DIFFERENT: State.BAD,
    Verdict.UNKNOWN: State.UNKNOWN,
}


@dataclass(frozen=True)
class Compared:
    """One comparison and what was compared: a histogram, or of an efficiency (passed, total); empty where missing."""

    comparison: Comparison
    result: tuple[Histogram, ...] = ()
    reference: tuple[Histogram, ...] = ()


def compared(planned: Planned, comparison: Comparison) -> Compared:
    """Put the histograms of a planned comparison beside what came of it, those that are there."""
    observable = planned.observable
    suffixes = SUFFIXES if observable.test == "binomial-ratio" else ("",)
    names = [observable.histogram + suffix for suffix in suffixes]
    result, reference = (
        tuple(side.result[name] for name in names if name in side.result) if isinstance(side, Measured) else ()
        for side in (planned.result, planned.against)
    )
    return Compared(comparison, result, reference)


@dataclass(frozen=True)
class SampleRun:
    """One sample of the release that is judged."""

    name: str
    channel: str
    """As reports call it: `J/psi -> rho pi`."""
    events: int
    seed: int
    digest: str = ""
    """Of its result; empty where there is none."""


@dataclass(frozen=True)
class NotRun:
    """What could not be made or read, and why."""

    what: str
    problem: str


@dataclass(frozen=True)
class CrossShape:
    """The same samples in two shapes of the image."""

    shapes: tuple[str, str]
    identity: Identity

    @property
    def state(self) -> State:
        """What the verdict amounts to."""
        return CROSS_SHAPE_STATES[self.identity.verdict]


@dataclass(frozen=True)
class Fact:
    """A line of the provenance: an image's or a result's digest, a tool's version."""

    name: str
    value: str


@dataclass(frozen=True)
class Report:
    """All that the page shows. Equal reports give equal pages."""

    title: str
    subject: str
    """What is judged: `miniboss-1.1.0`, with its shape where that matters."""
    references: tuple[str, ...]
    """What it is compared with, as `Comparison.reference` calls it."""
    family_wise_error_rate: float
    notes: tuple[str, ...] = ()
    """What is a toy, pseudo-data, or stands in for something: always in sight."""
    samples: tuple[SampleRun, ...] = ()
    compared: tuple[Compared, ...] = ()
    not_run: tuple[NotRun, ...] = ()
    cross_shape: tuple[CrossShape, ...] = ()
    provenance: tuple[Fact, ...] = ()

    @property
    def state(self) -> State:
        """The worst of all; what was not run is UNKNOWN, and so is a report of nothing."""
        states = [entry.comparison.state for entry in self.compared] or [State.UNKNOWN]
        states += [State.UNKNOWN for _ in self.not_run]
        return worst([*states, *(row.state for row in self.cross_shape)])


def as_html(report: Report) -> str:
    """Fill templates/report/physics.html.j2; every text is escaped, the plots stand in the page."""
    from markupsafe import Markup

    from builder.physics import notation

    def typeset(text: str) -> Markup:
        return Markup(notation.as_html(text))  # noqa: S704 - escaped there

    numbered = [(f"plot-{position}", entry) for position, entry in enumerate(report.compared, 1)]
    ordered = sorted(numbered, key=lambda item: -_badness(item[1].comparison.state))
    return page_template("report/physics.html.j2", typeset=typeset, number=number).render(
        report=report,
        states=[
            state for state in reversed(State) if any(entry.comparison.state is state for entry in report.compared)
        ],
        totals=_totals(report),
        channels=_channels(report, ordered),
        failed=_failures(report, ordered),
        picture=lambda name, entry: _picture(report, name, entry),
        missing=_missing,
        effects=EFFECTS,
        statistic=_statistic,
    )


@dataclass(frozen=True)
class Total:
    """Comparisons of a sample with a reference, by state, in the order of `states` on the page."""

    sample: str
    channel: str
    reference: str
    counts: dict[State, int]

    @property
    def state(self) -> State:
        """The worst."""
        return worst(self.counts)


def _totals(report: Report) -> list[Total]:
    """Count states by sample and reference, worst first."""
    groups: dict[tuple[str, str], list[State]] = {}
    for entry in report.compared:
        key = (entry.comparison.observable.sample, entry.comparison.reference)
        groups.setdefault(key, []).append(entry.comparison.state)
    totals = [
        Total(
            sample, _channel(report, sample), reference, {state: states.count(state) for state in dict.fromkeys(states)}
        )
        for (sample, reference), states in groups.items()
    ]
    return sorted(totals, key=lambda total: -_badness(total.state))


@dataclass(frozen=True)
class Failure:
    """What is not a pass, and the page's anchor where it is told at length."""

    state: State
    what: str
    message: str
    place: str = ""


def _failures(report: Report, ordered: list[tuple[str, Compared]]) -> list[Failure]:
    """List what is not a pass: what was not run first, as it may explain the rest, then the worst first."""
    found = [Failure(State.UNKNOWN, lost.what, lost.problem) for lost in report.not_run]
    for name, entry in ordered:
        comparison = entry.comparison
        found.append(Failure(comparison.state, comparison.observable.name, comparison.message, name))
    found += [
        Failure(row.state, " and ".join(row.shapes), str(row.identity.verdict), "shapes") for row in report.cross_shape
    ]
    return [failure for failure in found if not failure.state.is_pass]


def _channels(report: Report, ordered: list[tuple[str, Compared]]) -> list[tuple[str, str, list[tuple[str, Compared]]]]:
    """Give (sample, channel, its comparisons, worst first) in the order of the samples."""
    names = [sample.name for sample in report.samples]
    names += [entry.comparison.observable.sample for entry in report.compared]
    groups = [
        (name, [item for item in ordered if item[1].comparison.observable.sample == name])
        for name in dict.fromkeys(names)
    ]
    return [(name, _channel(report, name), entries) for name, entries in groups if entries]


def _channel(report: Report, name: str) -> str:
    return next((sample.channel for sample in report.samples if sample.name == name), name)


def _badness(state: State) -> int:
    return list(State).index(state)


def _picture(report: Report, name: str, entry: Compared) -> Markup:
    """Draw a comparison of which nothing is missing."""
    from markupsafe import Markup

    from builder.physics import plots

    comparison = entry.comparison
    observable = comparison.observable
    labels = plots.Labels(
        identity=name,
        title=f"{_channel(report, observable.sample)}: {_title(observable, entry.result)}",
        result=report.subject,
        reference=comparison.reference,
        corner=tuple(_corner(comparison)),
        tolerance=observable.tolerance if observable.test == "binomial-ratio" else 0.0,
    )
    if observable.test == "binomial-ratio":
        passed, total = entry.result
        picture = plots.efficiency((passed, total), (entry.reference[0], entry.reference[1]), labels)
    else:
        picture = plots.overlay(entry.result[0], entry.reference[0], labels)
    return Markup(picture)  # noqa: S704 - made of escaped text


def _missing(entry: Compared) -> str:
    """Say why a comparison has no plot; empty where it has one."""
    count = 2 if entry.comparison.observable.test == "binomial-ratio" else 1
    for histograms, whose in ((entry.result, "result"), (entry.reference, "reference")):
        if len(histograms) != count:
            return f"the {whose} has no such histogram"
    first, *others = (*entry.result, *entry.reference)
    if not all(first.same_binning(other) for other in others):
        return "the binnings differ"
    return ""


def _title(observable: Observable, histograms: Iterable[Histogram] = ()) -> str:
    """Give what reports call an observable: its title, the histogram's own, or its name."""
    return next((title for title in (observable.title, *(h.title for h in histograms)) if title), observable.name)


def _corner(comparison: Comparison) -> Iterable[str]:
    yield str(comparison.state)
    if comparison.statistic is not None:
        yield _statistic(comparison)
    if comparison.p_value is not None:
        yield f"p = {number(comparison.p_value)}"
    if comparison.adjusted_p_value is not None:
        yield f"adjusted p = {number(comparison.adjusted_p_value)}"


def _statistic(comparison: Comparison) -> str:
    """Give the statistic with its name and degrees of freedom: `chi2 / ndf = 83.2 / 79`."""
    if comparison.statistic is None:
        return ""
    name, ndf = STATISTICS.get(comparison.observable.test, comparison.observable.test), comparison.degrees_of_freedom
    if ndf is None:
        return f"{name} = {number(comparison.statistic)}"
    return f"{name} / ndf = {number(comparison.statistic)} / {ndf}"


def number(value: float | None) -> str:
    """Write a number to three digits; nothing for none."""
    return "" if value is None else f"{value:.3g}".replace("-", "\N{MINUS SIGN}")
