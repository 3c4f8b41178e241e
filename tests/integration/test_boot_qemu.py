"""What is QEMU's own about booting: machines that panic, hang, fill up, lose their shell or power off."""

from __future__ import annotations

import io
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from builder.boot.shell import link
from builder.boot.shell.link import Link
from builder.boot.shell.protocol import PIECE
from builder.boot.vm.accelerator import choose, problem_of_kvm
from builder.boot.vm.qemu import QemuMachine
from builder.core.errors import HostFailure, InputFailure, WorkFailure
from tests.integration.tiny_vm import CONFIG, tiny_disk

pytestmark = pytest.mark.integration
LIMIT = 180
ROOT_IS_UP = "the root is up"


def running(folder: Path) -> list[str]:
    """Every process that has to do with a machine of a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = entry.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in line and b"qemu" in line:
            found.append(line.replace(b"\0", b" ").decode())
    return found


def empty_qcow2() -> bytes:
    """A disk of 1 MiB with nothing on it (QEMU, "qcow2 image file format", version 2)."""
    cluster = 1 << 16
    header = struct.pack(">4sIQIIQIIQQIIQ", b"QFI\xfb", 2, 0, 0, 16, 1 << 20, 0, 1, 3 * cluster, cluster, 1, 0, 0)
    counts = struct.pack(">4H", 1, 1, 1, 1)
    return b"".join(part.ljust(cluster, b"\0") for part in (header, struct.pack(">Q", 2 * cluster), counts, b""))


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[QemuMachine]:
    with QemuMachine.boot(tiny_disk(), CONFIG, folder=tmp_path) as booted:
        assert running(tmp_path)
        yield booted
    assert not running(tmp_path)
    assert not list(tmp_path.iterdir())


def start(machine: QemuMachine, script: str) -> Callable[[], object]:
    return lambda: machine.run(["sh", "-c", script], time_limit=LIMIT)


def failure(work: Callable[[], object]) -> WorkFailure:
    began = time.monotonic()
    with pytest.raises(WorkFailure) as caught:
        work()
    assert time.monotonic() - began < LIMIT
    return caught.value


def test_a_panic_is_told_with_the_last_lines_of_the_console(machine: QemuMachine, tmp_path: Path) -> None:
    error = failure(start(machine, "echo 1 >/proc/sys/kernel/sysrq; echo c >/proc/sysrq-trigger; sleep 50"))
    assert "the machine's kernel panicked: sysrq triggered crash" in str(error)
    assert "the last lines of its console:" in error.problems[0].hint
    assert len(error.problems[0].hint.splitlines()) <= 16
    assert not running(tmp_path)
    with pytest.raises(WorkFailure, match="closed"):
        machine.run(["true"], time_limit=LIMIT)


def test_a_machine_that_hangs_is_stopped_soon_after_the_limit(machine: QemuMachine, tmp_path: Path) -> None:
    for guest in processes_of(tmp_path):
        os.kill(guest, signal.SIGSTOP)  # to the outside, a guest whose processors have all stopped looks the same
    began = time.monotonic()
    with pytest.raises(WorkFailure, match="so the machine was stopped") as caught:
        machine.run(["true"], time_limit=1)
    assert time.monotonic() - began < LIMIT
    assert ROOT_IS_UP in str(caught.value)
    assert not running(tmp_path)


def processes_of(folder: Path) -> list[int]:
    return [
        int(entry.parent.name)
        for entry in Path("/proc").glob("[0-9]*/cmdline")
        if entry.read_bytes().startswith(b"qemu-system") and os.fsencode(folder) in entry.read_bytes()
    ]


def test_a_machine_that_powers_off_says_so(machine: QemuMachine, tmp_path: Path) -> None:
    assert "has powered itself off" in str(failure(start(machine, "poweroff -f; sleep 50")))
    assert not running(tmp_path)


def test_a_machine_that_restarts_is_ended(machine: QemuMachine, tmp_path: Path) -> None:
    assert "has restarted itself" in str(failure(start(machine, "reboot -f; sleep 50")))
    assert not running(tmp_path)


def test_a_shell_that_was_lost_is_noticed(machine: QemuMachine, tmp_path: Path) -> None:
    agent = "for e in /proc/[0-9]*/fd/9; do p=${e%/fd/9}; kill -9 ${p#/proc/}; done; sleep 50"
    error = failure(start(machine, agent))
    assert "the machine's shell was lost while sh ran, so the machine was stopped" in str(error)
    assert "BusyBox" in str(error), "what the new shell says"
    assert not running(tmp_path)


def test_a_full_disk_is_the_commands_own_affair(machine: QemuMachine, tmp_path: Path) -> None:
    filled = machine.run(["dd", "if=/dev/zero", "of=/full", "bs=65536"], time_limit=LIMIT)
    assert filled.exit_code == 1
    assert b"No space left on device" in filled.stderr
    assert machine.run(["sh", "-c", "echo still here"], time_limit=LIMIT).stdout == b"still here\n"
    (tmp_path / "data").write_bytes(b"x" * 100_000)
    with pytest.raises(WorkFailure, match=r"/root/data can not be written: .*No space left on device"):
        machine.put(tmp_path / "data", "/root/data")
    (tmp_path / "data").unlink()


def test_a_machine_without_virtio_passes_everything_by_uart_and_disk(tmp_path: Path) -> None:
    data = os.urandom(100_000)
    with QemuMachine.boot(tiny_disk(), CONFIG, folder=tmp_path, virtio=False) as machine:
        assert machine.run(["cat"], stdin=data, time_limit=LIMIT).stdout == data
        assert machine.run(["cat"], stdin=data[:3000], time_limit=LIMIT).stdout == data[:3000]
        assert machine.run(["sha256sum"], stdin=data * 100, time_limit=LIMIT).exit_code == 0
        result = machine.run(["sh", "-c", "echo out; echo err >&2; exit 3"], time_limit=LIMIT)
        assert (result.exit_code, result.stdout, result.stderr) == (3, b"out\n", b"err\n")
    assert not running(tmp_path)


@pytest.mark.parametrize("bus", ["virtio", "sata", "ide"])
def test_a_disk_on_another_bus_reaches_the_guests_loader(tmp_path: Path, bus: str) -> None:
    # this kernel has no driver for them: that its loader has found it, and that it says so, is what the bus must do
    config = msgspec.structs.replace(CONFIG, disk_bus=bus)
    with pytest.raises(WorkFailure, match="VFS: Unable to mount root fs"):
        QemuMachine.boot(tiny_disk(), config, folder=tmp_path, time_limit=300)
    assert not running(tmp_path)


def test_a_machine_that_lost_a_byte_of_what_its_shell_was_sent_is_started_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[bytes] = []
    write = Link._write

    def lossy(self: Link, descriptor: int, data: bytes) -> None:
        if len(data) == PIECE and not lost:
            lost.append(data)
            data = data[:-1]
        write(self, descriptor, data)

    monkeypatch.setattr(Link, "_write", lossy)
    monkeypatch.setattr(link, "PATIENCE", 15.0)
    with QemuMachine.boot(tiny_disk(), CONFIG, folder=tmp_path, time_limit=300) as machine:
        assert lost
        assert machine.run(["echo", "here"], time_limit=LIMIT).stdout == b"here\n"
        assert sum(line.startswith("qemu-system") for line in running(tmp_path)) == 1
    assert not running(tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_disk_boots_under_uefi(tmp_path: Path) -> None:
    with QemuMachine.boot(tiny_disk(), CONFIG, folder=tmp_path, uefi=True) as machine:
        assert machine.run(["test", "-d", "/sys/firmware/efi"], time_limit=LIMIT).exit_code == 0


def test_what_a_machine_writes_is_gone_with_it(tmp_path: Path) -> None:
    before = tiny_disk().stat().st_mtime_ns
    with QemuMachine.boot(tiny_disk(), CONFIG, folder=tmp_path) as machine:
        assert machine.run(["sh", "-c", "echo mark >/mark; sync"], time_limit=LIMIT).exit_code == 0
    assert tiny_disk().stat().st_mtime_ns == before
    with QemuMachine.boot(tiny_disk(), CONFIG, folder=tmp_path) as machine:
        assert machine.run(["test", "-e", "/mark"], time_limit=LIMIT).exit_code == 1


def test_streams_pass_while_the_command_runs(machine: QemuMachine) -> None:
    readable, writable = os.pipe()
    out = io.BytesIO()

    class Answering(io.BytesIO):
        """Gives the command its next line when it has said the last one back."""

        def write(self, data: object) -> int:
            written = out.write(data)  # type: ignore[arg-type]
            if out.getvalue().endswith(b"one\n"):
                os.write(writable, b"two\n")
            if out.getvalue().endswith(b"two\n"):
                os.close(writable)
            return written

    os.write(writable, b"one\n")
    with os.fdopen(readable, "rb") as stdin:
        code = machine.stream(["cat"], stdin, Answering(), io.BytesIO(), time_limit=LIMIT)
    assert (code, out.getvalue()) == (0, b"one\ntwo\n")


def test_a_command_has_a_terminal_of_the_size_of_ours_and_types_into_it(machine: QemuMachine) -> None:
    near, far = pty.openpty()
    termios.tcsetwinsize(far, (33, 111))
    before = termios.tcgetattr(far)
    shown = io.BytesIO()

    class Typist(io.BytesIO):
        """Types an answer once it is asked."""

        def write(self, data: object) -> int:
            written = shown.write(data)  # type: ignore[arg-type]
            if b"?" in bytes(data):  # type: ignore[call-overload]
                os.write(near, b"hello\r")
            return written

    script = "tty; stty size; printf 'name? '; read name; echo got $name; exit 4"
    with os.fdopen(far, "rb", buffering=0) as stdin:
        assert machine.terminal(["sh", "-c", script], stdin, Typist()) == 4
        assert termios.tcgetattr(far) == before
    os.close(near)
    assert shown.getvalue().replace(b"\r\n", b"\n") == b"/dev/ttyS2\n33 111\nname? hello\ngot hello\n"
    assert machine.run(["cat"], stdin=b"as before", time_limit=LIMIT).stdout == b"as before"


def test_no_machine_outlives_us_however_we_die(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from builder.boot.vm.qemu import QemuMachine\n"
        "from tests.integration.tiny_vm import CONFIG, tiny_disk\n"
        "machine = QemuMachine.boot(tiny_disk(), CONFIG, folder=Path(sys.argv[1]))\n"
        "print('up', flush=True); sys.stdin.read()\n"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert owner.stdin
    assert owner.stdout
    with owner.stdin, owner.stdout:
        assert owner.stdout.readline() == b"up\n"
        assert running(tmp_path)
        owner.kill()
        owner.wait()
    deadline = time.monotonic() + 60
    while running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not running(tmp_path)


def test_a_truncated_disk_is_told_in_plain_words(tmp_path: Path) -> None:
    broken = tmp_path / "broken.qcow2"
    broken.write_bytes(tiny_disk().read_bytes()[:100_000])
    work = tmp_path / "work"
    work.mkdir()
    error = failure(lambda: QemuMachine.boot(broken, CONFIG, folder=work, time_limit=10))
    assert "the machine" in str(error)
    assert not running(tmp_path)
    broken.write_bytes(b"no disk at all")
    error = failure(lambda: QemuMachine.boot(broken, CONFIG, folder=work))
    assert "Image is not in qcow2 format" in str(error)


def test_a_disk_without_a_system_gives_up_at_the_limit(tmp_path: Path) -> None:
    empty = tmp_path / "empty.qcow2"
    empty.write_bytes(empty_qcow2())
    error = failure(lambda: QemuMachine.boot(empty, CONFIG, folder=tmp_path, time_limit=10))
    assert "did not answer within" in str(error)


def test_no_qemu_is_told_with_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostFailure, match="apt-get install qemu-system-x86"):
        QemuMachine.boot(tmp_path / "disk", CONFIG, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_accelerator_is_chosen_by_booting_or_by_name() -> None:
    assert choose("tcg").reason == "asked for"
    if problem := problem_of_kvm():
        assert choose(None).name == "tcg"
        assert problem in choose(None).title
        with pytest.raises(HostFailure, match="KVM was asked for and does not work"):
            choose("kvm")
    else:
        assert choose(None).name == "kvm"
    with pytest.raises(InputFailure, match="no accelerator is called"):
        choose("xen")
