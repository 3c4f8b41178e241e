"""What a booted image can do, whatever its shape."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec


class Result(msgspec.Struct, frozen=True):
    """A command that ended: exit code (128 + n where signal n ended it), and exactly what it wrote."""

    exit_code: int
    stdout: bytes
    stderr: bytes


class Machine(ABC):
    """A booted image with networking off. Every shape gives the same answers: tests/integration holds the suite.

    What is written inside is scratch and goes when the machine is closed. A machine that has stopped by itself
    raises WorkFailure at the next call.
    """

    pace: float = 1.0
    """How many times longer than on this host a command may take: who knows how long it takes here multiplies by it."""

    @property
    def is_emulated(self) -> bool:
        """Whether its processor is emulated: slower than the host's, and perhaps with other features."""
        return self.pace > 1.0

    @abstractmethod
    def run(
        self,
        command: Sequence[str],
        *,
        time_limit: float,
        stdin: bytes = b"",
        user: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a program (found on PATH) with its arguments to its end; no shell reads them.

        `time_limit` is in seconds. `user` is a name or number, by default root. `environment` is added to the
        image's own. A program that is not there ends with 127, one that can not be executed with 126.
        Raises WorkFailure where the limit passes; the command and what it started are dead by then.
        """

    @abstractmethod
    def put(self, host_path: Path, guest_path: str) -> None:
        """Copy a file or folder in, as `guest_path`, owned by root, modes kept; parents are made.

        A folder's files join what is there already. Raises WorkFailure where it can not be written.
        """

    @abstractmethod
    def get(self, guest_path: str, host_path: Path) -> None:
        """Copy a file or folder out, as `host_path`, which must not be there yet; modes kept, owner the caller's.

        Symbolic links that lead out of the folder, and devices, are refused. Raises WorkFailure where there is
        nothing at `guest_path`, or it can not be read.
        """

    @abstractmethod
    def close(self) -> None:
        """Stop the machine and remove what it was made of; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
