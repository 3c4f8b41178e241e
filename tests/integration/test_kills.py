"""kill -9 at two hundred random moments: the store verifies, nothing that was there is lost, the next run finishes.

Each moment is a part of the time that a run takes which nobody disturbs, drawn with a fixed seed.
"""

import random
import shutil
from collections.abc import Callable, Iterator

import pytest

from builder.audit import log
from builder.core.digest import digest_file
from builder.store.store import Store
from builder.store.verify import verify
from tests.integration.forking import COMMAND, Forking, Run
from tests.integration.spine import Workplace
from tests.integration.tiny_release import Quirk, recipes_of_tiny_releases
from tests.unit.audit.copies_store import damage, small_store, snapshot
from tests.unit.audit.signed_release import WHO, judged, keys
from tests.unit.export.release import RELEASE

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("kills")]
MODULES = ("tests.integration.forking", "builder.cli.*", "builder.audit.*", "builder.freeze.*", "builder.build.*")
MOMENTS = {"sign": 60, "replicate": 48, "import": 48, "repair": 33, "freeze": 6, "build": 5}
"""How often each is killed: 200 times in all."""


@pytest.fixture(scope="module")
def forking() -> Iterator[Forking]:
    with Forking(*MODULES) as server:
        yield server


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Store:
    return small_store(tmp_path_factory.mktemp("small") / "images")


def kills(forking: Forking, command: str, prepare: Callable[[], tuple[str, ...]], check: Callable[[str], None]) -> None:
    """Kill a command at each of its moments; each time from the same beginning.

    `prepare` gives its arguments, after everything is put as it was; `check` looks at what a kill left.
    """
    whole = finished(forking, command, *prepare()).seconds
    chance = random.Random(2030)
    killed = 0
    for number in range(MOMENTS[command]):
        part = (number + chance.random()) / MOMENTS[command]  # somewhere in each part of the run
        ran = forking.run(COMMAND, command, *prepare(), kill_after=whole * part)
        killed += ran.code is None
        where = f"{command}, round {number}, killed after {part:.4f} of {whole:.3f} s: {ran}"
        assert ran.code in {None, 0}, where
        check(where)
    assert killed, f"{command} always came to its end before it was killed"


def finished(forking: Forking, command: str, *arguments: str) -> Run:
    """Run a command to its end."""
    ran = forking.run(COMMAND, command, *arguments)
    assert ran.code == 0, ran
    return ran


def test_sign(forking, tmp_path):
    site = judged(tmp_path / "before")
    before = snapshot(site.store)
    store = Store(tmp_path / "images")
    arguments = (RELEASE, "--key", str(keys()[0].path), "--identity", WHO, "--store", str(store.path))

    def prepare() -> tuple[str, ...]:
        shutil.rmtree(store.path, ignore_errors=True)
        shutil.copytree(site.store.path, store.path)
        return arguments

    def check(where: str) -> None:
        assert verify(store) == (), where
        assert log.read(store.path).problems == (), where
        assert before.items() - snapshot(store).items() <= {("index.json", before["index.json"])}, where
        assert site.store.references().items() <= store.references().items(), where

    kills(forking, "sign", prepare, check)
    finished(forking, "sign", *arguments)
    once = snapshot(store)
    finished(forking, "sign", *prepare())
    assert snapshot(store) == once


@pytest.mark.parametrize("command", ["replicate", "import"])
def test_copy(command, small, forking, tmp_path):
    before = snapshot(small)
    target = Store(tmp_path / "copy")

    def prepare() -> tuple[str, ...]:
        shutil.rmtree(target.path, ignore_errors=True)
        return arguments

    def check(where: str) -> None:
        assert snapshot(small) == before, where
        assert verify(target) == (), where
        finished(forking, command, *arguments)
        assert snapshot(target) == before, where

    turned = (target.path, small.path) if command == "replicate" else (small.path, target.path)
    arguments = (str(turned[0]), "--store", str(turned[1]))
    kills(forking, command, prepare, check)


def test_repair(small, forking, tmp_path):
    before = snapshot(small)
    store = Store(tmp_path / "images")
    damaged = [layer.digest for name in ("one-1.0", "two-1.0") for layer in small.manifest(small.find(name)).layers]
    arguments = ("--from", str(small.path), "--store", str(store.path))

    def prepare() -> tuple[str, ...]:
        shutil.rmtree(store.path, ignore_errors=True)
        shutil.copytree(small.path, store.path)
        for digest in damaged:
            damage(store, digest)
        return arguments

    def check(where: str) -> None:
        left = snapshot(store)
        changed = {name for name, data in before.items() if left.get(name) != data}
        assert changed <= {f"blobs/sha256/{digest[7:]}" for digest in damaged}, where
        assert snapshot(small) == before, where
        finished(forking, "repair", *arguments)
        assert snapshot(store) == before, where

    kills(forking, "repair", prepare, check)


def sound(store: Store, trusted: dict[str, int]) -> list[str]:
    """What is wrong with a store; blobs of `trusted`, by name, are looked at only for their size."""
    there = {path.name: path for path in (store.path / "blobs/sha256").iterdir()}
    lacking = [
        f"{name} lacks {blob.digest}"
        for name, descriptor in store.references().items()
        for manifest in (store.manifest(descriptor),)
        for blob in (manifest.config, *manifest.layers)
        if not store.has(blob.digest, blob.size)
    ]
    wrong = [name for name, path in there.items() if name not in trusted and digest_file(path)[0] != f"sha256:{name}"]
    cut = [name for name, size in trusted.items() if name not in there or there[name].stat().st_size != size]
    return lacking + wrong + cut


def sizes(store: Store) -> dict[str, int]:
    return {path.name: path.stat().st_size for path in (store.path / "blobs/sha256").iterdir()}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Iterator[Workplace]:
    """The recipe of the smallest release that the engine builds, with its upstream, and a store without it."""
    with recipes_of_tiny_releases(tmp_path_factory.mktemp("tiny"), {"tiny": Quirk()}) as work:
        yield work


def test_freeze_and_build(tiny, forking):
    store, path = tiny.store, tiny.lock("tiny-1.0")
    variables = (word for name, value in tiny.variables.items() for word in ("--var", f"{name}={value}"))
    arguments = ("tiny-1.0", "--recipes", str(tiny.recipes), "--store", str(store.path), *variables)
    before = sizes(store)
    locks = set[bytes]()

    def unfrozen() -> tuple[str, ...]:
        path.unlink(missing_ok=True)
        for name in store.references("inputs/"):
            store.remove_reference(name)
        for name in sizes(store).keys() - before.keys():
            store.blob_path(f"sha256:{name}").unlink()
        return arguments

    def check_frozen(where: str) -> None:
        assert sound(store, before) == [], where
        locks.update([path.read_bytes()] if path.exists() else [])

    kills(forking, "freeze", unfrozen, check_frozen)
    finished(forking, "freeze", *arguments)
    assert locks <= {path.read_bytes()}

    finished(forking, "build", *arguments)
    built, inputs, had = store.references("tiny-1.0"), store.references("inputs/"), sizes(store)

    def unbuilt() -> tuple[str, ...]:
        for name in ("tiny-1.0", *store.references("stage/")):
            store.remove_reference(name)
        return arguments

    def check_built(where: str) -> None:
        assert sound(store, had) == [], where
        assert inputs == store.references("inputs/"), where
        assert store.references("tiny-1.0") in ({}, built), where

    kills(forking, "build", unbuilt, check_built)
    finished(forking, "build", *arguments)
    assert store.references("tiny-1.0") == built
    assert sound(store, had) == []
