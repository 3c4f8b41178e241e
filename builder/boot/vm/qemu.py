"""A disk of the store booted by QEMU: a virtual machine without a network, commanded by a shell on a serial port."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from builder.boot.shell.link import PATIENCE
from builder.boot.shell.machine import ShellMachine
from builder.boot.shell.ports import TRANSFER_SIZE, PortChannel, Ports
from builder.boot.vm.accelerator import Accelerator, choose, remember
from builder.boot.vm.command import PROGRAM, UEFI_CODE, Files, Inherited, variables_of, words
from builder.boot.vm.console import Console, events, meaning
from builder.core.errors import HostFailure, TimeLimitFailure
from builder.core.process import quoted
from builder.store.shapes import VmConfig

log = logging.getLogger(__name__)

BOOT_LIMIT = 300.0
"""Seconds until the shell answers: some 30 under emulation on a host with nothing else to do."""
SIGN_OF_LIFE = 20.0
"""Seconds for a disk to say a first word on its console under KVM."""
EMULATION_PACE = 10.0
"""How much slower an emulated machine may be: programs that start and end are ten times slower, arithmetic five."""
UART_DEVICES = ("/dev/ttyS2", "/dev/ttyS3")
GUARD = """\
exec 3<&0 </dev/null
"$@" 3<&- &
machine=$!
{ read -r _ <&3; kill -9 $machine; } &
guard=$!
wait $machine
code=$?
kill -9 $guard
exit $code"""
"""Runs QEMU until it ends, or until the other end of standard input is closed: by us, or by our death of whatever
kind."""
READ = 1 << 16
BREATH = 0.02
"""Seconds between two looks at the console."""
LAST_WORDS = 5.0
"""Seconds for QEMU's streams to end when it was killed."""


class QemuMachine(ShellMachine):
    """A virtual machine."""

    def __init__(
        self, channel: PortChannel, accelerator: Accelerator, *, environment: Mapping[str, str] | None = None
    ) -> None:
        """Take what `boot` has made."""
        super().__init__(channel, environment=environment)
        self.accelerator = accelerator
        self.pace = EMULATION_PACE if accelerator.name == "tcg" else 1.0

    @classmethod
    def boot(
        cls,
        disk: Path,
        config: VmConfig,
        *,
        folder: Path,
        time_limit: float = BOOT_LIMIT,
        accelerator: str | None = None,
        uefi: bool = False,
        environment: Mapping[str, str] | None = None,
        virtio: bool = True,
    ) -> Self:
        """Start a disk (qcow2), which is not changed, and wait until its shell takes commands.

        `folder` is on a file system with space for what the machine writes; `time_limit` is in seconds.
        `accelerator` is kvm or tcg, by default what works. `environment` is the image's own. `virtio` gives the
        machine virtio-serial ports, which it need not know.
        Raises HostFailure where the host lacks something, WorkFailure where the machine does not boot.
        """
        if shutil.which(PROGRAM.format(config.architecture)) is None:
            raise HostFailure(
                f"{PROGRAM.format(config.architecture)} is not installed",
                hint="Debian and Ubuntu: apt-get install qemu-system-x86; Fedora and EL: dnf install qemu-kvm",
            )
        chosen = choose(accelerator)
        log.info("%s", chosen.title)
        deadline = time.monotonic() + time_limit
        process = _Process(disk, config, folder, chosen, uefi=uefi, virtio=virtio)
        if chosen.name == "kvm" and accelerator is None and not process.alive(SIGN_OF_LIFE):
            process.stop()
            problem = f"under KVM the machine said nothing within {SIGN_OF_LIFE:g} s"
            remember(problem)
            chosen = Accelerator("tcg", problem)
            log.info("%s", chosen.title)
            process = _Process(disk, config, folder, chosen, uefi=uefi, virtio=virtio)
        try:
            return cls._commanded(process, chosen, environment, deadline)
        except TimeLimitFailure as failure:
            if time.monotonic() + PATIENCE > deadline:
                raise
            log.warning("%s: it is started once more", failure.problems[0].message)
            process = _Process(disk, config, folder, chosen, uefi=uefi, virtio=virtio)
            return cls._commanded(process, chosen, environment, deadline)

    @classmethod
    def _commanded(
        cls, process: _Process, accelerator: Accelerator, environment: Mapping[str, str] | None, deadline: float
    ) -> Self:
        """Wait until the shell of a started machine takes commands. Raises WorkFailure where it does not."""
        channel = PortChannel(
            process.ports,
            UART_DEVICES,
            process.transfer,
            trouble=process.trouble,
            hint=process.hint,
            stop=process.stop,
        )
        return cls(channel, accelerator, environment=environment).start(max(1.0, deadline - time.monotonic()))


