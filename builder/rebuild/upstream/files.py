"""Tell whether archives and documents that have an address of their own are there still, with the same bytes."""

from __future__ import annotations

from collections.abc import Iterator

from builder.lock.model import Lock, Source
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.client import Ask, Reply
from builder.rebuild.upstream.notes import Notes
from builder.rebuild.upstream.validators import Validators, digest_of, remembered


def remote_sources(lock: Lock) -> Iterator[tuple[str, Source]]:
    """Yield name and source of every input that has an address of http."""
    for name, source in sorted(lock.sources.items()):
        if source.source.startswith(("http://", "https://")):
            yield name, source


def question_of(source: Source, validators: Validators) -> Ask:
    """Ask for an input: with the tag that is remembered, and reading nothing where its length is another."""
    etag = remembered(validators, source.source)
    return Ask(source.source, etag=etag, size=source.blob.size, body="digest")


def judge_file(name: str, source: Source, reply: Reply, validators: Validators, notes: Notes) -> None:
    """Note what an answer means for an input."""
    about, found = f"input {name}", digest_of(reply, validators)
    if reply.trouble is not None:
        notes.trouble(reply, about)
    elif found and found == source.blob.digest:
        if reply.moved_to:
            notes.add(
                Cause.MOVED, about, f"{source.source} was moved for good to {reply.moved_to}, which has the same bytes",
                notes.answer(reply, about),
            )  # fmt: skip
    else:
        what = f"their digest is {found}" if found else f"there are not {source.blob.size} of them, as frozen"
        what += f"; it was sent on to {reply.moved_to}" if reply.moved_to else ""
        notes.add(
            Cause.CHECKSUM_CHANGED, about, f"{source.source} gives other bytes: {what}", notes.answer(reply, about)
        )
