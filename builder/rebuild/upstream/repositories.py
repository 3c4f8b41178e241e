"""Ask RPM repositories whether their metadata is as it was, and bring to disk what changed of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.core.progress import Progress
from builder.freeze.download import ALGORITHMS, Checksum, Wanted
from builder.freeze.metadata import Contents, Part, parse
from builder.freeze.primary import is_readable
from builder.freeze.resolving import Asked, asked_repositories
from builder.freeze.staging import Staging
from builder.lock.model import Lock, Repository
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.client import SMALL, Ask, Client, Reply
from builder.rebuild.upstream.frozen import Frozen
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.primary import Listing, read_primary
from builder.rebuild.upstream.validators import Validators, question
from builder.store.store import Store

REPOMD, SIGNATURE = "repodata/repomd.xml", "repodata/repomd.xml.asc"
SIGNATURE_LIMIT = 1 << 20
"""Bytes of a signature, or a key."""
METADATA_LIMIT = 1 << 29
"""Bytes of a part of the metadata."""
PARTS = 16
"""Parts that are fetched at most: repomd.xml can list any number."""


@dataclass(frozen=True)
class Place:
    """A repository of the lock, and what the recipe says of it."""

    frozen: Repository
    asked: Asked

    @property
    def about(self) -> str:
        """Its name in findings."""
        return f"repository {self.frozen.name}"

    def questions(self, validators: Validators, frozen: Frozen) -> tuple[Ask, Ask]:
        """Ask for repomd.xml and the signature beside it."""

        def ask(location: str, limit: int) -> Ask:
            blob = self.frozen.metadata.get(location)
            expected = blob.digest if blob is not None and frozen.has(blob) else None
            return question(self.asked.address(location), validators, expected, limit)

        return ask(REPOMD, SMALL), ask(SIGNATURE, SIGNATURE_LIMIT)


@dataclass(frozen=True)
class Today:
    """A repository that answered with metadata. `signature` is None where it has none."""

    place: Place
    repomd: bytes
    contents: Contents
    changed: bool
    signature: bytes | None
    evidence: tuple[str, ...]
    """Digest of repomd.xml, where it is another than was frozen."""


def places(lock: Lock) -> tuple[Place, ...]:
    """Give the repositories of a lock with what its recipe says of each."""
    asked = {one.name: one for one in asked_repositories(lock.recipe)}
    return tuple(Place(frozen, replace(asked[frozen.name], url=frozen.url)) for frozen in lock.repositories)


def read_repository(place: Place, reply: Reply, signed: Reply, frozen: Frozen, notes: Notes) -> Today | None:
    """Judge what a repository answered for repomd.xml and its signature; None where it is no repository any more."""
    blob, about = place.frozen.metadata[REPOMD], place.about
    if reply.trouble is not None:
        notes.trouble(reply, about)
        return None
    data = frozen.read(blob, about) if reply.unchanged else reply.body
    if data is None:
        return None
    changed = Digest.of(data) != blob.digest
    evidence = (notes.keep(about, "repomd.xml", data, "application/xml"),) if changed else ()
    try:
        contents = _contents(data, place.asked.address(REPOMD))
    except InputFailure as failure:
        notes.add(Cause.SOURCE_GONE, about, failure.problems[0].message, notes.answer(reply, about))
        return None
    if reply.moved_to:
        notes.add(
            Cause.MOVED, about, f"{place.frozen.url} was moved for good to {reply.moved_to.removesuffix(REPOMD)}",
            notes.answer(reply, about),
        )  # fmt: skip
    return Today(place, data, contents, changed, _signature(place, signed, frozen), evidence)


def _contents(data: bytes, url: str) -> Contents:
    contents = parse(data, url)
    if len(contents.parts) > PARTS:
        raise InputFailure(f"{url} is not the metadata of an RPM repository: it lists {len(contents.parts)} parts")
    return contents


def _signature(place: Place, reply: Reply, frozen: Frozen) -> bytes | None:
    """Give today's signature of the metadata; that there is none, or that it can not be had, is judged with trust."""
    blob = place.frozen.metadata.get(SIGNATURE)
    if reply.trouble is not None:
        return None
    return frozen.read(blob, place.about) if reply.unchanged and blob is not None else reply.body


