r"""Name a tree of files as git and the Software Heritage archive do: by its contents alone.

A file is the digest of `blob SIZE\0` and its bytes; a folder that of `tree SIZE\0` and a line for each thing in it:
mode, space, name, a zero byte, the digest's bytes; sorted by name, a folder's as if it ended in `/`. Source of the
formats: git, Documentation/gitformat-pack and object.c; SWHID 1.2 (ISO/IEC 18670), "directories".
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import IO, Literal

from builder.core.errors import InputFailure
from builder.inside.canonical import CHUNK, DIRECTORY, HARD_LINK, REGULAR, SYMBOLIC_LINK, Content

Algorithm = Literal["sha1", "sha256"]
"""What a repository of git is made with; an SWHID always with sha1."""
FOLDER_MODE, LINK_MODE, FILE_MODE, PROGRAM_MODE = b"40000", b"120000", b"100644", b"100755"
EXECUTABLE = 0o100
"""The bit by which git tells a program from another file: the owner's."""


def tree_id(contents: Iterable[Content], algorithm: Algorithm = "sha1") -> str:
    """Give the digest of a tree in hexadecimal, as `git rev-parse COMMIT^{tree}` does; after `swh:1:dir:` an SWHID.

    Folders without anything in them do not count: git has none. Owners, times and modes but for the owner's right to
    execute do not count either. Raises InputFailure for what git can not hold: devices and pipes.
    """
    root: _Folder = {}
    known: dict[bytes, tuple[bytes, bytes]] = {}
    for entry, opener in contents:
        if entry.kind == DIRECTORY:
            continue
        if entry.kind == SYMBOLIC_LINK:
            leaf = (LINK_MODE, _blob(len(entry.link), [entry.link], algorithm))
        elif entry.kind == HARD_LINK:
            leaf = known[entry.link]
        elif entry.kind == REGULAR and opener is not None:
            mode = PROGRAM_MODE if entry.mode & EXECUTABLE else FILE_MODE
            with opener() as stream:
                leaf = (mode, _blob(entry.size, _pieces(stream), algorithm))
        else:
            raise InputFailure(f"{os.fsdecode(entry.path)} is no file, link or folder: git can not hold it")
        known[entry.path] = leaf
        _place(root, entry.path, leaf)
    return _tree(root, algorithm).hex()


_Folder = dict[bytes, "tuple[bytes, bytes] | _Folder"]


def _place(root: _Folder, path: bytes, leaf: tuple[bytes, bytes]) -> None:
    *folders, name = path.split(b"/")
    folder = root
    for one in folders:
        inner = folder.setdefault(one, {})
        if isinstance(inner, tuple):
            raise InputFailure(f"{os.fsdecode(path)} lies below something that is no folder")
        folder = inner
    folder[name] = leaf


def _pieces(stream: IO[bytes]) -> Iterable[bytes]:
    while piece := stream.read(CHUNK):
        yield piece


def _blob(size: int, pieces: Iterable[bytes], algorithm: Algorithm) -> bytes:
    digest = _new(algorithm)
    digest.update(b"blob %d\0" % size)
    for piece in pieces:
        digest.update(piece)
    return digest.digest()


def _tree(folder: _Folder, algorithm: Algorithm) -> bytes:
    lines = []
    for name, inner in folder.items():
        if isinstance(inner, tuple):
            mode, digest = inner
            lines.append((name, mode + b" " + name + b"\0" + digest))
        else:
            lines.append((name + b"/", FOLDER_MODE + b" " + name + b"\0" + _tree(inner, algorithm)))
    body = b"".join(line for _, line in sorted(lines))
    whole = _new(algorithm)
    whole.update(b"tree %d\0" % len(body) + body)
    return whole.digest()


def _new(algorithm: Algorithm) -> hashlib._Hash:
    return hashlib.new(algorithm, usedforsecurity=False)
