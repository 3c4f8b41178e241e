"""Ask upstream for everything that a lock names, and note what is no longer as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from builder.core.errors import Failure, HostFailure, InputFailure
from builder.core.progress import Progress
from builder.freeze.resolving import Closure, lay_out, resolve
from builder.freeze.staging import Staging
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
) -> Upstream:
    """Tell whether a release could still be built from upstream.

    Metadata, keys, archives and documents are asked for, by the tags that an earlier run remembered (`validators`)
    where there are some; packages are judged by metadata alone, and with `thorough` each is asked for its length too.
    What was frozen from elsewhere than http (files beside the recipe, a database server) is not asked for.
    Keys and signatures are judged at the time `now` (seconds since 1970) with the tools of today: `open_toolbox` is
    called with None. Validators and proofs go to the shelf, names beginning with `upstream/`.

    Findings are in the order of the stages. That something could not be found out is a finding too; raises WorkFailure
    where the disk fails.
    """
    known = dict(validators or {})
    notes = Notes(lock.recipe.full_name, shelf)
    with store.workspace("upstream") as workspace, Client(manners or Manners()) as client:
        frozen, staging = Frozen(store, notes), Staging(store, workspace)
        asking = _Asking(lock, store, open_toolbox, progress, now, known, notes, client, staging, frozen)
        replies = asking.run(thorough=thorough)
        learnt = learned(replies, known)
        shelf.keep(NAME, encode(learnt), MEDIA_TYPE)
        return Upstream(in_order(notes.findings), learnt, client.requests)


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
        listings = self._compare(repositories, [today for today in found.values() if today is not None], cases)
        if thorough:
            reached = [place for place in repositories if found[place.frozen.name] is not None]
            ask_for_packages(reached, listings, self.client, self.progress, self.notes)
        return replies

    def _ask(self, asks: Sequence[Ask], title: str) -> list[Reply]:
        with self.progress.task(title, len(asks), "addresses") as task:
            return self.client.ask_all(asks, task)

    def _compare(
        self, repositories: Sequence[Place], found: Sequence[Today], cases: Sequence[trust.Case]
    ) -> dict[str, Listing]:
        """Judge trust, and where metadata changed, packages; gives what changed repositories list."""
        try:
            toolbox = self.open_toolbox(None)
        except HostFailure as failure:
            self._lacks("the tools that judge", failure)
            return {}
        self._judge(cases, toolbox)
        if not any(today.changed for today in found):
            return {}
        fetcher = Fetcher(self.client, self.store, self.staging, self.progress, self.notes)
        parts = fetcher.fetch(found)
        listings: dict[str, Listing] = {}
        unread: list[Parts] = []
        gone: set[str] = set()
        for name, one in list(parts.items()):
            readable, listing = read_listing(one, self.notes) if one.today.changed else (one, None)
            if readable is None:
                del parts[name]
            elif listing is not None:
                listings[name] = listing
                repository = one.today.place.frozen
                gone |= look_up(repository.name, repository.packages, listing, self.frozen.matches, self.notes)
            elif one.today.changed:
                unread.append(one)
        if len(parts) == len(repositories):
            self._resolve(parts, unread, gone, toolbox)
        return listings

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

    def _resolve(self, parts: Mapping[str, Parts], unread: Sequence[Parts], gone: set[str], toolbox: Toolbox) -> None:
        folders = {}
        for name, one in parts.items():
            folders[name] = self.staging.folder(f"repository-{name}")
            lay_out(one.today.contents, one.paths, folders[name])
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
            note_refusals(self.lock, closure.refused, gone, self.notes)
        else:
            self._look_up_resolved(closure, unread)
            compare_closures(self.lock, closure, gone, self.notes)

    def _look_up_resolved(self, closure: Closure, unread: Sequence[Parts]) -> None:
        """Compare what dnf takes, where it alone can read the list."""
        for one in unread:
            repository = one.today.place.frozen
            listing = listing_of(closure.packages, repository.name, {p.nevra for p in repository.packages})
            known = tuple(package for package in repository.packages if package.nevra in listing)
            look_up(repository.name, known, listing, self.frozen.matches, self.notes)

    def _lacks(self, what: str, failure: Failure) -> None:
        self.notes.add(Cause.HOST_LACKS, what, failure.problems[0].message)
