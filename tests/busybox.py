"""Debian's static busybox, for small machines."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path


def static_busybox() -> bytes:
    """Fetch the program from the host's own mirror; nothing is installed."""
    with tempfile.TemporaryDirectory(prefix="busybox-") as scratch:
        subprocess.run(["apt-get", "download", "-q", "busybox-static"], cwd=scratch, check=True, timeout=300)
        (package,) = Path(scratch).glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, f"{scratch}/root"], check=True, timeout=60)
        (program,) = (p for p in Path(scratch, "root").rglob("busybox") if p.is_file() and p.parent.name == "bin")
        return program.read_bytes()
