"""The caller's own terminal: its size, its raw mode, and what happens to it meanwhile."""

from __future__ import annotations

import contextlib
import os
import signal
import termios
import tty
from collections.abc import Callable, Iterator
from types import FrameType

FALLBACK = os.terminal_size((80, 24))


def size(descriptor: int) -> tuple[int, int]:
    """Give rows and columns of a terminal; 24 and 80 where it does not know."""
    try:
        found = os.get_terminal_size(descriptor)
    except OSError:
        found = FALLBACK
    if not found.lines or not found.columns:
        found = FALLBACK
    return found.lines, found.columns


@contextlib.contextmanager
def raw(descriptor: int) -> Iterator[None]:
    """Let every key pass, for the other terminal to make sense of; as before at the end."""
    before = termios.tcgetattr(descriptor)
    tty.setraw(descriptor)
    try:
        yield
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


@contextlib.contextmanager
def resizing(descriptor: int, resized: Callable[[int, int], None]) -> Iterator[None]:
    """Tell each new size of a terminal, for as long as the block runs; in the main thread only."""

    def tell(_: int, __: FrameType | None) -> None:
        resized(*size(descriptor))

    before = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
