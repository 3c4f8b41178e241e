"""Ask upstream for everything that a lock names, and note what is no longer as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from builder.core.errors import Failure, InputFailure, WorkFailure
from builder.core.progress import Progress
from builder.freeze.resolving import Closure, lay_out, resolve
from builder.freeze.staging import Staging
from builder.freeze.trees import Places
from builder.lock.model import Lock
from builder.rebuild.evidence import Shelf
from builder.rebuild.model import Finding, in_order
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream import files, trust
from builder.rebuild.upstream.client import Ask, Client, Manners, Reply
from builder.rebuild.upstream.every_package import ask_for_packages
from builder.rebuild.upstream.frozen import Frozen
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.packages import compare_closures, listing_of, look_up, note_refusals
from builder.rebuild.upstream.primary import Listing
from builder.rebuild.upstream.repositories import Fetcher, Parts, Place, Today, places, read_listing, read_repository
from builder.rebuild.upstream.trees import ask_for_trees
from builder.rebuild.upstream.validators import MEDIA_TYPE, NAME, Validator, Validators, encode, learned
from builder.store import oci
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox


@dataclass(frozen=True)
class Upstream:
    """What upstream says today. `validators` are to be handed in the next time; `requests` were sent."""

    findings: tuple[Finding, ...]
    validators: Mapping[str, Validator]
    requests: int


def ask_upstream(
    lock: Lock,
    store: Store,
    open_toolbox: Callable[[oci.Descriptor | None], Toolbox],
    shelf: Shelf,
    progress: Progress,
    *,
    now: float,
    thorough: bool = False,
    validators: Validators | None = None,
    manners: Manners | None = None,
    places: Places | None = None,
) -> Upstream:
    """Tell whether a release could still be built from upstream.

    Metadata, keys, archives and documents are asked for, by the tags that an earlier run remembered (`validators`)
    where there are some; packages are judged by metadata alone, and with `thorough` each is asked for its length too.
    Repositories of git are asked for their commits; mounts of CernVM-FS, for their revisions. What was frozen from
    elsewhere (files beside the recipe, a database server) is not asked for. `places` tells what stands in for servers
    here.
    Keys and signatures are judged at the time `now` (seconds since 1970) with the tools of today: `open_toolbox` is
    called with None. Validators and proofs go to the shelf, names beginning with `upstream/`.

    Findings are in the order of the stages. That something could not be found out is a finding too; raises WorkFailure
    where the disk fails.
    """
    known, here = dict(validators or {}), places or Places()
    notes = Notes(lock.recipe.full_name, shelf)
    with store.workspace("upstream") as workspace, Client(manners or Manners(), here.mirrors) as client:
        frozen, staging = Frozen(store, notes), Staging(store, workspace)
        asking = _Asking(lock, store, open_toolbox, progress, now, known, notes, client, staging, frozen)
        replies = asking.run(thorough=thorough)
        ask_for_trees(lock, staging, here, notes, progress)
        learnt = learned(replies, known)
        shelf.keep(NAME, encode(learnt), MEDIA_TYPE)
        return Upstream(in_order(notes.findings), learnt, client.requests)


@dataclass
class _Seen:
    """What changed metadata shows: all repositories' parts, what the changed ones list, and what they no longer do."""

    parts: dict[str, Parts] = field(default_factory=dict)
    listings: dict[str, Listing] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Asking:
    """One run."""

    lock: Lock
    store: Store
    open_toolbox: Callable[[oci.Descriptor | None], Toolbox]
    progress: Progress
    now: float
    known: Validators
    notes: Notes
    client: Client
    staging: Staging
    frozen: Frozen

    def run(self, *, thorough: bool) -> list[Reply]:
        """Note everything; gives the answers from which something can be learnt."""
        repositories, keys = places(self.lock), trust.remote_keys(self.lock)
        sources = dict(files.remote_sources(self.lock))
        asks = [ask for place in repositories for ask in place.questions(self.known, self.frozen)]
        asks += [trust.question_of(key, self.known, self.frozen) for key in keys.values()]
        asks += [files.question_of(source, self.known) for source in sources.values()]
        replies = self._ask(asks, "ask upstream")
        answers = iter(replies)
        pairs = {place.frozen.name: (next(answers), next(answers)) for place in repositories}
        served: dict[str, bytes | None] = {}
        for url, key in keys.items():
            users = [pairs[place.frozen.name][0] for place in repositories if key in place.frozen.keys]
            served[url] = trust.read_key(key, next(answers), users, self.frozen, self.notes)
        for name, source in sources.items():
            files.judge_file(name, source, next(answers), self.known, self.notes)
        found = {
            place.frozen.name: read_repository(place, *pairs[place.frozen.name], self.frozen, self.notes)
            for place in repositories
        }
        signed = {name: pair[1] for name, pair in pairs.items()}
        cases = [
            trust.case_of(p, found[p.frozen.name], signed[p.frozen.name], served, self.frozen) for p in repositories
        ]
        seen = self._look_up([today for today in found.values() if today is not None])
        self._use_tools(repositories, cases, seen)
        if thorough:
            reached = [place for place in repositories if found[place.frozen.name] is not None]
            ask_for_packages(
                reached,
                seen.listings,
                matches=self.frozen.matches,
                client=self.client,
                progress=self.progress,
                notes=self.notes,
            )
        return replies

    def _ask(self, asks: Sequence[Ask], title: str) -> list[Reply]:
        with self.progress.task(title, len(asks), "addresses") as task:
            return self.client.ask_all(asks, task)

    def _look_up(self, found: Sequence[Today]) -> _Seen:
        """Bring metadata to disk, where some changed, and compare the packages that are listed with the lock's."""
        seen = _Seen()
        if not any(today.changed for today in found):
            return seen
        fetcher = Fetcher(self.client, self.store, self.staging, self.progress, self.notes)
        for name, one in fetcher.fetch(found).items():
            readable, listing = read_listing(one, self.notes) if one.today.changed else (one, None)
            if readable is not None:
                seen.parts[name] = one
            if listing is not None:
                seen.listings[name] = listing
                repository = one.today.place.frozen
                seen.gone |= look_up(
                    repository.name,
                    repository.packages,
                    listing,
                    matches=self.frozen.matches,
                    notes=self.notes,
                    evidence=one.today.evidence,
                )
        return seen

    def _use_tools(self, repositories: Sequence[Place], cases: Sequence[trust.Case], seen: _Seen) -> None:
        """Judge trust and, where metadata changed and all of it is there, resolve with it."""
        resolves = len(seen.parts) == len(repositories)
        if not resolves and not any(place.frozen.keys for place in repositories):
            return
        try:
            toolbox = self.open_toolbox(None)
        except Failure as failure:
            self._lacks("the tools that judge", failure)
            return
        self._judge(cases, toolbox)
        if resolves:
            self._resolve(seen, toolbox)

    def _judge(self, cases: Sequence[trust.Case], toolbox: Toolbox) -> None:
        work = self.staging.folder("trust")
        with self.progress.task("judge keys and signatures"):
            try:
                facts = trust.judge(
                    cases,
                    lock=self.lock,
                    store=self.store,
                    toolbox=toolbox,
                    work=work,
                    now=self.now,
                    frozen=self.frozen,
                )
            except Failure as failure:
                self._lacks("keys and signatures", failure)
                return
        for case in cases:
            trust.note_trust(case, facts[case.place.frozen.name], self.now, self.notes)

    def _resolve(self, seen: _Seen, toolbox: Toolbox) -> None:
        folders = {}
        for name, one in seen.parts.items():
            folders[name] = self.staging.folder(f"repository-{name}")
            try:
                lay_out(one.today.contents, one.paths, folders[name])
            except OSError as error:  # two parts can not have one place, or the disk is full
                self._lacks("packages", WorkFailure(f"metadata of {name} can not be written: {error.strerror}"))
                return
        with self.progress.task("resolve packages"):
            try:
                closure = resolve(self.lock.recipe, folders, toolbox, self.staging.folder("resolve"))
            except InputFailure as failure:
                self.notes.add(Cause.SOURCE_GONE, "repositories", failure.problems[0].message)
                return
            except Failure as failure:
                self._lacks("packages", failure)
                return
        if closure.refused:
            note_refusals(self.lock, closure.refused, seen.gone, self.notes)
        else:
            self._look_up_resolved(closure, seen)
            compare_closures(self.lock, closure, seen.gone, self.notes)

    def _look_up_resolved(self, closure: Closure, seen: _Seen) -> None:
        """Compare what dnf takes of changed repositories whose list it alone can read."""
        for name, one in seen.parts.items():
            if not one.today.changed or name in seen.listings:
                continue
            packages = one.today.place.frozen.packages
            listing = listing_of(closure.packages, name, {package.nevra for package in packages})
            look_up(
                name,
                [package for package in packages if package.nevra in listing],
                listing,
                matches=self.frozen.matches,
                notes=self.notes,
                evidence=one.today.evidence,
            )

    def _lacks(self, what: str, failure: Failure) -> None:
        self.notes.add(Cause.HOST_LACKS, what, failure.problems[0].message)
