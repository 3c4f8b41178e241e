"""What was found, as lines for people and as one JSON document. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from builder.doctor.model import Finding, Host, ReleaseAdvice, State

FORMAT = 1
"""Version of the JSON document; fields may be added to it without another number."""


def as_json(host: Host, releases: Sequence[ReleaseAdvice]) -> dict[str, Any]:
    """Give the document: `format`, `host` by the names of its probes, `releases`, and whether all have their routes."""
    return {
        "format": FORMAT,
        "host": {name: msgspec.to_builtins(probe) for name, probe in host.probes()},
        "releases": [{**msgspec.to_builtins(release), "has_routes": release.has_routes} for release in releases],
        "has_routes": all(release.has_routes for release in releases),
    }


def lines(host: Host, releases: Sequence[ReleaseAdvice]) -> Iterator[str]:
    """Give the lines: what the host has, then for each release what its shapes and steps come to."""
    probes = list(host.probes())
    width = max(len(name) for name, _ in probes)
    yield "host"
    for name, probe in probes:
        yield f"  {_title(name):{width}}  {probe.state:7}  {probe.found}"
        if probe.state is not State.OK:
            yield from _indented(probe.cure, width + 4)
    for release in releases:
        yield ""
        yield f"{release.release}: {release.system}"
        told: set[str] = set()
        for shape in release.shapes:
            built = "" if shape.built else " (not built yet)"
            how = f"{shape.route.shape}: {shape.route.how}{built}" if shape.route else "can not be started here"
            yield f"  {shape.shape:6}  {shape.state:7}  {how}"
            yield from _findings(shape.findings, told)
        for step in release.steps:
            yield f"  {step.step:6}  {step.state:7}".rstrip()
            yield from _findings(step.findings, told)


def _title(name: str) -> str:
    return name.replace("_", " ")


def _findings(findings: Sequence[Finding], told: set[str]) -> Iterator[str]:
    """Give findings, the cure of each once for a release."""
    for finding in findings:
        yield f"    {_title(finding.about)}: {finding.meaning}"
        if finding.cure not in told:
            yield from _indented(finding.cure, 8)
        told.add(finding.cure)


def _indented(text: str, depth: int) -> Iterator[str]:
    for line in text.splitlines():
        yield " " * depth + line
