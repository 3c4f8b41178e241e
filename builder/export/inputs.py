"""What a release was made from, laid out for plain tools: recipes, and with `--inputs` all the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePosixPath

from builder.build.build import build_plan, builder_image
from builder.core.digest import Digest
from builder.export.archive import image_size, write_image
from builder.export.content import Advance, open_checked
from builder.export.folder import PROGRAM_MODE, GrowingFolder
from builder.export.names import INPUTS, RECIPES, RENDERED, builder_name, is_beside_recipe, source_file
from builder.freeze.sources import DIRECTORY
from builder.inside.clock import still_clock
from builder.lock import file as lock_file
from builder.lock.model import Blob, Lock
from builder.recipe.epoch import shared_epoch
from builder.render.context import write_inputs
from builder.render.plan import Form, Plan, dockerfile
from builder.render.templates import octal, render
from builder.store.store import Store

CONTEXT = f"{INPUTS}/context"
"""The context of the Dockerfile, but for the root of the stage `os`, which dnf makes of the repository."""
CONTEXT_ROOM = 3
"""A context's size is at most about so many times that of its inputs, most of which are compressed."""


def write_recipes(lock: Lock, store: Store, folder: GrowingFolder, advance: Advance) -> None:
    """Write the folders of the recipes as they were frozen: the release's, and those of what it extends."""
    for name, blob in lock.recipe_files.items():
        _copy(f"{RECIPES}/{name}/recipe.hcl", blob, store, folder, advance)
    keys = (key for repository in lock.repositories for key in repository.keys)
    beside = {key.source: (key.blob, False) for key in keys}
    beside |= {source.source: (source.blob, source.kind == DIRECTORY) for source in lock.sources.values()}
    folders: list[str] = []
    for name, (blob, is_folder) in sorted(beside.items()):
        if not is_beside_recipe(name) or any(name.startswith(f"{above}/") for above in folders):
            continue
        if is_folder:
            folder.unpack(f"{RECIPES}/{name}", open_checked(store, blob.digest, blob.size, advance))
            folders.append(name)
        else:
            _copy(f"{RECIPES}/{name}", blob, store, folder, advance)


def write_rendered(planned: Plan, folder: GrowingFolder) -> None:
    """Write the Dockerfile of the release, and the scripts that its stages run."""
    folder.write_text(f"{RENDERED}/Dockerfile", dockerfile_of(planned))
    for stage in (*planned.stages, *([planned.vm] if planned.vm else [])):
        for item in stage.inputs:
            if item.form is Form.TEXT:
                folder.write_text(f"{RENDERED}/{item.path}", item.text)


def dockerfile_of(planned: Plan) -> str:
    """Give the Dockerfile of a plan."""
    return dockerfile(planned, Digest.of(lock_file.encode(planned.lock)))


def write_all(lock: Lock, store: Store, folder: GrowingFolder, advance: Advance) -> None:
    """Write the complete package of a release below `inputs/`.

    Raises WorkFailure where an input is missing or damaged.
    """
    for package in lock.packages():
        _copy(f"{INPUTS}/repository/{package.file_name}", package.blob, store, folder, advance)
    for name, blob in lock.frozen_repository.items():
        _copy(f"{INPUTS}/repository/repodata/{name}", blob, store, folder, advance)
    for repository in lock.repositories:
        for location, blob in repository.metadata.items():
            _copy(f"{INPUTS}/upstream/{repository.name}/{location}", blob, store, folder, advance)
        for key in repository.keys:
            _copy(f"{INPUTS}/keys/{repository.name}/{key.fingerprint}.asc", key.blob, store, folder, advance)
    _write_puppet(lock, store, folder, advance)
    _write_sources(lock, store, folder, advance)
    builder = builder_image(lock)
    with folder.file(f"{INPUTS}/builder-image.tar") as sink:
        write_image(store, builder, sink, advance, name=builder_name(lock), epoch=folder.epoch)
    folder.write_text(f"{INPUTS}/os-packages.txt", os_packages(lock))
    folder.write_text(f"{INPUTS}/make-os.sh", make_os_script(lock), PROGRAM_MODE)
    _write_context(build_plan(lock), store, folder)


def os_packages(lock: Lock) -> str:
    """Give the packages of the operating system, one a line."""
    return "".join(f"{nevra}\n" for nevra in sorted(lock.os_packages))


def make_os_script(lock: Lock) -> str:
    """Give the script that makes the root of the stage `os` of the inputs."""
    epoch = shared_epoch(lock.recipe)
    database = lock.recipe.os.rpm_database or ""
    return render("export/make-os.sh.j2", epoch=epoch, clock=octal(still_clock(epoch)), rpm_database=database)


def inputs_size(lock: Lock, store: Store) -> int:
    """Give about how many bytes `write_all` writes. Raises WorkFailure where the builder image is missing."""
    sources = sum(source.blob.size for source in lock.sources.values())
    packed = sum(blob.size for blob in lock.blobs().values())
    return packed + CONTEXT_ROOM * sources + image_size(store, builder_image(lock))


def _write_puppet(lock: Lock, store: Store, folder: GrowingFolder, advance: Advance) -> None:
    places: dict[str, Callable[[str], str]] = {
        "puppet.manifest": lambda source: PurePosixPath(source).name,
        "puppet.hiera": lambda _: "hiera.yaml",
        "puppet.hiera_data": lambda _: "data",
    }
    for place, source in lock.sources.items():
        if not place.startswith("puppet."):
            continue
        module = place.removeprefix("puppet.module.")
        name = f"modules/{module}" if module != place else places[place](source.source)
        stream = open_checked(store, source.blob.digest, source.blob.size, advance)
        if source.kind == DIRECTORY:
            folder.unpack(f"{INPUTS}/puppet/{name}", stream)
        else:
            folder.copy(f"{INPUTS}/puppet/{name}", stream)


def _write_sources(lock: Lock, store: Store, folder: GrowingFolder, advance: Advance) -> None:
    """Write libraries, package and papers as they were fetched; a folder as the tar that it was frozen as."""
    for place, source in lock.sources.items():
        if place.startswith(("puppet.", "validation.")):
            continue
        _copy(f"{INPUTS}/sources/{source_file(lock, place)}", source.blob, store, folder, advance)


def _write_context(planned: Plan, store: Store, folder: GrowingFolder) -> None:
    folder.write_text(f"{CONTEXT}/Dockerfile", dockerfile_of(planned))
    top = folder.path / CONTEXT
    for stage in planned.stages[1:]:
        write_inputs(stage, store, top)
    folder.adopt(CONTEXT)


def _copy(name: str, blob: Blob, store: Store, folder: GrowingFolder, advance: Advance) -> None:
    folder.copy(name, open_checked(store, blob.digest, blob.size, advance))
