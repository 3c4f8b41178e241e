"""Files of text that a job is given: UTF-8, and not larger than such a file can be."""

from __future__ import annotations

from pathlib import Path

from miniboss.errors import JobError


def read_text(file: Path, what: str, largest: int, error: type[JobError]) -> str:
    """Read a file of at most `largest` bytes; `what` is what errors call it. Raises `error` where that cannot be."""
    try:
        with file.open("rb") as stream:
            data = stream.read(largest + 1)
        text = data.decode("utf-8")
    except OSError as problem:
        raise error(f"cannot read the {what} {file}: {problem.strerror}") from problem
    except UnicodeDecodeError as problem:
        raise error(f"the {what} {file} is not UTF-8 text") from problem
    if len(data) > largest:
        raise error(f"the {what} {file} is larger than {largest} bytes")
    return text
