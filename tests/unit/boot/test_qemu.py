from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.boot.vm.accelerator import BOOT_SECTOR, SAID, Accelerator
from builder.boot.vm.command import Files, Inherited, variables_of, words
from builder.boot.vm.console import LAST_LINES, Console, events, meaning
from builder.store.shapes import VmConfig

CONFIG = VmConfig(  # noqa: S604 - the shell is a serial port
    architecture="x86_64",
    memory=1 << 30,
    processors=2,
    disk_bus="nvme",
    disk_size=1 << 30,
    raw_digest="",
    firmware=("bios",),
    console="ttyS0",
    shell="ttyS1",
)
TCG = Accelerator("tcg", "asked for")
FILES = Files(Path("/d/a,b.qcow2"), Path("/d/transfer"), None)
INHERITED = Inherited(uarts=(3, 4, 5, 6), virtio=(7, 8), monitor=9)


def test_the_boot_sector_is_one_and_says_its_byte_on_the_first_serial_port() -> None:
    assert len(BOOT_SECTOR) == 512
    assert BOOT_SECTOR[510:] == b"\x55\xaa"
    assert BOOT_SECTOR.startswith(b"\xfa\xba\xf8\x03\xb0" + SAID + b"\xee")


def test_the_last_lines_of_a_console_are_given_without_control_sequences() -> None:
    console = Console()
    for number in range(100):
        console.feed(f"\x1b[0;32mline {number}\x1b[0m\r\n\r\n".encode())
    lines = console.last().splitlines()
    assert lines == [f"line {number}" for number in range(100 - LAST_LINES, 100)]


def test_a_console_keeps_only_its_end() -> None:
    console = Console()
    for _ in range(300):
        console.feed(b"x" * 1000 + b"\n")
    assert console.size == 300_300
    assert sum(map(len, console.lines())) < 70_000


@given(st.lists(st.integers(0, 80)))
def test_a_panic_is_told_whole_however_its_bytes_arrive(cuts: list[int]) -> None:
    said = b"[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\r\n[    1.3] CPU: 0"
    console = Console()
    heard = set()
    for start, end in pairwise([0, *sorted(cuts), len(said)]):
        console.feed(said[start:end])
        heard.add(console.panic())
    assert heard - {None} == {"VFS: Unable to mount root fs"}


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (b'{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown"}}', "powered itself off"),
        (b'{"event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-reset"}}', "restarted itself"),
        (b'{"event": "SHUTDOWN", "data": {"guest": false, "reason": "host-signal"}}', "host-signal"),
        (b'{"event": "GUEST_PANICKED", "data": {"action": "pause"}}', "panicked"),
        (b'{"event": "BLOCK_IO_ERROR", "data": {"nospace": true, "action": "stop"}}', "no space left"),
        (b'{"event": "BLOCK_IO_ERROR", "data": {"nospace": false, "action": "stop"}}', "can not be written"),
    ],
)
def test_events_of_the_monitor_are_told_in_words(message: bytes, text: str) -> None:
    (event,) = events([message])
    assert text in meaning(event)


@pytest.mark.parametrize(
    "message",
    [
        b'{"QMP": {"version": {}}}',
        b'{"return": {}}',
        b"not JSON",
        b"",
        b'{"event": "RTC_CHANGE", "data": {"offset": 1}}',
        b'{"event": "BLOCK_IO_ERROR", "data": {"nospace": false, "action": "report"}}',
    ],
)
def test_what_is_no_bad_news_means_nothing(message: bytes) -> None:
    assert [meaning(event) for event in events([message]) if meaning(event)] == []


def test_a_machine_has_no_network_no_listening_socket_and_a_disk_that_is_not_written() -> None:
    command = words(CONFIG, TCG, FILES, INHERITED)
    text = " ".join(command)
    assert command[0] == "qemu-system-x86_64"
    assert "-nic none" in text
    assert "server" not in text
    assert "file=/d/a,,b.qcow2,if=none,id=root,format=qcow2,snapshot=on" in text
    assert "-no-reboot" in command


@pytest.mark.parametrize(
    ("bus", "device", "machine"),
    [
        ("nvme", "nvme,drive=root,serial=root", "q35"),
        ("virtio", "virtio-blk-pci,drive=root", "q35"),
        ("sata", "ide-hd,drive=root,bus=ide.0", "q35"),
        ("ide", "ide-hd,drive=root,bus=ide.0", "pc"),
    ],
)
def test_the_disk_is_on_the_bus_that_it_was_made_for(bus: str, device: str, machine: str) -> None:
    config = VmConfig(**{**{f: getattr(CONFIG, f) for f in VmConfig.__struct_fields__}, "disk_bus": bus})
    command = words(config, TCG, FILES, INHERITED)
    assert f"{device},bootindex=1" in command
    assert command[command.index("-machine") + 1] == machine


def test_firmware_for_uefi_has_its_variables_beside_it() -> None:
    assert variables_of(Path("/usr/share/OVMF/OVMF_CODE_4M.fd")) == Path("/usr/share/OVMF/OVMF_VARS_4M.fd")
    assert variables_of(Path("/x/ovmf-x86_64-code.bin")) == Path("/x/ovmf-x86_64-vars.bin")
