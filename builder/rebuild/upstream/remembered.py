"""Find what the last run remembered, in the history of a release."""

from __future__ import annotations

from builder.core.errors import Failure
from builder.rebuild.history import REBUILD
from builder.rebuild.upstream.validators import NAME, Validator, decode
from builder.store import oci
from builder.store.store import Store


def remembered_validators(store: Store, release: str) -> dict[str, Validator]:
    """Give the validators of the last run that asked upstream; none where there is no such run that can be read."""
    for _, descriptor in sorted(store.references(f"{REBUILD}/{release}/").items(), reverse=True):
        try:
            layers = store.manifest(descriptor).layers
            kept = next((one for one in layers if one.annotations.get(oci.TITLE) == NAME), None)
            if kept is not None:
                return decode(store.read(kept.digest))
        except (Failure, ValueError):  # damaged: that is told by `verify`, and an older memory does as well
            continue
    return {}
