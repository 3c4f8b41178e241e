"""The demonstration: the example release through every step, with a table at the end.

Makes and serves the example upstream on loopback, then runs the commands as a person would, each with `--json`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "example"
RELEASE = "miniboss-1.0.0"
PORT = 18217
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    step: str
    seconds: float
    digest: str
    result: str


class StepFailedError(Exception):
    """A step ended badly; its own messages stand on the terminal already."""

    def __init__(self, step: str, code: int) -> None:
        """Name the step and its exit code."""
        super().__init__(f"{step} failed with exit code {code}")
        self.code = code


@contextmanager
def served(cache: Path) -> Iterator[str]:
    """Serve the upstream on its usual port, or where that is taken on a free one; gives its address."""
    for port in (PORT, 0):
        process = subprocess.Popen(
            [sys.executable, "-m", "example.upstream", "serve", "--cache", cache, "--port", str(port)],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        address = process.stdout.readline().strip() if process.stdout else ""
        if address:
            break
        process.wait()
    try:
        yield address
    finally:
        process.terminate()
        process.wait()


def run(step: str, *words: str) -> dict[str, Any]:
    """Run one command of the product, its progress on our stderr; gives its JSON."""
    done = subprocess.run([BIN / "boss-builder", *words, "--json"], cwd=ROOT, stdout=subprocess.PIPE, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout.decode())
        raise StepFailedError(step, done.returncode)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def steps(upstream: str, notes: list[str]) -> Iterator[Row]:
    """Run every step; yields its line of the table, and adds to `notes` what is only imitated."""
    os.environ["BOSS_BUILDER_VAR_upstream"] = upstream  # noqa: SIM112 - the variable's own name

    started = time.monotonic()
    run("check", "check", RELEASE)
    yield Row("check", time.monotonic() - started, "", "well")

    started = time.monotonic()
    frozen = run("freeze", "freeze", RELEASE)
    state = "lock written" if frozen["lock_changed"] else "lock unchanged"
    result = (
        f"{frozen['packages']} RPMs, {len(frozen['sources'])} other inputs; {frozen['fetched_files']} fetched; {state}"
    )
    yield Row("freeze", time.monotonic() - started, "", result)

    started = time.monotonic()
    built = run("build", "build", RELEASE)
    stages = " ".join(f"{s['name']} ({'stored' if s['stored'] else 'built'})" for s in built["stages"])
    images = sum(image["seconds"] for image in built["images"][1:])
    yield Row("stages", time.monotonic() - started - images, "", stages)
    for image in built["images"]:
        size = f"{image['size'] / 1e6:.0f} MB, {'stored' if image['stored'] else 'built'}"
        yield Row(f"image {image['shape']}", 0 if image["shape"] == "oci" else image["seconds"], image["digest"], size)

    validated = run("validate", "validate", RELEASE)
    stand_ins = dict.fromkeys(note for image in validated["images"] for note in image["stands_in_for"])
    notes += [f"emulated, not the real thing: {note}" for note in stand_ins]
    yield from validation_rows(validated)


def validation_rows(validated: dict[str, Any]) -> Iterator[Row]:
    """Lines of the table for boot and validation, two a shape."""
    for image in validated["images"]:
        shape = image["image"]["shape"]
        boot = image["seconds"]["boot"]
        yield Row(f"boot {shape}", boot, image["image"]["digest"], "networking off")
        suites = ", ".join(f"{s['name']}: {len(s['checks'])} checks" for s in image["suites"])
        seconds = sum(image["seconds"].values()) - boot
        yield Row(f"validate {shape}", seconds, image["artifact"], f"{image['state']} ({suites})")


def table(rows: Sequence[Row]) -> str:
    """Lay the lines out."""
    lines = [f"{'step':13} {'time':>8}  {'digest':20} result"]
    lines += [f"{r.step:13} {r.seconds:6.1f} s  {r.digest[:19]:20} {r.result}" for r in rows]
    return "\n".join(lines)


def main() -> int:
    """Run the demonstration; the exit code is that of the first step that fails."""
    rows: list[Row] = []
    notes: list[str] = []
    started = time.monotonic()
    made = subprocess.run(
        [sys.executable, "-m", "example.upstream", "make", "--cache", CACHE], cwd=ROOT, check=False, stdout=sys.stderr
    )
    if made.returncode != 0:
        return made.returncode
    rows.append(Row("upstream", time.monotonic() - started, "", "served on loopback, as a vault would be"))
    try:
        with served(CACHE) as upstream:
            rows += steps(upstream, notes)
    except StepFailedError as failure:
        print(failure, file=sys.stderr)
        return failure.code
    print(f"\n{RELEASE}\n{table(rows)}\n")
    for note in notes:
        print(f"note: {note}")
    print(f"report: {(ROOT / 'images' / 'reports' / RELEASE / 'index.html').relative_to(ROOT)}")
    print(f"next: .venv/bin/boss-builder run {RELEASE} -- boss.exe")
    return 0


if __name__ == "__main__":
    sys.exit(main())
