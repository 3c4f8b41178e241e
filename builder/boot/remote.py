"""A machine used from another process: requests and answers over a connection that the process inherits.

So that a validation suite runs the same whatever shape was booted, without knowing it or holding its engine.
The documents are MessagePack, one a message; see `multiprocessing.connection` for how messages are told apart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from builder.boot.machine import Machine, Result
from builder.core.errors import Failure, Problem, WorkFailure


class _Message(msgspec.Struct, frozen=True, tag=True, forbid_unknown_fields=True):
    """Base of what is sent."""


class _Run(_Message, frozen=True):
    command: tuple[str, ...]
    time_limit: float
    stdin: bytes
    user: str
    environment: dict[str, str]


class _Put(_Message, frozen=True):
    host_path: str
    guest_path: str


class _Get(_Message, frozen=True):
    guest_path: str
    host_path: str


class _Ran(_Message, frozen=True):
    result: Result


class _Done(_Message, frozen=True):
    pass


class _Failed(_Message, frozen=True):
    problems: tuple[tuple[str, str], ...]
    """Message and hint of each."""


_Request = _Run | _Put | _Get
_Answer = _Ran | _Done | _Failed


def serve(machine: Machine, connection: Connection, deadline: float = math.inf) -> None:
    """Answer requests until the other side closes its end. What is no request ends it too.

    Limits are as for this host; they are stretched to the machine's pace.

    No command runs past `deadline`, a value of `time.monotonic`.
    """
    decoder = msgspec.msgpack.Decoder(_Request)
    while True:
        try:
            request = decoder.decode(connection.recv_bytes())
        except (EOFError, OSError, msgspec.DecodeError):
            return
        answer: _Answer
        try:
            answer = _answer(machine, request, deadline)
        except Failure as failure:
            answer = _Failed(tuple((p.message, p.hint) for p in failure.problems))
        try:
            connection.send_bytes(msgspec.msgpack.encode(answer))
        except OSError:
            return


def _answer(machine: Machine, request: _Request, deadline: float) -> _Answer:
    match request:
        case _Run():
            return _Ran(
                machine.run(
                    request.command,
                    time_limit=max(0, min(request.time_limit * machine.pace, deadline - time.monotonic())),
                    stdin=request.stdin,
                    user=request.user,
                    environment=request.environment,
                )
            )
        case _Put():
            machine.put(Path(request.host_path), request.guest_path)
        case _Get():
            machine.get(request.guest_path, Path(request.host_path))
    return _Done()


class RemoteMachine(Machine):
    """A machine at the other end of a connection that `serve` answers."""

    def __init__(self, connection: Connection) -> None:
        """Use one end of a connection."""
        self._connection = connection

    def run(
        self,
        command: Sequence[str],
        *,
        time_limit: float,
        stdin: bytes = b"",
        user: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Run a command; see `Machine.run`."""
        answer = self._ask(_Run(tuple(command), time_limit, stdin, user, dict(environment or {})))
        if not isinstance(answer, _Ran):
            raise WorkFailure("the machine gave no result")
        return answer.result

    def put(self, host_path: Path, guest_path: str) -> None:
        """Copy in; see `Machine.put`."""
        self._ask(_Put(str(host_path.absolute()), guest_path))

    def get(self, guest_path: str, host_path: Path) -> None:
        """Copy out; see `Machine.get`."""
        self._ask(_Get(guest_path, str(host_path.absolute())))

    def close(self) -> None:
        """Close this end; the machine itself is its owner's to close."""
        self._connection.close()

    def _ask(self, request: _Request) -> _Answer:
        try:
            self._connection.send_bytes(msgspec.msgpack.encode(request))
            answer: _Answer = msgspec.msgpack.decode(self._connection.recv_bytes(), type=_Answer)
        except (EOFError, OSError) as error:
            raise WorkFailure("the machine is closed") from error
        if isinstance(answer, _Failed):
            raise WorkFailure(*(Problem(message, hint) for message, hint in answer.problems))
        return answer
