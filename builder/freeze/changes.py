"""What differs between two locks, in words."""

from __future__ import annotations

from collections.abc import Iterator

from builder.lock.model import Lock, RpmPackage


def changes(before: Lock, after: Lock) -> tuple[str, ...]:
    """Give a line for each input that was added, removed or changed; none where the locks are equal."""
    return tuple(_changes(before, after))


def _changes(before: Lock, after: Lock) -> Iterator[str]:
    if before.recipe_files != after.recipe_files:
        yield "recipe: its text changed"
    if before.builder_image != after.builder_image:
        yield f"builder image: {before.builder_image.digest[:19]} -> {after.builder_image.digest[:19]}"
    old = {(p.name, p.architecture): p for p in before.packages()}
    new = {(p.name, p.architecture): p for p in after.packages()}
    for name in sorted(old.keys() | new.keys()):
        yield from _package(".".join(name), old.get(name), new.get(name))
    yield from _sources(before, after)
    keys_before = {k.fingerprint for r in before.repositories for k in r.keys}
    keys_after = {k.fingerprint for r in after.repositories for k in r.keys}
    for fingerprint in sorted(keys_after - keys_before):
        yield f"key {fingerprint}: new"
    for fingerprint in sorted(keys_before - keys_after):
        yield f"key {fingerprint}: no longer used"


def _sources(before: Lock, after: Lock) -> Iterator[str]:
    for key in sorted(before.sources.keys() | after.sources.keys()):
        one, two = before.sources.get(key), after.sources.get(key)
        if one is None:
            yield f"{key}: added"
        elif two is None:
            yield f"{key}: removed"
        elif one.blob != two.blob:
            yield f"{key}: content changed ({one.blob.digest[:19]} -> {two.blob.digest[:19]})"
    for version in after.default_versions:
        if version not in before.default_versions:
            runs = f"{version.run_from}..{version.run_to}"
            yield f'bookkeeping: "default" of {version.data_type} {runs} in {version.table} means {version.version}'


def _package(name: str, old: RpmPackage | None, new: RpmPackage | None) -> Iterator[str]:
    def version(package: RpmPackage) -> str:
        return f"{package.epoch}:{package.version}-{package.release}"

    if old is None and new is not None:
        yield f"{name}: added, {version(new)}"
    elif new is None and old is not None:
        yield f"{name}: removed, was {version(old)}"
    elif old is not None and new is not None and old.blob != new.blob:
        if version(old) == version(new):
            yield f"{name}: {version(new)} has other bytes than before"
        else:
            yield f"{name}: {version(old)} -> {version(new)}"
