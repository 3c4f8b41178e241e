"""An Apptainer image booted as a machine: one long-lived `apptainer exec` of a shell, so that state lasts."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from pathlib import Path

from builder.boot.apptainer.program import Apptainer, Running, failure, find_apptainer, sif_path
from builder.boot.binds import Bind
from builder.boot.shell.channel import FifoChannel, channel_folder
from builder.boot.shell.machine import ShellMachine
from builder.core.errors import TimeLimitFailure
from builder.core.progress import NoProgress, Progress
from builder.store import oci
from builder.store.store import Store

GUEST_FOLDER = "/.boss-builder"
SHELL = f"cat /proc/$$/environ > {GUEST_FOLDER}/environment; : > {GUEST_FOLDER}/listening; exec /bin/sh"
"""The first process: it tells what environment the image gives by itself, and becomes the shell that is commanded."""
OF_THE_SHELL = ("HOME", "PWD", "OLDPWD", "SHLVL", "_", "PS1", "PROMPT_COMMAND")
"""What a shell, or apptainer for its shell, sets: no environment of the image."""
START_LIMIT = 120.0
POLL = 0.01
TAIL = 2000


def boot_sif(store: Store, image: oci.Descriptor, progress: Progress | None = None) -> ShellMachine:
    """Start an Apptainer image of the store; the caller closes the machine.

    Raises HostFailure where this host can not run apptainer, WorkFailure where the image is damaged or does not start.
    """
    listener = progress or NoProgress()
    path = sif_path(store, image)
    with contextlib.ExitStack() as resources:
        apptainer = resources.enter_context(find_apptainer(store, image))
        listener.say(apptainer.reason)
        machine = start_machine(apptainer, path, resources)
        resources.pop_all()  # the machine's own from here
        return machine


def start_machine(apptainer: Apptainer, image: Path, resources: contextlib.ExitStack) -> ShellMachine:
    """Start an image; what `resources` holds is released when the machine is closed."""
    folder = channel_folder()
    owned = contextlib.ExitStack()
    owned.callback(shutil.rmtree, folder, ignore_errors=True)
    try:
        for name in ("shell.in", "shell.out"):
            os.mkfifo(folder / name, 0o600)
        # for reading too, so that there is a reader when apptainer comes and a writer when the shell does
        writing = os.open(folder / "shell.in", os.O_RDWR | os.O_NONBLOCK)
        owned.callback(_close, writing)
        reading = os.open(folder / "shell.out", os.O_RDONLY | os.O_NONBLOCK)
        owned.callback(_close, reading)
        running = apptainer.start(image, ["/bin/sh", "-c", SHELL], Bind(folder, GUEST_FOLDER))
        owned.callback(running.stop)
        _await_shell(running, folder)
        held = resources.pop_all()

        def stop() -> None:
            running.stop()
            held.close()

        try:
            channel = FifoChannel(
                reading, writing, folder, GUEST_FOLDER, trouble=lambda: _trouble(running, folder), stop=stop
            )
        except BaseException:
            held.close()
            raise
    except BaseException:
        owned.close()
        raise
    owned.pop_all()  # the channel's own from here
    return ShellMachine(channel, environment=_environment((folder / "environment").read_bytes())).start(START_LIMIT)


def _close(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        os.close(descriptor)


def _await_shell(running: Running, folder: Path) -> None:
    """Wait until the first process has told what it had to. Raises HostFailure or WorkFailure where it does not."""
    deadline = time.monotonic() + START_LIMIT
    while not (folder / "listening").exists():
        if running.exit_code() is not None:
            raise failure(_said(folder))
        if time.monotonic() > deadline:
            raise TimeLimitFailure(f"apptainer did not start the image within {START_LIMIT:g} s", hint=_said(folder))
        time.sleep(POLL)


def _said(folder: Path) -> str:
    path = folder / "shell.err"
    return path.read_text("utf-8", "replace")[-TAIL:] if path.exists() else ""


def _trouble(running: Running, folder: Path) -> str:
    code = running.exit_code()
    return "" if code is None else f"the machine stopped: apptainer ended with {code} {_said(folder)}".rstrip()


def _environment(data: bytes) -> dict[str, str]:
    """Read /proc/PID/environ (proc(5)): zero bytes end the variables."""
    pairs = (entry.partition("=") for entry in data.decode("utf-8", "surrogateescape").split("\0") if "=" in entry)
    return {name: value for name, _, value in pairs if name not in OF_THE_SHELL}
