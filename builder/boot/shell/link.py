"""The talk between the host and the agent of a machine: what is said, with its limits, and the end of it."""

from __future__ import annotations

import os
import select
import time
from importlib.resources import files
from typing import NoReturn

from builder.boot.shell.channel import CHUNK, Channel
from builder.boot.shell.protocol import (
    PIECE,
    Answer,
    Answers,
    assignments,
    bootstrap,
    new_token,
    pieces,
    without_comments,
)
from builder.core.errors import TimeLimitFailure, WorkFailure

TICK = 0.25
"""Seconds after which the state of the machine is looked at though nothing has come."""
PATIENCE = 60.0
"""Seconds for the machine to take a piece of the agent or a request, to start a command, or to kill one whose time is
over: a busy host may need longer than the limit to start a command, and it can be killed only by its number."""
ASK_AGAIN = 10.0
"""Seconds after which a shell that has not shown a prompt yet is sent another empty line: most show one by themselves,
and what nobody reads for minutes must not add up."""
REPEAT = 15.0
"""Seconds after which a shell that listens and did not read the bootstrap is sent it again: it may have been started
anew."""
LAST_WORDS = 2.0
"""Seconds for a machine whose streams have ended to be known as stopped, and why."""


class Link:
    """A channel with an agent at its other end. Whatever ends it stops the machine."""

    def __init__(self, channel: Channel) -> None:
        """Take a channel whose other end is a bare shell; `start` sends the agent."""
        self.channel = channel
        self._token = new_token()
        self._answers = Answers(self._token)
        self._left: list[bytes] = []
        self._closed = False

    def start(self, shell: str, time_limit: float) -> None:
        """Send the agent as soon as the shell listens, to be run by `shell`. Raises WorkFailure past the limit."""
        deadline = time.monotonic() + time_limit
        self._wake(shell, deadline, time_limit)
        settings = {"shell": shell, "token": self._token, "piece": str(PIECE), **self.channel.settings()}
        agent = files("builder.boot.shell").joinpath("agent.sh").read_bytes()
        parts = pieces(assignments(settings) + without_comments(agent))
        self._write(self.channel.writing, f"{self._token} {len(parts)}\n".encode())
        for number, part in enumerate(parts, 1):
            self._write(self.channel.writing, part)
            # "more" and "ready" may come at once after the last one
            self._expect("more" if number < len(parts) else "ready", deadline)
        self._answers.forget()

    def _wake(self, shell: str, deadline: float, time_limit: float) -> None:
        """Speak to the shell until it has read the bootstrap.

        A terminal keeps what is sent before anybody reads it, and no more than 4095 bytes: so it is sent the bootstrap
        when it has shown a prompt, or echoed one of the empty lines that it is sent now and then.
        """
        terminal, heard, sent, spoken = self.channel.terminal, b"", False, time.monotonic()
        while not any(self._token.encode() + end in heard for end in (b"\n", b"\r")):
            now = time.monotonic()
            if now > deadline:
                raise TimeLimitFailure(
                    f"the machine's shell did not answer within {time_limit:g} s", hint=self.channel.hint()
                )
            listens = bool(heard) or not terminal
            if (listens and not sent) or now - spoken > (REPEAT if sent else ASK_AGAIN):
                spoken, sent = now, listens
                self._write(self.channel.writing, bootstrap(self._token, shell) if listens else b"\n")
            self.check()
            ready, _, _ = select.select([self.channel.reading], [], [], TICK)
            heard = (heard + (self._take() if ready else b""))[-CHUNK:]

    def _expect(self, verb: str, deadline: float) -> None:
        """Wait for an answer; a machine that took the bootstrap and lost some of what followed never gives one."""
        deadline = min(deadline, time.monotonic() + PATIENCE)
        while True:
            for answer in self.answers(TICK):
                if answer.verb == "ready":
                    self.channel.started(self._token, answer)
                if answer.verb == verb:
                    return
            if time.monotonic() > deadline:
                raise TimeLimitFailure("the machine's shell does not take commands", hint=self.channel.hint())

    def answers(self, patience: float = 0.0) -> list[Answer]:
        """Give the answers that come within `patience` seconds; pieces that are asked for are sent."""
        self.check()
        ready, _, _ = select.select([self.channel.reading], [], [], patience)
        if not ready:
            return []
        answers = self._answers.feed(self._take())
        for answer in answers:
            if answer.verb == "more" and self._left:
                self._write(self.channel.writing, self._left.pop(0))
        return answers

    def noise(self) -> bytes:
        """Give what the shell has said that no agent says: a prompt, an error."""
        return self._answers.noise + self._answers.pending()

    def forget_noise(self) -> None:
        """Take the noise for harmless."""
        self._answers.forget()

    def request(self, script: bytes) -> None:
        """Send shell text that is run when what was asked for before has ended."""
        if len(script) <= PIECE and b"\n" not in script:
            self._write(self.channel.writing, b"! " + script + b"\n")
            return
        first, *self._left = [script[i : i + PIECE] for i in range(0, len(script), PIECE)]
        self._write(self.channel.writing, f"{len(script)}\n".encode() + first)

    def urgent(self, script: str) -> None:
        """Send shell text that is run at once: at most PIECE bytes."""
        data = script.encode()
        self._write(self.channel.urgent, f"{len(data)}\n".encode() + data)

    def check(self) -> None:
        """Raise WorkFailure where the machine is closed, or known to be stopped or in trouble; it is closed then."""
        if self._closed:
            raise WorkFailure("the machine is closed")
        if trouble := self.channel.trouble():
            hint = self.channel.hint()
            self.close()
            raise WorkFailure(trouble, hint=hint)

    def give_up(self, message: str, hint: str = "") -> NoReturn:
        """Stop a machine that can not be commanded any more, and say why."""
        hint = "\n".join(part for part in (hint, self.channel.hint()) if part)
        self.close()
        raise WorkFailure(f"{message}, so the machine was stopped", hint=hint)

    def close(self) -> None:
        """Stop the machine; a second call does nothing."""
        if not self._closed:
            self._closed = True
            self.channel.stop()

    def _take(self) -> bytes:
        try:
            data = os.read(self.channel.reading, CHUNK)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._lost()
        return data

    def _write(self, descriptor: int, data: bytes) -> None:
        view = memoryview(data)
        deadline = time.monotonic() + PATIENCE
        while view:
            self.check()
            _, ready, _ = select.select([], [descriptor], [], TICK)
            try:
                view = view[os.write(descriptor, view) :] if ready else view
            except BlockingIOError:
                pass
            except OSError:
                self._lost()
            if view and time.monotonic() > deadline:
                self.give_up("the machine's shell does not read")

    def _lost(self) -> NoReturn:
        """Say why a stream has ended."""
        deadline = time.monotonic() + LAST_WORDS
        while not self.channel.trouble() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.check()
        self.give_up("the machine's shell has ended")
