"""The command as a person runs it, on a folder of recipes and a store of their own, with the real builder image."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.core.digest import Digest
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
        engine = connect()
        open_toolbox(Store(folder), engine, PlainProgress())
        engine.client.close()
    return folder


def new_store(folder: Path) -> Path:
    """A new store that holds the builder image, so that no test bootstraps one."""
    link_tree(builder_store() / "blobs", folder / "blobs")
    for name in ("index.json", "oci-layout"):
        shutil.copy2(builder_store() / name, folder / name)
    return folder


def link_tree(source: Path, target: Path) -> None:
    """Copy a folder, its files as hard links where the file system can."""

    def link(one: str, two: str) -> None:
        try:
            os.link(one, two)
        except OSError:
            shutil.copy2(one, two)

    shutil.copytree(source, target, copy_function=link)


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

    def copy(self, folder: Path, *, without: str = "") -> Workplace:
        """Copy recipes, locks and store; references that begin with `without` are taken out of the copy."""
        shutil.copytree(self.recipes, folder / "recipes")
        link_tree(self.folder / "images" / "blobs", folder / "images" / "blobs")
        for name in ("index.json", "oci-layout"):
            shutil.copy2(self.folder / "images" / name, folder / "images" / name)
        copied = Workplace(folder, self.variables)
        for reference_name in copied.store.references(without) if without else ():
            copied.store.remove_reference(reference_name)
        return copied

    def environment(self) -> dict[str, str]:
        own = {f"BOSS_BUILDER_VAR_{name}": value for name, value in self.variables.items()}
        return {**{k: v for k, v in os.environ.items() if not k.startswith("BOSS_BUILDER_")}, **own}

    def run(
        self,
        *words: str,
        prefix: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        time_limit: float = 600,
    ) -> Ran:
        done = subprocess.run(
            [*prefix, COMMAND, *words],
            cwd=self.folder,
            env=self.environment() | (environment or {}),
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


def example_cache() -> Path:
    """The example upstream, made once and kept; the demonstration uses the same one."""
    cache = PROJECT / ".cache" / "example"
    subprocess.run([sys.executable, "-m", "example.upstream", "make", "--cache", cache], cwd=PROJECT, check=True)
    return cache


@contextmanager
def example_upstream(port: int = 0) -> Iterator[str]:
    """Serve the example upstream on loopback; gives its address."""
    words = [sys.executable, "-m", "example.upstream", "serve", "--cache", example_cache(), "--port", str(port)]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as server:
        try:
            address = server.stdout.readline().strip() if server.stdout else ""
            if not address:
                raise RuntimeError("the example upstream was not served")
            yield address
        finally:
            server.terminate()


MINIBOSS = "miniboss-1.0.0"
PORT = 18218
"""Always the same, so that the cached lock stays as it is; the demonstration has another."""


def miniboss() -> Workplace:
    """The example release, frozen and built; kept in the cache, so that only what changed is made again.

    Nobody may change it: tests work on copies.
    """
    folder = CACHE / MINIBOSS
    folder.mkdir(parents=True, exist_ok=True)
    work = Workplace(folder, {"upstream": f"http://127.0.0.1:{PORT}"})
    with (CACHE / "lock-miniboss").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not (folder / "images").exists():
            new_store(folder / "images")
        lock = work.lock(MINIBOSS).read_bytes() if work.lock(MINIBOSS).exists() else b""
        if not _same_recipes(work.recipes):
            shutil.rmtree(work.recipes, ignore_errors=True)
            shutil.copytree(PROJECT / "recipes", work.recipes, ignore=shutil.ignore_patterns("recipe.lock.json"))
            if lock:
                work.lock(MINIBOSS).write_bytes(lock)
        with example_upstream(PORT):
            update = () if _is_current(lock) else ("--update",)
            _must(work.run("freeze", MINIBOSS, *update))
        _must(work.run("build", MINIBOSS, time_limit=1200))
    return work


def _same_recipes(folder: Path) -> bool:
    """Whether a folder holds the project's recipes; a copy that is in use must not be made anew for nothing."""

    def contents(top: Path) -> dict[str, bytes]:
        files = (p for p in top.rglob("*") if p.is_file() and p.name != "recipe.lock.json")
        return {str(p.relative_to(top)): p.read_bytes() for p in files if "__pycache__" not in p.parts}

    return contents(folder) == contents(PROJECT / "recipes")


def _is_current(lock: bytes) -> bool:
    """Whether a cached lock was made from the upstream and with the builder image of today."""
    repomd = next((example_cache() / "current").resolve().rglob("os/repodata/repomd.xml"))
    builder = Store(builder_store()).find(reference())
    return Digest.of(repomd.read_bytes()).encode() in lock and builder is not None and builder.digest.encode() in lock


def _must(ran: Ran) -> None:
    if ran.code != 0:
        raise RuntimeError(ran.err + ran.out)
