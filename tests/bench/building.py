"""How long stages, builds and rebuilds take, and what their images take in the store."""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Iterator

from builder.build.build import build_plan, builder_image
from builder.build.os_stage import build_os, write_repository
from builder.core.progress import NoProgress
from builder.engine.engine import Folder
from builder.lock import file as lock_file
from builder.store.contents import contents
from builder.toolbox.toolbox import open_toolbox
from tests.bench.figures import PAIRS, Figure, Place, command, connected, installed, peak, timed_once
from tests.integration.spine import COMMAND, MINIBOSS, PROJECT, Workplace, example_upstream, new_store


def os_stage(place: Place) -> Iterator[Figure]:
    """The stage os (install, canonical form, compression, storing) against a bare dnf of the same packages."""
    work = place.work
    lock = lock_file.read(work.lock(MINIBOSS))
    if lock is None:
        raise SystemExit("the example release is not frozen")
    with connected() as engine:
        toolbox = open_toolbox(work.store, engine, NoProgress(), descriptor=builder_image(lock))
        plan = build_plan(lock)
        with work.store.workspace("bench") as folder:
            write_repository(lock, work.store, folder / "repository")
            repository = Folder(folder / "repository", "/repository")
            script = (
                "echo '%__transaction_unshare %{nil}' > /root/.rpmmacros && mkdir -p /root/os/dev && "
                "mknod /root/os/dev/null c 1 3 && dnf -y --quiet --installroot=/root/os --releasever=1 --noplugins "
                "--nogpgcheck --repofrompath=frozen,/repository --repo=frozen --setopt=install_weak_deps=False "
                "--setopt=module_platform_id= install " + " ".join(lock.os_packages)
            )

            def bare() -> None:
                done = engine.run(toolbox.image_id, ["/bin/sh", "-c", script], folders=[repository], time_limit=600)
                if done.exit_code != 0:
                    raise SystemExit(done.tail)

            bare_times, stage_times = [], []
            bare()
            for _ in range(PAIRS):
                bare_times.append(timed_once(bare))
                stage_times.append(
                    timed_once(lambda: build_os(plan.stages[0], lock, work.store, toolbox, NoProgress()))
                )
    yield Figure(f"bare dnf --installroot, {len(lock.os_packages)} packages", statistics.median(bare_times))
    yield Figure("stage os", statistics.median(stage_times))
    ratios = [stage / bare_ for stage, bare_ in zip(stage_times, bare_times, strict=True)]
    yield Figure("stage os / bare dnf", statistics.median(ratios), 1.3, "")


def whole_build(place: Place) -> Iterator[Figure]:
    """A build of every stage in a store that has none: time, and the peak memory of our process."""
    fresh = place.work.copy(place.new("fresh"), without="stage/")
    yield Figure("boss-builder build, every stage", timed_once(command(fresh, "build", MINIBOSS)))
    again = place.work.copy(place.new("fresh"), without="stage/")
    memory = peak([COMMAND, "build", MINIBOSS], again.folder, installed(again))
    yield Figure("boss-builder build, every stage: peak memory", memory, 300, "MB")


def rebuilding(place: Place) -> Iterator[Figure]:
    """A rebuild, with its checks and comparisons, against the first build of the same release in a store without it."""
    firsts, agains = [], []
    for _ in range(2):  # a pair takes minutes
        fresh = place.work.copy(place.new("first"), without="stage/")
        for name in (MINIBOSS, *fresh.store.references("image/")):
            fresh.store.remove_reference(name)
        firsts.append(timed_once(command(fresh, "build", MINIBOSS)))
        agains.append(timed_once(command(fresh, "rebuild", MINIBOSS, "--without-validation")))
        shutil.rmtree(fresh.folder)
    yield Figure("first build, three shapes", statistics.median(firsts))
    yield Figure("rebuild without validation", statistics.median(agains))
    ratios = [again / first for first, again in zip(firsts, agains, strict=True)]
    yield Figure("rebuild / first build, in pairs", statistics.median(ratios), 1, "")


def three_shapes(place: Place) -> Iterator[Figure]:
    """The boot set in all three shapes from its lock, in one run; the builder image is in the engine already."""
    recipes = PROJECT / "tests" / "data" / "boot-set" / "recipes"
    with example_upstream() as upstream:
        work = Workplace(place.new("boot-set"), {"upstream": upstream})
        shutil.copytree(recipes, work.recipes)
        new_store(work.folder / "images")
        command(work, "freeze", "boot-set-1")()
    lock = lock_file.read(work.lock("boot-set-1"))
    if lock is None:
        raise SystemExit("the boot set is not frozen")
    seconds = timed_once(command(work, "build", "boot-set-1"))
    yield Figure(f"boot set, {len(lock.os_packages)} packages, as OCI, SIF and qcow2", seconds, 31)
    sizes = {image.shape: image.size for image in contents(work.store).images}
    yield Figure("store: three shapes / OCI alone, boot set", sum(sizes.values()) / sizes["oci"], unit="")


def store_size(place: Place) -> Iterator[Figure]:
    """What three shapes of the example release take against one."""
    sizes = {image.shape: image.size for image in contents(place.work.store).images}
    yield Figure(f"store: three shapes / OCI alone, {MINIBOSS}", sum(sizes.values()) / sizes["oci"], unit="")
