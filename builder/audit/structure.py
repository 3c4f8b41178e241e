"""Whether the index leads to all that it promises, and whether that is what its name says.

A manifest says itself what it is of: a lock names its release, an image its lock, a stage its key, a result its image.
So a reference that names another one's manifest is found, without anything that an audit would have to remember.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from builder.audit.decoding import decoded
from builder.audit.problems import AuditProblem, Code
from builder.core.digest import Digest
from builder.lock import file as lock_file
from builder.lock.model import LOCK_VERSION, Lock
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION, release_and_shape
from builder.store.store import Store
from builder.store.verify import MANIFEST_LIMIT

T = TypeVar("T")
BUILDER_ANNOTATION = "boss-builder.builder-image"
KEY_ANNOTATION = "boss-builder.stage.key"
VALIDATION_FILE = "validation.json"
SHORT_KEY = 24
"""Digits of a stage's key in its reference."""
SHORT_CONFIG = 6
"""Digits of a run's configuration in its reference."""


class _Judged(msgspec.Struct, frozen=True):
    digest: str
    shape: str


class _Evidence(msgspec.Struct, frozen=True):
    """As much of a validation's result as tells what it is of."""

    release: str
    image: _Judged


class _Results(msgspec.Struct, frozen=True):
    """As much of the configuration of results as tells what they are of."""

    release: str
    shape: str
    image: str


class _Run(msgspec.Struct, frozen=True):
    """As much of a run of rebuild as tells what it is of."""

    release: str
    began: str


class _Versioned(msgspec.Struct, frozen=True):
    version: int


@dataclass(frozen=True)
class LockFacts:
    """What an image is compared with."""

    release: str
    builder_image: str


