"""What is compared and what came of it, typed.

States follow the release validation of ALICE O2DPG (its `ReleaseValidation` scripts): whether an observable is critical
and whether it could be compared at all are told apart.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Literal

import msgspec

Test = Literal["chi2", "ks", "binomial-ratio"]
"""chi2 and ks (Kolmogorov-Smirnov) compare shapes of histograms, binomial-ratio two efficiencies bin by bin."""


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the records."""


class State(StrEnum):
    """What a comparison amounts to, from the best to the worst. Only GOOD and WARNING are a pass."""

    GOOD = "GOOD"
    """No difference beyond the tolerance that chance does not explain."""
    WARNING = "WARNING"
    """A difference of an observable that is not critical."""
    NONCRIT = "NONCRIT"
    """An observable that is not critical can not be compared: missing, empty, or of another binning."""
    UNKNOWN = "UNKNOWN"
    """It was not run, or not to its end."""
    CRIT = "CRIT"
    """A critical observable can not be compared."""
    BAD = "BAD"
    """A difference of a critical observable."""

    @property
    def is_pass(self) -> bool:
        """Whether a validation may pass with it."""
        return self in {State.GOOD, State.WARNING}


def worst(states: Iterable[State]) -> State:
    """Give the worst of some states; of none, UNKNOWN."""
    order = list(State)
    return max(states, key=order.index, default=State.UNKNOWN)


class Observable(_Record, frozen=True):
    """A quantity to compare: where it stands in a result, how it is tested, and how much it may differ.

    `histogram` is its name in the sample's result; of an efficiency (binomial-ratio) the stem of NAME_passed and
    NAME_total. `tolerance` is a difference that is accepted even where it is significant: of a ratio of efficiencies
    its distance from 1; of ks the distance between the cumulative distributions; of chi2 the root mean square of
    the bins' relative differences, weighted by their contents. Where rates are compared too (entries for each generated
    event), it is also the distance of their ratio from 1.
    """

    name: str
    title: str
    sample: str
    histogram: str
    test: Test
    tolerance: float = 0.0
    critical: bool = True


class Comparison(_Record, frozen=True):
    """One observable of one pair of results."""

    observable: Observable
    reference: str
    """What it was compared with, in words for a person."""
    state: State
    statistic: float | None = None
    """chi2, the KS distance, or the sum of squared pulls of the ratios."""
    degrees_of_freedom: int | None = None
    p_value: float | None = None
    adjusted_p_value: float | None = None
    """Corrected for the number of comparisons (Holm): below the family-wise error rate it is significant."""
    effect: float | None = None
    """The size of the difference, as `tolerance` measures it; infinite where one of two rates is nought."""
    method: str = ""
    """How the p-value came about, for a person."""
    entries: float = 0.0
    """Of the result."""
    reference_entries: float = 0.0
    message: str = ""
    """Why it is not GOOD, for a person."""


class Judgement(_Record, frozen=True):
    """All comparisons of a family, judged together."""

    family_wise_error_rate: float
    """The probability that any comparison of the family is wrongly found to differ."""
    comparisons: tuple[Comparison, ...]

    @property
    def state(self) -> State:
        """The worst of all; of no comparison, UNKNOWN."""
        return worst(comparison.state for comparison in self.comparisons)