@dataclass(frozen=True)
class Parts:
    """The parts of a repository's metadata on disk, by location."""

    today: Today
    paths: Mapping[str, Path]

    @property
    def listing_location(self) -> str:
        """Location of the list of packages."""
        return next(part.location for part in self.today.contents.parts if part.kind == "primary")


class Fetcher:
    """Brings parts of metadata to disk: from the store where it has them, else from upstream."""

    def __init__(self, client: Client, store: Store, staging: Staging, progress: Progress, notes: Notes) -> None:
        """Fetch with `client` into folders of `staging`."""
        self._client = client
        self._store = store
        self._staging = staging
        self._progress = progress
        self._notes = notes

    def fetch(self, repositories: Sequence[Today]) -> dict[str, Parts]:
        """Give the parts of each repository by its name; one is left out where something of it could not be had."""
        folder = self._staging.folder("metadata")
        paths: dict[str, dict[str, Path]] = {}
        wanted: list[tuple[Today, Part, Ask]] = []
        for today in repositories:
            held = paths.setdefault(today.place.frozen.name, {})
            for part in today.contents.parts:
                path = self._held(today, part)
                if path is not None:
                    held[part.location] = path
                    continue
                url, into = today.place.asked.address(part.location), folder / f"{len(wanted):03}"
                size = part.size if part.size is not None and part.size <= METADATA_LIMIT else None
                wanted.append((today, part, Ask(url, size=size, limit=METADATA_LIMIT, body="file", into=into)))
        with self._progress.task("ask for changed metadata", len(wanted), "files") as task:
            replies = self._client.ask_all([ask for _, _, ask in wanted], task)
        spoilt = set()
        for (today, part, ask), reply in zip(wanted, replies, strict=True):
            if self._is_good(today, part, reply) and ask.into is not None:
                paths[today.place.frozen.name][part.location] = ask.into
            else:
                spoilt.add(today.place.frozen.name)
        found = {today.place.frozen.name: today for today in repositories}
        return {name: Parts(found[name], held) for name, held in paths.items() if name not in spoilt}

    def _held(self, today: Today, part: Part) -> Path | None:
        wanted = Wanted("", part.checksum, part.size)
        if self._staging.holds(wanted):
            return self._store.blob_path(f"sha256:{part.checksum.value.lower()}")
        blob = today.place.frozen.metadata.get(part.location)
        if blob is None or part.checksum.algorithm not in ALGORITHMS or not self._store.has(blob.digest, blob.size):
            return None
        path = self._store.blob_path(blob.digest)
        return path if part.checksum.matches(path) else None

    def _is_good(self, today: Today, part: Part, reply: Reply) -> bool:
        about = today.place.about
        if reply.trouble is not None:
            self._notes.trouble(reply, about)
            return False
        if part.checksum.algorithm not in ALGORITHMS:
            self._notes.add(
                Cause.ALGORITHM_REJECTED, about,
                f"its repomd.xml vouches for {part.location} by {part.checksum.algorithm!r}, which is not known",
            )  # fmt: skip
            return False
        if not _has(reply, part.checksum):
            self._notes.add(
                Cause.CHECKSUM_CHANGED, about, f"{reply.ask.url} is not what its repomd.xml says",
                self._notes.answer(reply, about),
            )  # fmt: skip
            return False
        return True


def _has(reply: Reply, checksum: Checksum) -> bool:
    """Whether what came is what was promised; an answer of another length was not read."""
    return bool(reply.sha256) and reply.ask.into is not None and checksum.matches(reply.ask.into)


def read_listing(parts: Parts, notes: Notes) -> tuple[Parts | None, Listing | None]:
    """Read what a repository lists of the lock's packages.

    No listing where it is packed in a way that only dnf knows; no parts either where it is damaged.
    """
    location, place = parts.listing_location, parts.today.place
    if not is_readable(location):
        return parts, None
    try:
        return parts, read_primary(
            parts.paths[location], location, {package.nevra for package in place.frozen.packages}
        )
    except InputFailure as failure:
        notes.add(Cause.SOURCE_GONE, place.about, failure.problems[0].message)
        return None, None
