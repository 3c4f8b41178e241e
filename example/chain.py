"""Run the toy's chain on this host, without an image: simulation, reconstruction and analysis of a channel.

Pseudo-data are made with it (`python -m example.chain pseudo-data`), and the power of the comparisons is measured. What
a release gives is never made here but in its booted image.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.bookkeeping.snapshot import write
from builder.bookkeeping.source import read_csv
from example.upstream.release import VERSIONS, lay_out_miniboss

ROOT = Path(__file__).parent.parent
RECIPE = ROOT / "recipes" / "miniboss"
CHANNELS = ("ee", "mumu", "ppbar", "rhopi", "kskpi")
STEPS = ("sim", "rec", "ana")
PSEUDO_SEED = 20091
PSEUDO_EVENTS = 40_000
RUNS = {"ee": 9947, "mumu": 10400, "ppbar": 27300, "rhopi": 9947, "kskpi": 28000}
"""The run of each channel's sample: every range of the bookkeeping has one. That of a simulation is negative, that of
pseudo-data positive, as they take other constants."""
ALL_JOBS = f"""
import os, sys
sys.path.insert(0, sys.argv[1])
from miniboss.main import main
for folder in sys.argv[2:]:
    os.chdir(folder)
    for step in {STEPS!r}:
        if main([f"jobOptions_{{step}}.txt"]):
            sys.exit(1)
"""


def pseudo_data(version: str) -> Path:
    """Give the folder in which a release's recipe has its pseudo-data."""
    return ROOT / "recipes" / f"miniboss-{version}" / "pseudo-data"


@dataclass(frozen=True)
class Installed:
    """A version of the toy as an image would hold it, with its constants, in a folder of this host."""

    version: str
    home: Path
    database: Path

    @classmethod
    def lay_out(cls, version: str, folder: Path, tables: Path = RECIPE / "bookkeeping") -> Installed:
        """Install a version into a new folder; `tables` holds CalVtxLumVer.csv and payloads/."""
        home, database = folder / version, folder / f"{version}.db"
        lay_out_miniboss(version, home)
        write(read_csv(tables / "CalVtxLumVer.csv", tables / "payloads"), database)
        return cls(version, home, database)


@dataclass(frozen=True)
class Sample:
    """A sample to be made: its channel, how much of it, with which seed, and lines that follow its job options."""

    channel: str
    events: int
    seed: int
    more: tuple[str, ...] = ()


def run(installed: Installed, samples: Mapping[str, Sample], folder: Path) -> dict[str, bytes]:
    """Make samples in a new folder, one process for all; give each one's file of histograms, by the sample's name.

    Raises subprocess.CalledProcessError, with what the job said, where a job fails.
    """
    for name, sample in samples.items():
        _write_job_options(sample, folder / name)
    libraries = RECIPE / "libraries"
    environment = {
        **os.environ,
        "BOSS_DATABASE": str(installed.database),
        "BesArea": str(installed.home),
        "DETECTOR_GEOMETRY_ROOT": str(libraries / "detector-geometry"),
        "PYTHONPATH": str(ROOT / "example" / "particle-table"),
    }
    subprocess.run(
        [sys.executable, "-c", ALL_JOBS, installed.home / "lib", *(folder / name for name in samples)],
        env=environment, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    return {name: (folder / name / f"{sample.channel}.json").read_bytes() for name, sample in samples.items()}


def _write_job_options(sample: Sample, folder: Path) -> None:
    folder.mkdir(parents=True)
    for step in STEPS:
        options = folder / f"jobOptions_{step}.txt"
        shutil.copyfile(RECIPE / "jobs" / sample.channel / options.name, options)
    lines = ["", f"ApplicationMgr.EvtMax = {sample.events};", f"BesRndmGenSvc.RndmSeed = {sample.seed};", *sample.more]
    with (folder / "jobOptions_sim.txt").open("a", encoding="utf-8") as sink:
        sink.writelines(f"{line}\n" for line in lines)


def make_pseudo_data(version: str, target: Path) -> None:
    """Write CHANNEL.json of pseudo-data: the toy itself, with a seed of its own and the constants of data."""
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        installed = Installed.lay_out(version, Path(name))
        runs = {channel: f"RealizationSvc.RunIdList = {{{run_number}}};" for channel, run_number in RUNS.items()}
        samples = {channel: Sample(channel, PSEUDO_EVENTS, PSEUDO_SEED, (line,)) for channel, line in runs.items()}
        for channel, result in run(installed, samples, Path(name) / "samples").items():
            (target / f"{channel}.json").write_bytes(result)


def main() -> None:
    """Make the recipes' pseudo-data anew."""
    parser = argparse.ArgumentParser(prog="python -m example.chain", description=main.__doc__)
    parser.add_argument("what", choices=["pseudo-data"])
    parser.parse_args()
    for version in VERSIONS:
        make_pseudo_data(version, pseudo_data(version))


if __name__ == "__main__":
    main()
