"""Compare the packages of a lock with what repositories list, and what dnf takes, today."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from requests.utils import requote_uri

from builder.freeze.download import Checksum
from builder.freeze.primary import Listed
from builder.freeze.resolving import Closure, Resolved, Unresolved, wanted_packages
from builder.lock.model import Lock, RpmPackage
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.primary import Listing

REFUSAL = 400
"""Letters of dnf's refusal that a message shows; the evidence has all of it."""
CHECKSUM = re.compile(r"[a-z0-9]{1,10} [0-9a-fA-F]{1,128}")
Matches = Callable[[RpmPackage, Checksum], bool]
"""Whether a checksum is that of a package as it was frozen."""


def about_package(package: RpmPackage) -> str:
    """Name a package as findings do."""
    return f"package {package.nevra}"


def look_up(
    name: str,
    packages: Iterable[RpmPackage],
    listing: Listing,
    *,
    matches: Matches,
    notes: Notes,
    evidence: Sequence[str] = (),
) -> frozenset[str]:
    """Note which packages the repository `name` lists with other bytes, elsewhere, or not; gives the last ones' NEVRA.

    Of several with one NEVRA, one with the frozen bytes is enough. `evidence` are digests of what was looked up.
    """
    gone = set()
    for package in packages:
        listed = listing.get(package.nevra, ())
        if not listed:
            gone.add(package.nevra)
            found: tuple[Cause, str] | None = Cause.PACKAGE_MISSING, f"the repository {name} no longer lists it"
        else:
            found = _difference_of_bytes(name, package, listed, matches)
        if found is not None:
            notes.add(found[0], about_package(package), found[1], *evidence)
    return frozenset(gone)


def _difference_of_bytes(
    name: str, package: RpmPackage, listed: Iterable[Listed], matches: Matches
) -> tuple[Cause, str] | None:
    same = [one for one in listed if matches(package, one.checksum)]
    if not same:
        other = ", ".join(sorted({_spelled(one.checksum) for one in listed}))
        frozen = package.blob.digest
        return Cause.CHECKSUM_CHANGED, f"the repository {name} lists it with other bytes ({other}), frozen {frozen}"
    if all(one.location != package.location for one in same):
        return (
            Cause.MOVED,
            f"the repository {name} has it at {requote_uri(same[0].location)}, no longer at {package.location}",
        )
    return None


def _spelled(checksum: Checksum) -> str:
    """Spell a checksum that anybody can have written."""
    text = f"{checksum.algorithm} {checksum.value}"
    return text if CHECKSUM.fullmatch(text) else "of no known form"


def listing_of(resolved: Iterable[Resolved], repository: str, locked: Collection[str]) -> Listing:
    """Give what dnf says of locked packages, where the list of a repository could not be read here."""
    found = [package for package in resolved if package.repository == repository and package.nevra in locked]
    return {p.nevra: (Listed(p.nevra, p.location, Checksum(p.checksum_type, p.checksum)),) for p in found}


def compare_closures(lock: Lock, closure: Closure, gone: Collection[str], notes: Notes) -> None:
    """Note every package whose version would be another, which would be added, or is needed no more."""
    frozen, today = defaultdict(list), defaultdict(list)
    for repository in lock.repositories:
        for package in repository.packages:
            frozen[package.name, package.architecture].append((repository.name, package))
    for chosen in closure.packages:
        today[chosen.name, chosen.architecture].append(chosen)
    resolved = "".join(f"{nevra}\n" for nevra in sorted(chosen.nevra for chosen in closure.packages))
    for key in sorted(frozen.keys() | today.keys()):
        before, after = frozen.get(key, []), today.get(key, [])
        if not after and all(package.nevra in gone for _, package in before):
            continue
        words = _difference(before, after)
        if words:
            nevra = before[0][1].nevra if before else after[0].nevra
            evidence = notes.keep("packages", "resolved.txt", resolved.encode())
            notes.add(Cause.VERSION_CHANGED, f"package {nevra}", words, evidence)


def _difference(before: Sequence[tuple[str, RpmPackage]], after: Sequence[Resolved]) -> str:
    """Tell what differs between what was frozen of a package (with its repository) and what is resolved today."""
    old, new = {evr(package) for _, package in before}, {evr(chosen) for chosen in after}
    if not before:
        return f"resolved today it is added, {_words(new)}"
    if not after:
        return f"frozen {_words(old)}; resolved today, nothing needs it"
    if old != new:
        return f"frozen {_words(old)}, resolved today {_words(new)}"
    places, today = {name for name, _ in before}, {chosen.repository for chosen in after}
    if places != today:
        return f"frozen from the repository {_words(places)}; resolved today, it is taken from {_words(today)}"
    return ""


def evr(package: RpmPackage | Resolved) -> str:
    """Spell a version: `epoch:version-release`."""
    return f"{package.epoch}:{package.version}-{package.release}"


def _words(versions: Iterable[str]) -> str:
    return ", ".join(sorted(versions))


def note_refusals(lock: Lock, refused: Iterable[Unresolved], gone: Collection[str], notes: Notes) -> None:
    """Note why dnf refuses.

    Where locked packages are gone, that is the reason: what dnf says is kept as evidence and is no finding of its own.
    """
    wanted = wanted_packages(lock.recipe)
    said = "".join(f"{one.group}: {one.message}\n" for one in refused)
    digest = notes.keep("packages", "dnf.txt", said.encode())
    if gone:
        return
    for one in refused:
        text = " ".join(one.message.split())
        text = text if len(text) <= REFUSAL else text[:REFUSAL] + "..."
        if one.item >= 0:
            notes.add(Cause.PACKAGE_MISSING, f"package {wanted[one.group][one.item]}", text, digest)
        else:
            notes.add(Cause.DEPENDENCY_CONFLICT, f"packages of {one.group}", text, digest)