class _Process:
    """QEMU, its console and its monitor."""

    def __init__(
        self, disk: Path, config: VmConfig, folder: Path, accelerator: Accelerator, *, uefi: bool, virtio: bool
    ) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="boss-builder-vm-", dir=folder))
        self._resources = contextlib.ExitStack()
        self._resources.callback(shutil.rmtree, self._folder, ignore_errors=True)
        self.transfer = self._folder / "transfer"
        self._console = Console()
        self._trouble = ""
        self._complaint = self._message = b""
        self._stopping = threading.Event()
        try:
            self._start(disk, config, accelerator, uefi=uefi, virtio=virtio)
        except BaseException:
            self._resources.close()
            raise

    def _start(self, disk: Path, config: VmConfig, accelerator: Accelerator, *, uefi: bool, virtio: bool) -> None:
        try:
            with self.transfer.open("xb") as transfer:
                transfer.truncate(TRANSFER_SIZE)
        except OSError as error:
            raise HostFailure(
                f"{self._folder.parent} can not hold a sparse file of {TRANSFER_SIZE >> 40} TiB: {error.strerror}",
                hint="name a folder on another file system with TMPDIR",
            ) from error
        firmware = self._firmware() if uefi else None
        near: list[socket.socket] = []
        far: list[socket.socket] = []
        for _ in range(7 if virtio else 5):
            one, other = socket.socketpair()
            near.append(self._resources.enter_context(one))
            far.append(other)
        numbers = [end.fileno() for end in far]
        inherited = Inherited(
            uarts=(numbers[0], numbers[1], numbers[2], numbers[3]),
            monitor=numbers[4],
            virtio=(numbers[5], numbers[6]) if virtio else None,
        )
        command = words(config, accelerator, Files(disk.absolute(), self.transfer, firmware), inherited)
        log.info("$ %s", quoted(command))
        complaints, theirs = os.pipe()
        try:
            self._guard = subprocess.Popen(
                ["/bin/sh", "-c", GUARD, "sh", *command],
                stdin=subprocess.PIPE,
                stdout=theirs,
                stderr=theirs,
                pass_fds=numbers,
                start_new_session=True,
                env={**os.environ, "TMPDIR": str(self._folder)},
            )
        finally:
            os.close(theirs)
            for end in far:
                end.close()
        self._uart, self._monitor, self._complaints = near[0], near[4], complaints
        self._resources.callback(self._kill)
        self._monitor.sendall(b'{"execute": "qmp_capabilities"}\n')
        # the channel closes the descriptors that it is given
        copies = [os.dup(near[number].fileno()) for number in ((1, 2, 3, 5, 6) if virtio else (1, 2, 3))]
        self.ports = Ports(
            shell=copies[0],
            input=copies[1],
            urgent=copies[2],
            serial=(copies[1], copies[2]),
            virtio=(copies[3], copies[4]) if virtio else None,
        )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _firmware(self) -> tuple[Path, Path]:
        code = next((path for path in UEFI_CODE if path.exists() and variables_of(path).exists()), None)
        if code is None:
            raise HostFailure(
                "firmware for UEFI is not installed",
                hint="Debian and Ubuntu: apt-get install ovmf; Fedora and EL: dnf install edk2-ovmf",
            )
        variables = self._folder / "variables.fd"
        shutil.copyfile(variables_of(code), variables)
        return code, variables

    def _listen(self) -> None:
        """Take what console, monitor and QEMU itself say, until QEMU ends."""
        hear = {self._uart.fileno(): self._hear_console, self._monitor.fileno(): self._hear_monitor}
        hear[self._complaints] = self._hear_complaint
        while hear:
            ready, _, _ = select.select(list(hear), [], [])
            for descriptor in ready:
                try:
                    data = os.read(descriptor, READ)
                except OSError:
                    data = b""
                if data:
                    hear[descriptor](data)
                else:
                    del hear[descriptor]
            time.sleep(BREATH)  # a UART gives a byte at a time
        os.close(self._complaints)
        self._hear_console(b"\n")  # a line that was cut off is a line
        code = self._guard.wait()
        if not self._trouble:
            said = self._complaint.decode("utf-8", "replace").strip().splitlines()
            why = said[-1] if said else f"exit code {code}"
            self._trouble = f"the machine stopped: QEMU ended with: {why}"

    def _hear_console(self, data: bytes) -> None:
        self._console.feed(data)
        if not self._trouble and (reason := self._console.panic()) is not None:
            self._trouble = f"the machine's kernel panicked: {reason}"

    def _hear_monitor(self, data: bytes) -> None:
        *lines, self._message = (self._message + data).split(b"\n")
        for event in events(lines):
            self._trouble = self._trouble or meaning(event)

    def _hear_complaint(self, data: bytes) -> None:
        self._complaint = (self._complaint + data)[-READ:]

    def trouble(self) -> str:
        """Say what has become of the machine; empty while nothing is known to be wrong."""
        return self._trouble

    def hint(self) -> str:
        """Give the last lines of the console."""
        last = self._console.last()
        return f"the last lines of its console:\n{last}" if last else "its console has said nothing"

    def alive(self, patience: float) -> bool:
        """Whether the console says something within `patience` seconds, or QEMU tells what is wrong."""
        deadline = time.monotonic() + patience
        while not self._console.size and not self._trouble:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    def stop(self) -> None:
        """End QEMU and remove what belongs to it; a second call does nothing."""
        self._resources.close()

    def _kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._guard.pid, signal.SIGKILL)
        self._guard.wait()
        if self._guard.stdin:
            self._guard.stdin.close()
        self._listener.join(LAST_WORDS)
