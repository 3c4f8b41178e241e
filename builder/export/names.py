"""What things are called in an export."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from builder.freeze.sources import TREES
from builder.lock.model import Lock, Source
from builder.recipe.model import Recipe
from builder.store.shapes import Shape

LOCK = "recipe.lock.json"
HOWTO = "HOWTO.md"
RECIPES, DOCUMENTS, RENDERED, EVIDENCE, PACKAGES = "recipes", "documents", "rendered", "evidence", "packages"
INPUTS = "inputs"
SUFFIXES: dict[Shape, str] = {"oci": ".oci.tar", "sif": ".sif", "vm": ".qcow2"}
NOT_IN_REPOSITORY = re.compile(r"[^a-z0-9]+")
NOT_IN_TAG = re.compile(r"[^A-Za-z0-9._-]+")


def image_file(release: str, shape: Shape) -> str:
    """Name of a release's image in a shape."""
    return release + SUFFIXES[shape]


def docker_name(recipe: Recipe) -> str:
    """`repository:tag` of a release; what the OCI distribution specification does not take becomes `-`."""
    repository = NOT_IN_REPOSITORY.sub("-", recipe.release.name.lower()).strip("-")
    return f"{repository}:{NOT_IN_TAG.sub('-', recipe.release.version)}"


def builder_name(lock: Lock) -> str:
    """`repository:tag` of the builder image of a lock."""
    return f"boss-builder/builder:{lock.builder_image.digest.partition(':')[2][:12]}"


def document_file(place: str, source: Source) -> str:
    """Name of a document, as the image has it too: its name in the recipe, and the suffix of what it was."""
    return place.removeprefix("document.") + PurePosixPath(source.source).suffix


def is_beside_recipe(source: str) -> bool:
    """Whether an input came from the folder of a recipe, and not from an address."""
    return "://" not in source


def source_file(lock: Lock, place: str) -> str:
    """Path of an input below `inputs/sources/`: a folder as the tar that it was frozen as, others as they were."""
    source = lock.sources[place]
    name = PurePosixPath(urlsplit(source.source).path).name
    return f"{place}/{name}.tar" if source.kind in TREES else f"{place}/{name}"
