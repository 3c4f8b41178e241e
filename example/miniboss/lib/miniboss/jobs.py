"""From job options to a job: simulation, reconstruction or analysis.

As in Gaudi, `ApplicationMgr.TopAlg` says which algorithms run and `ApplicationMgr.DLLs` which libraries they come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from miniboss.decay_card import Channel
from miniboss.errors import JobError
from miniboss.job_options import Item, JobOptionsError, Property, expand

LIBRARIES = {
    "BesEvtGen": "EvtDecay",
    "BesSim": "BesSim",
    "ToyRecAlg": "ToyRec",
    "WriteDst": "WriteDst",
    "EeAlg": "Ee",
    "MuMuAlg": "MuMu",
    "PPbarAlg": "PPbar",
    "RhoPiAlg": "RhoPi",
    "KsKpiAlg": "KsKpi",
}
"""The algorithm that each library has."""
SIMULATION = ("EvtDecay", "BesSim")
RECONSTRUCTION = ("ToyRec", "WriteDst")
ANALYSES = {
    "Ee": Channel.EE,
    "MuMu": Channel.MUMU,
    "PPbar": Channel.PPBAR,
    "RhoPi": Channel.RHOPI,
    "KsKpi": Channel.KSKPI,
}
ALL_EVENTS = -1
"""EvtMax of a job that takes all events of its input."""
MOST_EVENTS = 1_000_000_000
LARGEST_RUN = 9_999_999


@dataclass(frozen=True)
class SimulationJob:
    """Generate events and pass them through the detector."""

    events: int
    seed: int
    runs: range
    """Numbers of the runs that the events are spread over, ascending; all positive or all negative."""
    decay_card: Path
    output: Path


@dataclass(frozen=True)
class ReconstructionJob:
    """Reconstruct what a detector recorded."""

    inputs: tuple[Path, ...]
    events: int | None
    """At most; None: all."""
    output: Path


@dataclass(frozen=True)
class AnalysisJob:
    """Fill the histograms of one channel."""

    channel: Channel
    inputs: tuple[Path, ...]
    events: int | None
    """At most; None: all."""
    output: Path


Job = SimulationJob | ReconstructionJob | AnalysisJob


def _whole(low: int, high: int) -> Callable[[object], str]:
    """Describe what is wrong with a value that must be a number between two others; nothing: an empty text."""

    def check(value: object) -> str:
        good = isinstance(value, int) and low <= value <= high
        return "" if good else f"must be a number from {low} to {high}"

    return check


def _text(value: object) -> str:
    return "" if isinstance(value, str) and value else 'must be a "text"'


def _texts(value: object) -> str:
    good = isinstance(value, tuple) and all(isinstance(item, str) and item for item in value)
    return "" if good else 'must be a list of {"texts"}'


def _runs(value: object) -> str:
    numbers = value if isinstance(value, tuple) else ()
    good = all(isinstance(run, int) and abs(run) <= LARGEST_RUN for run in numbers)
    good = good and (len(numbers) == 1 or (len(numbers) == 3 and numbers[1] == 0))  # noqa: PLR2004 - first, 0, last
    good = good and ((numbers[0] < 0 and numbers[-1] < 0) or (numbers[0] > 0 and numbers[-1] > 0))
    return "" if good else "must be {RUN} or {FIRST, 0, LAST}, of one sign and none of them 0"


PROPERTIES: dict[str, Callable[[object], str]] = {
    "ApplicationMgr.DLLs": _texts,
    "ApplicationMgr.TopAlg": _texts,
    "ApplicationMgr.EvtMax": _whole(ALL_EVENTS, MOST_EVENTS),
    "BesRndmGenSvc.RndmSeed": _whole(0, 2**63 - 1),
    "RealizationSvc.RunIdList": _runs,
    "EvtDecay.userDecayTableName": _text,
    "RootCnvSvc.digiRootOutputFile": _text,
    "EventCnvSvc.digiRootInputFile": _texts,
    "WriteDst.digiRootOutputFile": _text,
    "HistogramPersistencySvc.OutputFile": _text,
}
"""What can be set, and what is wrong with a value."""


class _Settings:
    """The values that the properties end up with: the last one wins, `+=` adds to a list."""

    def __init__(self, properties: Iterable[Property], environment: Mapping[str, str]) -> None:
        """Raise JobOptionsError with everything that is wrong, a line each."""
        self._values: dict[str, Item | tuple[Item, ...]] = {}
        self._where: dict[str, str] = {}
        self._environment = environment
        self.problems: list[str] = []
        for asked in properties:
            self._take(asked)
        if self.problems:
            raise JobOptionsError("\n".join(self.problems))

    def _take(self, asked: Property) -> None:
        check = PROPERTIES.get(asked.full_name)
        value = asked.value
        if check is None:
            self.problems.append(f"{asked.where}: {asked.full_name} is not in this version of the toy")
            return
        if asked.adds:
            before = self._values.get(asked.full_name, ())
            if check is not _texts or not isinstance(before, tuple) or not isinstance(value, tuple):
                self.problems.append(f"{asked.where}: `+=` adds a list to a list, which {asked.full_name} is not")
                return
            value = before + value
        wrong = check(value)
        if wrong:
            self.problems.append(f"{asked.where}: {asked.full_name} {wrong}")
        self._values[asked.full_name] = value
        self._where[asked.full_name] = asked.where

    def number(self, name: str) -> int:
        value = self._needed(name)
        return value if isinstance(value, int) else 0

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._values.get(name, ())
        return tuple(str(item) for item in value) if isinstance(value, tuple) else ()

    def runs(self, name: str) -> range:
        value = self._needed(name)
        ends = [int(run) for run in value if run != 0] if isinstance(value, tuple) else []
        return range(min(ends), max(ends) + 1) if ends else range(0)

    def file(self, name: str) -> Path:
        return self._path(str(self._needed(name)), name)

    def files(self, name: str) -> tuple[Path, ...]:
        self._needed(name)
        return tuple(self._path(text, name) for text in self.texts(name))

    def _path(self, text: str, name: str) -> Path:
        return Path(expand(text, self._environment, self._where.get(name, name)))

    def _needed(self, name: str) -> Item | tuple[Item, ...]:
        if self._values.get(name, ()) == ():
            self.problems.append(f"{name} is not set")
        return self._values.get(name, "")


def job_of(properties: Iterable[Property], environment: Mapping[str, str]) -> Job:
    """Say what a job has to do. Raises JobError, with all that is wrong or missing, a line each."""
    settings = _Settings(properties, environment)
    algorithms = settings.texts("ApplicationMgr.TopAlg")
    _check_libraries(settings.texts("ApplicationMgr.DLLs"), algorithms)
    job: Job
    if algorithms == SIMULATION:
        job = SimulationJob(
            events=settings.number("ApplicationMgr.EvtMax"),
            seed=settings.number("BesRndmGenSvc.RndmSeed"),
            runs=settings.runs("RealizationSvc.RunIdList"),
            decay_card=settings.file("EvtDecay.userDecayTableName"),
            output=settings.file("RootCnvSvc.digiRootOutputFile"),
        )
        if job.events < 0:
            settings.problems.append("ApplicationMgr.EvtMax of a simulation says how many events to make")
    else:
        inputs = settings.files("EventCnvSvc.digiRootInputFile")
        most = settings.number("ApplicationMgr.EvtMax")
        events = None if most == ALL_EVENTS else most
        if algorithms == RECONSTRUCTION:
            job = ReconstructionJob(inputs, events, settings.file("WriteDst.digiRootOutputFile"))
        elif len(algorithms) == 1 and algorithms[0] in ANALYSES:
            output = settings.file("HistogramPersistencySvc.OutputFile")
            job = AnalysisJob(ANALYSES[algorithms[0]], inputs, events, output)
        else:
            jobs = [SIMULATION, RECONSTRUCTION, *((name,) for name in ANALYSES)]
            listed = "; ".join(", ".join(names) for names in jobs)
            raise JobError(f"ApplicationMgr.TopAlg is {', '.join(algorithms) or 'empty'}; the toy can do: {listed}")
    if settings.problems:
        raise JobError("\n".join(settings.problems))
    return job


def _check_libraries(libraries: tuple[str, ...], algorithms: tuple[str, ...]) -> None:
    problems = [f"ApplicationMgr.DLLs: there is no library {name}" for name in libraries if name not in LIBRARIES]
    loaded = {LIBRARIES.get(name) for name in libraries}
    problems += [f"ApplicationMgr.TopAlg: no library has {name}" for name in algorithms if name not in loaded]
    if problems:
        raise JobError("\n".join(problems))
