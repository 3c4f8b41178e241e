"""A store with two releases in it, made by the calls that make real ones: inputs, stages, images, evidence, history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from builder.audit.examine import Asked, Report, audit
from builder.audit.problems import Code
from builder.build.build import build_plan
from builder.build.config import image_annotations
from builder.build.kept import Layer, keep
from builder.core import documents
from builder.core.digest import Digest
from builder.core.progress import NoProgress
from builder.lock import file as lock_file
from builder.lock.model import Blob, Lock
from builder.lock.stored import store_lock
from builder.rebuild import history
from builder.store import oci
from builder.store.shapes import SHAPES, Shape, reference
from builder.store.store import Store
from builder.validation.outcome import Check, CheckOutcome, Evidence, ImageId, State, Suite, Totals
from builder.validation.results import store_results
from builder.validation.validate import store_evidence
from tests.unit.export.release import descriptor, frozen, put_oci, vm_config
from tests.unit.rebuild.made_runs import GOOD, answer, run
from tests.unit.validation.measured import run as sample_run

NOW = datetime(2040, 1, 1, 12, 0, 0, tzinfo=UTC)
RELEASES = ("tiny-1.0", "tiny-1.1")


@dataclass
class Clock:
    """Gives a day later each time that it is asked."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        self.now += timedelta(days=1)
        return self.now


def examined(store: Store, *releases: str, quick: bool = False, part: object = None, workers: int = 2) -> Report:
    return audit(store, Asked(releases, part, quick), NoProgress(), Clock(), workers)


def codes(report: Report) -> set[Code]:
    return {one.code for one in report.problems}


def put_image(store: Store, lock: Lock, shape: Shape) -> oci.Descriptor:
    release, digest = lock.recipe.full_name, Digest.of(lock_file.encode(lock))
    annotations = image_annotations(lock, digest)
    if shape == "oci":
        return put_oci(store, release, annotations)
    config = b"{}" if shape == "sif" else documents.compact(vm_config())
    manifest = oci.Manifest(
        config=descriptor(store, "application/vnd.test.config", config),
        layers=(descriptor(store, "application/vnd.test", f"{release} {shape} ".encode() * 400, f"{release}.{shape}"),),
        artifact_type="application/vnd.boss-builder.vm.v1" if shape == "vm" else None,
        subject=plain(store.find(release)),
        annotations=annotations,
    )
    return store.put_manifest(manifest, reference(release, shape))


def plain(image: oci.Descriptor) -> oci.Descriptor:
    return oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size)


def put_evidence(store: Store, lock: Lock, shape: Shape, image: oci.Descriptor) -> None:
    suite = Suite(name="s", digest=Digest.of(b"s"), checks=(Check(name="a.py::b", outcome=CheckOutcome.PASSED),))
    evidence = Evidence(
        version=2,
        release=lock.recipe.full_name,
        title="Tiny",
        image=ImageId(shape=shape, media_type=image.media_type, digest=image.digest, size=image.size),
        lock=Digest.of(lock_file.encode(lock)),
        stands_in_for=(),
        tools={},
        state=State.PASSED,
        totals=Totals.of(suite.checks),
        suites=(suite,),
    )
    store_evidence(store, evidence, image)


def put_stages(store: Store, lock: Lock) -> None:
    for stage in build_plan(lock).stages:
        with store.workspace("stage") as folder:
            (folder / "layer").write_bytes(f"{stage.reference}".encode() * 100)
            keep(stage, folder / "layer", Layer(diff_id=Digest.of(stage.reference.encode())), store, 1.0)


def released(store: Store, version: str) -> Lock:
    """Store everything of a release."""
    lock = frozen(store).lock
    release = msgspec.structs.replace(lock.recipe.release, version=version)
    recipe = msgspec.structs.replace(lock.recipe, release=release)
    text = f"the recipe of {version}".encode()
    files = {f"tiny-{version}": Blob(digest=str(store.put(text)), size=len(text))}
    lock = msgspec.structs.replace(lock, recipe=recipe, recipe_files=files)
    store_lock(lock, store)
    put_stages(store, lock)
    for shape in SHAPES:
        image = put_image(store, lock, shape)
        put_evidence(store, lock, shape, image)
        store_results(store, lock, shape, image, {"short": [sample_run()]})
    for day in range(2):
        history.append(store, run(day, answer(*GOOD), release=lock.recipe.full_name))
    return lock


def archive(path: Path) -> Store:
    """Two releases in a store that nobody has audited."""
    store = Store(path)
    released(store, "1.0")
    released(store, "1.1")
    return store
