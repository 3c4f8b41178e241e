"""A user's own files and folders inside a machine: `HOST:GUEST` or `HOST:GUEST:ro`."""

from __future__ import annotations

import csv
import io
import posixpath
from collections.abc import Iterable
from pathlib import Path

import msgspec

from builder.core.errors import InputFailure, Problem

FORM = "write HOST:GUEST or HOST:GUEST:ro, as in --bind .:/data; a name with a colon can not be bound"
PROTECTED = ("/", "/proc", "/sys", "/dev")


class Bind(msgspec.Struct, frozen=True):
    """A file or folder of the host (absolute, links resolved), and where the machine has it."""

    host: Path
    guest: str
    writable: bool = True

    def mount_option(self) -> str:
        """Spell it for the option `--mount` of docker and of apptainer: comma-separated, quoted as CSV is."""
        row = ["type=bind", f"source={self.host}", f"destination={self.guest}", *([] if self.writable else ["ro"])]
        line = io.StringIO()
        csv.writer(line, lineterminator="").writerow(row)
        return line.getvalue()


def parse_binds(texts: Iterable[str]) -> tuple[Bind, ...]:
    """Read what `--bind` was given. Raises InputFailure, which names every one that is at fault."""
    binds: list[Bind] = []
    problems: list[Problem] = []
    for text in texts:
        parsed = _parse(text)
        if isinstance(parsed, Problem):
            problems.append(parsed)
        elif any(parsed.guest == other.guest for other in binds):
            problems.append(Problem(f"--bind {text}: another one has the same place in the machine"))
        else:
            binds.append(parsed)
    if problems:
        raise InputFailure(*problems)
    return tuple(binds)


def _parse(text: str) -> Bind | Problem:
    parts = text.split(":")
    modes = {2: "rw", 3: parts[-1]}
    mode = modes.get(len(parts))
    if mode not in ("ro", "rw") or not parts[0] or not parts[1]:
        return Problem(f"--bind {text!r} can not be read", hint=FORM)
    guest = posixpath.normpath(parts[1])
    if not guest.startswith("/") or guest.startswith("//"):
        return Problem(f"--bind {text}: {parts[1]} is no absolute path of the machine", hint=FORM)
    if guest in PROTECTED:
        return Problem(f"--bind {text}: {guest} is the machine's own", hint="name a folder of its own, as /data")
    host = Path(parts[0]).expanduser()
    try:
        found = host.resolve(strict=True)
    except OSError as error:
        return Problem(f"--bind {text}: {parts[0]} can not be used: {error.strerror}")
    if not (found.is_dir() or found.is_file()):
        return Problem(f"--bind {text}: {parts[0]} is neither a file nor a folder")
    return Bind(found, guest, mode == "rw")


def working_folder(binds: Iterable[Bind]) -> str:
    """Where a command starts: the first folder that was bound, so that its results land there; else `/`."""
    return next((bind.guest for bind in binds if bind.host.is_dir()), "/")
