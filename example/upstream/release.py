"""The toy release as an RPM, from its source in `example/miniboss`."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from example.upstream.convert import rpmbuild
from example.upstream.tarball import CACHES

SOURCES = Path(__file__).parent.parent / "miniboss"
PREFIX = "opt/miniboss/1.0.0"


def build_miniboss(output: Path, scratch: Path) -> Path:
    """Build `miniboss`; give the RPM, unsigned, in `output`. The same source gives the same bytes."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        home = Path(folder)
        buildroot = home / "root"
        for part in ("bin", "lib"):
            shutil.copytree(SOURCES / part, buildroot / PREFIX / part, ignore=shutil.ignore_patterns(*CACHES))
        shutil.copytree(SOURCES / "profile.d", buildroot / "etc" / "profile.d")
        return rpmbuild(SOURCES / "miniboss.spec", buildroot, "noarch", home, output)
