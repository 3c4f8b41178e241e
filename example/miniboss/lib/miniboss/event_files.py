"""Files of events, .rtraw and .dst: blocks of arrays in a zip archive that is not compressed, as numpy's .npz is.

`header.json` says what the file is, `NNNNNN/FIELD.npy` hold block NNNNNN, `end.json` closes it. Member times are fixed
and nothing depends on where or when a file was written, so equal events give equal bytes. A file appears whole, under
its name, when it is closed. What is read is checked: format, sizes, checksums, types and shapes; nothing is unpickled.
"""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from miniboss.errors import JobError
from miniboss.events import Digitised, Generated, Reconstructed
from miniboss.streams import BLOCK

FORMAT = "events of miniboss, a toy"
VERSION = 1
RTRAW, DST = "rtraw", "dst"
MOST_SLOTS = 64
"""Particles in an event, at most."""
MOST_LAYERS = 1000
_LARGEST_HEADER = 65536
_DAMAGE = (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, KeyError, ValueError, struct.error)
_EPOCH = (1980, 1, 1, 0, 0, 0)

Events = TypeVar("Events", Digitised, Reconstructed)


class EventFileError(JobError):
    """A file of events that cannot be read or written; says which and why."""


@dataclass(frozen=True)
class Block(Generic[Events]):
    """Some events of one run."""

    run: int
    events: Events


# (dtype, shape) of each array: n events, k particles, t charged ones, g photons, l layers
_GENERATED = {"pdg": ("<i4", "nk"), "momentum": ("<f8", "nk3"), "vertex": ("<f8", "nk3")}
_LAYOUTS = {
    RTRAW: {
        "phi": ("<f4", "ntl"),
        "z": ("<f4", "ntl"),
        "tof": ("<f4", "nt"),
        "e_emc": ("<f4", "nt"),
        "photon_energy": ("<f4", "ng"),
        "photon_direction": ("<f4", "ng3"),
    },
    DST: {
        "found": ("|b1", "nt"),
        "charge": ("<i4", "nt"),
        "helix": ("<f8", "nt5"),
        "covariance": ("<f8", "nt55"),
        "chi2": ("<f8", "nt"),
        "n_hits": ("<i4", "nt"),
        "tof": ("<f8", "nt"),
        "e_emc": ("<f8", "nt"),
        "photon_found": ("|b1", "ng"),
        "photon_energy": ("<f8", "ng"),
        "photon_direction": ("<f8", "ng3"),
    },
}


