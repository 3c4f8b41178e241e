"""Histograms, comparisons and a report to show, made of a seed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from builder.physics.histograms import Floats, Histogram
from builder.physics.identity import Difference, Identity, Verdict
from builder.physics.model import Comparison, Observable, State, Test
from builder.physics.report import Compared, CrossShape, Fact, NotRun, Report, SampleRun


def histogram(
    contents: Sequence[float] | Floats,
    *,
    low: float = 0.0,
    high: float = 1.0,
    variances: Sequence[float] | None = None,
    label: str = "p_T [GeV]",
    title: str = "",
) -> Histogram:
    """Give a histogram of the bins `contents`, with nothing outside."""
    values = np.concatenate([[0.0], np.asarray(contents, dtype=np.float64), [0.0]])
    squares = values.copy() if variances is None else np.concatenate([[0.0], variances, [0.0]])
    return Histogram(title, label, np.linspace(low, high, len(values) - 1), values, squares)


def peak(entries: int, seed: int, *, bins: int = 80, shift: float = 0.0) -> Histogram:
    """Give a mass peak."""
    masses = np.random.default_rng(seed).normal(1.2 + shift, 0.1, entries)
    counts, _ = np.histogram(masses, bins, (0.6, 2.6))
    return histogram(counts, low=0.6, high=2.6, label="m(K_S pi) [GeV]", title="K_S pi mass")


def efficiency(tracks: int, plateau: float, seed: int) -> tuple[Histogram, Histogram]:
    """Give what was found of tracks and all of them, against p_T."""
    random = np.random.default_rng(seed)
    momentum = random.uniform(0, 1.5, tracks)
    found = random.random(tracks) < plateau * (1 - np.exp(-momentum / 0.08))
    passed, total = (histogram(np.histogram(p, 30, (0, 1.5))[0], high=1.5) for p in (momentum[found], momentum))
    return passed, total


def comparison(
    name: str = "k_mass",
    state: State = State.GOOD,
    *,
    test: Test = "chi2",
    sample: str = "kskpi",
    message: str = "",
    title: str = "",
    reference: str = "miniboss-1.0.0",
) -> Comparison:
    """Give a comparison of that state."""
    observable = Observable(name=name, title=title, sample=sample, histogram=name, test=test, tolerance=0.005)
    return Comparison(
        observable=observable,
        reference=reference,
        state=state,
        statistic=83.2,
        degrees_of_freedom=None if test == "ks" else 79,
        p_value=0.34,
        adjusted_p_value=1.0,
        effect=0.0021,
        entries=20000,
        reference_entries=30000,
        message=message,
        method="chi2 of 20 groups of bins" if state in {State.GOOD, State.WARNING, State.BAD} else "",
    )


def report(*compared: Compared) -> Report:
    """Give a report with something in each of its parts."""
    moved = Difference(
        sample="kskpi", histogram="k_mass", bins=(3, 4), bins_that_differ=2, adjusted_p_value=1e-9, significant=True
    )
    return Report(
        title="Physics validation of miniboss 1.1.0",
        subject="miniboss-1.1.0",
        references=("miniboss-1.0.0", "pseudo-data"),
        family_wise_error_rate=0.01,
        notes=("miniboss is a toy, neither BOSS nor Geant4", "pseudo-data stand in for data of BESIII"),
        samples=(
            SampleRun("kskpi", "J/psi -> K_S K pi", 20000, 4242, "sha256:" + "1" * 64),
            SampleRun("rhopi", "J/psi -> rho pi", 20000, 4243),
        ),
        compared=compared,
        not_run=(NotRun("sample rhopi", "boss.exe jobOptions_rec.txt did not end in 600 s"),),
        cross_shape=(
            CrossShape(("oci", "sif"), Identity(verdict=Verdict.BIT_IDENTICAL, histograms=9)),
            CrossShape(("oci", "vm"), Identity(verdict=Verdict.DIFFERENT, histograms=9, differences=(moved,))),
        ),
        provenance=(Fact("image", "sha256:" + "2" * 64), Fact("numpy", "1.24.2")),
    )


def full_report() -> Report:
    """Give a report with a comparison in each state and a plot of each kind."""
    lost = comparison("k_p", State.CRIT, message="the result has no histogram k_p")
    return report(
        Compared(comparison(), (peak(20000, 1),), (peak(30000, 2),)),
        Compared(comparison("ks_cos", State.WARNING, test="ks", message="beyond"), (peak(900, 3),), (peak(700, 4),)),
        Compared(
            comparison(
                "trk_eff_pt", State.BAD, test="binomial-ratio", message="2 % lower", title="Tracking efficiency, pi+"
            ),
            efficiency(20000, 0.96, 5),
            efficiency(30000, 0.98, 6),
        ),
        Compared(lost, (), (peak(100, 7),)),
        Compared(comparison("other", State.NONCRIT, message="binning"), (peak(9, 8, bins=7),), (peak(9, 9),)),
        Compared(comparison("rho_m", State.UNKNOWN, sample="rhopi", message="not run")),
    )
