"""The toy release as an RPM, from its source in `example/miniboss`.

There is one source tree for all versions. What a version has of its own lies in `versions/VERSION` and becomes the
package `miniboss.release`; `@VERSION@` in the spec and in the script for login shells is the version.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from example.upstream.convert import rpmbuild
from example.upstream.tarball import CACHES

SOURCES = Path(__file__).parent.parent / "miniboss"
VERSIONS = ("1.0.0", "1.1.0")
PREFIX = "opt/miniboss"
_MARK = "@VERSION@"
_CARDS = "decay_cards"


def build_miniboss(version: str, output: Path, scratch: Path) -> Path:
    """Build a version of `miniboss`; give the RPM, unsigned, in `output`. The same source gives the same bytes."""
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        home = Path(folder)
        buildroot = home / "root"
        lay_out_miniboss(version, buildroot / PREFIX / version)
        profile = buildroot / "etc" / "profile.d" / "miniboss.sh"
        profile.parent.mkdir(parents=True)
        _write_for(version, SOURCES / "profile.d" / "miniboss.sh", profile)
        spec = home / "miniboss.spec"
        _write_for(version, SOURCES / "miniboss.spec", spec)
        return rpmbuild(spec, buildroot, "noarch", home, output)


def lay_out_miniboss(version: str, target: Path) -> None:
    """Make the folder `target` what `/opt/miniboss/VERSION` is in an image: bin, lib and share."""
    without = shutil.ignore_patterns(*CACHES, _CARDS)
    for part in ("bin", "lib", "share"):
        shutil.copytree(SOURCES / part, target / part, ignore=without)
    package = target / "lib" / "miniboss"
    shutil.copytree(SOURCES / "versions" / version, package / "release", ignore=without)
    cards = SOURCES / "lib" / "miniboss" / _CARDS
    shutil.copytree(cards, target / "share" / _CARDS, ignore=without)


def _write_for(version: str, source: Path, target: Path) -> None:
    target.write_text(source.read_text().replace(_MARK, version))
