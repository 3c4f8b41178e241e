"""A release as an RO-Crate 1.1, in the manner of a Process Run Crate: what was made from what, what was found of it.

Files are named by their digest (`ni:`, RFC 6920), so that the crate holds wherever they lie. Nothing in it tells when
it was written. Source: RO-Crate 1.1; Process Run Crate 0.5.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from typing import Any

from builder import __version__
from builder.audit.statements.material import Judged, Material
from builder.audit.statements.provenance import dependencies
from builder.core import documents
from builder.core.digest import Digest
from builder.store import oci
from builder.store.shapes import reference
from builder.validation.outcome import State

NAME = "ro-crate-metadata.json"
MEDIA_TYPE = "application/ld+json"
SPECIFICATION = "https://w3id.org/ro/crate/1.1"
CONTEXT = f"{SPECIFICATION}/context"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
TERMS = {"sha256": "https://w3id.org/ro/terms/workflow-run#sha256"}
"""What Process Run Crate adds to the context of RO-Crate 1.1, and is used here."""
SOFTWARE = "#boss-builder"
Entity = dict[str, Any]


def crate(material: Material) -> bytes:
    """Describe a release; equal releases give equal bytes."""
    files: dict[str, Entity] = {}
    actions = [_build(material, judged, files) for judged in material.images]
    actions += [action for judged in material.images if (action := _validation(judged, files)) is not None]
    graph = [*_head(material, files, actions), *actions, *sorted(files.values(), key=lambda file: str(file["@id"]))]
    return documents.readable({"@context": [CONTEXT, TERMS], "@graph": graph})


def identifier(digest: str) -> str:
    """Name content by its digest. Source: RFC 6920, section 3."""
    raw = bytes.fromhex(Digest(digest).hex)
    return "ni:///sha-256;" + base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _head(material: Material, files: Iterable[str], actions: Iterable[Entity]) -> Iterator[Entity]:
    release = material.lock.recipe.release
    yield {
        "@id": NAME,
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": SPECIFICATION},
    }
    emulated = "".join(f" Emulated, not the real thing: {text}." for text in material.emulated)
    yield {
        "@id": "./",
        "@type": "Dataset",
        "name": material.release,
        "description": f"{release.title}: the frozen inputs, the images and the evidence of a release.{emulated}",
        "datePublished": release.date.isoformat(),
        "license": release.license,
        "version": release.version,
        "conformsTo": {"@id": PROFILE},
        "hasPart": [{"@id": name} for name in sorted(files)],
        "mentions": [{"@id": action["@id"]} for action in actions],
    }
    yield {"@id": PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    yield {
        "@id": SOFTWARE,
        "@type": "SoftwareApplication",
        "name": "boss-builder",
        "softwareVersion": __version__,
        "description": "freezes, builds and validates releases of the offline software of BESIII",
    }


def _file(files: dict[str, Entity], name: str, digest: str, media_type: str = "", address: str = "") -> Entity:
    """Describe a file once, by its first name; gives a pointer to it."""
    entity: Entity = {"@id": identifier(digest), "@type": "File", "name": name, "sha256": Digest(digest).hex}
    entity |= {"encodingFormat": media_type} if media_type else {}
    entity |= {"url": address} if address else {}
    files.setdefault(entity["@id"], entity)
    return {"@id": entity["@id"]}


def _blob(files: dict[str, Entity], name: str, blob: oci.Descriptor) -> Entity:
    return _file(files, name, blob.digest, blob.media_type)


def _build(material: Material, judged: Judged, files: dict[str, Entity]) -> Entity:
    image = judged.image
    made = [_blob(files, reference(material.release, image.shape), image.descriptor)]
    made += [
        _blob(files, layer.annotations.get(oci.TITLE, f"layer of {material.release}"), layer)
        for layer in image.manifest.layers
    ]
    used = [_file(files, d.name, d.sha256, d.media_type, d.uri) for d in dependencies(material, judged)]
    return {
        "@id": f"#build-{image.shape}",
        "@type": "CreateAction",
        "name": f"build the {image.shape} image of {material.release}",
        "instrument": {"@id": SOFTWARE},
        "object": _unique(used),
        "result": _unique(made),
    }


def _validation(judged: Judged, files: dict[str, Entity]) -> Entity | None:
    found = judged.judgement
    if found is None or found.evidence is None:
        return None
    shape = judged.shape
    made = [
        _blob(files, f"{layer.annotations.get(oci.TITLE, 'file')} of {shape}", layer) for layer in found.manifest.layers
    ]
    if judged.results is not None:
        made.append(_blob(files, f"results of the samples of {shape}", judged.results))
    passed = found.evidence.state is State.PASSED
    return {
        "@id": f"#validate-{shape}",
        "@type": "CreateAction",
        "name": f"validate the {shape} image: {found.evidence.state.value} ({found.evidence.totals})",
        "actionStatus": {"@id": f"http://schema.org/{'Completed' if passed else 'Failed'}ActionStatus"},
        "instrument": {"@id": SOFTWARE},
        "object": [{"@id": identifier(judged.image.descriptor.digest)}],
        "result": _unique(made),
    }


def _unique(pointers: Iterable[Entity]) -> list[Entity]:
    return [{"@id": name} for name in dict.fromkeys(str(pointer["@id"]) for pointer in pointers)]