class Structure:
    """Examines references one after another; what several have in common is looked at once.

    `damaged` are names of blobs that are known to be damaged: they are not told again. What is found is in
    `problems`, each thing once.
    """

    def __init__(self, store: Store, damaged: Collection[str] = ()) -> None:
        self.problems: dict[AuditProblem, None] = {}
        self._store = store
        self._damaged = set(damaged)
        self._locks: dict[str, LockFacts | AuditProblem] = {}

    def examine(self, descriptor: oci.Descriptor) -> None:
        """Look at a reference, and at what it leads to."""
        name = descriptor.annotations.get(oci.REF_NAME, descriptor.digest)
        if descriptor.media_type == oci.INDEX:
            self._nested(name, descriptor)
            return
        manifest = self._document(name, descriptor, oci.Manifest)
        if manifest is None:
            return
        self._compare(name, descriptor, manifest)
        for blob in (manifest.config, *manifest.layers):
            self._require(name, blob.annotations.get(oci.TITLE, blob.media_type), blob.digest, blob.size)
        if manifest.subject is not None and not self._has(manifest.subject.digest, manifest.subject.size):
            self._tell(Code.SUBJECT_MISSING, name, manifest.subject.digest)
        self._meaning(name, descriptor, manifest)

    def _nested(self, name: str, descriptor: oci.Descriptor) -> None:
        """Follow an index within the index: this software makes none, others may."""
        index = self._document(name, descriptor, oci.Index)
        for inner in () if index is None else index.manifests:
            annotations = {key: text for key, text in inner.annotations.items() if key != oci.REF_NAME}
            self.examine(msgspec.structs.replace(inner, annotations=annotations))

    def _tell(self, code: Code, about: str, seen: str = "") -> None:
        self.problems[AuditProblem(code, about, seen)] = None

    def _has(self, digest: str, size: int | None = None) -> bool:
        try:
            return self._store.has(digest, size)
        except ValueError:  # a digest that is none
            return False

    def _require(self, name: str, what: str, digest: str, size: int) -> bool:
        """Tell where a blob is missing or has another size."""
        if self._has(digest, size):
            return True
        code = Code.BLOB_CUT if self._has(digest) else Code.BLOB_MISSING
        self._tell(code, name, f"{what} {digest}")
        return False

    def _document(self, name: str, descriptor: oci.Descriptor, kind: type[T]) -> T | None:
        """Read a manifest; None, and it is told, where it is missing or damaged."""
        if not self._require(name, "manifest", descriptor.digest, descriptor.size):
            return None
        if descriptor.size > MANIFEST_LIMIT:
            self._tell(Code.MANIFEST_DAMAGED, name, f"{descriptor.digest} has {descriptor.size} bytes")
            return None
        data = self._read(name, descriptor.digest)
        try:
            return None if data is None else decoded(data, kind)
        except ValueError as error:
            self._tell(Code.MANIFEST_DAMAGED, name, f"{descriptor.digest}: {error}")
            return None

    def _read(self, name: str, digest: str) -> bytes | None:
        """Read a small blob; None where it is missing, unreadable or damaged, which is told once."""
        try:
            data = self._store.blob_path(digest).read_bytes()
        except (FileNotFoundError, ValueError):
            return None
        except OSError as error:
            self._tell(Code.UNREADABLE, name, f"{digest}: {error.strerror}")
            return None
        if (found := Digest.of(data)) == digest:
            return data
        if digest[7:] not in self._damaged:
            self._damaged.add(digest[7:])
            self._tell(Code.BLOB_DAMAGED, f"blobs/sha256/{digest[7:]}", found)
        return None

    def _part(self, name: str, digest: str, kind: type[T]) -> T | None:
        """Read what a blob says of itself; None where it says nothing of the kind: another version's may not."""
        data = self._read(name, digest)
        try:
            return None if data is None else decoded(data, kind)
        except ValueError:
            return None

    def _compare(self, name: str, descriptor: oci.Descriptor, manifest: oci.Manifest) -> None:
        """Compare what the index says of a manifest with what that says itself."""
        own = {key: text for key, text in descriptor.annotations.items() if key != oci.REF_NAME}
        for what, said, is_so in (
            ("mediaType", descriptor.media_type, manifest.media_type),
            ("artifactType", descriptor.artifact_type, manifest.artifact_type),
            *((key, text, manifest.annotations.get(key)) for key, text in own.items()),
        ):
            if said != is_so:
                self._tell(Code.REFERENCE_DIFFERS, name, f"{what} {said}, and it is {is_so}")

    def _meaning(self, name: str, descriptor: oci.Descriptor, manifest: oci.Manifest) -> None:
        """Compare a reference's name with what the manifest says that it is of."""
        image = release_and_shape(name, descriptor)
        match name.split("/"):
            case _ if image is not None and oci.REF_NAME in descriptor.annotations:
                self._image(name, image[0], manifest)
            case ["inputs", release]:
                facts = self._lock(manifest.config.digest)
                if isinstance(facts, AuditProblem):
                    self._tell(facts.code, name, facts.seen)
                else:
                    self._same(name, (release,), (facts.release,))
            case ["stage", _, key]:
                self._same(name, (key,), (manifest.annotations.get(KEY_ANNOTATION, "")[7 : 7 + SHORT_KEY],))
            case [kind, release, last]:
                self._evidence(name, (kind, release, last), manifest)
            case _:
                pass  # a builder image, and whatever a later version keeps, says nothing of its name

    def _evidence(self, name: str, words: tuple[str, str, str], manifest: oci.Manifest) -> None:
        """Compare the name of what was found of a release with what that says that it is of."""
        kind, release, last = words
        subject = manifest.subject.digest if manifest.subject else ""
        match kind:
            case "validation":
                layers = (one for one in manifest.layers if one.annotations.get(oci.TITLE) == VALIDATION_FILE)
                evidence = self._part(name, next((layer.digest for layer in layers), ""), _Evidence)
                if evidence is not None:
                    judged = (evidence.release, evidence.image.shape, evidence.image.digest)
                    self._same(name, (release, last, subject), judged)
            case "results":
                results = self._part(name, manifest.config.digest, _Results)
                if results is not None:
                    self._same(name, (release, last, subject), (results.release, results.shape, results.image))
            case "rebuild":
                run = self._part(name, manifest.config.digest, _Run)
                if run is not None:
                    self._same(name, (release, last), (run.release, _time(run.began, manifest.config.digest)))

    def _same(self, name: str, said: tuple[str, ...], own: tuple[str, ...]) -> None:
        if said != own:
            self._tell(Code.REFERENCE_MISNAMED, name, " ".join(own))

    def _image(self, name: str, release: str, manifest: oci.Manifest) -> None:
        """Compare an image with the lock that it names."""
        digest = manifest.annotations.get(LOCK_ANNOTATION)
        if digest is None:
            self._tell(Code.LOCK_MISSING, name, f"it has no annotation {LOCK_ANNOTATION}")
            return
        facts = self._lock(digest)
        if isinstance(facts, AuditProblem):
            self._tell(facts.code, name, facts.seen)
            return
        self._same(name, (release,), (facts.release,))
        builder = manifest.annotations.get(BUILDER_ANNOTATION)
        if builder != facts.builder_image:
            self._tell(
                Code.LOCK_DIFFERS, name, f"{BUILDER_ANNOTATION} {builder}, and the lock has {facts.builder_image}"
            )
        if not self._has(facts.builder_image):
            self._tell(Code.BUILDER_IMAGE_MISSING, name, facts.builder_image)

    def _lock(self, digest: str) -> LockFacts | AuditProblem:
        if digest not in self._locks:
            self._locks[digest] = self._read_lock(digest)
        return self._locks[digest]

    def _read_lock(self, digest: str) -> LockFacts | AuditProblem:
        """Read a lock, or say what is wrong with it."""
        if not self._has(digest):
            return AuditProblem(Code.LOCK_MISSING, digest, digest)
        data = self._read(digest, digest)
        if data is None:
            return AuditProblem(Code.LOCK_DAMAGED, digest, digest)
        try:
            version = decoded(data, _Versioned).version
            if version != LOCK_VERSION:
                seen = f"{digest} is of version {version}; this software reads {LOCK_VERSION}"
                return AuditProblem(Code.LOCK_DAMAGED, digest, seen)
            lock = decoded(data, Lock)
        except ValueError as error:
            return AuditProblem(Code.LOCK_DAMAGED, digest, f"{digest}: {error}")
        if Digest.of(lock_file.encode(lock)) != digest:
            return AuditProblem(Code.LOCK_DIFFERS, digest, f"{digest} is another when it is written again")
        return LockFacts(lock.recipe.full_name, lock.builder_image.digest)


def _time(began: str, config: str) -> str:
    """Give the last part of a run's reference."""
    try:
        moment = datetime.fromisoformat(began).astimezone(UTC)
    except ValueError:
        return began
    return f"{moment:%Y%m%dT%H%M%SZ}-{config[7 : 7 + SHORT_CONFIG]}"
