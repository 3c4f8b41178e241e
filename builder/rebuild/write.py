"""Write the report of rebuilds: a page, JSON, JUnit XML and text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from builder.core import documents
from builder.core.errors import Failure
from builder.core.files import write_atomically
from builder.rebuild.history import History
from builder.rebuild.junit import as_junit
from builder.rebuild.model import Run
from builder.rebuild.page import as_html
from builder.rebuild.report import as_json, as_text
from builder.store.store import Store

PAGE, JSON, JUNIT, TEXT = "index.html", "report.json", "junit.xml", "summary.txt"
SHOWN = 32 << 10
"""Bytes of a piece of evidence that the page itself shows; all of it is in the store."""


def write_reports(
    folder: Path, runs: Sequence[Run], histories: Mapping[str, History], store: Store | None = None
) -> None:
    """Write PAGE, JSON, JUNIT and TEXT into `folder`, each whole or not at all.

    `histories` are those of the releases. With the `store`, the page shows the evidence of the faults too, as far as it
    is text. Equal values give equal files.
    """
    evidence = dict(_texts(store, runs)) if store else {}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / JSON, documents.readable(as_json(runs)))
    write_atomically(folder / JUNIT, as_junit(runs))
    write_atomically(folder / TEXT, as_text(runs).encode())
    write_atomically(folder / PAGE, as_html(runs, histories, evidence).encode())


def _texts(store: Store, runs: Sequence[Run]) -> Iterator[tuple[str, str]]:
    """Read the beginning of what proves the faults; what the store lacks, or is no text, is left out."""
    faults = (found for run in runs for answer in run.answers for found in answer.findings if found.is_fault)
    for digest in dict.fromkeys(digest for found in faults for digest in found.evidence):
        try:
            data = store.read(digest)
        except (Failure, ValueError):  # ValueError: a digest that is none
            continue
        if b"\0" not in data:
            text = data[:SHOWN].decode("utf-8", "replace")
            yield digest, f"{text}\n... (the rest is in the store)" if len(data) > SHOWN else text
