"""A stage's result, as the store keeps it: one layer, found by the stage's key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from builder.render.plan import Stage
from builder.store import oci
from builder.store.store import Store

STAGE_TYPE = "application/vnd.boss-builder.stage.v1"
DIFF_ID = "boss-builder.diff-id"
KEY = "boss-builder.stage.key"


class Layer(msgspec.Struct, frozen=True):
    """What the programs inside say of a layer that they wrote: its digest without compression."""

    diff_id: str


@dataclass(frozen=True)
class BuiltStage:
    """A stage whose layer is in the store; `layer` bears its diff id as an annotation."""

    stage: Stage
    layer: oci.Descriptor
    stored: bool
    """Whether the store had it already."""
    seconds: float

    @property
    def diff_id(self) -> str:
        """Digest of the layer without compression."""
        return self.layer.annotations[DIFF_ID]


def stored_stage(stage: Stage, store: Store) -> BuiltStage | None:
    """Find a stage's result in the store; None where it has none, or not all of it."""
    descriptor = store.find(stage.reference)
    if descriptor is None:
        return None
    layer = store.manifest(descriptor).layers[0]
    return BuiltStage(stage, layer, stored=True, seconds=0.0) if store.has(layer.digest, layer.size) else None


def keep(stage: Stage, path: Path, layer: Layer, store: Store, seconds: float) -> BuiltStage:
    """Store a stage's layer, a file of a workspace of the store; `seconds` is how long it took to make."""
    digest, size = store.put_file(path)
    descriptor = oci.Descriptor(
        media_type=oci.LAYER_GZIP, digest=digest, size=size, annotations={DIFF_ID: layer.diff_id}
    )
    manifest = oci.Manifest(
        config=store.put_empty_config(), layers=(descriptor,), artifact_type=STAGE_TYPE, annotations={KEY: stage.key}
    )
    store.put_manifest(manifest, stage.reference)
    return BuiltStage(stage, descriptor, stored=False, seconds=seconds)
