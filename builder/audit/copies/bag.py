"""A bag (RFC 8493) whose payload is an OCI image layout: checked as far as its blobs do not check themselves."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from builder.audit.copies.layout import Layout, check_layout
from builder.audit.copies.untrusted import Untrue, checked_name, hex_digest, lines_of, open_regular

ALGORITHMS = {"sha512": 128, "sha256": 64}
"""Algorithms that are believed, the one that is taken first first; and their number of hexadecimal digits."""
VERSIONS = ("0.97", "1.0")
LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(.+)")
OXUM = re.compile(r"Payload-Oxum\s*:\s*(\d{1,18})\.(\d{1,18})\s*", re.IGNORECASE)
ENCODED = {"%0A": "\n", "%0D": "\r", "%25": "%"}
BLOB = "data/blobs/sha256/"
PAYLOAD = "data"


def open_bag(folder: Path, name: str = "") -> Layout:
    """Check a bag, and give the layout in its payload.

    Its lists are complete, name nothing twice and nothing outside; there are no links and devices; every file but the
    blobs, whose names are their digests and which are checked when they are copied, has its digest. Raises Untrue.
    """
    called = name or str(folder)
    _check_version(folder, called)
    if (folder / "fetch.txt").exists():
        raise Untrue(f"{called} is a bag with holes (fetch.txt)", hint="fill it first: its files must be there")
    algorithm = _algorithm(folder, called)
    tags = f"tagmanifest-{algorithm}.txt"
    if (folder / tags).exists():
        for digest, path in _lines(folder, tags, called):
            _check_file(folder, path, digest, algorithm, called)
    listed: set[str] = set()
    for digest, path in _lines(folder, f"manifest-{algorithm}.txt", called):
        if not path.startswith(f"{PAYLOAD}/") or path in listed:
            raise Untrue(f"{called} lists {path!r} " + ("twice" if path in listed else "outside of its payload"))
        listed.add(path)
        if path.startswith(BLOB):
            if algorithm == "sha256" and path.removeprefix(BLOB) != digest:
                raise Untrue(f"{called} lists {path} with another digest than its name")
        else:
            _check_file(folder, path, digest, algorithm, called)
    _check_complete(folder, listed, called)
    return check_layout(Layout(folder / PAYLOAD, called))


def declared_size(bag_info: Iterator[str]) -> tuple[int, int] | None:
    """Read how many bytes and files a bag declares (Payload-Oxum) from the lines of bag-info.txt; None: it does not."""
    for line in bag_info:
        if match := OXUM.fullmatch(line):
            return int(match[1]), int(match[2])
    return None


def _check_version(folder: Path, called: str) -> None:
    with open_regular(folder / "bagit.txt") as stream:
        first = next(lines_of(stream, "bagit.txt"), "")
    if first.partition(":")[0] != "BagIt-Version" or first.partition(":")[2].strip() not in VERSIONS:
        raise Untrue(f"{called} is no bag of a known version: {first[:80]!r}")


def _algorithm(folder: Path, called: str) -> str:
    for algorithm in ALGORITHMS:
        if (folder / f"manifest-{algorithm}.txt").exists():
            return algorithm
    raise Untrue(f"{called} has no manifest-sha256.txt", hint="a bag with weaker digests alone proves nothing")


def _lines(folder: Path, manifest: str, called: str) -> Iterator[tuple[str, str]]:
    """Read a manifest: digest in small hexadecimal digits, and checked path."""
    digits = ALGORITHMS[manifest.removesuffix(".txt").rpartition("-")[2]]
    with open_regular(folder / manifest) as stream:
        for line in lines_of(stream, f"{manifest} of {called}"):
            match = LINE.fullmatch(line)
            if match is None or len(match[1]) != digits:
                raise Untrue(f"{manifest} of {called} has a line that is none: {line[:80]!r}")
            name = re.sub("%0A|%0D|%25", lambda m: ENCODED[m[0].upper()], match[2], flags=re.IGNORECASE)
            yield match[1].lower(), checked_name(name.removeprefix("./"))


def _check_file(folder: Path, path: str, digest: str, algorithm: str, called: str) -> None:
    place = folder / path
    if any((folder / parent).is_symlink() for parent in Path(path).parents[:-1]):
        raise Untrue(f"{path} of {called} leads through a link")
    try:
        found = hex_digest(place, algorithm)
    except FileNotFoundError:
        raise Untrue(f"{path} is missing from {called}") from None
    if found != digest:
        raise Untrue(f"{path} is damaged in {called}: its {algorithm} is {found}, listed is {digest}")


def _check_complete(folder: Path, listed: set[str], called: str) -> None:
    """Compare what is there with what is listed, and with Payload-Oxum where it is declared. Raises Untrue."""
    number = size = 0
    for path, length in payload_files(folder, called):
        if path not in listed:
            raise Untrue(f"{path} of {called} is in no manifest")
        number += 1
        size += length
    if number != len(listed):
        missing = next(path for path in sorted(listed) if not (folder / path).is_file())
        raise Untrue(f"{missing} is missing from {called}")
    info = folder / "bag-info.txt"
    if info.exists():
        with open_regular(info) as stream:
            declared = declared_size(lines_of(stream, "bag-info.txt"))
        if declared not in {None, (size, number)}:
            raise Untrue(f"{called} declares {declared} bytes and files, and has {(size, number)}")


def payload_files(folder: Path, called: str) -> Iterator[tuple[str, int]]:
    """Walk a payload: paths from the bag, and sizes. Raises Untrue for whatever is neither file nor folder."""
    waiting = [folder / PAYLOAD]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))
                elif entry.is_file(follow_symlinks=False):
                    yield os.path.relpath(entry.path, folder), entry.stat(follow_symlinks=False).st_size
                else:
                    raise Untrue(f"{entry.path} of {called} is neither a file nor a folder")
