"""Freeze the inputs that are files, folders and archives: puppet template, libraries, documents, validation suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from builder.freeze.bookkeeping import bookkeeping_files
from builder.freeze.download import Checksum, Downloader, Wanted
from builder.freeze.repositories import located
from builder.freeze.staging import Staging
from builder.freeze.trees import CVMFS, GIT
from builder.inside.canonical import walk_source, write_tar
from builder.lock.model import Source
from builder.recipe.fields import FileRef
from builder.recipe.load import LoadedRecipe
from builder.recipe.model import DirectorySource, Puppet, TarballSource
from builder.recipe.validation import Validation

FILE, DIRECTORY, TARBALL = "file", "directory", "tarball"
TREES = frozenset({DIRECTORY, GIT, CVMFS})
"""Kinds of which the store has a canonical tar of our own."""


def local_inputs(loaded: LoadedRecipe) -> Iterator[tuple[str, FileRef]]:
    """Yield key and file of every input that lies beside the recipe."""
    recipe = loaded.recipe
    if recipe.puppet is not None:
        yield from _puppet_inputs(recipe.puppet)
    for library in recipe.external_library:
        if isinstance(library.source, DirectorySource):
            yield f"external_library.{library.name}", library.source.path
    if isinstance(recipe.package.source, DirectorySource):
        yield "package.boss", recipe.package.source.path
    yield from bookkeeping_files(recipe)
    for document in recipe.document:
        if document.file is not None:
            yield f"document.{document.name}", document.file
    if recipe.validation is not None:
        yield "validation.suite", recipe.validation.suite
        yield from _physics_inputs(recipe.validation)


def _puppet_inputs(puppet: Puppet) -> Iterator[tuple[str, FileRef]]:
    yield "puppet.manifest", puppet.manifest
    for module in puppet.modules:
        yield f"puppet.module.{PurePosixPath(module.path).name}", module
    if puppet.hiera is not None:
        yield "puppet.hiera", puppet.hiera
    if puppet.hiera_data is not None:
        yield "puppet.hiera_data", puppet.hiera_data


def _physics_inputs(validation: Validation) -> Iterator[tuple[str, FileRef]]:
    for sample in validation.sample:
        for file in (*sample.job_options, *sample.files):
            yield f"validation.sample.{sample.name}.{PurePosixPath(file.path).name}", file
    for reference in validation.reference:
        if reference.results is not None:
            yield f"validation.reference.{reference.name}", reference.results


def remote_inputs(loaded: LoadedRecipe) -> Iterator[tuple[str, str, str, str, tuple[str, ...]]]:
    """Yield key, kind, address, sha256 and way in the recipe of every file that is fetched."""
    recipe = loaded.recipe
    for library in recipe.external_library:
        if isinstance(library.source, TarballSource):
            way = ("external_library", library.name, "source", "url")
            yield f"external_library.{library.name}", TARBALL, library.source.url, library.source.sha256, way
    if isinstance(recipe.package.source, TarballSource):
        source = recipe.package.source
        yield "package.boss", TARBALL, source.url, source.sha256, ("package", "boss", "source", "url")
    for document in recipe.document:
        if document.url is not None and document.sha256 is not None:
            yield f"document.{document.name}", FILE, document.url, document.sha256, ("document", document.name, "url")


def freeze_local(loaded: LoadedRecipe, staging: Staging, epoch: int) -> dict[str, Source]:
    """Pack what lies beside the recipe: a file as it is, a folder as a canonical tar whose files bear the epoch."""
    frozen = {}
    for key, reference in local_inputs(loaded):
        path = loaded.resolve(reference)
        if path.is_dir():
            archive = staging.folder("directory") / "tree.tar"
            with archive.open("xb") as sink:
                write_tar(walk_source(path, epoch), sink)
            frozen[key] = Source(source=str(reference), blob=staging.stage(archive), kind=DIRECTORY)
        else:
            frozen[key] = Source(source=str(reference), blob=staging.stage(path), kind=FILE)
    return frozen


def freeze_remote(loaded: LoadedRecipe, downloader: Downloader, staging: Staging) -> dict[str, Source]:
    """Fetch archives and documents and check them against the recipe's sha256."""
    frozen = {}
    for key, kind, url, sha256, way in remote_inputs(loaded):
        wanted = Wanted(url, Checksum("sha256", sha256))
        if not staging.holds(wanted):
            with located(loaded.where(*way)):
                downloader.fetch(wanted)
        frozen[key] = Source(source=url, blob=staging.stage(staging.path(wanted, downloader)), kind=kind)
    return frozen
