"""Compare two trees of files, attribute by attribute; pure: two listings in, what changed out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from builder.inside.listing import FILE, FOLDER, File
from builder.rebuild.differences.contents import Looked
from builder.rebuild.differences.model import Difference, Kind
from builder.rebuild.differences.text import shortened, shown, shown_path, shown_time
from builder.rebuild.taxonomy import Cause


@dataclass(frozen=True)
class Change:
    """One field of one path that is not the same; one of the files is None where only one image has the path."""

    stored: File | None
    rebuilt: File | None
    field: str
    before: str
    after: str
    kind: Kind
    cause: Cause

    @property
    def file(self) -> File:
        """The path in one of the images, the rebuilt one's where it has it."""
        file = self.rebuilt or self.stored
        if file is None:
            raise ValueError("a change of no file")
        return file

    @property
    def both_contents(self) -> tuple[File, File] | None:
        """The two files, where it is their content that differs."""
        if self.field != "content" or self.stored is None or self.rebuilt is None:
            return None
        return self.stored, self.rebuilt

    def as_difference(self, part: str, looked: Looked | None = None, detail: str = "") -> Difference:
        """Tell it; `looked` is what looking into the contents gave."""
        return Difference(
            part=part,
            path=shown_path(self.file.path),
            field=self.field,
            stored=self.before,
            rebuilt=self.after,
            kind=looked.kind if looked else self.kind,
            cause=self.cause,
            detail=looked.detail if looked else detail,
        )


def changes(stored: Iterable[File], rebuilt: Iterable[File]) -> Iterator[Change]:
    """Compare two listings, each sorted by path, in one pass over both."""
    left, right = iter(stored), iter(rebuilt)
    one, two = next(left, None), next(right, None)
    while one is not None or two is not None:
        if two is None or (one is not None and one.path < two.path):
            yield Change(one, None, "path", _described(one), "", "content", Cause.CONTENT_DIFFERS)
            one = next(left, None)
        elif one is None or two.path < one.path:
            yield Change(None, two, "path", "", _described(two), "content", Cause.CONTENT_DIFFERS)
            two = next(right, None)
        else:
            yield from changes_of_file(one, two)
            one, two = next(left, None), next(right, None)


def changes_of_file(one: File, two: File) -> Iterator[Change]:
    """Compare one path of both images, which both have."""
    if one.kind != two.kind:
        yield Change(one, two, "type", _described(one), _described(two), "content", Cause.CONTENT_DIFFERS)
        return
    for field, tell in CONTENT.items():
        before, after = tell(one), tell(two)
        if before != after:
            yield Change(one, two, field, before, after, "content", Cause.CONTENT_DIFFERS)
    for field, tell in METADATA.items():
        before, after = tell(one), tell(two)
        if before != after:
            yield Change(one, two, field, before, after, "metadata", Cause.METADATA_ONLY)
    if one.attributes != two.attributes:
        yield from _attribute_changes(one, two)
    if one.times != two.times:
        yield from _time_changes(one, two)


def _attribute_changes(one: File, two: File) -> Iterator[Change]:
    mine, others = dict(one.attributes), dict(two.attributes)
    for name in sorted(mine.keys() | others.keys()):
        before, after = mine.get(name), others.get(name)
        if before != after:
            field = f"attribute {shown(name)}"
            yield Change(one, two, field, _attribute(before), _attribute(after), "metadata", Cause.METADATA_ONLY)


def _time_changes(one: File, two: File) -> Iterator[Change]:
    mine, others = dict(one.times), dict(two.times)
    for name in sorted(mine.keys() | others.keys()):
        before, after = mine.get(name), others.get(name)
        if before != after:
            yield Change(one, two, name, _time(before), _time(after), "time", Cause.METADATA_ONLY)


def spelling_change(one: File, two: File) -> Change:
    """Tell of a file that only the container spells in another way."""
    return Change(one, two, "header", one.spelling, two.spelling, "container", Cause.CONTENT_IDENTICAL)


def folded(found: Iterable[Change]) -> Iterator[tuple[Change, str]]:
    """Fold what lies below a folder that only one image has into the folder; gives changes, each with a detail."""
    tops: dict[tuple[bool, bytes], bytes] = {}
    waiting: dict[tuple[bool, bytes], Change] = {}
    below: dict[tuple[bool, bytes], int] = {}
    for change in found:
        if change.field != "path":
            yield change, ""
            continue
        side, path = change.stored is None, change.file.path
        top = tops.get((side, path.rpartition(b"/")[0])) if path else None
        if change.file.kind == FOLDER:
            tops[side, path] = path if top is None else top
        if top is not None:
            below[side, top] += 1
        elif change.file.kind == FOLDER:
            waiting[side, path] = change
            below[side, path] = 0
        else:
            yield change, ""
    for key, change in waiting.items():
        yield change, f"and {below[key]} below it" if below[key] else ""


def order_of(stored: Iterable[bytes], rebuilt: Iterable[bytes]) -> tuple[int, bytes, bytes] | None:
    """Where two sequences first name what both have in another order: number from 1, and the two names."""
    one, two = list(stored), list(rebuilt)
    both = set(one) & set(two)
    pairs = zip((name for name in one if name in both), (name for name in two if name in both), strict=True)
    return next(((number, a, b) for number, (a, b) in enumerate(pairs, 1) if a != b), None)


def _described(file: File | None) -> str:
    if file is None:
        return ""
    if file.kind == FILE:
        return f"{file.kind}, {_content(file)}"
    return f"{file.kind} to {_link(file)}" if file.link else file.kind


def _content(file: File) -> str:
    return f"{file.size} bytes, sha256:{file.sha256}" if file.sha256 else f"{file.size} bytes"


def _link(file: File) -> str:
    return shown(file.link)


def _leader(file: File) -> str:
    return f"the same file as {shown_path(file.leader)}" if file.leader else "a file of its own"


def _attribute(value: bytes | None) -> str:
    return "" if value is None else shortened(shown(value) or '""')


def _time(value: int | None) -> str:
    return "" if value is None else shown_time(value)


CONTENT: dict[str, Callable[[File], str]] = {
    "content": _content,
    "link target": _link,
    "device": lambda file: f"{file.device[0]}:{file.device[1]}",
}
METADATA: dict[str, Callable[[File], str]] = {
    "mode": lambda file: f"{file.mode:04o}",
    "owner": lambda file: f"{file.uid}:{file.gid}",
    "hard link": _leader,
}
"""Fields of a file, and how they are told; two files are the same in a field where the same is told of it."""
