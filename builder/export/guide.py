"""Render the HOWTO.md of a bag or an archive: plain commands that check it and make ordinary files of it.

Blocks that begin with `sh` can be run as they stand, as those of an export's HOWTO.md; the tests run them.
"""

from __future__ import annotations

from typing import Literal

from builder.core.digest import Digest
from builder.export.archive import image_blobs
from builder.export.layout import Layout, blob_name
from builder.export.names import docker_name, image_file
from builder.lock.model import Lock
from builder.lock.notes import stand_ins
from builder.render.templates import render

Form = Literal["bag", "group", "ocfl"]


def guide(form: Form, lock: Lock, layout: Layout) -> str:
    """Render HOWTO.md for a layout in a form."""
    release = layout.release
    oci = next((image for image in layout.images if image.shape == "oci"), None)
    return render(
        "export/ARCHIVE.md.j2",
        form=form,
        recipe=lock.recipe,
        release=release,
        stand_ins=list(stand_ins(lock)),
        docker=docker_name(lock.recipe),
        oci_file=image_file(release, "oci") if oci else "",
        oci_blobs=[blob_name(Digest(digest)) for digest in sorted(image_blobs(oci.descriptor, oci.manifest))]
        if oci
        else [],
        files=[
            (blob_name(image.main.checked_digest), image_file(release, image.shape))
            for image in layout.images
            if image.shape != "oci"
        ],
    )
