"""The part of a store that belongs to one release, as an OCI image layout of its own: what bags and archives hold.

It has the references of the release, and every blob that these name; beside it lies what a person reads.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from builder.build.build import build_plan, builder_image
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import InputFailure, Problem, WorkFailure
from builder.export.archive import listings
from builder.export.content import Advance, open_checked
from builder.export.folder import GrowingFolder
from builder.export.howto import howto
from builder.export.images import StoredImage, stored_images
from builder.export.names import HOWTO, docker_name
from builder.export.texts import write_texts
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.store import oci
from builder.store.contents import BUILDER, INPUTS, STAGE
from builder.store.store import Store

INDEX, LAYOUT = "index.json", "oci-layout"
BLOBS = "blobs/sha256"
TEXTS = "release"
"""What a person reads: an export's files but for the images."""
DOCKER = "docker"
"""What makes a docker-archive of the OCI image's blobs."""
REFERENCE = re.compile(r"(?!\.{1,2}(/|$))[A-Za-z0-9._+@:-]+(/(?!\.{1,2}(/|$))[A-Za-z0-9._+@:-]+)*")
SHORT = 12
"""Digits of the builder image's digest in a reference that is made up for it."""


@dataclass(frozen=True)
class Layout:
    """The layout of a release: references in the order of their names, and the size of each blob in bytes."""

    release: str
    references: tuple[oci.Descriptor, ...]
    manifests: Mapping[Digest, int]
    contents: Mapping[Digest, int]
    """Configurations and layers, in the order of their digests."""
    images: tuple[StoredImage, ...]

    @property
    def blobs(self) -> dict[Digest, int]:
        """All blobs, manifests first."""
        return {**self.manifests, **self.contents}

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return sum(self.blobs.values())

    @property
    def index(self) -> bytes:
        """Its `index.json`."""
        return documents.readable(oci.Index(manifests=self.references))


def blob_name(digest: Digest) -> str:
    """Path of a blob in the layout."""
    return f"{BLOBS}/{digest.hex}"


def release_layout(store: Store, lock: Lock) -> Layout:
    """Choose what belongs to a release: all that its images were made from and with, and all that is known of it.

    Raises InputFailure where the store has no image or no inputs of the lock, or a reference has a name that is none;
    WorkFailure, with all of them, where manifests or blobs are missing or damaged.
    """
    images = stored_images(store, lock, ())
    references = _references(store, lock)
    manifests: dict[Digest, int] = {}
    contents: dict[Digest, int] = {}
    problems: list[Problem] = []
    for name, descriptor in references.items():
        try:
            manifests[descriptor.checked_digest] = descriptor.size
            manifest = store.manifest(descriptor)
            named = {blob.checked_digest: blob.size for blob in (manifest.config, *manifest.layers)}
        except ValueError as error:
            problems.append(Problem(f"{name}: {error}", hint="boss-builder verify tells what is damaged"))
        except WorkFailure as failure:
            problems += (Problem(f"{name}: {p.message}", hint=p.hint) for p in failure.problems)
        else:
            contents |= named
            problems += _absent(store, name, {descriptor.checked_digest: descriptor.size, **named})
    if problems:
        raise WorkFailure(*problems)
    if not all(image.descriptor.digest in manifests for image in images):
        raise WorkFailure("the images changed while they were read", hint="run it again when the build has ended")
    return Layout(
        release=lock.recipe.full_name,
        references=tuple(references.values()),
        manifests=manifests,
        contents={digest: contents[digest] for digest in sorted(contents) if digest not in manifests},
        images=images,
    )


def _absent(store: Store, name: str, blobs: Mapping[Digest, int]) -> Iterator[Problem]:
    for digest, size in blobs.items():
        if not store.has(digest, size):
            what = "damaged in" if store.has(digest) else "missing from"
            hint = "boss-builder verify tells what else is; restore it from a copy of the store"
            yield Problem(f"{name}: the blob {digest} is {what} the store", hint=hint)


def _references(store: Store, lock: Lock) -> dict[str, oci.Descriptor]:
    """Give what belongs to a release, by name, sorted."""
    release = lock.recipe.full_name
    everything = store.references()
    _check_inputs(store, lock, everything)
    planned = build_plan(lock)
    stages = {stage.reference for stage in (*planned.stages, *([planned.vm] if planned.vm else ()))}
    builder = builder_image(lock)
    chosen = {
        name: descriptor
        for name, descriptor in everything.items()
        if name in stages
        or is_of(name, release)
        or (name.startswith(f"{BUILDER}/") and descriptor.digest == builder.digest)
    }
    odd = [name for name in chosen if not REFERENCE.fullmatch(name)]
    if odd:
        hint = "take it out of index.json, or give it a name of letters, digits and . _ + - @ : /"
        raise InputFailure(*(Problem(f"the store has a reference with the odd name {name!r}", hint) for name in odd))
    if builder.digest not in {descriptor.digest for descriptor in chosen.values()}:  # its name names a newer one
        name = f"{BUILDER}/{builder.digest.partition(':')[2][:SHORT]}"
        chosen[name] = oci.Descriptor(
            media_type=builder.media_type,
            digest=builder.digest,
            size=builder.size,
            annotations={oci.REF_NAME: name},
        )
    return dict(sorted(chosen.items()))


def is_of(name: str, release: str) -> bool:
    """Whether a reference is a release's own: `RELEASE`, or of the form `KIND/RELEASE` or `KIND/RELEASE/...`."""
    kind, _, rest = name.partition("/")
    return name == release or (kind not in {STAGE, BUILDER} and rest.partition("/")[0] == release)


def _check_inputs(store: Store, lock: Lock, references: Mapping[str, oci.Descriptor]) -> None:
    release = lock.recipe.full_name
    inputs = references.get(f"{INPUTS}/{release}")
    if inputs is None or store.manifest(inputs).config.digest != Digest.of(lock_file.encode(lock)):
        raise InputFailure(
            f"the store {store.path} does not have the inputs of {release} as its lock names them",
            hint=f"boss-builder freeze {release}",
        )


def write_index(layout: Layout, folder: GrowingFolder) -> None:
    """Write what makes a folder an OCI image layout, but for the blobs."""
    folder.write(LAYOUT, documents.compact({"imageLayoutVersion": oci.LAYOUT_VERSION}))
    folder.write(INDEX, layout.index)


def write_blobs(
    layout: Layout, store: Store, folder: GrowingFolder, advance: Advance, *, but: Collection[Digest] = ()
) -> None:
    """Write all blobs but those given. Raises WorkFailure where one is missing or damaged."""
    for digest, size in layout.blobs.items():
        if digest not in but:
            folder.copy(blob_name(digest), open_checked(store, digest, size, advance))


def write_beside(layout: Layout, lock: Lock, store: Store, folder: GrowingFolder, advance: Advance) -> None:
    """Write what a person reads, and what makes a docker-archive of the image; raises as `write_blobs`."""
    texts = folder.below(TEXTS)
    evidence = write_texts(lock, store, texts, layout.images, advance)
    texts.write_text(HOWTO, howto(lock, store, layout.images, evidence, with_inputs=False, with_lists=False))
    for image in layout.images:
        if image.shape == "oci":
            files = listings(image.descriptor, image.manifest, docker_name(lock.recipe))
            for name in sorted(files.keys() - {LAYOUT}):
                folder.write(f"{DOCKER}/{name}", files[name])
