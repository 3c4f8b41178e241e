"""What a rebuild ran with: tools, engine, kernel and processor, which can explain a difference."""

from __future__ import annotations

import os
import platform
import shutil
from pathlib import Path

from builder import __version__
from builder.core.errors import Failure
from builder.core.process import run
from builder.lock.model import Lock
from builder.toolbox.toolbox import DISK_PROGRAMS, LAYER_PROGRAMS, SIF_PROGRAMS, programs_digest

CPU = Path("/proc/cpuinfo")
ABSENT = "none"
SHORT_LIMIT = 30


def environment(lock: Lock) -> dict[str, str]:
    """Say what this run has, by name; `none` where the host lacks a program, which is no failure."""
    model, features = processor(CPU.read_text("utf-8", "replace") if CPU.exists() else "")
    return {
        "boss-builder": __version__,
        "programs": str(programs_digest(sorted({*LAYER_PROGRAMS, *SIF_PROGRAMS, *DISK_PROGRAMS}))),
        "builder image": lock.builder_image.digest,
        "engine": _engine(),
        "kernel": platform.release(),
        "cpu model": model,
        "cpu features": features,
        "cpus": str(len(os.sched_getaffinity(0))),
        "apptainer": _first_line("apptainer", "--version"),
        "qemu": _first_line("qemu-system-x86_64", "--version"),
        "python": platform.python_version(),
    }


def processor(text: str) -> tuple[str, str]:
    """Read model and features (sorted) of the first processor from the text of /proc/cpuinfo (proc_cpuinfo(5))."""
    first, _, _ = text.partition("\n\n")
    fields = dict(line.split(":", 1) for line in first.splitlines() if ":" in line)
    named = {name.strip(): value.strip() for name, value in fields.items()}
    features = named.get("flags") or named.get("Features") or ""
    return named.get("model name", ABSENT), " ".join(sorted(features.split())) or ABSENT


def _engine() -> str:
    from builder.engine.engine import connect

    try:
        engine = connect()
    except Failure:
        return ABSENT
    with_version = engine.client.version()
    engine.client.close()
    return f"{with_version['Version']} ({engine_driver(with_version)})"


def engine_driver(version: dict[str, object]) -> str:
    """Name the kernel that an engine runs on, which may be another than this process's."""
    return f"kernel {version.get('KernelVersion', 'unknown')}"


def _first_line(program: str, *words: str) -> str:
    if shutil.which(program) is None:
        return ABSENT
    try:
        done = run([program, *words], time_limit=SHORT_LIMIT, check=False)
    except Failure:
        return ABSENT
    return next(iter(done.stdout.splitlines()), ABSENT)
