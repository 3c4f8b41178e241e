"""The program that calls the page [vsyscall], and what is read from what becomes of it."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
from pathlib import Path

import pytest

from builder.doctor import vsyscall
from builder.doctor.model import State
from builder.doctor.vsyscall import SEGFAULT, TIME, judged, listed_mode, probe, program

NOWHERE = 0xFFFFFFFFFF700400
"""An address of the kernel's half where no page ever is: what the page is with vsyscall=none."""
MAPS = """\
5581b2c00000-5581b2c28000 r--p 00000000 fe:00 1234                       /usr/bin/cat
7ffd2b5f6000-7ffd2b5f8000 r-xp 00000000 00:00 0                          [vdso]
"""
PAGE = "ffffffffff600000-ffffffffff601000 {} 00000000 00:00 0                  [vsyscall]\n"


def ended(folder: Path, data: bytes) -> int:
    path = folder / "program"
    path.write_bytes(data)
    path.chmod(0o755)
    return subprocess.run([path], cwd=folder, timeout=60, check=False).returncode


def test_the_program_is_an_elf_file_of_one_segment() -> None:
    data = program()
    assert data[:4] == b"\x7fELF"
    entry, table = struct.unpack_from("<QQ", data, 24)
    kind, flags, _, address, _, in_file, in_memory, _ = struct.unpack_from("<IIQQQQQQ", data, table)
    assert (kind, flags, in_file, in_memory) == (1, 5, len(data), len(data))
    assert address < entry < address + len(data)


def test_it_lives_where_the_page_is_and_dies_of_sigsegv_where_nothing_is(tmp_path: Path) -> None:
    alive = 0 if probe().state is State.OK else -11
    assert (ended(tmp_path, program()), ended(tmp_path, program(NOWHERE))) == (alive, -11)


def test_its_death_leaves_no_core(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        assert ended(tmp_path, program(NOWHERE)) == -11
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["program"]


@pytest.mark.parametrize(
    ("maps", "words", "mode"),
    [
        (MAPS, "quiet", "none"),
        (MAPS + PAGE.format("--xp"), "quiet", "xonly"),
        (MAPS + PAGE.format("r-xp"), "quiet", "emulate"),
        (MAPS + PAGE.format("r-xp"), "quiet vsyscall=emulate", "emulate"),
        (MAPS + PAGE.format("r-xp"), "vsyscall=native", "native"),
        (MAPS + PAGE.format("r-xp"), "vsyscall=native vsyscall=emulate", "emulate"),
        (MAPS + PAGE.format("r-xp"), "novsyscall=native", "emulate"),
        ("", "", "none"),
    ],
    ids=["none", "xonly", "emulate", "emulate-asked", "native", "the-last-word", "another-word", "no-maps"],
)
def test_the_mode_is_read_from_the_maps(maps: str, words: str, mode: str) -> None:
    assert listed_mode(maps, words) == mode


@pytest.mark.parametrize(
    ("listed", "code", "mode", "state"),
    [
        ("xonly", 0, "xonly", State.OK),
        ("emulate", 0, "emulate", State.OK),
        ("native", 0, "native", State.OK),
        ("none", 0, "emulate", State.OK),
        ("none", SEGFAULT, "none", State.MISSING),
        ("xonly", SEGFAULT, "none", State.MISSING),
        ("xonly", 159, "unknown", State.UNKNOWN),
        ("none", 126, "unknown", State.UNKNOWN),
    ],
)
def test_the_verdict_is_what_became_of_the_program(listed, code, mode, state) -> None:
    found = judged(listed, code)
    assert (found.mode, found.state) == (mode, state)
    assert bool(found.cure) == (state is not State.OK)


def test_this_host_is_asked_for_real() -> None:
    listed = listed_mode(vsyscall.MAPS.read_text(), vsyscall.COMMAND_LINE.read_text())
    assert probe().mode == listed, "the kernel's own list and the program agree"


def test_a_host_without_the_page_is_found_by_the_programs_death(monkeypatch) -> None:
    monkeypatch.setattr(vsyscall, "program", lambda: program(NOWHERE))
    found = probe()
    assert (found.state, found.mode) == (State.MISSING, "none")
    assert "vsyscall=emulate" in found.cure


@pytest.mark.parametrize("data", [b"#!/no/such/program\n", b"no program at all"], ids=["no-interpreter", "no-format"])
def test_a_program_that_does_not_start_says_nothing(monkeypatch, data: bytes) -> None:
    monkeypatch.setattr(vsyscall, "program", lambda: data)
    assert (probe().state, probe().mode) == (State.UNKNOWN, "unknown")


def test_on_another_processor_nothing_is_tried(monkeypatch) -> None:
    names = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((*names[:4], "aarch64")))
    assert (probe().state, probe().found) == (State.UNKNOWN, "this host is aarch64, and only x86_64 has it")


def test_only_the_lower_half_of_the_address_is_in_the_program() -> None:
    assert struct.pack("<I", TIME & 0xFFFFFFFF) in program()
