"""Render HOWTO.md: plain commands for a person who has an export and nothing of ours.

A fenced block whose info string begins with `sh` can be run as it stands, in the export's folder; the word after it
names what it needs. The tests run those blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from builder.export.images import StoredImage, vm_config
from builder.export.names import DOCUMENTS, builder_name, docker_name, document_file, image_file, source_file
from builder.export.signatures import Signer
from builder.lock.model import BOOKKEEPING, Lock
from builder.lock.notes import stand_ins
from builder.recipe.model import RpmSource, TarballSource, TreeSource
from builder.render.templates import render
from builder.render.vm import device_name
from builder.store.shapes import Shape, VmConfig
from builder.store.store import Store


@dataclass(frozen=True)
class Evidence:
    """What the validation of an image said that is in the export."""

    shape: Shape
    state: str


@dataclass(frozen=True)
class _Tree:
    """A folder or archive that is unpacked into the root."""

    title: str
    file: str
    install_to: str
    strip: int


@dataclass(frozen=True)
class _Snapshot:
    """The bookkeeping: where it lies below `inputs/sources/`, and where in the image."""

    file: str
    install_to: str


def howto(
    lock: Lock,
    store: Store,
    images: Sequence[StoredImage],
    evidence: Sequence[Evidence],
    signers: Sequence[Signer] = (),
    *,
    with_inputs: bool,
    with_lists: bool = True,
) -> str:
    """Render HOWTO.md for the images that an export holds. Raises WorkFailure where the store lacks something.

    `with_inputs` and `with_lists` say whether `inputs/`, and the lists of checksums, lie beside it; `signers` are those
    whose signatures do.
    """
    recipe = lock.recipe
    release = recipe.full_name
    machine = next((vm_config(store, image) for image in images if image.shape == "vm"), None)
    documents = [
        (f"{DOCUMENTS}/{document_file(f'document.{paper.name}', lock.sources[f'document.{paper.name}'])}", paper.title)
        for paper in recipe.document
    ]
    return render(
        "export/HOWTO.md.j2",
        recipe=recipe,
        release=release,
        stand_ins=list(stand_ins(lock)),
        shapes=[image.shape for image in images],
        files={image.shape: image_file(release, image.shape) for image in images},
        digests={image.shape: image.descriptor.digest for image in images},
        docker=docker_name(recipe),
        builder=builder_name(lock),
        evidence=evidence,
        signers=signers,
        documents=documents,
        machine=_machine(machine) if machine else None,
        with_inputs=with_inputs,
        with_lists=with_lists,
        os_packages=len(lock.os_packages),
        trees=_trees(lock),
        bookkeeping=_Snapshot(source_file(lock, BOOKKEEPING), recipe.bookkeeping.install_to)
        if recipe.bookkeeping
        else None,
        boss_packages=[lock.package(nevra).file_name for nevra in lock.boss_packages],
        suite=str(recipe.validation.suite) if recipe.validation else "",
        signed=any(repository.keys for repository in lock.repositories),
        config_digest=next((i.manifest.config.digest for i in images if i.shape == "oci"), ""),
        site=recipe.puppet is not None,
    )


def _machine(config: VmConfig) -> dict[str, Any]:
    return {
        "config": config,
        "memory": config.memory >> 20,
        "disk": config.disk_size >> 20,
        "in_name": device_name(config.disk_bus, 1),
        "out_name": device_name(config.disk_bus, 2),
    }


def _trees(lock: Lock) -> list[_Tree]:
    """Give what is unpacked into the root by hand: libraries, and a package that is no RPM."""
    recipe = lock.recipe
    found: list[tuple[str, str, TreeSource, str]] = [
        (
            f"external_library.{library.name}",
            f"{library.name} {library.version}",
            library.source,
            library.install_to or "/",
        )
        for library in recipe.external_library
    ]
    source = recipe.package.source
    if not isinstance(source, RpmSource):
        found.append(("package.boss", "the BOSS package", source, recipe.package.install_to or "/"))
    return [
        _Tree(
            title=title,
            file=source_file(lock, place),
            install_to=install_to.strip("/"),
            strip=tree.strip_components if isinstance(tree, TarballSource) else 0,
        )
        for place, title, tree, install_to in found
    ]
