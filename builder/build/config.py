"""The configuration of an OCI image: what decides its id."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from builder.core import documents
from builder.lock.model import Lock
from builder.recipe.epoch import release_epoch
from builder.render.plan import environment
from builder.store import oci
from builder.store.shapes import LOCK_ANNOTATION

ARCHITECTURES = {"x86_64": "amd64"}
"""What RPM calls an architecture, and what OCI calls it."""


def timestamp(epoch: int) -> str:
    """Spell seconds since 1970 as RFC 3339 in UTC."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def chain_config(diff_ids: Sequence[str]) -> bytes:
    """Configuration of an image that stages are built upon; nothing but its layers."""
    created = timestamp(0)
    return documents.compact(
        oci.ImageConfig(
            architecture="amd64",
            os="linux",
            created=created,
            config={},
            rootfs=oci.RootFs(diff_ids=tuple(diff_ids)),
            history=tuple(oci.HistoryStep(created=created, created_by="boss-builder") for _ in diff_ids),
        )
    )


def image_annotations(lock: Lock, lock_digest: str) -> dict[str, str]:
    """What an image says of itself, in the names that OCI defines."""
    release = lock.recipe.release
    return {
        "org.opencontainers.image.title": release.title,
        "org.opencontainers.image.version": release.version,
        "org.opencontainers.image.licenses": release.license,
        "org.opencontainers.image.created": timestamp(release_epoch(lock.recipe)),
        "boss-builder.release": lock.recipe.full_name,
        LOCK_ANNOTATION: lock_digest,
        "boss-builder.builder-image": lock.builder_image.digest,
    }


def image_config(lock: Lock, lock_digest: str, stages: Sequence[tuple[str, str]]) -> bytes:
    """Configuration of a release's image; `stages` are pairs of name and diff id, lowest first."""
    recipe = lock.recipe
    image = recipe.image_of("oci")
    created = timestamp(release_epoch(recipe))
    return documents.compact(
        oci.ImageConfig(
            architecture=ARCHITECTURES[recipe.os.architecture],
            os="linux",
            created=created,
            config={
                "Env": [f"{name}={value}" for name, value in environment(recipe).items()],
                "Cmd": list(image.command),
                "Labels": image_annotations(lock, lock_digest),
            },
            rootfs=oci.RootFs(diff_ids=tuple(diff_id for _, diff_id in stages)),
            history=tuple(
                oci.HistoryStep(created=created, created_by=f"boss-builder stage {name}") for name, _ in stages
            ),
        )
    )
