"""The three kinds of jobs, block by block: simulation, reconstruction, analysis."""

# ruff: noqa: T201 - a job speaks through stdout

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TypeVar

from miniboss import event_files, streams
from miniboss.analysis import Analysis
from miniboss.constants import ConstantsDatabase, open_database
from miniboss.decay_card import read_decay_card
from miniboss.errors import JobError
from miniboss.event_files import Block, read_digitised, read_reconstructed, whole_file, writing
from miniboss.events import Digitised, Generated, Reconstructed
from miniboss.generator import generate_block
from miniboss.geometry import read_geometry
from miniboss.histograms import as_json
from miniboss.jobs import AnalysisJob, Job, ReconstructionJob, SimulationJob
from miniboss.reconstruction.events import reconstruct
from miniboss.release import VERSION
from miniboss.simulation.detector import digitise

Events = TypeVar("Events", Digitised, Reconstructed)


def run(job: Job, environment: Mapping[str, str]) -> None:
    """Do a job, and say on stdout how it goes. Raises JobError where it cannot be done; then there is no output."""
    if isinstance(job, SimulationJob):
        _simulate(job, environment)
    elif isinstance(job, ReconstructionJob):
        _reconstruct(job, environment)
    else:
        _analyse(job, environment)


def _simulate(job: SimulationJob, environment: Mapping[str, str]) -> None:
    decay = read_decay_card(job.decay_card)
    say("EvtDecay", f"J/psi decays as {job.decay_card} says: channel {decay.channel}")
    geometry = read_geometry(environment)
    with open_database(environment) as connection:
        constants = ConstantsDatabase(connection, VERSION)
        with writing(job.output, event_files.RTRAW, VERSION) as sink:
            done = 0
            for block, events in streams.blocks(job.events):
                run_number = run_of_block(job, block)
                generated = generate_block(decay, block, events, job.seed)
                sink.write(run_number, digitise(generated, constants.of_run(run_number), geometry, job.seed, block))
                done += events
                say("BesSim", f"run {run_number}: {done} of {job.events} events")
    say("RootCnvSvc", f"{done} events written to {job.output}")


def run_of_block(job: SimulationJob, block: int) -> int:
    """Draw the run of a block: every run of the job is as likely, and the seed decides."""
    draw = streams.stream(job.seed, block, "simulation", "run")
    return job.runs[int(draw.integers(len(job.runs)))]


def _reconstruct(job: ReconstructionJob, environment: Mapping[str, str]) -> None:
    geometry = read_geometry(environment)
    with open_database(environment) as connection:
        constants = ConstantsDatabase(connection, VERSION)
        with writing(job.output, event_files.DST, VERSION) as sink:
            done = 0
            for block in _inputs(job.inputs, read_digitised, job.events):
                if block.events.phi.shape[2] != geometry.layers:
                    raise JobError(f"an input has {block.events.phi.shape[2]} layers, the geometry {geometry.layers}")
                sink.write(block.run, reconstruct(block.events, constants.of_run(block.run), geometry))
                done += len(block.events.phi)
                say("ToyRec", f"run {block.run}: {done} events")
    say("WriteDst", f"{done} events written to {job.output}")


def _analyse(job: AnalysisJob, environment: Mapping[str, str]) -> None:
    analysis = Analysis(job.channel, read_geometry(environment).alpha)
    done = 0
    for block in _inputs(job.inputs, read_reconstructed, job.events):
        try:
            analysis.add(block.events)
        except ValueError as error:  # another channel's events
            raise JobError(str(error)) from error
        done += len(block.events.found)
        say(job.channel, f"run {block.run}: {done} events")
    try:
        with whole_file(job.output) as sink:
            sink.write(as_json(analysis.histograms))
    except OSError as error:
        raise JobError(f"cannot write {job.output}: {error.strerror or error}") from error
    say("HistogramPersistencySvc", f"histograms of {done} events written to {job.output}")


def _inputs(
    files: Iterable[Path], read: Callable[[Path], Iterator[Block[Events]]], most: int | None
) -> Iterator[Block[Events]]:
    """Give the blocks of files, one file after the other, up to `most` events."""
    left = most
    for file in files:
        for block in read(file):
            size = len(block.events.truth.pdg)
            if left is None or left >= size:
                yield block
            elif left > 0:
                yield Block(block.run, _first(block.events, left))
            left = None if left is None else max(left - size, 0)
            if left == 0:
                return


def _first(events: Events, count: int) -> Events:
    """Give the first `count` events."""
    arrays = {field.name: getattr(events, field.name) for field in fields(events) if field.name != "truth"}
    truth = {field.name: getattr(events.truth, field.name)[:count] for field in fields(Generated)}
    return type(events)(**{name: array[:count] for name, array in arrays.items()}, truth=Generated(**truth))


def say(who: str, what: str) -> None:
    """Print a line of the job's log, as Gaudi's message service lays it out."""
    print(f"{who:24} INFO {what}", flush=True)
