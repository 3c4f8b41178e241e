"""What runs a machine's instructions: the host's processor (KVM) or an emulation (TCG).

Whether KVM works is found out by booting: there are hosts where /dev/kvm opens and no guest ever runs, and others,
themselves virtual machines, where it runs a guest fifty times slower than an emulation does.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from builder.core import documents
from builder.core.errors import HostFailure, InputFailure
from builder.core.files import write_atomically
from builder.core.host import cache_folder

Name = Literal["kvm", "tcg"]
VARIABLE = "BOSS_BUILDER_ACCELERATOR"
"""Variable of the environment that chooses, where the caller does not: kvm or tcg."""
DEVICE = Path("/dev/kvm")
LIMIT = 5.0
"""Seconds for a boot sector to say its byte under emulation: it takes a tenth of one on an idle host."""
PATIENCE = 1.0
"""Seconds that KVM has for the same at least."""
SLOWER = 3.0
"""How many times slower than the emulation KVM may be: where it works it is faster, but hosts have busy moments."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
KEPT = 86400.0
"""Seconds for which an answer counts."""
NO_QEMU = "qemu-system-x86_64 is not installed"
SAID = b"K"
BOOT_SECTOR = bytes(
    (
        0xFA,  #                cli
        0xBA, 0xF8, 0x03,  #    mov dx, 0x3f8     the first serial port
        0xB0, SAID[0],  #       mov al, 'K'
        0xEE,  #                out dx, al
        0xF4,  #        halt:   hlt
        0xEB, 0xFD,  #          jmp halt
    )
).ljust(510, b"\0") + b"\x55\xaa"  # fmt: skip
"""A boot sector for the BIOS, in 16-bit x86 code (Intel SDM volume 2); 0x55aa makes it one."""


@dataclass(frozen=True)
class Accelerator:
    """A choice, and why it was made."""

    name: Name
    reason: str

    @property
    def option(self) -> str:
        """What QEMU calls it."""
        return "kvm" if self.name == "kvm" else "tcg,thread=multi"

    @property
    def title(self) -> str:
        """Give the choice and its reason in words for a person."""
        return f"{self.name.upper()}: {self.reason}"


def choose(forced: str | None = None) -> Accelerator:
    """Choose: what the caller or BOSS_BUILDER_ACCELERATOR says, else KVM where a guest starts under it, else TCG.

    Raises InputFailure for a name that is none, HostFailure where KVM is asked for and does not work.
    """
    asked = forced or os.environ.get(VARIABLE, "")
    if asked not in {"", "kvm", "tcg"}:
        raise InputFailure(f"no accelerator is called {asked!r}", hint="kvm and tcg are known")
    if asked == "tcg":
        return Accelerator("tcg", "asked for")
    problem = problem_of_kvm(anew=asked == "kvm")
    if not problem:
        return Accelerator("kvm", "a guest starts under it")
    if asked == "kvm":
        raise HostFailure(f"KVM was asked for and does not work: {problem}", hint="emulation is slower: tcg")
    return Accelerator("tcg", f"no KVM: {problem}")


def problem_of_kvm(*, anew: bool = False) -> str:
    """Say why KVM does not work on this host, by booting a guest; empty where it does.

    The answer is kept for as long as the host runs, at most for a day: a host where no guest starts is asked once.
    With `anew` it is asked again.
    """
    try:
        os.close(os.open(DEVICE, os.O_RDWR))
    except FileNotFoundError:
        return f"there is no {DEVICE}"
    except OSError as error:
        return f"{DEVICE} does not open: {error.strerror}"
    known = None if anew else _read(_kept())
    if known is not None:
        return known.problem
    with tempfile.TemporaryDirectory(prefix="boss-builder-kvm-") as scratch:
        disk = Path(scratch) / "disk"
        disk.write_bytes(BOOT_SECTOR)
        problem = _problem_of_boot(disk)
    if problem != NO_QEMU:  # it says nothing of KVM, and ends with the next package that is installed
        remember(problem)
    return problem


def remember(problem: str) -> None:
    """Keep an answer: of the probe, or of a machine that stayed silent under KVM."""
    kept = _kept()
    if kept is not None:
        with contextlib.suppress(OSError):
            write_atomically(kept, documents.compact(_Verdict(_running_host(), time.time(), problem)))


def _kept() -> Path | None:
    folder = cache_folder(os.environ)
    return None if folder is None else folder / "kvm.json"


class _Verdict(msgspec.Struct, frozen=True):
    """What a boot under KVM has shown: on which host, since it was started, when (seconds since 1970)."""

    host: str
    when: float
    problem: str


def _running_host() -> str:
    return BOOT_ID.read_text("ascii").strip()


def _read(kept: Path | None) -> _Verdict | None:
    try:
        verdict = None if kept is None else documents.decode(kept.read_bytes(), _Verdict)
    except (OSError, msgspec.DecodeError):
        return None
    if verdict is None or verdict.host != _running_host() or not 0 <= time.time() - verdict.when < KEPT:
        return None
    return verdict


class _NoGuest(Exception):  # noqa: N818 - it is an answer, caught here
    """No guest has started, and why."""


def _problem_of_boot(disk: Path) -> str:
    """Boot under emulation, for a measure of this host now, then under KVM; say why no guest starts under KVM."""
    try:
        emulated = _seconds_to_boot(disk, "tcg", LIMIT)
        _seconds_to_boot(disk, "kvm", max(PATIENCE, SLOWER * emulated))
    except _NoGuest as reason:
        return str(reason)
    return ""


def _seconds_to_boot(disk: Path, accelerator: Name, limit: float) -> float:
    """Start a guest and wait for its byte; raises _NoGuest where it does not come within `limit` seconds."""
    near, far = socket.socketpair()
    words = [
        "qemu-system-x86_64",
        "-nodefaults",
        "-no-user-config",
        "-machine",
        "pc",
        "-accel",
        accelerator,
        "-m",
        "16M",
    ]
    words += ["-display", "none", "-nic", "none", "-drive", f"file={disk},format=raw,if=ide,snapshot=on"]
    words += ["-chardev", f"socket,id=port,fd={far.fileno()}", "-device", "isa-serial,chardev=port"]
    with near, far, tempfile.TemporaryFile() as errors:
        began = time.monotonic()
        try:
            program = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=errors, stderr=errors, pass_fds=[far.fileno()]
            )
        except FileNotFoundError as error:
            raise _NoGuest(NO_QEMU) from error
        far.close()
        try:
            near.settimeout(limit)
            said = near.recv(1)
        except TimeoutError as error:
            raise _NoGuest(f"under {accelerator.upper()} a guest does not start within {limit:.1f} s") from error
        finally:
            program.kill()
            program.wait()
        seconds = time.monotonic() - began
        if said != SAID:
            errors.seek(0)
            text = errors.read().decode("utf-8", "replace").strip().splitlines()
            raise _NoGuest(text[-1] if text else f"QEMU ended after {seconds:.1f} s")
        return seconds
