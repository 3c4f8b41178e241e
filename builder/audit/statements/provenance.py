"""How an image was made, as SLSA provenance v1.

Source: slsa.dev, provenance v1. Nothing here tells when: the same lock gives the same image on every day.
"""

from __future__ import annotations

from typing import Any

from builder import __version__
from builder.audit.statements.material import Judged, Material
from builder.audit.statements.statement import ResourceDescriptor, named, of_blob, statement
from builder.build.build import build_plan
from builder.build.kept import stored_stage
from builder.core.errors import Failure
from builder.lock.model import Lock
from builder.store import oci
from builder.store.shapes import KEY_ANNOTATION, reference
from builder.store.store import Store
from builder.toolbox.toolbox import DISK_PROGRAMS, LAYER_PROGRAMS, SIF_PROGRAMS, programs_digest

PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:boss-builder:build:v1"
BUILDER = "urn:boss-builder:builder"
PROGRAMS = {"oci": LAYER_PROGRAMS, "sif": SIF_PROGRAMS, "vm": DISK_PROGRAMS}


def provenance(store: Store, material: Material, judged: Judged) -> bytes:
    """Say what an image was made from, and with. Raises WorkFailure where the store lacks a manifest."""
    lock, shape = material.lock, judged.shape
    external = {
        "release": material.release,
        "shape": shape,
        "lock": str(material.lock_digest),
        "recipe": {folder: blob.digest for folder, blob in sorted(lock.recipe_files.items())},
    }
    builder: dict[str, Any] = {"id": BUILDER, "builderDependencies": [of_blob("builder image", material.builder_image)]}
    internal: dict[str, Any] = {}
    key = judged.image.manifest.annotations.get(KEY_ANNOTATION)
    if key:
        internal["key"] = key
    if made_by_these_programs(store, material):
        internal |= {"boss-builder": __version__, "programs": str(programs_digest(PROGRAMS[shape]))}
        builder["version"] = {"boss-builder": __version__}
    definition = {
        "buildType": BUILD_TYPE,
        "externalParameters": external,
        "internalParameters": internal,
        "resolvedDependencies": dependencies(material, judged),
    }
    return statement(
        subject(material, judged), PREDICATE, {"buildDefinition": definition, "runDetails": {"builder": builder}}
    )


def subject(material: Material, judged: Judged) -> tuple[ResourceDescriptor, ...]:
    """Name an image: its manifest, and the file that people have of it (of an OCI image the id that engines show)."""
    image = judged.image
    described = of_blob(reference(material.release, image.shape), image.descriptor)
    if image.shape == "oci":
        return described, of_blob(f"image id of {material.release}", image.manifest.config)
    return described, of_blob(image.main.annotations.get(oci.TITLE, image.shape), image.main)


def dependencies(material: Material, judged: Judged) -> list[ResourceDescriptor]:
    """Name every input by digest and address, the builder image, and of what is made from it the OCI image."""
    addresses = _addresses(material.lock)
    found = [named("lock", material.lock_digest), of_blob("builder image", material.builder_image)]
    if judged.shape != "oci":
        found.append(of_blob(reference(material.release, "oci"), material.oci.image.descriptor))
    blobs = sorted(material.lock.blobs().items())
    return found + [named(name, blob.digest, uri=addresses.get(name, "")) for name, blob in blobs]


def _addresses(lock: Lock) -> dict[str, str]:
    """Addresses that inputs were fetched from, by the names of `Lock.blobs`."""
    found: dict[str, str] = {}
    for repository in lock.repositories:
        top, url = f"repository/{repository.name}", repository.url.rstrip("/")
        found |= {f"{top}/upstream/{location}": f"{url}/{location}" for location in repository.metadata}
        found |= {f"{top}/packages/{package.file_name}": f"{url}/{package.location}" for package in repository.packages}
        found |= {f"{top}/keys/{key.fingerprint}": key.source for key in repository.keys}
    found |= {f"source/{place}": source.source for place, source in lock.sources.items()}
    return {name: address for name, address in found.items() if "://" in address}


def made_by_these_programs(store: Store, material: Material) -> bool:
    """Whether this very version of the software made the OCI image: its stages are found, by key, as layers of it.

    A key is a digest of all that a stage was made from and with, programs included.
    """
    try:
        stages = [stored_stage(stage, store) for stage in build_plan(material.lock).stages]
    except (Failure, KeyError, StopIteration):  # a lock that another version wrote
        return False
    layers = [layer.digest for layer in material.oci.image.manifest.layers]
    return layers == [stage.layer.digest for stage in stages if stage is not None]
