"""Rebuild releases: ask the questions, in the light of earlier runs, and add the answers to the history."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime

from msgspec.structs import replace

from builder.build.job import TIME_LIMIT
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import Failure
from builder.core.progress import PlainProgress, Progress
from builder.freeze.trees import Places
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.lock.notes import all_stand_ins
from builder.rebuild.earlier import in_their_light
from builder.rebuild.environment import environment
from builder.rebuild.evidence import Shelf
from builder.rebuild.explain import changed_environment
from builder.rebuild.frozen import Frozen, OpenToolbox
from builder.rebuild.history import append, runs
from builder.rebuild.model import Answer, Run, finding, in_order
from builder.rebuild.place import clean_place
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream import ask_upstream, remembered_validators
from builder.store.shapes import Shape
from builder.store.store import Store


def utc_now() -> datetime:
    """Give the time."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Asked:
    """What is asked of every release."""

    shapes: Collection[Shape] | None = None
    """None: all that its recipe asks for."""
    frozen: bool = True
    upstream: bool = False
    validates: bool = True
    thorough: bool = False
    time_limit: float = TIME_LIMIT
    boot_limit: float | None = None
    places: Places = field(default_factory=Places)
    """Where upstream is asked from this host."""


def rebuild(
    named: Mapping[str, Lock | Failure],
    store: Store,
    asked: Asked,
    open_toolbox: Callable[[Store, Progress], OpenToolbox],
    progress: Progress,
    *,
    jobs: int = 1,
    now: Callable[[], datetime] = utc_now,
) -> tuple[Run, ...]:
    """Ask of every release what is asked, and add each run to the history in the store.

    `named` are the releases with their locks, or with why the store can not give it: that is the answer then.

    All are built in one clean place, so that what releases share is built once; with `jobs` more than 1 so many are
    built side by side, each in a process of its own. What is wrong with a release is in its run. Raises WorkFailure
    where the history can not be written.
    """
    with clean_place(store) as place:
        work = _Work(store, place, asked, open_toolbox, now)
        if jobs == 1 or len(named) == 1:
            return tuple(work.rebuild(name, lock, progress) for name, lock in named.items())
        # a process of its own for each: what a build leaves with the engine is known by its process
        with ProcessPoolExecutor(min(jobs, len(named)), multiprocessing.get_context("spawn")) as pool:
            waiting = [
                pool.submit(work.elsewhere, name, lock if isinstance(lock, Failure) else lock_file.encode(lock))
                for name, lock in named.items()
            ]
            return tuple(documents.decode(future.result(), Run) for future in waiting)


@dataclass(frozen=True)
class _Work:
    """What is the same for every release."""

    store: Store
    place: Store
    asked: Asked
    open_toolbox: Callable[[Store, Progress], OpenToolbox]
    now: Callable[[], datetime]

    def elsewhere(self, release: str, lock: bytes | Failure) -> bytes:
        """Do one release in another process. Locks and runs go there and back in the spelling of which digests are."""
        read = lock if isinstance(lock, Failure) else documents.decode(lock, Lock)
        return documents.compact(self.rebuild(release, read, PlainProgress(prefix=f"{release}: ")))

    def rebuild(self, release: str, lock: Lock | Failure, progress: Progress) -> Run:
        """Ask of one release what is asked, and add the run to its history."""
        began, started = self.now(), time.monotonic()
        shelf, earlier = Shelf(self.store), runs(self.store, release)
        if isinstance(lock, Failure):
            run = _without_lock(release, lock, began)
        else:
            surroundings = environment(lock)
            answers = self._answers(lock, shelf, progress, began)
            run = Run(
                release=release,
                title=lock.recipe.release.title,
                lock=str(Digest.of(lock_file.encode(lock))),
                began=_spelled(began),
                seconds=round(time.monotonic() - started, 3),
                environment=surroundings,
                answers=tuple(_with_host(answer, earlier, surroundings) for answer in answers),
                stands_in_for=all_stand_ins(lock),
            )
        run = in_their_light(run, earlier)
        append(self.store, run, shelf.kept)
        return run

    def _answers(self, lock: Lock, shelf: Shelf, progress: Progress, began: datetime) -> list[Answer]:
        asked, opener = self.asked, self.open_toolbox(self.place, progress)
        answers: list[Answer] = []
        if asked.frozen:
            question = Frozen(
                lock=lock,
                store=self.store,
                place=self.place,
                open_toolbox=opener,
                shelf=shelf,
                progress=progress,
                time_limit=asked.time_limit,
                boot_limit=asked.boot_limit,
                validates=asked.validates,
            )
            answers += question.answers(asked.shapes)
        if asked.upstream:
            started = time.monotonic()
            found = ask_upstream(
                lock,
                self.store,
                self.open_toolbox(self.store, progress),
                shelf,
                progress,
                now=began.timestamp(),
                thorough=asked.thorough,
                places=asked.places,
                validators=remembered_validators(self.store, lock.recipe.full_name),
            )
            seconds = {"upstream": round(time.monotonic() - started, 3)}
            answers.append(Answer(question="upstream", findings=in_order(found.findings), seconds=seconds))
        return answers


def _without_lock(release: str, failure: Failure, began: datetime) -> Run:
    """Tell that a release can not be rebuilt, since the store does not give what was frozen."""
    message = failure.problems[0].message
    cause = Cause.BLOB_MISSING if "is missing" in message else Cause.BLOB_CORRUPT
    answer = Answer(question="frozen", findings=(finding(cause, "lock", message, release=release),))
    return Run(
        release=release, title=release, lock="", began=_spelled(began), seconds=0.0, environment={}, answers=(answer,)
    )


def _spelled(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _with_host(answer: Answer, earlier: Sequence[Run], surroundings: Mapping[str, str]) -> Answer:
    """Add what changed on this host since the last run, if anything did."""
    changes = changed_environment(earlier[-1].environment, surroundings) if earlier else ()
    if not changes:
        return answer
    note = finding(Cause.HOST_CHANGED, "host", "\n".join(changes))
    return replace(answer, findings=(*answer.findings, note))
