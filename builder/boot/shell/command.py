"""One command in a machine, from the request to the end of its streams."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import BinaryIO, NoReturn

from builder.boot.shell.channel import Stream, Streams
from builder.boot.shell.killing import kill_script
from builder.boot.shell.link import PATIENCE, TICK, Link
from builder.core.errors import WorkFailure
from builder.core.process import quoted

QUIET = 1.0
"""Seconds without output after the end of a command after which its output counts as complete: a background process
that it left behind may hold the stream open for ever."""
PROBE_LIMIT = 15.0
"""Seconds for the agent to answer when the shell has said something that the agent does not say."""
READ_AHEAD = 1 << 22

Sink = Callable[[bytes], object]


@dataclass(frozen=True)
class Command:
    """What is run: the words, its user, and its limit in seconds."""

    number: int
    words: Sequence[str]
    user: str
    time_limit: float | None


class Execution:
    """A command under way."""

    def __init__(
        self, link: Link, command: Command, stdin: BinaryIO | None, streams: Streams, sinks: tuple[Sink, Sink]
    ) -> None:
        """Take what it needs: where its output goes is `sinks`, stdout and stderr."""
        self._link, self._command = link, command
        self._number = str(command.number)
        self._source, self._streams = stdin, streams
        self._sinks: dict[Stream, Sink] = dict(zip((streams.stdout, streams.stderr), sinks, strict=True))
        self._pending = memoryview(b"")
        self._leader: int | None = None
        self._code: int | None = None
        self._refusal = ""
        self._expired = False
        self._killed: int | None = None
        self._answered = True
        self._asked = 0.0
        self._last_output = time.monotonic()

    def run(self, request: bytes) -> int:
        """Send the request and see the command to its end; returns the exit code."""
        limit = self._command.time_limit
        deadline = time.monotonic() + limit if limit is not None else None
        self._link.request(request)
        try:
            while not self._over():
                left = TICK if deadline is None else deadline - time.monotonic()
                if left <= 0:
                    self._expire()
                self._step(min(TICK, left))
        except (KeyboardInterrupt, SystemExit):
            if not self._end():  # whoever interrupts may still want what the command has written
                self._link.close()
            raise
        return self._result()

    def _result(self) -> int:
        """Exit code of a command that has ended. Raises WorkFailure where it never began."""
        if self._refusal or self._leader is None or self._code is None:
            reason = self._refusal or "the machine could not make a process"
            raise WorkFailure(
                f"{self._command.words[0]} was not started: {reason}",
                hint=f"user: {self._command.user or '0'}; command: {quoted(self._command.words)}",
            )
        return self._code

    def _over(self) -> bool:
        if self._code is None:
            return False
        if all(stream.ended for stream in self._sinks) and self._streams.input_over:
            return True
        if time.monotonic() - self._last_output > QUIET:
            scripts = [stream.abandon() for stream in self._sinks if not stream.ended]
            if not self._streams.input_over:
                scripts.append(self._streams.abandon_input())
            for script in filter(None, scripts):
                self._link.urgent(script)
            self._last_output = time.monotonic()
        return False

    def _step(self, patience: float) -> None:
        """Wait for the next thing to happen, and do what it asks for."""
        self._link.check()
        if errand := self._streams.errand():
            self._link.urgent(errand)
        outputs = {stream.descriptor: stream for stream in self._sinks if not stream.ended}
        source, target = self._input()
        reading = [self._link.channel.reading, *outputs, *source]
        ready, writable, _ = select.select(reading, target, [], 0 if self._pending and not target else patience)
        for descriptor in ready:
            if descriptor in outputs:
                self._receive(outputs[descriptor])
            elif descriptor == self._link.channel.reading:
                self._listen()
            else:
                self._fill()
        if writable:
            self._feed()
        self._probe()

    # -- output -------------------------------------------------------------------------------------------------

    def _receive(self, stream: Stream) -> None:
        if data := stream.take():
            self._last_output = time.monotonic()
            if not self._expired:
                self._sinks[stream](data)

    # -- input --------------------------------------------------------------------------------------------------

    def _input(self) -> tuple[list[int], list[int]]:
        """Descriptors to wait for before more input can be read, and before it can be written."""
        target = self._streams.input_descriptor
        if target is None:
            return [], []
        if not self._pending and self._source is not None:
            if _has_descriptor(self._source):
                return [self._source.fileno()], []
            self._fill()
        if self._pending:
            return [], [target]
        if self._leader is not None or self._code is not None:
            self._streams.end_input()
        return [], []

    def _fill(self) -> None:
        """Read the next of the input."""
        if self._source is None:
            return
        own = _has_descriptor(self._source)
        data = os.read(self._source.fileno(), READ_AHEAD) if own else self._source.read(READ_AHEAD)
        self._pending = memoryview(data)
        if not data:
            self._source = None

    def _feed(self) -> None:
        try:
            self._pending = self._pending[self._streams.send(self._pending) :]
        except BlockingIOError:
            return
        except OSError:  # the command reads no more: its own affair
            self._pending, self._source = memoryview(b""), None

    # -- the agent ----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        for answer in self._link.answers():
            if answer.words[:1] == (self._number,):
                self._streams.heard(answer)
            match answer.verb, answer.words:
                case "started", (self._number, leader):
                    self._leader = int(leader)
                case "refused", (self._number, *reason):
                    self._refusal = " ".join(reason)
                case "ended", (self._number, code):
                    self._code = int(code)
                    self._last_output = time.monotonic()
                case "killed", (self._number, code):
                    self._killed = int(code)
                case "here", _:
                    self._answered = True
                    self._link.forget_noise()
                case _:
                    pass

    def _probe(self) -> None:
        """Ask the agent whether it is there, where the shell says what an agent does not: a prompt, an error."""
        noise = self._link.noise()
        if self._answered and noise:
            self._answered, self._asked = False, time.monotonic()
            self._link.urgent("say here")
        elif not self._answered and time.monotonic() - self._asked > PROBE_LIMIT:
            said = noise.decode("utf-8", "replace").strip()[-200:]
            self._link.give_up(f"the machine's shell was lost while {self._command.words[0]} ran", f"it says: {said}")

    def _expire(self) -> NoReturn:
        """End a command whose time is over, and say so."""
        hint = f"command: {quoted(self._command.words)}"
        limit = f"{self._command.words[0]} did not end within {self._command.time_limit:g} s"
        if not self._end():
            self._link.give_up(f"{limit}; it could not be killed", hint)
        if self._leader is None:
            self._result()
        raise WorkFailure(f"{limit} and was killed", hint=hint)

    def _end(self) -> bool:
        """End the command with all that it started; gives whether it has, and the machine takes the next."""
        self._expired = True
        self._wait(lambda: self._leader is not None or self._code is not None)
        if self._leader is None:
            return self._code is not None
        self._link.urgent(f"({kill_script(self._leader)}\n); say killed {self._number} $?")
        self._wait(lambda: self._killed is not None)
        if self._killed == 0:
            self._wait(self._over)  # the next command may come only when this one's streams are empty
            return self._over()
        return False

    def _wait(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition() and time.monotonic() < deadline:
            self._step(TICK)


def _has_descriptor(source: BinaryIO) -> bool:
    try:
        source.fileno()
    except (OSError, AttributeError):
        return False
    return True
