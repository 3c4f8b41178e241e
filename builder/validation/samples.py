"""Make a sample's events in a booted image: run its jobs in their order, and bring the histograms out.

Job options are in the notation of BOSS, where the last assignment to a property counts: the numbers of events and the
seed are appended to the first job's, whose file is otherwise what the recipe's author wrote.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from builder.boot.machine import Machine
from builder.core.errors import WorkFailure
from builder.core.files import write_atomically
from builder.core.progress import Progress
from builder.lock.model import Lock
from builder.recipe.validation import Sample, Validation
from builder.render.templates import render
from builder.store.store import Store

GUEST_FOLDER = "/tmp/boss-builder-samples"  # noqa: S108 - in the guest, which nobody else uses
IN_FOLDER = 'cd "$1" && shift && exec "$@"'
RESULT_LIMIT = 64 * 2**20
"""Bytes of a result at most: histograms, not events."""
LAST_LINES = 5
SHORT_LIMIT = 60.0
"""Seconds for what takes none."""


class SampleRun(msgspec.Struct, frozen=True, kw_only=True):
    """A sample that was made: how many events with which seed, and the file of histograms as the last job wrote it.

    Where it was not made, `result` is empty and `problem` says why.
    """

    sample: Sample
    events: int
    result: bytes = b""
    problem: str = ""


def events_of(sample: Sample, *, short: bool) -> int:
    """How many events a run of a sample has: all, or as many as an emulated processor can make in the same time."""
    if not short:
        return sample.events
    return sample.emulated_events or max(1, sample.events // 10)


def run_samples(
    store: Store,
    lock: Lock,
    validation: Validation,
    machine: Machine,
    *,
    short: bool,
    work: Path,
    log_file: Path,
    progress: Progress,
) -> list[SampleRun]:
    """Run every sample of a recipe, one after the other; see `run_sample`. `work` is a folder to work in."""
    runs = []
    for sample in validation.sample:
        events = events_of(sample, short=short)
        with progress.task(f"sample {sample.name}: {events} events"):
            files = sample_files(store, lock, sample)
            folder = work / f"sample-{sample.name}"
            runs.append(run_sample(sample, files, machine, events=events, work=folder, log_file=log_file))
    return runs


def sample_files(store: Store, lock: Lock, sample: Sample) -> dict[str, bytes]:
    """Read job options, and what they read, as they were frozen. Raises WorkFailure where the store lacks them."""
    names = [reference.path.rpartition("/")[2] for reference in (*sample.job_options, *sample.files)]
    return {name: store.read(lock.sources[f"validation.sample.{sample.name}.{name}"].blob.digest) for name in names}


def run_sample(
    sample: Sample, files: Mapping[str, bytes], machine: Machine, *, events: int, work: Path, log_file: Path
) -> SampleRun:
    """Run a sample's jobs in a machine.

    `files` are the job options and what they read, by the names that the recipe gives them; `work` is a folder that
    does not exist yet; what the jobs print is appended to `log_file`. A job that fails, hangs or writes nothing is
    in the answer, not an exception: one sample does not keep the others from being made.
    """
    guest = f"{GUEST_FOLDER}/{sample.name}"
    jobs = [reference.path.rpartition("/")[2] for reference in sample.job_options]
    try:
        work.mkdir()
        for name, data in files.items():
            write_atomically(work / name, data)
        first = files[jobs[0]].decode("utf-8", "surrogateescape")
        text = render("validation/job_options.txt.j2", text=first.rstrip("\n"), events=events, seed=sample.seed)
        write_atomically(work / jobs[0], text.encode("utf-8", "surrogateescape"))
        machine.put(work, guest)
        for job in jobs:
            problem = _run_job(sample, job, guest, machine, log_file)
            if problem:
                return SampleRun(sample=sample, events=events, problem=problem)
        return SampleRun(sample=sample, events=events, result=_fetch(sample, guest, machine, work))
    except WorkFailure as failure:
        return SampleRun(sample=sample, events=events, problem=str(failure))
    finally:
        shutil.rmtree(work, ignore_errors=True)
        _remove(guest, machine)


def _run_job(sample: Sample, job: str, guest: str, machine: Machine, log_file: Path) -> str:
    """Run one job; say what went wrong, or nothing."""
    words = ["/bin/sh", "-c", IN_FOLDER, "sh", guest, *sample.command, job]
    try:
        done = machine.run(words, time_limit=sample.time_limit * machine.pace)
    except WorkFailure as failure:
        _log(log_file, f"== {sample.name}: {job}: did not end\n".encode())
        return f"the job {job} did not end: {failure}"
    said = done.stdout + done.stderr
    _log(log_file, f"== {sample.name}: {job}: exit code {done.exit_code}\n".encode() + said)
    if done.exit_code == 0:
        return ""
    lines = said.decode("utf-8", "replace").splitlines()[-LAST_LINES:]
    return "\n".join([f"the job {job} ended with exit code {done.exit_code}", *lines])


def _log(log_file: Path, data: bytes) -> None:
    with log_file.open("ab") as sink:
        sink.write(data)


def _fetch(sample: Sample, guest: str, machine: Machine, work: Path) -> bytes:
    """Bring the result out. Raises WorkFailure where there is none, or it is no file of histograms by its size."""
    question = machine.run(
        ["/bin/sh", "-c", 'wc -c < "$1"', "sh", f"{guest}/{sample.result}"], time_limit=SHORT_LIMIT * machine.pace
    )
    if question.exit_code or not question.stdout.strip().isdigit():
        raise WorkFailure(f"the jobs ended well and wrote no {sample.result}")
    size = int(question.stdout)
    if size == 0:
        raise WorkFailure(f"the jobs ended well and left {sample.result} empty")
    if size > RESULT_LIMIT:
        raise WorkFailure(f"{sample.result} has {size} bytes; histograms have at most {RESULT_LIMIT}")
    target = work / f"{sample.result}.result"
    machine.get(f"{guest}/{sample.result}", target)
    if target.is_symlink() or not target.is_file():
        raise WorkFailure(f"{sample.result} is not a plain file")
    return target.read_bytes()


def _remove(guest: str, machine: Machine) -> None:
    """Give back the space of a sample's events. A machine that has stopped has nothing to remove."""
    try:
        machine.run(["rm", "-rf", guest], time_limit=SHORT_LIMIT * machine.pace)
    except WorkFailure:
        return
