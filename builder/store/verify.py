"""Is the store whole? Reads everything, changes nothing."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import msgspec

from builder.core import documents
from builder.core.digest import DIGEST_PATTERN, digest_file
from builder.core.errors import InputFailure, Problem
from builder.core.progress import NoProgress, Progress
from builder.store import oci
from builder.store.store import Store

MANIFEST_LIMIT = 64 << 20


def verify(store: Store, progress: Progress | None = None) -> tuple[Problem, ...]:
    """Every problem of a store: blobs whose bytes do not match their name, strangers, missing or cut references."""
    try:
        index = store.index()
    except InputFailure as failure:
        return failure.problems
    folder = store.path / "blobs" / "sha256"
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    total = sum(f.lstat().st_size for f in files)
    problems: list[Problem] = []
    damaged: set[str] = set()
    with (progress or NoProgress()).task("verify", total) as task:
        for path in files:
            expected = "sha256:" + path.name
            if not stat.S_ISREG(path.lstat().st_mode) or not DIGEST_PATTERN.fullmatch(expected):
                problems.append(Problem(f"{path} is no blob", hint="nothing but blobs belongs there; move it away"))
                continue
            try:
                digest, size = digest_file(path)
            except OSError as error:
                problems.append(Problem(f"{path} can not be read: {error.strerror}", hint="look at the disk"))
                continue
            task.advance(size)
            if digest != expected:
                damaged.add(expected)
                problems.append(
                    Problem(
                        f"{path} is damaged: its digest is {digest}",
                        hint="restore it from a copy of the store",
                    )
                )
    for descriptor in index.manifests:
        problems += _incomplete(store, descriptor, damaged)
    return tuple(problems)


def _incomplete(store: Store, descriptor: oci.Descriptor, damaged: set[str]) -> Iterator[Problem]:
    name = descriptor.annotations.get(oci.REF_NAME, descriptor.digest)
    if not store.has(descriptor.digest, descriptor.size):
        yield Problem(f"{name}: the manifest {descriptor.digest} is missing or cut", hint="build or freeze it again")
        return
    if descriptor.digest in damaged or descriptor.size > MANIFEST_LIMIT:
        return
    try:
        manifest = documents.decode(store.blob_path(descriptor.digest).read_bytes(), oci.Manifest)
    except OSError:  # which is told of the blob
        return
    except msgspec.DecodeError as error:
        yield Problem(f"{name}: {descriptor.digest} is no manifest: {error}", hint="build or freeze it again")
        return
    for blob in (manifest.config, *manifest.layers):
        if not store.has(blob.digest, blob.size):
            what = blob.annotations.get(oci.TITLE, blob.media_type)
            yield Problem(f"{name}: {what} {blob.digest} is missing or cut", hint=_way_back(manifest.artifact_type))


def _way_back(artifact_type: str | None) -> str:
    """Say how to get a blob back, by what it is part of."""
    kind = (artifact_type or "").removeprefix("application/vnd.boss-builder.").partition(".")[0]
    again = {"inputs": "freeze", "validation": "validate", "results": "validate"}
    if kind == "rebuild":
        return "restore it from a copy of the store: what a rebuild saw that day can not be made again"
    return f"boss-builder {again.get(kind, 'build')} brings it back"
