"""Compare a rebuilt image with the stored one, in any shape."""

from __future__ import annotations

from collections.abc import Callable

from builder.core.progress import Progress
from builder.rebuild.differences.artifact import Search
from builder.rebuild.differences.model import Comparison, Difference, Findings, ImageAt
from builder.rebuild.differences.oci_image import compare_oci
from builder.rebuild.differences.pairs import Looker
from builder.rebuild.differences.sif_image import compare_sif
from builder.rebuild.differences.vm_image import compare_vm
from builder.rebuild.taxonomy import Cause
from builder.store.shapes import Shape
from builder.toolbox.toolbox import Toolbox


def compare_images(
    shape: Shape,
    stored: ImageAt,
    rebuilt: ImageAt,
    open_toolbox: Callable[[], Toolbox],
    progress: Progress,
) -> Comparison:
    """Tell in what a rebuilt image differs from the stored one, and what that amounts to.

    The blobs of both were checked, or images of equal digest are taken for equal unseen. Apptainer images and disks
    are read in the builder image, which `open_toolbox` opens; work goes on in the store of the rebuilt image.
    Raises WorkFailure where a blob is missing or damaged, or a program fails; InputFailure where an image is none.
    """
    if stored.descriptor.digest == rebuilt.descriptor.digest:
        return Comparison(cause=Cause.BIT_IDENTICAL)
    found = Findings()
    if shape == "oci":
        compare_oci(stored, rebuilt, found, progress)
    else:
        search = Search(open_toolbox, progress, found, Looker(progress))
        compare = compare_sif if shape == "sif" else compare_vm
        compare(stored, rebuilt, search)
    if not found.count:
        found.add(_spelt_otherwise(stored, rebuilt))
    return found.comparison


def _spelt_otherwise(stored: ImageAt, rebuilt: ImageAt) -> Difference:
    """Tell of documents that say the same in other bytes."""
    return Difference(
        part="manifest", field="spelling", stored=stored.descriptor.digest, rebuilt=rebuilt.descriptor.digest,
        kind="container", cause=Cause.CONTENT_IDENTICAL, detail="the manifest or the configuration, not what they say",
    )  # fmt: skip
