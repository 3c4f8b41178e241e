"""What becomes of programs that call into the page [vsyscall], as those of Enterprise Linux 5 and 6 do.

The kernel's word vsyscall= says what it is at 0xffffffffff600000: `native` code, an emulation that can be read
(`emulate`) or only called (`xonly`), or nothing (`none`): then such a program dies of SIGSEGV, exit code 139.
Source: Linux, Documentation/admin-guide/kernel-parameters.txt; arch/x86/entry/vsyscall/vsyscall_64.c.
"""

from __future__ import annotations

import os
import re
import signal
import struct
import subprocess
from pathlib import Path

from builder.doctor.model import State, Vsyscall, VsyscallProbe

MAPS = Path("/proc/self/maps")
COMMAND_LINE = Path("/proc/cmdline")
LIMIT = 30.0
"""Seconds for a program of eleven instructions, on a host that does much else."""
BASE = 0x400000
TIME = 0xFFFFFFFFFF600400
"""Where the page has time()."""
BEFORE = bytes(
    (
        0xBF, 0x04, 0x00, 0x00, 0x00,  #    mov edi, 4       PR_SET_DUMPABLE
        0x31, 0xF6,  #                      xor esi, esi     no: its death leaves no core
        0xB8, 0x9D, 0x00, 0x00, 0x00,  #    mov eax, 157     prctl
        0x0F, 0x05,  #                      syscall
        0x31, 0xFF,  #                      xor edi, edi     NULL
        0x48, 0xC7, 0xC0,  #                mov rax, ...     an address, of which the lower half follows
    )
)  # fmt: skip
AFTER = bytes(
    (
        0xFF, 0xD0,  #                      call rax
        0x31, 0xFF,  #                      xor edi, edi
        0xB8, 0x3C, 0x00, 0x00, 0x00,  #    mov eax, 60      exit
        0x0F, 0x05,  #                      syscall
    )
)  # fmt: skip
"""A program in x86-64 code (Intel SDM volume 2; System V ABI, AMD64, appendix A.2)."""
SEGFAULT = 128 + signal.SIGSEGV
CURE = """\
boot this host with vsyscall=emulate on the kernel's command line (WSL 2: kernelCommandLine in .wslconfig)
or boot the virtual machine, which brings its own kernel: boss-builder run {} --as vm"""


def cure(release: str = "RELEASE") -> str:
    """Say what helps a release whose programs die."""
    return CURE.format(release)


def program(address: int = TIME) -> bytes:
    """Give a static program, whole as an ELF file, that calls an address of the kernel's and exits with 0, or dies.

    One segment, file and memory alike (ELF-64 object file format 1.5, "File Header" and "Program Header").
    """
    code = BEFORE + struct.pack("<I", address & 0xFFFFFFFF) + AFTER
    start = 64 + 56
    size = start + len(code)
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        b"\x7fELF\x02\x01\x01", 2, 62, 1, BASE + start, 64, 0, 0, 64, 56, 1, 0, 0, 0,
    )  # fmt: skip
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0, BASE, BASE, size, size, 0x1000)
    return header + segment + code


def listed_mode(maps: str, command_line: str) -> Vsyscall:
    """Read the mode from /proc/self/maps (proc(5)).

    Native code and its emulation look alike there; the kernel's words tell one from the other.
    """
    found = re.search(r"^\S+ (\S{4}) .*\[vsyscall\]$", maps, re.MULTILINE)
    if found is None:
        return "none"
    if not found[1].startswith("r"):
        return "xonly"
    said = re.findall(r"(?:^|\s)vsyscall=(\S+)", command_line)
    return "native" if said[-1:] == ["native"] else "emulate"


def judged(listed: Vsyscall, code: int) -> VsyscallProbe:
    """Judge by what became of the program, an exit code; what is listed, where it is known, only names the mode."""
    if code == SEGFAULT:
        return VsyscallProbe(
            state=State.MISSING, found="vsyscall=none: a program that calls the page dies", cure=cure(), mode="none"
        )
    if code != 0:
        return unknown(f"the program that tries it ended with {code}")
    if listed == "unknown":
        return VsyscallProbe(state=State.OK, found="a call works", mode="emulate")
    if listed == "none":
        return VsyscallProbe(state=State.OK, found="a call works, though no page is listed", mode="emulate")
    return VsyscallProbe(state=State.OK, found=f"vsyscall={listed}: a call works", mode=listed)


def unknown(reason: str) -> VsyscallProbe:
    """Say that nothing is known, and why."""
    return VsyscallProbe(state=State.UNKNOWN, found=reason, cure=cure(), mode="unknown")


def probe() -> VsyscallProbe:
    """Run the program on this host and judge; it is written to memory, so that no folder must allow programs."""
    machine = os.uname().machine
    if machine != "x86_64":
        return unknown(f"this host is {machine}, and only x86_64 has it")
    try:
        listed = listed_mode(MAPS.read_text("ascii", "replace"), COMMAND_LINE.read_text("ascii", "replace"))
        code = _exit_code()
    except (OSError, subprocess.TimeoutExpired) as error:
        return unknown(f"it could not be tried: {error}")
    return judged(listed, code)


def _exit_code() -> int:
    """Run the program; gives its exit code, as a shell would."""
    file = os.memfd_create("vsyscall")
    try:
        os.write(file, program())
        done = subprocess.run([f"/proc/self/fd/{file}"], pass_fds=[file], timeout=LIMIT, check=False)
    finally:
        os.close(file)
    return done.returncode if done.returncode >= 0 else 128 - done.returncode
