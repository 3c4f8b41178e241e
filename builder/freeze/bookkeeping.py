"""Freeze the bookkeeping: read the tables that the recipe names, check them, and make the snapshot of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import msgspec

from builder.bookkeeping import snapshot, source
from builder.bookkeeping.check import check, defaults
from builder.bookkeeping.table import Bookkeeping
from builder.core.errors import InputFailure, Location, Problem
from builder.freeze.repositories import located
from builder.freeze.staging import Staging
from builder.lock.model import BOOKKEEPING, DefaultVersion, Lock, Source
from builder.recipe import tables
from builder.recipe.fields import FileRef
from builder.recipe.load import LoadedRecipe
from builder.recipe.model import Recipe
from builder.store.store import Store

SNAPSHOT = "snapshot"
MAXIMUM_FINDINGS = 50
"""That are told at once."""


@dataclass(frozen=True)
class FrozenBookkeeping:
    """The snapshot, under `bookkeeping`, and what its "default" versions mean; both empty where a recipe has none."""

    sources: dict[str, Source]
    default_versions: tuple[DefaultVersion, ...] = ()


def freeze_bookkeeping(
    loaded: LoadedRecipe,
    before: Lock | None,
    store: Store,
    staging: Staging,
    environment: Mapping[str, str],
    *,
    update: bool,
) -> FrozenBookkeeping:
    """Make the snapshot of what belongs to this release.

    A server is asked in a first freeze, with `update`, and where the recipe names another; else the lock's snapshot
    stays. Files beside the recipe are read as they are now. Raises InputFailure with every finding that the recipe does
    not accept, or where a source can not be read; WorkFailure where a server can not be reached.
    """
    wanted = loaded.recipe.bookkeeping
    if wanted is None:
        return FrozenBookkeeping({})
    release = boss_release(loaded.recipe)
    kept = None if update or before is None else _kept(before, wanted, release, store)
    if kept is not None:
        book = snapshot.read(store.checked_path(kept.blob.digest), kept.source)
        frozen = kept
    else:
        with located(loaded.where("bookkeeping", "source")):
            book = read_source(loaded, wanted, release, environment).of_release(release)
        path = staging.folder(BOOKKEEPING) / PurePosixPath(wanted.install_to).name
        snapshot.write(book, path)
        frozen = Source(source=_origin(loaded.recipe, wanted), blob=staging.stage(path), kind=SNAPSHOT)
    _refuse_findings(book, wanted, loaded.where("bookkeeping"))
    resolved = tuple(
        DefaultVersion(data_type=d.data_type, run_from=d.run_from, run_to=d.run_to, table=d.table, version=d.version)
        for d in defaults(book)
    )
    return FrozenBookkeeping({BOOKKEEPING: frozen}, resolved)


def read_source(
    loaded: LoadedRecipe, wanted: tables.Bookkeeping, release: str, environment: Mapping[str, str]
) -> Bookkeeping:
    """Read what a recipe names as the source of its bookkeeping, with the rows of all releases where that is files."""
    match wanted.source:
        case tables.CsvTables(table=table, payloads=payloads):
            return source.read_csv(_path(loaded, table), _path(loaded, payloads) if payloads else None)
        case tables.DatabaseDump(file=file):
            return source.read_database(_path(loaded, file))
        case tables.MariaDb() as place:
            from builder.bookkeeping.server import Server, read_server

            password = environment.get(place.password_variable)
            if password is None:
                raise InputFailure(
                    f"the variable {place.password_variable} of the environment is not set",
                    hint=f"it holds the password of {place.user} on {place.host}; no recipe and no lock does",
                )
            server = Server(place.host, place.port, place.database, place.user)
            return read_server(server, password, place.payloads, release)


def _path(loaded: LoadedRecipe, file: FileRef) -> Path:
    """Give the path of a file as messages name it, beside the recipe as that was named."""
    shown = Path(loaded.where().file).parent / ".." / file.recipe / file.path
    return Path(os.path.normpath(shown))


def _kept(before: Lock, wanted: tables.Bookkeeping, release: str, store: Store) -> Source | None:
    """Give the snapshot that a lock has of the same database of a server."""
    old, frozen = before.recipe.bookkeeping, before.sources.get(BOOKKEEPING)
    if old is None or frozen is None or not isinstance(wanted.source, tables.MariaDb):
        return None
    if old.source != wanted.source or boss_release(before.recipe) != release:
        return None
    if not store.has(frozen.blob.digest, frozen.blob.size):
        raise InputFailure(
            "the store lacks the snapshot of the bookkeeping that the lock names",
            hint="restore it from a copy of the store, or ask the server anew: boss-builder freeze RELEASE --update",
        )
    return msgspec.structs.replace(frozen, source=_origin(before.recipe, wanted))


def _origin(recipe: Recipe, wanted: tables.Bookkeeping) -> str:
    if isinstance(wanted.source, tables.MariaDb):
        return f"mariadb://{wanted.source.host}:{wanted.source.port}/{wanted.source.database}"
    return f"{SNAPSHOT}://{recipe.full_name}/{PurePosixPath(wanted.install_to).name}"


def _refuse_findings(book: Bookkeeping, wanted: tables.Bookkeeping, at: Location) -> None:
    found = [finding for finding in check(book) if finding.kind not in wanted.accept]
    if not found:
        return
    problems = [replace(finding.problem, location=finding.at or at) for finding in found[:MAXIMUM_FINDINGS]]
    if len(found) > MAXIMUM_FINDINGS:
        problems.append(Problem(f"and {len(found) - MAXIMUM_FINDINGS} more findings", location=at))
    kinds = ", ".join(sorted({f'"{finding.kind}"' for finding in found}))
    problems.append(
        Problem(
            f"the bookkeeping has {len(found)} findings that the recipe does not accept",
            f"correct the table; or, where it must stay as it was, add to `accept` of bookkeeping: {kinds}",
            at,
        )
    )
    raise InputFailure(*problems)


def bookkeeping_files(recipe: Recipe) -> tuple[tuple[str, FileRef], ...]:
    """Give key and file of what the snapshot is made of, kept beside it."""
    match recipe.bookkeeping.source if recipe.bookkeeping else None:
        case tables.CsvTables(table=table, payloads=payloads):
            files = ((f"{BOOKKEEPING}.table", table),)
            return (*files, (f"{BOOKKEEPING}.payloads", payloads)) if payloads else files
        case tables.DatabaseDump(file=file):
            return ((f"{BOOKKEEPING}.dump", file),)
        case _:
            return ()


def frozen_bookkeeping(lock: Lock, store: Store) -> Bookkeeping | None:
    """Read the snapshot that a lock names; None where it names none, or the store does not have it (any more).

    Raises WorkFailure where it is damaged.
    """
    frozen = lock.sources.get(BOOKKEEPING)
    if frozen is None or not store.has(frozen.blob.digest, frozen.blob.size):
        return None
    return snapshot.read(store.checked_path(frozen.blob.digest), frozen.source)


def unfrozen_bookkeeping(loaded: LoadedRecipe) -> Bookkeeping:
    """Read the tables beside a recipe, as a freeze would; a server is asked by `freeze` alone.

    Raises InputFailure where the recipe has no bookkeeping, or a source can not be read.
    """
    wanted = loaded.recipe.bookkeeping
    if wanted is None:
        raise InputFailure(f"{loaded.recipe.full_name} has no bookkeeping", location=loaded.where())
    if isinstance(wanted.source, tables.MariaDb):
        raise InputFailure(
            f"the bookkeeping of {loaded.recipe.full_name} comes from a server and is not frozen yet",
            hint=f"boss-builder freeze {loaded.recipe.full_name}",
            location=loaded.where("bookkeeping", "source"),
        )
    release = boss_release(loaded.recipe)
    return read_source(loaded, wanted, release, {}).of_release(release)


def boss_release(recipe: Recipe) -> str:
    """Give the BossRelease of the rows that belong to a release."""
    named = recipe.bookkeeping.release if recipe.bookkeeping else ""
    return named or recipe.release.version
