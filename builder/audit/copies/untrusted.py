"""What others wrote is judged here before it is used: names, files, documents, amounts."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from builder.core import documents
from builder.core.digest import CHUNK, DIGEST_PATTERN
from builder.core.errors import InputFailure
from builder.store import oci
from builder.store.verify import MANIFEST_LIMIT

T = TypeVar("T")
NAME_LIMIT = 1024
"""Bytes of a path in an archive."""
PART_LIMIT = 255
"""Bytes of one part of it: file systems take no more."""
LINE_LIMIT = 4096
RATIO = 200
"""How many times its own size an archive, or a file with holes, may be. Disks and logs stay under it."""
ALLOWANCE = 64 << 20
"""Bytes that an archive may have in any case, and a bag besides its payload."""
PIECES = 10_000
"""Of a file with holes."""
DEPTH = 100
"""Brackets in brackets, of a document that anybody wrote."""
TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[\[\]{}]', re.DOTALL)
CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Untrue(InputFailure):
    """A source does not hold what it says: missing, damaged, of another size, or not of the right kind."""


def checked_name(name: str) -> str:
    """Give a relative path with `/` as it is. Raises Untrue where it leads elsewhere or is spelled in an odd way."""
    parts = name.split("/")
    long = max(len(part.encode("utf-8", "surrogateescape")) for part in parts) > PART_LIMIT
    if CONTROL.search(name) or long or len(name.encode("utf-8", "surrogateescape")) > NAME_LIMIT:
        raise Untrue(f"a name that no file should have: {name[:80]!r}")
    if name.startswith("/") or "\\" in name or any(part in {"", ".", ".."} for part in parts):
        raise Untrue(f"the name {name!r} leads elsewhere, or is spelled in an odd way")
    return name


def checked_digest(digest: str) -> str:
    """Give a sha256 digest as it is. Raises Untrue where it is none."""
    if not DIGEST_PATTERN.fullmatch(digest):
        raise Untrue(f"{digest[:100]!r} is no sha256 digest")
    return digest


def decode(data: bytes, kind: type[T], what: str) -> T:
    """Decode a JSON document. Raises Untrue where it is none, of another shape, or nested too deeply."""
    try:
        value = documents.decode(data, kind)
    except RecursionError as error:
        raise Untrue(f"{what} is nested too deeply") from error
    except (msgspec.DecodeError, ValueError) as error:
        raise Untrue(f"{what} is not what it should be: {error}") from error
    if depth_of(data) > DEPTH:
        raise Untrue(f"{what} is nested too deeply")
    return value


def depth_of(document: bytes) -> int:
    """How deeply a valid JSON document is nested."""
    if document.count(b"[") + document.count(b"{") <= DEPTH:
        return 0
    deepest = depth = 0
    for token in TOKEN.finditer(document):
        if (bracket := token[0]) in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in b"]}":
            depth -= 1
    return deepest


def check_depth(document: bytes, what: str) -> None:
    """Raise Untrue for JSON that is nested too deeply; what is no JSON passes."""
    try:
        decode(document, msgspec.Raw, what)
    except Untrue as failure:
        if isinstance(failure.__cause__, msgspec.DecodeError):
            return
        raise


def decode_index(data: bytes, what: str) -> oci.Index:
    """Decode an index: manifests alone, with digests, sizes, and names that are used once. Raises Untrue."""
    index = decode(data, oci.Index, what)
    names: set[str] = set()
    for descriptor in index.manifests:
        checked_digest(descriptor.digest)
        if descriptor.media_type != oci.MANIFEST:
            raise Untrue(
                f"{what} names {descriptor.digest} as {descriptor.media_type[:80]!r}; a store holds manifests alone"
            )
        if not 0 < descriptor.size <= MANIFEST_LIMIT:
            raise Untrue(f"{what} names a manifest of {descriptor.size} bytes")
        name = descriptor.annotations.get(oci.REF_NAME)
        if name is not None:
            checked_name(name)
        key = name or descriptor.digest
        if key in names:
            raise Untrue(f"{what} names {key} twice")
        names.add(key)
    return index


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise Untrue where a disk, or what lies there, does not let itself be read."""
    try:
        yield
    except OSError as error:
        raise Untrue(f"{name[:300]} can not be read: {error.strerror}") from error


@contextmanager
def open_regular(path: Path) -> Iterator[BinaryIO]:
    """Open an ordinary file. Raises Untrue for links, folders, devices and pipes, FileNotFoundError, OSError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise Untrue(f"{path} can not be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Untrue(f"{path} is no ordinary file")
    with os.fdopen(descriptor, "rb") as stream:
        if _is_hollow(descriptor):
            raise Untrue(f"{path} is a sparse file that is nearly all hole")
        yield stream


def _is_hollow(descriptor: int) -> bool:
    """Whether an open file is long and has less than its RATIO-th part on the disk: to read it would have no end."""
    size = os.fstat(descriptor).st_size
    if size <= ALLOWANCE:
        return False
    data = at = 0
    try:
        for _ in range(PIECES):
            start = os.lseek(descriptor, at, os.SEEK_DATA)
            at = os.lseek(descriptor, start, os.SEEK_HOLE)
            data += at - start
            if data * RATIO >= size:
                return False
    except OSError as error:
        return error.errno == errno.ENXIO  # no data beyond; another one: this file system does not tell
    finally:
        os.lseek(descriptor, 0, os.SEEK_SET)
    return True


def read_small(path: Path, limit: int = MANIFEST_LIMIT) -> bytes:
    """Read an ordinary file whole. Raises Untrue where it is longer than the limit (bytes), FileNotFoundError."""
    with open_regular(path) as stream:
        try:
            data = stream.read(limit + 1)
        except OSError as error:
            raise Untrue(f"{path} can not be read: {error.strerror}") from error
    if len(data) > limit:
        raise Untrue(f"{path} is longer than {limit} bytes")
    return data


def pieces_of(stream: BinaryIO, name: str) -> Iterator[bytes]:
    """Give what is left in a stream in pieces. Raises Untrue where the disk does not give it."""
    while True:
        try:
            piece = stream.read(CHUNK)
        except OSError as error:
            raise Untrue(f"{name} can not be read: {error.strerror}") from error
        if not piece:
            return
        yield piece


def hex_digest(path: Path, algorithm: str) -> str:
    """Digest of an ordinary file, in hexadecimal digits. Raises as `open_regular`."""
    sha = hashlib.new(algorithm)
    with open_regular(path) as stream:
        for piece in pieces_of(stream, str(path)):
            sha.update(piece)
    return sha.hexdigest()


def lines_of(stream: BinaryIO, name: str) -> Iterator[str]:
    """Give the lines of a text, without their ends. Raises Untrue where one is too long, or is no UTF-8."""
    while line := stream.readline(LINE_LIMIT):
        if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
            raise Untrue(f"{name} has a line of more than {LINE_LIMIT} bytes")
        try:
            text = line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise Untrue(f"{name} is not UTF-8: {error}") from error
        if text:
            yield text
