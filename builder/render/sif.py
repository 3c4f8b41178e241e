"""The definition of an Apptainer image."""

from __future__ import annotations

from builder.lock.model import Lock
from builder.lock.notes import stand_ins
from builder.render.plan import environment
from builder.render.templates import render


def origin(release: str) -> str:
    """Name of the folder that holds the OCI image where the definition is built."""
    return f"{release}.oci"


def definition(lock: Lock, lock_digest: str) -> str:
    """Give the definition of a release's Apptainer image, which the build uses as it is."""
    recipe = lock.recipe
    release = recipe.full_name
    image = recipe.image_of("sif")
    if image is None:
        raise ValueError(f"{release} asks for no Apptainer image")
    packages = [lock.package(nevra) for nevra in lock.boss_packages]
    folders = [library.place for library in recipe.external_library]
    folders += [recipe.package.place] if recipe.package.place else []
    return render(
        "sif/definition.def.j2",
        release=release,
        title=recipe.release.title,
        license=recipe.release.license,
        lock=lock_digest,
        origin=origin(release),
        environment=environment(recipe),
        command=image.command,
        packages=[f"{p.name}-{p.version}-{p.release}" for p in packages],
        folders=folders,
        notes=list(stand_ins(lock)),
    )
