"""Releases that were measured: locks with samples, and what their samples gave, in a store."""

from __future__ import annotations

import io
import json
from datetime import date
from pathlib import Path
from typing import Any, Literal

import numpy as np

from builder.core.digest import Digest
from builder.inside.canonical import walk_source, write_tar
from builder.lock.model import Blob, Lock, Source
from builder.recipe import model
from builder.recipe.fields import FileRef
from builder.recipe.validation import Observable, Reference, Sample, Validation
from builder.store import oci
from builder.store.shapes import Shape
from builder.store.store import Store
from builder.validation.results import Length, Results, store_results
from builder.validation.samples import SampleRun

EVENTS = 5000
SUITE = FileRef("tiny-2", "validation")
EMPTY = Blob(digest="sha256:" + "0" * 64, size=0)


def counts(values: Any, low: float = 0.0, high: float = 1.0) -> dict[str, Any]:
    """Give a histogram of counts as UHI's JSON has it, with nothing outside."""
    axis = {"type": "regular", "lower": low, "upper": high, "bins": len(values), "circular": False}
    axis |= {"underflow": True, "overflow": True, "metadata": {"label": "m [GeV]"}}
    stored = [0, *(int(value) for value in values), 0]
    return {"uhi_schema": 1, "axes": [axis], "storage": {"type": "int", "values": stored}, "metadata": {"title": "m"}}


def histograms(seed: int = 1, *, shift: float = 0.0, efficiency: float = 0.95, bins: int = 40) -> dict[str, Any]:
    """Give a mass peak of EVENTS entries, one entry of two angles for each event, and an efficiency against p_T."""
    random = np.random.default_rng(seed)
    masses = np.clip(random.normal(0.5 + shift, 0.1, EVENTS), 0, 1)
    found = random.random(EVENTS) < efficiency
    momenta, angles = random.random(EVENTS), random.random(EVENTS)

    def filled(values: Any, number: int = 20) -> dict[str, Any]:
        return counts(np.histogram(values, number, (0, 1))[0])

    return {
        "mass": filled(masses, bins),
        "angle": filled(angles),
        "eff_passed": filled(momenta[found]),
        "eff_total": filled(momenta),
    }


def encoded(content: dict[str, Any]) -> bytes:
    """Give a result file."""
    return json.dumps(content, sort_keys=True).encode()


GOOD = encoded(histograms())


def sample(name: str = "mumu") -> Sample:
    """Give a sample of EVENTS events."""
    return Sample(
        name=name,
        channel=f"J/psi -> {name}",
        job_options=(FileRef("tiny-2", f"jobs/{name}.txt"),),
        result=f"{name}.json",
        events=EVENTS,
        seed=7,
    )


PREVIOUS = Reference(name="previous", title="tiny 1", release="tiny-1")
PSEUDO_DATA = Reference(name="data", title="pseudo-data", results=SUITE, stands_in_for="data of the real experiment")


def observable(
    histogram: str,
    test: Literal["chi2", "ks", "binomial-ratio"] = "chi2",
    *,
    reference: str = "previous",
    samples: tuple[str, ...] = ("mumu",),
    critical: bool = True,
    tolerance: float = 0.0,
) -> Observable:
    """Give a block `observable` of one histogram."""
    return Observable(
        name=f"{histogram}_{reference}",
        samples=samples,
        histograms=(histogram,),
        reference=reference,
        test=test,
        critical=critical,
        tolerance=tolerance,
    )


MASS = observable("mass")
EFFICIENCY = observable("eff", "binomial-ratio")
ANGLE = observable("angle", "ks", critical=False)
OBSERVABLES = (MASS, EFFICIENCY, ANGLE)


def validation(*observables: Observable, samples: tuple[str, ...] = ("mumu",)) -> Validation:
    """Give what a recipe says of its validation."""
    return Validation(
        suite=SUITE,
        sample=tuple(sample(name) for name in samples),
        reference=(PREVIOUS, PSEUDO_DATA),
        observable=observables or OBSERVABLES,
    )


def lock(asked: Validation | None, version: str = "2", *, data: Blob = EMPTY) -> Lock:
    """Give the lock of tiny-VERSION; `data` is the frozen folder of its pseudo-data."""
    source = Source(source=str(SUITE), blob=data, kind="directory")
    return Lock(
        version=1,
        recipe=model.Recipe(
            release=model.Release(
                name="tiny", version=version, title=f"Tiny {version}", date=date(2020, 1, 1), license="MIT"
            ),
            os=model.Os(
                family="tinyel",
                version="1",
                architecture="x86_64",
                packages=("miniboss",),
                rpm_repository=(model.RpmRepository(name="os", url="http://vault.example.org/"),),
            ),
            package=model.Package(name="boss", source=model.DirectorySource(path=SUITE), install_to="/opt/tiny"),
            validation=asked,
        ),
        recipe_files={},
        builder_image=EMPTY,
        repositories=(),
        os_packages=(),
        frozen_repository={},
        sources={"validation.reference.data": source},
    )


def image(shape: Shape = "oci") -> oci.Descriptor:
    """Describe an image; nobody reads it."""
    return oci.Descriptor(media_type=oci.MANIFEST, digest=Digest.of(shape.encode()), size=3)


def run(result: bytes = GOOD, *, name: str = "mumu", problem: str = "", events: int = EVENTS) -> SampleRun:
    """Give a sample that was run."""
    return SampleRun(sample=sample(name), events=events, result=result, problem=problem)


def measure(
    store: Store, of: Lock, *runs: SampleRun, shape: Shape = "oci", lengths: tuple[Length, ...] = ("short", "full")
) -> Results:
    """Store what a release's samples gave, the same in runs of every length."""
    results, _ = store_results(store, of, shape, image(shape), {length: runs or (run(),) for length in lengths})
    return results


def frozen_folder(store: Store, folder: Path, files: dict[str, bytes]) -> Blob:
    """Store a folder as freezing does."""
    folder.mkdir()
    for name, data in files.items():
        (folder / name).write_bytes(data)
    tar = io.BytesIO()
    write_tar(walk_source(folder, 0), tar)
    return Blob(digest=store.put(tar.getvalue()), size=len(tar.getvalue()))


def damage(store: Store, digest: str) -> None:
    """Change a byte of a blob, as a failing disk does."""
    path = store.blob_path(digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(bytes(data))