class Writer:
    """A file of events that is being written; see `writing`."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._blocks = 0
        self._events = 0

    def write(self, run: int, events: Digitised | Reconstructed) -> None:
        """Add a block of at most `BLOCK` events."""
        folder = f"{self._blocks:06d}"
        self._add(f"{folder}/run.json", json.dumps(run).encode())
        for field in fields(events):
            value = getattr(events, field.name)
            if field.name != "truth":
                self._add(f"{folder}/{field.name}.npy", _npy(value))
        for field in fields(Generated):
            self._add(f"{folder}/truth/{field.name}.npy", _npy(getattr(events.truth, field.name)))
        self._blocks += 1
        self._events += len(events.truth.pdg)

    def close(self) -> None:
        """Write the end; without it a file is not read."""
        self._add("end.json", json.dumps({"blocks": self._blocks, "events": self._events}).encode())

    def _add(self, name: str, content: bytes) -> None:
        member = zipfile.ZipInfo(name, _EPOCH)
        member.external_attr = 0o644 << 16
        member.create_system = 3
        self._archive.writestr(member, content)


@contextmanager
def writing(file: Path, kind: str, release: str) -> Iterator[Writer]:
    """Write a file of events of a `kind` (`RTRAW`, `DST`) made by `release`; it appears when the block ends well.

    Raises EventFileError where the file cannot be written.
    """
    try:
        with whole_file(file) as sink, zipfile.ZipFile(sink, "w", zipfile.ZIP_STORED) as archive:
            writer = Writer(archive)
            header = {"format": FORMAT, "version": VERSION, "kind": kind, "release": release}
            writer._add("header.json", json.dumps(header).encode())  # noqa: SLF001 - this module's own
            yield writer
            writer.close()
    except OSError as error:
        raise EventFileError(f"cannot write {file}: {error.strerror or error}") from error


@contextmanager
def whole_file(file: Path) -> Iterator[io.BufferedWriter]:
    """Open a temporary file beside `file` that takes its place when the block ends well, and goes otherwise."""
    temporary = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        with temporary.open("xb") as sink:
            yield sink
        temporary.replace(file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def read_digitised(file: Path) -> Iterator[Block[Digitised]]:
    """Give the blocks of a .rtraw. Raises EventFileError where it is damaged or something else."""
    for run, arrays, truth in _read(file, RTRAW):
        yield Block(run, Digitised(**arrays, truth=truth))


def read_reconstructed(file: Path) -> Iterator[Block[Reconstructed]]:
    """Give the blocks of a .dst. Raises EventFileError where it is damaged or something else."""
    for run, arrays, truth in _read(file, DST):
        yield Block(run, Reconstructed(**arrays, truth=truth))


def _read(file: Path, kind: str) -> Iterator[tuple[int, dict[str, np.ndarray], Generated]]:
    try:
        with zipfile.ZipFile(file) as archive:
            for block in range(_blocks(archive, file, kind)):
                yield _block(archive, f"{block:06d}", _LAYOUTS[kind])
    except OSError as error:
        raise EventFileError(f"cannot read {file}: {error.strerror or error}") from error
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        KeyError,
        ValueError,
        struct.error,
    ) as error:
        raise EventFileError(f"{file} is damaged, or not a file of events: {error}") from error


def _blocks(archive: zipfile.ZipFile, file: Path, kind: str) -> int:
    """Check what the file is; give its number of blocks."""
    header = _document(archive, "header.json")
    if not isinstance(header, dict) or header.get("format") != FORMAT or header.get("version") != VERSION:
        raise EventFileError(f"{file} is not a file of {FORMAT}, version {VERSION}")
    if header.get("kind") != kind:
        raise EventFileError(f"{file} holds {header.get('kind')!r}, and {kind!r} is wanted")
    end = _document(archive, "end.json")
    blocks = end.get("blocks") if isinstance(end, dict) else None
    if not isinstance(blocks, int) or blocks < 0:
        raise ValueError("end.json does not give the number of blocks")
    return blocks


def _block(
    archive: zipfile.ZipFile, folder: str, layout: dict[str, tuple[str, str]]
) -> tuple[int, dict[str, np.ndarray], Generated]:
    run = _document(archive, f"{folder}/run.json")
    if not isinstance(run, int):
        raise ValueError(f"{folder}/run.json is no number of a run")  # noqa: TRY004 - what a file holds is a value
    sizes = {"3": 3, "5": 5}
    arrays = {name: _array(archive, f"{folder}/{name}.npy", *wanted, sizes) for name, wanted in layout.items()}
    truth = {name: _array(archive, f"{folder}/truth/{name}.npy", *wanted, sizes) for name, wanted in _GENERATED.items()}
    if sizes["k"] != sizes["t"] + sizes["g"]:
        raise ValueError(f"{folder} has {sizes['k']} particles, but {sizes['t']} tracks and {sizes['g']} photons")
    return run, arrays, Generated(**truth)


def _array(archive: zipfile.ZipFile, name: str, dtype: str, axes: str, sizes: dict[str, int]) -> np.ndarray:
    """Read an array of a type and a shape; `sizes` are the lengths of axes known so far, and grows."""
    most = {"n": BLOCK, "k": MOST_SLOTS, "t": MOST_SLOTS, "g": MOST_SLOTS, "l": MOST_LAYERS}
    largest = 256 + np.dtype(dtype).itemsize * int(np.prod([sizes.get(axis, most.get(axis, 0)) for axis in axes]))
    content = _member(archive, name, largest)
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        raise ValueError(f"{name} has version {version} of numpy's format")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(stream)
    for axis, length in zip(axes, shape, strict=True):
        if not 0 <= length <= most.get(axis, length) or sizes.setdefault(axis, length) != length:
            raise ValueError(f"{name} has the shape {shape}")
    if fortran or kind != np.dtype(dtype):
        raise ValueError(f"{name} holds {kind}, and {dtype} is wanted")
    return np.frombuffer(content, kind, offset=stream.tell()).reshape(shape)


def _document(archive: zipfile.ZipFile, name: str) -> object:
    return json.loads(_member(archive, name, _LARGEST_HEADER))


def _member(archive: zipfile.ZipFile, name: str, largest: int) -> bytes:
    """Read a member; its checksum is checked by zipfile. Raises ValueError where it is compressed or too large."""
    member = archive.getinfo(name)
    if member.compress_type != zipfile.ZIP_STORED or member.file_size > largest:
        raise ValueError(f"{name} is compressed or larger than it can be")
    return archive.read(member)


def _npy(value: np.ndarray) -> bytes:
    """Give numpy's format, version 1.0, of an array in C's order and little-endian."""
    array = np.ascontiguousarray(value)
    if array.dtype.byteorder == ">":
        array = array.astype(array.dtype.newbyteorder("<"))
    stream = io.BytesIO()
    header = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + array.tobytes()
