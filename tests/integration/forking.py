"""Run functions of the product again and again in processes of their own, which are killed or given faulty disks.

A server imports all that is needed once, and forks for each run: a round takes some hundredths of a second where a
start of Python would take most of one. Faults are strace's: `fsync:error=EIO:when=3`, `rename:signal=KILL:when=1`.

    python -m tests.integration.forking MODULE...

reads runs from its standard input, one JSON object a line, and answers each with another. MODULE.* is a package with
all that is in it.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    """What came of a run."""

    code: int | None
    """Exit code; None where it was killed."""
    said: str
    """What it wrote to its standard output and error."""
    seconds: float
    faulted: bool
    """Whether the fault came to pass."""


class Forking:
    """The server, as a context manager; `modules` are imported before the first run."""

    def __init__(self, *modules: str) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.forking", *modules],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def __enter__(self) -> Forking:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server.stdin is not None
        self._server.stdin.close()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()

    def run(self, function: str, *arguments: object, fault: str = "", kill_after: float | None = None) -> Run:
        """Call MODULE:FUNCTION with words; it gives an exit code. Kill it, and all that it started, after a time."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        asked = {"function": function, "arguments": [str(one) for one in arguments], "fault": fault, "kill": kill_after}
        self._server.stdin.write(json.dumps(asked) + "\n")
        self._server.stdin.flush()
        return Run(**json.loads(self._server.stdout.readline()))


def command(*words: str) -> int:
    """Run a command of the product, as a person types it."""
    from builder.cli.main import main

    sys.argv = ["boss-builder", *words]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


COMMAND = "tests.integration.forking:command"


def _imported(name: str) -> None:
    """Import a module, or a package and all that is in it."""
    module = importlib.import_module(name.removesuffix(".*"))
    if name.endswith(".*"):
        for found in pkgutil.walk_packages(module.__path__, f"{module.__name__}."):
            importlib.import_module(found.name)


def _child(asked: dict[str, Any], output: int, ready: int) -> None:
    """Be the process that runs; says by a byte that it stands and waits where a fault is asked; never comes back."""
    code = 70
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        if asked["fault"]:
            os.write(ready, b".")  # no call of the preparation may be the one that errs
            signal.sigwait({signal.SIGUSR1})
        module, _, name = asked["function"].partition(":")
        code = getattr(sys.modules[module], name)(*asked["arguments"])
    except BaseException:  # noqa: BLE001 - a traceback is what the tests look for
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


def _traced(child: int, fault: str, log: Path) -> subprocess.Popen[bytes]:
    """Attach strace, and let the child go."""
    calls = fault.partition(":")[0]
    words = ["strace", "-p", str(child), "-o", str(log), "-e", f"trace={calls}", "-e", f"inject={fault}"]
    tracer = subprocess.Popen(words, stderr=subprocess.PIPE, bufsize=0)
    assert tracer.stderr is not None
    if b"attached" not in tracer.stderr.readline():
        raise RuntimeError(f"strace does not attach: {tracer.stderr.read()!r}")
    os.kill(child, signal.SIGUSR1)
    return tracer


def _run(asked: dict[str, Any], folder: Path) -> Run:
    with (folder / "output").open("w+b") as output:
        started = time.perf_counter()
        hears, ready = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(hears)
            _child(asked, output.fileno(), ready)
        os.close(ready)
        if asked["fault"] and os.read(hears, 1) != b".":
            raise RuntimeError("the child ended before its work")
        os.close(hears)
        tracer = _traced(child, asked["fault"], folder / "strace") if asked["fault"] else None
        if asked["kill"] is not None:
            pidfd = os.pidfd_open(child)
            select.select([pidfd], [], [], asked["kill"])
            os.close(pidfd)
            os.kill(child, signal.SIGKILL)  # it is not waited for yet: the number is still its own
        _, status = os.waitpid(child, 0)
        seconds = time.perf_counter() - started
        _end_group(child)
        was_killed = os.WIFSIGNALED(status)
        faulted = was_killed
        if tracer is not None:
            assert tracer.stderr is not None
            tracer.wait()
            tracer.stderr.close()
            faulted = was_killed or "INJECTED" in (folder / "strace").read_text()
        output.seek(0)
        said = output.read().decode(errors="replace")
    return Run(None if was_killed else os.WEXITSTATUS(status), said, seconds, faulted)


def _end_group(child: int) -> None:
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return


def main(modules: list[str]) -> None:
    """Serve."""
    for module in modules:
        _imported(module)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})  # children wait for it
    with tempfile.TemporaryDirectory(prefix="forking-") as folder:
        for line in sys.stdin:
            sys.stdout.write(json.dumps(asdict(_run(json.loads(line), Path(folder)))) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
