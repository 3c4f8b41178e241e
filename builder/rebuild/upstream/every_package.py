"""Ask for every package by its address: some vaults list what they do not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from builder.core.progress import Progress
from builder.lock.model import RpmPackage
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.client import Ask, Client, Reply, Trouble
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.packages import Matches, about_package
from builder.rebuild.upstream.primary import Listing
from builder.rebuild.upstream.repositories import Place


def ask_for_packages(
    places: Sequence[Place],
    listings: Mapping[str, Listing],
    *,
    matches: Matches,
    client: Client,
    progress: Progress,
    notes: Notes,
) -> None:
    """Ask for the length of every package, where its repository has it today; nothing is downloaded.

    `listings` are those of changed repositories, by name.
    """
    wanted: list[tuple[Place, RpmPackage, Ask]] = []
    for place in places:
        listing = listings.get(place.frozen.name)
        for package in place.frozen.packages:
            location = location_of(package, listing, matches)
            if location:
                wanted.append((place, package, Ask(place.asked.address(location), "HEAD", size=package.blob.size)))
    with progress.task("ask for every package", len(wanted), "packages") as task:
        replies = client.ask_all([ask for _, _, ask in wanted], task)
    for (place, package, _), reply in zip(wanted, replies, strict=True):
        _judge(place, package, reply, notes)


def location_of(package: RpmPackage, listing: Listing | None, matches: Matches) -> str:
    """Give where a package lies today; "" where the repository lists it no longer, or with other bytes."""
    if listing is None:
        return package.location
    places = [one.location for one in listing.get(package.nevra, ()) if matches(package, one.checksum)]
    return package.location if package.location in places else next(iter(places), "")


def _judge(place: Place, package: RpmPackage, reply: Reply, notes: Notes) -> None:
    about = about_package(package)
    if reply.trouble is Trouble.PASSING:  # hundreds of packages of one server would say the same
        notes.add(
            Cause.NETWORK_TRANSIENT,
            f"packages of {place.about}",
            f"not every package could be asked for: {reply.words}",
        )
    elif reply.trouble is not None:
        notes.trouble(reply, about)
    elif reply.length is not None and reply.length != package.blob.size:
        notes.add(
            Cause.CHECKSUM_CHANGED, about,
            f"{reply.ask.url} has {reply.length} bytes, frozen {package.blob.size}", notes.answer(reply, about),
        )  # fmt: skip
