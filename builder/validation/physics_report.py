"""Write the physics report of a judged image: a page with plots, JUnit XML, and the same as JSON."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

import msgspec

from builder import __version__
from builder.core import documents
from builder.core.files import write_atomically
from builder.lock.model import Lock
from builder.physics.comparison import Planned
from builder.physics.junit import as_junit
from builder.physics.model import Judgement, State
from builder.physics.report import CrossShape, Fact, NotRun, Report, SampleRun, as_html, compared
from builder.store.store import Store
from builder.validation.evidence import note_of
from builder.validation.physics import OtherShape, Physics, shape_pairs
from builder.validation.results import Length, Results

PAGE, JUNIT, JSON = "index.html", "junit.xml", "report.json"
TOOLS = ("numpy", "scipy", "matplotlib")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The report for machines."""

    subject: str
    state: State
    results: Results
    judgement: Judgement
    shapes: tuple[OtherShape, ...]
    notes: tuple[str, ...]


def write_report(store: Store, lock: Lock, physics: Physics, folder: Path) -> State:
    """Write the report of one image's samples, and of the other shapes beside it, into `folder`; gives its state."""
    validation = lock.recipe.validation
    assert validation is not None  # noqa: S101 - there were samples
    pairs = tuple(shape_pairs(store, lock, validation.family_wise_error_rate))
    return write_files(
        folder,
        title=lock.recipe.release.title,
        subject=f"{physics.results.release} ({physics.results.shape})",
        results=physics.results,
        length=physics.length,
        planned=physics.planned,
        judgement=physics.judgement,
        pairs=pairs,
        facts=tuple(Fact(f"reference {other.title}", other.digest or other.problem) for other in physics.references),
    )


def write_files(
    folder: Path,
    *,
    title: str,
    subject: str,
    results: Results,
    length: Length,
    planned: tuple[Planned, ...],
    judgement: Judgement,
    pairs: tuple[OtherShape, ...] = (),
    facts: tuple[Fact, ...] = (),
) -> State:
    """Write PAGE, JUNIT and JSON into `folder`. Equal values give equal files."""
    notes = tuple(note_of(text) for text in results.stands_in_for)
    report = Report(
        title=title,
        subject=subject,
        references=tuple(dict.fromkeys(comparison.reference for comparison in judgement.comparisons)),
        family_wise_error_rate=judgement.family_wise_error_rate,
        notes=notes,
        samples=tuple(
            SampleRun(name=run.sample, channel=run.channel, events=run.events, seed=run.seed, digest=run.digest)
            for run in results.runs
            if run.length == length
        ),
        compared=tuple(compared(*pair) for pair in zip(planned, judgement.comparisons, strict=True)),
        not_run=tuple(
            NotRun(f"sample {run.sample} ({run.length})", run.problem) for run in results.runs if run.problem
        ),
        cross_shape=tuple(CrossShape(pair.shapes, pair.identity) for pair in pairs),
        provenance=(*_facts(results), *facts),
    )
    document = Document(
        subject=subject, state=report.state, results=results, judgement=judgement, shapes=pairs, notes=notes
    )
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / PAGE, as_html(report).encode())
    write_atomically(folder / JUNIT, as_junit(report))
    write_atomically(folder / JSON, documents.readable(document))
    return report.state


def _facts(results: Results) -> Iterator[Fact]:
    yield Fact(f"image {results.release} ({results.shape})", results.image)
    yield Fact("lock", results.lock)
    yield Fact("boss-builder", __version__)
    for name in TOOLS:
        yield Fact(name, importlib.metadata.version(name))
