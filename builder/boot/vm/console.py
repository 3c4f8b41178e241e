"""What a machine says on its console and monitor, taken apart. No I/O."""

from __future__ import annotations

import re

import msgspec

CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])|[\x00-\x08\x0b-\x1f\x7f]")
"""Terminal control sequences (ECMA-48, 5.4) and control characters, besides tab and newline."""
PANIC = re.compile(r"Kernel panic - not syncing: ?([^\n]*)\n")
"""A whole line: a console is read as it comes, which may be in the middle of one."""
KEPT = 1 << 16
LAST_LINES = 15

PANICKED = "the machine's kernel panicked"
SHUTDOWNS = {
    "guest-shutdown": "the machine has powered itself off",
    "guest-reset": "the machine has restarted itself, which is its end here",
    "guest-panic": PANICKED,
}
"""By the reasons of the event SHUTDOWN (QEMU, "QMP Reference Manual", ShutdownCause) that a guest is the cause of."""


class Console:
    """The end of what a console has said."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._text = ""
        self.size = 0
        """Bytes so far."""

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        self.size += len(data)
        self._text = (self._text + data.decode("utf-8", "replace"))[-KEPT:]

    def lines(self) -> list[str]:
        """Give the lines that are left, without control sequences; empty ones are left out."""
        return [line.rstrip() for line in self._plain().split("\n") if line.strip()]

    def last(self) -> str:
        """Give the last lines for a person."""
        return "\n".join(self.lines()[-LAST_LINES:])

    def panic(self) -> str | None:
        """Give the kernel's reason where it has panicked and has said all of it."""
        found = PANIC.search(self._plain())
        return found[1].strip() if found else None

    def _plain(self) -> str:
        return CONTROL.sub("", self._text.replace("\r\n", "\n").replace("\r", "\n"))


class _EventData(msgspec.Struct, frozen=True):
    reason: str = ""
    nospace: bool = False
    action: str = ""
    device: str = ""


class Event(msgspec.Struct, frozen=True):
    """A message of the QEMU Machine Protocol; only events are of interest (QEMU, "QMP Reference Manual")."""

    event: str = ""
    data: _EventData = _EventData()


def events(lines: list[bytes]) -> list[Event]:
    """Give the events among messages; what is none is left out."""
    found = []
    for line in lines:
        try:
            message = msgspec.json.decode(line, type=Event)
        except msgspec.DecodeError:
            continue
        if message.event:
            found.append(message)
    return found


def meaning(event: Event) -> str:
    """Say what an event means for the machine's user; empty where it means nothing bad."""
    data = event.data
    if event.event == "SHUTDOWN":
        return SHUTDOWNS.get(data.reason, f"the machine was stopped ({data.reason})")
    if event.event == "GUEST_PANICKED":
        return PANICKED
    if event.event == "BLOCK_IO_ERROR" and data.action == "stop":
        what = "the host has no space left for what the machine writes"
        return what if data.nospace else "what the machine writes can not be written on the host"
    return ""
