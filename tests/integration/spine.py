"""The command as a person runs it, on a folder of recipes and a store of their own, with the real builder image."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.core.progress import PlainProgress
from builder.engine.engine import connect
from builder.store.store import Store
from builder.toolbox.image import reference
from builder.toolbox.toolbox import open_toolbox

PROJECT = Path(__file__).resolve().parents[2]
CACHE = PROJECT / ".cache" / "tests"
COMMAND = Path(sys.executable).with_name("boss-builder")


def builder_store() -> Path:
    """A store that holds the builder image of this version and nothing else; made once, kept in the cache."""
    folder = CACHE / reference().replace("/", "-")
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        open_toolbox(Store(folder), connect(), PlainProgress())
    return folder


def new_store(folder: Path) -> Path:
    """A new store that holds the builder image, so that no test bootstraps one."""
    source = builder_store()
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for blob in (source / "blobs" / "sha256").iterdir():
        try:
            os.link(blob, blobs / blob.name)
        except OSError:
            shutil.copy2(blob, blobs / blob.name)
    for name in ("index.json", "oci-layout"):
        shutil.copy2(source / name, folder / name)
    return folder


@dataclass(frozen=True)
class Ran:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """What it printed with --json."""
        return json.loads(self.out)


@dataclass
class Workplace:
    """A folder with recipes/ and images/, in which commands run."""

    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def recipes(self) -> Path:
        return self.folder / "recipes"

    @property
    def store(self) -> Store:
        return Store(self.folder / "images")

    def environment(self) -> dict[str, str]:
        own = {f"BOSS_BUILDER_VAR_{name}": value for name, value in self.variables.items()}
        return {**{k: v for k, v in os.environ.items() if not k.startswith("BOSS_BUILDER_")}, **own}

    def run(self, *words: str, prefix: tuple[str, ...] = (), time_limit: float = 600) -> Ran:
        done = subprocess.run(
            [*prefix, COMMAND, *words],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=time_limit,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [COMMAND, *words], cwd=self.folder, env=self.environment(), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def contents(self) -> dict[str, int]:
        """What the store holds: names and sizes of its blobs, and its index."""
        images = self.folder / "images"
        blobs = {p.name: p.stat().st_size for p in (images / "blobs" / "sha256").iterdir()}
        return blobs | {(images / "index.json").read_text(): 0}

    def lock(self, release: str) -> Path:
        return self.recipes / release / "recipe.lock.json"
