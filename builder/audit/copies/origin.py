"""The history of a copy: the log of the store that it was made of, kept beside its own and never taken for it.

In the `audit/` of a copy `origin-HASH.jsonl` is the log of such a store, and `origin-HASH.head.json` its head; HASH are
digits of the sha256 of its first line, which a log keeps for ever. It is taken only where its chain is whole; a later
copy of it takes its place only where it is its continuation, so that a log that was rewritten is kept beside the old.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from builder.audit.copies.layout import Layout
from builder.audit.copies.place import Folder, telling
from builder.audit.copies.source import Source
from builder.audit.copies.untrusted import Untrue, decode, read_small
from builder.audit.log import FOLDER, HEAD, LOG, Head, folder_of, judge
from builder.core.digest import Digest
from builder.core.files import write_atomically

NAME = re.compile(r"(origin-[0-9a-f]{12}(?:-[0-9a-f]{12})?)\.jsonl", re.ASCII)
HEAD_SUFFIX = ".head.json"
DIGITS = 12
LIMIT = 64 << 20
"""Bytes of a log: about a hundred thousand events."""
HEAD_LIMIT = 4096
MOST = 100
"""Logs that a copy brings along."""
Say = Callable[[str], None]


def keep_origin(source: Source, target: object, say: Say) -> tuple[str, ...]:
    """Keep the log of a source, and those that it keeps itself, where both are folders; gives the names that changed.

    A log that is damaged, or no log, is told and left. Raises WorkFailure where the target can not be written.
    """
    if not isinstance(source, Layout) or not isinstance(target, Folder):
        return ()
    kept: list[str] = []
    with telling(target.name):
        for what, log, head in _logs(source, say):
            name = _keep(folder_of(target.store.path), log, head)
            if name:
                kept.append(name)
                say(f"{what} is kept as {FOLDER}/{name}")
    return tuple(kept)


def _logs(source: Layout, say: Say) -> Iterator[tuple[str, bytes, bytes]]:
    """Give the logs of a source that are whole: what people call each, its lines, its head."""
    folder = source.place(FOLDER)
    if folder is None or not folder.is_dir():
        return
    if folder.is_symlink():
        say(f"not taken along: {FOLDER}/ of {source.name} is a link")
        return
    origins = sorted(match[1] for path in folder.iterdir() if (match := NAME.fullmatch(path.name)))
    if len(origins) > MOST:
        say(f"{source.name} keeps more than {MOST} logs of other stores: {MOST} are taken along")
    for log, head in ((LOG, HEAD), *((f"{stem}.jsonl", stem + HEAD_SUFFIX) for stem in origins[:MOST])):
        what = f"{FOLDER}/{log} of {source.name}"
        try:
            found = _read(folder / log, folder / head, what)
        except Untrue as failure:
            say(f"not taken along: {failure.problems[0].message}")
            continue
        if found is not None:
            yield what, *found


def _read(log: Path, head: Path, what: str) -> tuple[bytes, bytes] | None:
    """Read a log as far as its head tells, which is read first: it may grow meanwhile. None: there is none.

    Raises Untrue where it is damaged.
    """
    try:
        said = read_small(head, HEAD_LIMIT)
    except FileNotFoundError:
        said = b""
    try:
        data = read_small(log, LIMIT)
    except FileNotFoundError:
        return None
    if not data:
        return None
    if not said:
        raise Untrue(f"{what} has no head")
    lines = data.split(b"\n")
    count = decode(said, Head, f"the head of {what}").count
    if not 0 < count < len(lines):
        raise Untrue(f"{what} has {len(lines) - 1} lines, and its head tells of {count}")
    data = b"".join(line + b"\n" for line in lines[:count])
    try:
        problems = judge(data, said).problems
    except (RecursionError, msgspec.DecodeError) as error:
        raise Untrue(f"{what} is nested too deeply") from error
    if problems:
        raise Untrue(f"{what} is damaged: {problems[0].message}")
    return data, said


def _keep(folder: Path, log: bytes, head: bytes) -> str:
    """Write a log where it tells more than what is there; gives the name that it got, or nothing."""
    if _bytes(folder / LOG).startswith(log):  # the copy of a copy came home
        return ""
    stem = f"origin-{Digest.of(_first(log)).hex[:DIGITS]}"
    for place in (folder / f"{stem}.jsonl", *sorted(folder.glob(f"{stem}-*.jsonl"))):
        there = _bytes(place)
        if there and log.startswith(there):
            stem = place.stem
            break
        if there.startswith(log):
            return ""
    else:
        stem += f"-{Digest.of(log).hex[:DIGITS]}" if (folder / f"{stem}.jsonl").exists() else ""
    if _bytes(folder / f"{stem}.jsonl") == log and _bytes(folder / (stem + HEAD_SUFFIX)) == head:
        return ""
    folder.mkdir(exist_ok=True)
    write_atomically(folder / f"{stem}.jsonl", log)
    write_atomically(folder / (stem + HEAD_SUFFIX), head)
    return f"{stem}.jsonl"


def _first(log: bytes) -> bytes:
    return log[: log.index(b"\n") + 1]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
