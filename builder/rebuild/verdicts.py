"""From what a rebuilt image's validation gave, and what the store knows of the release, to findings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from builder.core import documents
from builder.core.errors import Failure
from builder.lock.model import Lock
from builder.rebuild.evidence import Shelf
from builder.rebuild.model import Finding, finding
from builder.rebuild.taxonomy import Cause
from builder.store import oci
from builder.store.shapes import Shape
from builder.store.store import Store
from builder.validation.outcome import Evidence, State
from builder.validation.results import Length, Results, stored_results

if TYPE_CHECKING:
    from builder.physics.identity import Identity

LENGTHS: tuple[Length, ...] = ("short", "full")
NAMED = 5
"""Of checks and differences, this many are named in a message."""


def judge_validation(
    evidence: Evidence, lock: Lock, *, stored_in: Store, made_in: Store, image: oci.Descriptor | None, shelf: Shelf
) -> Iterator[Finding]:
    """Say what the validation of a rebuilt image amounts to.

    A check that fails comes first. Where all passed and the recipe has samples, their histograms are compared with
    those that the store keeps of `image`, the stored image: same image and seed should give the same bits.
    """
    release, shape = evidence.release, evidence.image.shape
    about = f"image {shape}"
    if evidence.state is State.FAILED:
        yield finding(Cause.VALIDATION_FAILS, about, _named(evidence, State.FAILED), release=release)
        return
    if evidence.state is State.UNKNOWN:
        yield finding(Cause.NOT_VALIDATED, about, _named(evidence, State.UNKNOWN), release=release)
        return
    validation = lock.recipe.validation
    if validation is None or not validation.sample:
        return
    try:
        stored = _stored_results(stored_in, release, shape, image)
        made = stored_results(made_in, release, shape)
    except Failure as failure:
        yield finding(Cause.BLOB_CORRUPT, f"results {shape}", failure.problems[0].message, release=release)
        return
    if stored is None or made is None:
        message = "the store has no results of this image to compare the samples with"
        yield finding(Cause.NOT_VALIDATED, f"results {shape}", message, release=release)
        return
    yield from _compared(stored_in, stored, made_in, made, rate=validation.family_wise_error_rate, shelf=shelf)


def _named(evidence: Evidence, state: State) -> str:
    """Name the checks of a state, and what ails suites as a whole."""
    names = [problem for suite in evidence.suites for problem in suite.problems] if state is State.UNKNOWN else []
    names += [
        f"{suite.name}: {check.name}" for suite in evidence.suites for check in suite.checks if check.state is state
    ]
    more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
    return "; ".join([*names[:NAMED], *more])


def _stored_results(store: Store, release: str, shape: Shape, image: oci.Descriptor | None) -> Results | None:
    """Read the results that the store keeps of the stored image; None where it has none, or only another image's."""
    found = stored_results(store, release, shape)
    return found if found is not None and image is not None and found.image == image.digest else None


def _compared(
    stored_in: Store, stored: Results, made_in: Store, made: Results, *, rate: float, shelf: Shelf
) -> Iterator[Finding]:
    from builder.physics.identity import Verdict, identity
    from builder.validation.physics import samples_of

    causes = {
        Verdict.STATISTICALLY_IDENTICAL: Cause.WITHIN_TOLERANCE,
        Verdict.DIFFERENT: Cause.DIFFERS,
        Verdict.UNKNOWN: Cause.NOT_VALIDATED,
    }
    for length in LENGTHS:
        then, now = samples_of(stored_in, stored, length), samples_of(made_in, made, length)
        if not then and not now:
            continue
        found = identity(then, now, rate)
        if found.verdict is Verdict.BIT_IDENTICAL:
            continue
        name = f"{made.release}/{made.shape}/results-{length}.json"
        evidence = shelf.keep(name, documents.readable(found), "application/json")
        about = f"samples {made.shape} ({length})"
        yield finding(causes[found.verdict], about, _words(found), release=made.release, evidence=(evidence,))


def _words(found: Identity) -> str:
    """Say which histograms differ."""
    names = [*found.not_measured, *(f"{d.sample} {d.histogram}: {d.message}" for d in found.differences)]
    more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
    return "\n".join([f"{found.verdict} in {found.histograms} histograms", *names[:NAMED], *more])
