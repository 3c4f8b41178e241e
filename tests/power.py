"""Measure what the physics comparisons of the example recipe see: defects put into the toy, and none at all.

`python -m tests.power` prints the tables of docs/physics-validation.md; it takes some minutes.
"""

from __future__ import annotations

import csv
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from builder.physics.comparison import Measured, Unmeasured, compare
from builder.physics.histograms import Result, read_result
from builder.physics.model import Judgement
from builder.recipe.load import load
from builder.recipe.validation import Validation
from builder.validation.physics import Against, Samples, plan
from example.chain import CHANNELS, RECIPE, ROOT, Installed, Sample, pseudo_data, run

VERSION = "1.0.0"
EVENTS = 20_000
"""Of each channel, as in the recipe."""
REPEATS = 10
FAMILIES = 200
FAMILY_EVENTS = 1_000


@dataclass(frozen=True)
class Defect:
    """Something wrong in a release: in its tables of constants, in its job options, or in what comes out."""

    title: str
    tables: Callable[[Path], None] | None = None
    """Spoils a copy of the recipe's bookkeeping."""
    job_options: Mapping[str, str] = field(default_factory=dict)
    """By channel: a line that follows those of its simulation."""
    results: Callable[[dict[str, Measured | Unmeasured]], None] | None = None
    """Spoils what the samples gave."""


def edit(table: str, change: Callable[[dict[str, str]], None]) -> Callable[[Path], None]:
    """Give what changes every row of a table (a path below bookkeeping/)."""

    def spoil(folder: Path) -> None:
        with (folder / table).open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        for row in rows:
            change(row)
        with (folder / table).open("w", newline="") as stream:
            writer = csv.DictWriter(stream, rows[0].keys())
            writer.writeheader()
            writer.writerows(rows)

    return spoil


def _scale(column: str, factor: float) -> Callable[[dict[str, str]], None]:
    def change(row: dict[str, str]) -> None:
        row[column] = repr(float(row[column]) * factor)

    return change


def _neighbours_constants(row: dict[str, str]) -> None:
    """Give the first range of simulated runs the constants of the second."""
    if (row["DataType"], row["RunFrom"]) == ("Mdc", "9947"):
        row["ParVer"] = "2"


def _lose_a_channel(samples: dict[str, Measured | Unmeasured]) -> None:
    samples["rhopi"] = Unmeasured("the job jobOptions_sim.txt ended with exit code 1")


def _lose_an_observable(samples: dict[str, Measured | Unmeasured]) -> None:
    whole = samples["kskpi"]
    assert isinstance(whole, Measured)
    left = {name: histogram for name, histogram in whole.result.items() if name != "ks_m"}
    samples["kskpi"] = Measured(Result(whole.result.where, left), whole.events)


DEFECTS = (
    Defect("hit efficiency 2% lower", edit("payloads/MdcCalConst.csv", _scale("HitEfficiency", 0.98))),
    Defect("momentum scale 1% off", edit("payloads/MdcCalConst.csv", _scale("MomentumScale", 1.01))),
    Defect("one run range with its neighbour's constants", edit("CalVtxLumVer.csv", _neighbours_constants)),
    Defect(
        "the decay card of mu+ mu- for e+ e-",
        job_options={"ee": 'EvtDecay.userDecayTableName = "$BesArea/share/decay_cards/mumu.dec";'},
    ),
    Defect("a channel missing", results=_lose_a_channel),
    Defect("an observable lost", results=_lose_an_observable),
)
SMALLER = (
    Defect("hit efficiency 0.5% lower", edit("payloads/MdcCalConst.csv", _scale("HitEfficiency", 0.995))),
    Defect("momentum scale 0.2% off", edit("payloads/MdcCalConst.csv", _scale("MomentumScale", 1.002))),
)
"""Defects near the tolerances of the recipe."""


