"""Canonical form: one way to write a tree of files as a tar, so that the same tree gives the same bytes.

The form: entries sorted by the bytes of their path; POSIX ustar headers, with pax records (sorted by key) only for
what ustar can not hold; numeric owners; modes without file-type bits; whole seconds, clamped to an epoch; hard links
to the first path in sort order; of the extended attributes `security.capability` and `user.*`; whiteouts as empty
files of mode 0. Source of the formats: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Header Block"; OCI image
specification layer.md, "Whiteouts".

Written by hand because Python's tarfile marks a pax header with an extended attribute that is not UTF-8 as
hdrcharset=BINARY, which other readers then apply to the paths too.
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Protocol

BLOCK = 512
RECORD = 10240
CHUNK = 1 << 20
WHITEOUT = b".wh."
OPAQUE = b".wh..wh..opq"
USTAR_NAME = 100
OCTAL_8 = 0o7777777
OCTAL_12 = 0o77777777777
KEPT_ATTRIBUTES = (b"security.capability", b"user.")

REGULAR, HARD_LINK, SYMBOLIC_LINK, CHARACTER, BLOCK_DEVICE, DIRECTORY, FIFO = b"0", b"1", b"2", b"3", b"4", b"5", b"6"


@dataclass(frozen=True)
class Entry:
    """One path of a tree. Times are whole seconds since 1970; `size` is in bytes and 0 but for regular files."""

    path: bytes
    kind: bytes
    mode: int
    uid: int
    gid: int
    mtime: int
    size: int = 0
    link: bytes = b""
    device: tuple[int, int] = (0, 0)
    attributes: tuple[tuple[bytes, bytes], ...] = ()


class Sink(Protocol):
    """What bytes are written to."""

    def write(self, data: bytes, /) -> int:
        """Take all of the data; give its length."""


Opener = Callable[[], IO[bytes]]
Content = tuple[Entry, Opener | None]


# -- writing ------------------------------------------------------------------------------------------------------


def _pax_record(key: bytes, value: bytes) -> bytes:
    body = b" " + key + b"=" + value + b"\n"
    length = len(body)
    while len(body) + len(str(length)) != length:
        length = len(body) + len(str(length))
    return str(length).encode() + body


def _padded(data: bytes) -> bytes:
    return data + b"\0" * (-len(data) % BLOCK)


def _ustar(entry: Entry, name: bytes, link: bytes) -> bytes:
    def octal(value: int, width: int) -> bytes:
        return b"%0*o\0" % (width - 1, value)

    major, minor = entry.device
    header = b"".join(
        (
            name.ljust(100, b"\0"),
            octal(entry.mode, 8),
            octal(entry.uid if entry.uid <= OCTAL_8 else 0, 8),
            octal(entry.gid if entry.gid <= OCTAL_8 else 0, 8),
            octal(entry.size if entry.size <= OCTAL_12 else 0, 12),
            octal(entry.mtime if 0 <= entry.mtime <= OCTAL_12 else 0, 12),
            b" " * 8,
            entry.kind,
            link.ljust(100, b"\0"),
            b"ustar\x0000",
            b"\0" * 64,
            octal(major, 8),
            octal(minor, 8),
            b"\0" * 167,
        )
    )
    checksum = b"%06o\0 " % sum(header)
    return header[:148] + checksum + header[156:]


def header_bytes(entry: Entry) -> bytes:
    """Give the header blocks of an entry, with a pax header before it where ustar can not hold a value."""
    path = entry.path + b"/" if entry.kind == DIRECTORY else entry.path
    records: dict[bytes, bytes] = {b"SCHILY.xattr." + key: value for key, value in entry.attributes}
    name, link = path, entry.link
    if len(path) > USTAR_NAME or not path.isascii():
        records[b"path"] = path
        name = path[:USTAR_NAME]
    if len(link) > USTAR_NAME or not link.isascii():
        records[b"linkpath"] = link
        link = link[:USTAR_NAME]
    for key, value, limit in (
        (b"uid", entry.uid, OCTAL_8),
        (b"gid", entry.gid, OCTAL_8),
        (b"size", entry.size, OCTAL_12),
    ):
        if value > limit:
            records[key] = b"%d" % value
    if not 0 <= entry.mtime <= OCTAL_12:
        records[b"mtime"] = b"%d" % entry.mtime
    if not records:
        return _ustar(entry, name, link)
    body = b"".join(_pax_record(key, records[key]) for key in sorted(records))
    pax = Entry(path=b"", kind=b"x", mode=0o644, uid=0, gid=0, mtime=0, size=len(body))
    return _ustar(pax, b"././@PaxHeader", b"") + _padded(body) + _ustar(entry, name, link)


def write_tar(contents: Iterable[Content], out: Sink) -> None:
    """Write entries, already in order, as a tar with its end-of-archive blocks.

    Raises ValueError where a file gives another number of bytes than its entry says.
    """
    written = 0
    for entry, opener in contents:
        header = header_bytes(entry)
        out.write(header)
        written += len(header)
        if opener is None:
            continue
        left = entry.size
        with opener() as stream:
            while left and (chunk := stream.read(min(CHUNK, left))):
                out.write(chunk)
                left -= len(chunk)
            if left or stream.read(1):
                raise ValueError(f"{os.fsdecode(entry.path)} changed its size while it was read")
        pad = -entry.size % BLOCK
        out.write(b"\0" * pad)
        written += entry.size + pad
    end = 2 * BLOCK
    out.write(b"\0" * (end + -(written + end) % RECORD))


# -- reading a tree on disk ---------------------------------------------------------------------------------------


def _attributes_on_disk(path: bytes) -> tuple[tuple[bytes, bytes], ...]:
    names = sorted(os.fsencode(name) for name in os.listxattr(path, follow_symlinks=False))
    return tuple((n, os.getxattr(path, n, follow_symlinks=False)) for n in names if n.startswith(KEPT_ATTRIBUTES))


def walk(root: Path, epoch: int) -> Iterator[Content]:
    """Walk a tree on disk in canonical order, owners, modes and extended attributes as they are.

    Modification times are clamped to `epoch`. The root folder itself is not an entry. Sockets are left out.
    """
    top = os.fsencode(root)
    paths: list[bytes] = []
    for folder, folders, files in os.walk(top):
        paths += [os.path.relpath(os.path.join(folder, name), top) for name in (*folders, *files)]
    leaders: dict[tuple[int, int], bytes] = {}
    for path in sorted(paths):
        full = os.path.join(top, path)
        status = os.lstat(full)
        if stat.S_ISSOCK(status.st_mode):
            continue
        entry = Entry(
            path=path,
            kind=_kind_on_disk(status.st_mode),
            mode=stat.S_IMODE(status.st_mode),
            uid=status.st_uid,
            gid=status.st_gid,
            mtime=min(int(status.st_mtime // 1), epoch),
        )
        if entry.kind == SYMBOLIC_LINK:
            yield replace(entry, link=os.readlink(full), mode=0o777), None
        elif entry.kind in (CHARACTER, BLOCK_DEVICE):
            yield replace(entry, device=(os.major(status.st_rdev), os.minor(status.st_rdev))), None
        elif entry.kind == REGULAR:
            leader = leaders.setdefault((status.st_dev, status.st_ino), path) if status.st_nlink > 1 else path
            if leader != path:
                yield replace(entry, kind=HARD_LINK, link=leader), None
            else:
                attributes = _attributes_on_disk(full)
                yield replace(entry, size=status.st_size, attributes=attributes), _opener(full)
        else:
            yield replace(entry, attributes=_attributes_on_disk(full)), None


def _opener(path: bytes) -> Opener:
    return lambda: open(path, "rb")


def _kind_on_disk(mode: int) -> bytes:
    for test, kind in (
        (stat.S_ISREG, REGULAR),
        (stat.S_ISDIR, DIRECTORY),
        (stat.S_ISLNK, SYMBOLIC_LINK),
        (stat.S_ISCHR, CHARACTER),
        (stat.S_ISBLK, BLOCK_DEVICE),
    ):
        if test(mode):
            return kind
    return FIFO


def walk_source(root: Path, mtime: int) -> Iterator[Content]:
    """Walk a folder that a person wrote: owner root, modes 0755 and 0644, one time, no extended attributes.

    What a checkout's umask, user and clock leave in a folder is nothing that an archive should hold.
    """
    for entry, opener in walk(root, mtime):
        executable = entry.kind == DIRECTORY or bool(entry.mode & stat.S_IXUSR)
        mode = 0o777 if entry.kind == SYMBOLIC_LINK else 0o755 if executable else 0o644
        yield replace(entry, mode=mode, uid=0, gid=0, mtime=mtime, attributes=()), opener


# -- reading layers ------------------------------------------------------------------------------------------------


def _clean(name: str) -> bytes:
    path = os.fsencode(name).strip(b"/")
    return path[2:] if path.startswith(b"./") else path


def _from_member(member: tarfile.TarInfo, epoch: int) -> Entry:
    kind = REGULAR if member.isreg() else member.type
    attributes = tuple(
        sorted(
            (os.fsencode(key[13:]), value.encode("utf-8", "surrogateescape"))
            for key, value in member.pax_headers.items()
            if key.startswith("SCHILY.xattr.") and os.fsencode(key[13:]).startswith(KEPT_ATTRIBUTES)
        )
    )
    link = _clean(member.linkname) if kind == HARD_LINK else os.fsencode(member.linkname)
    return Entry(
        path=_clean(member.name),
        kind=kind,
        mode=0o777 if kind == SYMBOLIC_LINK else stat.S_IMODE(member.mode),
        uid=member.uid,
        gid=member.gid,
        mtime=min(int(member.mtime // 1), epoch),
        size=member.size if kind == REGULAR else 0,
        link=link if kind in (HARD_LINK, SYMBOLIC_LINK) else b"",
        device=(member.devmajor, member.devminor) if kind in (CHARACTER, BLOCK_DEVICE) else (0, 0),
        attributes=attributes,
    )


Times = dict[bytes, tuple[float, int]]
"""Of each path below a stage: the time that its raw layer gave it, and the one that its canonical layer gives it."""
Groups = dict[bytes, object]
"""Of each name of a file that has several: what they have in common."""


def merge(layers: Iterable[tarfile.TarFile], epoch: int, scratch: bytes, times: Times | None = None) -> list[Content]:
    """Merge the layers of one stage, lowest first, into the contents of one canonical layer.

    A later path replaces an earlier one; a whiteout takes away what earlier layers of the stage brought and stays
    as a whiteout for what lies below the stage. Whatever lies under the folder `scratch` (a path that nothing below
    the stage has) is left out: it brought the stage's inputs.

    A layer repeats the parents of what changed, and what only changed its mode, with the time that they had below,
    which was the time of the build there and is not in the canonical layer. `times` tells such paths by that time,
    and takes this stage's in.
    Raises ValueError for a hard link whose target is not in the layers.
    """
    tree: dict[bytes, Content] = {}
    groups: Groups = {}
    below = times if times is not None else {}
    raw: dict[bytes, float] = {}
    for layer in layers:
        _settle(_apply(tree, layer, epoch, below, raw, groups=groups), tree, groups)
    top = (scratch, WHITEOUT + scratch)
    for path in [p for p in tree if p in top or p.startswith(scratch + b"/")]:
        del tree[path]
    below.update({path: (raw[path], entry.mtime) for path, (entry, _) in tree.items() if path in raw})
    return _with_leaders(tree, groups)


def _apply(
    tree: dict[bytes, Content],
    layer: tarfile.TarFile,
    epoch: int,
    below: Times,
    raw: dict[bytes, float],
    *,
    groups: Groups,
) -> list[Entry]:
    """Put the entries of a layer into the tree; gives its hard links, which are to be settled."""
    members = []
    for member in layer:
        entry = _from_member(member, epoch)
        before = below.get(entry.path)
        if before is not None and before[0] == member.mtime:
            entry = replace(entry, mtime=min(before[1], epoch))
        raw[entry.path] = member.mtime
        members.append((member, entry))
    for _, entry in members:
        folder, _, name = entry.path.rpartition(b"/")
        if name == OPAQUE:
            _remove_below(tree, folder)
        elif name.startswith(WHITEOUT):
            gone = (folder + b"/" if folder else b"") + name[len(WHITEOUT) :]
            _remove_below(tree, gone)
            tree.pop(gone, None)
    for member, entry in members:
        if not entry.path:
            continue
        folder, _, name = entry.path.rpartition(b"/")
        if name.startswith(WHITEOUT):
            tree[entry.path] = (Entry(entry.path, REGULAR, 0, 0, 0, epoch), io.BytesIO)
            continue
        if entry.kind != DIRECTORY and entry.path in tree and tree[entry.path][0].kind == DIRECTORY:
            _remove_below(tree, entry.path)
        tree.pop((folder + b"/" if folder else b"") + WHITEOUT + name, None)
        tree[entry.path] = (entry, _member_opener(layer, member) if entry.kind == REGULAR else None)
        groups.pop(entry.path, None)
    return [entry for _, entry in members if entry.kind == HARD_LINK and tree[entry.path][0] is entry]


def _settle(links: list[Entry], tree: dict[bytes, Content], groups: Groups) -> None:
    """Let the hard links of a layer have what they link to now.

    A later layer that replaces one name of a file, or takes it away, leaves the others as they were.
    """
    targets = {entry.path: _target(tree, entry) for entry in links}
    for path, target in targets.items():
        entry, opener = tree[target]
        tree[path] = (replace(entry, path=path), opener)
        groups[path] = groups.setdefault(target, object())


def _remove_below(tree: dict[bytes, Content], folder: bytes) -> None:
    prefix = folder + b"/"
    for path in [p for p in tree if p.startswith(prefix)]:
        del tree[path]


def _member_opener(layer: tarfile.TarFile, member: tarfile.TarInfo) -> Opener:
    def open_member() -> IO[bytes]:
        stream = layer.extractfile(member)
        if stream is None:
            raise ValueError(f"{member.name} has no content")
        return stream

    return open_member


def _with_leaders(tree: dict[bytes, Content], groups: Groups) -> list[Content]:
    """Sort, and let the first path of each group of hard links carry the content."""
    names: dict[object, list[bytes]] = {}
    for path, group in groups.items():
        if path in tree:
            names.setdefault(group, []).append(path)
    for paths in names.values():
        leader = min(paths)
        for path in paths:
            if path != leader:
                entry = tree[path][0]
                tree[path] = (replace(entry, kind=HARD_LINK, link=leader, size=0, attributes=()), None)
    return [tree[path] for path in sorted(tree)]


def _target(tree: dict[bytes, Content], entry: Entry) -> bytes:
    seen = {entry.path}
    while True:
        found = tree.get(entry.link)
        if found is None or found[0].path in seen:
            raise ValueError(f"hard link {os.fsdecode(entry.path)} points outside its stage: {os.fsdecode(entry.link)}")
        if found[0].kind != HARD_LINK:
            return found[0].path
        seen.add(found[0].path)
        entry = found[0]


# -- helpers -------------------------------------------------------------------------------------------------------


class HashingWriter:
    """Passes bytes on and takes their sha256 and count on the way."""

    def __init__(self, target: Sink | None) -> None:
        """Pass on to `target`, or only count and digest."""
        self._target = target
        self._sha = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes, /) -> int:
        """Take all of the data."""
        self._sha.update(data)
        if self._target is not None:
            self._target.write(data)
        self.size += len(data)
        return len(data)

    @property
    def digest(self) -> str:
        """Digest of what was written so far."""
        return "sha256:" + self._sha.hexdigest()