class Bench:
    """The example release without an image, its recipe's observables, and a reference."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        loaded = load(ROOT / "recipes" / f"miniboss-{VERSION}" / "recipe.hcl", {"upstream": "http://127.0.0.1"}, {})
        assert loaded.recipe.validation is not None
        self.validation = loaded.recipe.validation
        self.sound = Installed.lay_out(VERSION, folder / "sound")
        pseudo = {c: Measured(read_result((pseudo_data(VERSION) / f"{c}.json").read_bytes(), c)) for c in CHANNELS}
        self.pseudo_data = Against("pseudo-data", pseudo)

    def without_tolerance(self) -> Validation:
        """The same observables, each difference of which counts."""
        strict = (msgspec.structs.replace(observable, tolerance=0.0) for observable in self.validation.observable)
        return msgspec.structs.replace(self.validation, observable=tuple(strict))

    def make(
        self, installed: Installed, seeds: Sequence[int], *, events: int, job_options: Mapping[str, str] | None = None
    ) -> dict[int, dict[str, Measured | Unmeasured]]:
        """Make all channels with each seed."""
        more = {channel: (line,) for channel, line in (job_options or {}).items()}
        samples = {
            f"{channel}-{seed}": Sample(channel, events, seed, more.get(channel, ()))
            for seed in seeds
            for channel in CHANNELS
        }
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            made = run(installed, samples, Path(scratch) / "samples")
        return {
            seed: {c: Measured(read_result(made[f"{c}-{seed}"], f"{c} of seed {seed}"), events) for c in CHANNELS}
            for seed in seeds
        }

    def spoiled(self, defect: Defect, seeds: Sequence[int]) -> dict[int, Judgement]:
        """Judge a release with a defect against the pseudo-data, as its recipe says, once for each seed."""
        installed = self.sound
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            if defect.tables is not None:
                tables = Path(name) / "bookkeeping"
                shutil.copytree(RECIPE / "bookkeeping", tables)
                defect.tables(tables)
                installed = Installed.lay_out(VERSION, Path(name) / "installed", tables)
            made = self.make(installed, seeds, events=EVENTS, job_options=defect.job_options)
        for samples in made.values():
            if defect.results is not None:
                defect.results(samples)
        return {seed: self.judge(self.validation, samples, self.pseudo_data) for seed, samples in made.items()}

    def judge(self, validation: Validation, samples: Samples, against: Against) -> Judgement:
        """Compare samples with one reference."""
        return compare(plan(validation, samples, {"data": against}), validation.family_wise_error_rate)

    def false_alarms(self, families: int, *, first_seed: int = 1_000) -> int:
        """Count the families in which anything differs although nothing is wrong: sound samples, no tolerance.

        Each family has a seed of its own; all are compared with one larger sample of the same release.
        """
        validation = self.without_tolerance()
        reference = Against("the same release", self.make(self.sound, [1], events=EVENTS)[1])
        alarms = 0
        for start in range(first_seed, first_seed + families, 20):
            seeds = range(start, min(start + 20, first_seed + families))
            for samples in self.make(self.sound, seeds, events=FAMILY_EVENTS).values():
                alarms += not self.judge(validation, samples, reference).state.is_pass
        return alarms


def table(bench: Bench) -> str:
    """Give the table of defects in Markdown."""
    lines = ["| defect | found | states | seen first in |", "|---|---|---|---|"]
    seeds = range(1, REPEATS + 1)
    for defect in (Defect("none"), *DEFECTS, *SMALLER):
        judgements = bench.spoiled(defect, seeds).values()
        found = [judgement for judgement in judgements if not judgement.state.is_pass]
        states = ", ".join(sorted({judgement.state for judgement in judgements}))
        where = sorted({name for judgement in found for name in _worst(judgement)})
        lines.append(f"| {defect.title} | {len(found)} of {REPEATS} | {states} | {', '.join(where)} |")
    return "\n".join(lines)


def _worst(judgement: Judgement) -> list[str]:
    """Name the observable with the smallest p, or those that could not be compared."""
    lost = [c for c in judgement.comparisons if c.p_value is None]
    tested = [c for c in judgement.comparisons if c.p_value is not None]
    worst = lost[0] if lost else min(tested, key=lambda c: (c.p_value, -(c.effect or 0)))
    return [f"{worst.observable.sample} {worst.observable.name}"]


def main() -> None:
    """Print the tables."""
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        print(table(bench))
        print(
            f"\n{bench.false_alarms(FAMILIES)} false alarms in {FAMILIES} families of {FAMILY_EVENTS} events a channel"
        )


if __name__ == "__main__":
    main()
